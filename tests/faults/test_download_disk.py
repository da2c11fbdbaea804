"""Disks that are really full, really read-only or really forbidden: made with namespaces, without being root."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import running_hub

from core.models.download_messages import encode_request

ROOT = Path(__file__).resolve().parents[2]
FILES = {"config.json": b"{}", "model.safetensors": random.Random(4).randbytes(3_000_000)}
# Takes a request on standard input, as the child does, and believes that the disk has room.
FETCH = """
import json, sys
from core.errors import AppError
from core.models.download_fetch import Fetcher, Machine
from core.models.download_messages import decode_request
request = decode_request(sys.stdin.buffer.readline())
try:
    Fetcher(request, lambda event: None, Machine(free_bytes=lambda path: 1 << 40)).run()
    code = ""
except AppError as error:
    code = error.code.value
print(json.dumps({"code": code, "files": sorted(path.name for path in request.directory.iterdir())}))
"""


def _can(*options: str) -> bool:
    program = shutil.which("unshare")
    return bool(program) and subprocess.run([program, *options, "true"], capture_output=True).returncode == 0  # type: ignore[list-item]


pytestmark = [
    pytest.mark.slow,
    pytest.mark.loopback,
    pytest.mark.skipif(not _can("--user", "--map-root-user", "--mount"), reason="namespaces are not to be had"),
]


def fetched(directory: Path, prepare: str, *options: str) -> dict[str, object]:
    """Fetch into `directory` after the shell command `prepare`, in a namespace of its own."""
    with running_hub(FILES) as hub:
        request = encode_request(hub.request(directory))
        shell = ["sh", "-c", f'{prepare} && exec "$@"', "sh", sys.executable, "-c", FETCH]
        done = subprocess.run(["unshare", *options, *shell], input=request, cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    assert "model.safetensors" not in found["files"]
    return found


def test_a_full_disk_keeps_what_fits(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=1m none '{tmp_path}'"
    found = fetched(tmp_path, mount, "--user", "--map-root-user", "--mount")
    assert found["code"] == "download_no_space"
    assert "model.safetensors.part" in found["files"]


def test_a_read_only_disk(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o ro none '{tmp_path}'"
    assert fetched(tmp_path, mount, "--user", "--map-root-user", "--mount")["code"] == "download_read_only"


def test_a_folder_without_permission(tmp_path: Path) -> None:
    directory = tmp_path / "closed"
    directory.mkdir()
    # In a user namespace even root has no more rights than the owner.
    assert fetched(directory, f"chmod 500 '{directory}'", "--user")["code"] == "download_forbidden"
