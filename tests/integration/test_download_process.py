"""The download as it really runs: Tern, its child process and a hub of our own."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_hub import FakeHub, Fault, running_hub
from terminal import ROOT

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Connected, DownloadProgress, DownloadState, Interrupted
from core.models.catalogue import CatalogueFile, CatalogueModel
from core.models.connections import read_connections
from core.models.download import Download, DownloadOptions, partial_downloads, remote_files
from core.models.download_messages import Timing
from core.models.installed import installed_models
from core.models.manage import receipt_of, verify_model
from core.models.part_file import BLOCK_BYTES

WEIGHTS = "model.safetensors"
FILES = {"config.json": b"{}", "tokenizer.json": b"[1]", WEIGHTS: random.Random(2).randbytes(900_000)}
QUICK = Timing(stall_s=20, connect_s=10, backoff_s=0.01, longest_backoff_s=0.05)


def download(hub: FakeHub, models: Path, **changed: Any) -> Download:
    options = DownloadOptions(endpoint=hub.url, proxy="")
    return Download(hub.entry(**changed), models, options, connections=models.parent / "connections", timing=QUICK)


def test_a_model_is_downloaded_installed_and_verified(tmp_path: Path) -> None:
    events: list[object] = []
    with running_hub(FILES, [Fault(), Fault(), Fault(cut_at=500_000)]) as hub:
        job = download(hub, tmp_path / "models")
        model = job.run(CancelToken(), events.append)
        port = int(hub.url.rpartition(":")[2])
    assert installed_models(tmp_path / "models") == (model,)
    assert {path.name for path in model.path.iterdir()} == {*FILES, "receipt.json"}
    assert all(check.ok for check in verify_model(model, cancel=CancelToken(), emit=events.append))
    receipt = receipt_of(model)
    assert receipt is not None
    assert (receipt.repository, receipt.revision) == (hub.repository, hub.revision)
    assert next(event for event in events if isinstance(event, Connected)).port == port
    assert [(known.host, known.port) for known in read_connections(tmp_path / "connections")] == [("127.0.0.1", port)]
    assert job.state is None
    with pytest.raises(AppError) as caught:
        download(hub, tmp_path / "models").run(CancelToken(), events.append)
    assert caught.value.code is ErrorCode.MODEL_NAME_TAKEN


def test_pause_keeps_resume_continues_cancel_deletes(tmp_path: Path) -> None:
    models = tmp_path / "models"

    def pausing(job: Download, how: str) -> list[object]:
        events: list[object] = []

        def on_event(event: object) -> None:
            events.append(event)
            if isinstance(event, DownloadProgress) and event.state is DownloadState.RECEIVING and event.done_bytes > 99:
                getattr(job, how)()

        with pytest.raises(Interrupted):
            job.run(CancelToken(), on_event)
        return events

    with running_hub(FILES, [Fault(), Fault(), Fault(stall_at=600_000), Fault(stall_at=700_000)]) as hub:
        pausing(download(hub, models), "pause")
        [partial] = partial_downloads(models)
        assert (partial.name, partial.total_bytes) == ("model", sum(map(len, FILES.values())))
        assert installed_models(models) == ()
        pausing(download(hub, models), "cancel")
        assert partial_downloads(models) == ()
        assert list(models.iterdir()) == []
        job = download(hub, models)
        job.cancel()  # not begun: nothing to delete, and it can still be run
        assert job.run(CancelToken(), lambda _event: None).path.is_dir()


def test_refusals_of_the_child_arrive_as_errors(tmp_path: Path) -> None:
    with running_hub(FILES) as hub:
        files = (CatalogueFile(WEIGHTS, None, "0" * 64),)
        with pytest.raises(AppError) as caught:
            download(hub, tmp_path / "models", files=files).run(CancelToken(), lambda _event: None)
    assert caught.value.code is ErrorCode.DOWNLOAD_CHANGED


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with running_hub(FILES) as hub, pytest.raises(AppError) as caught:
        download(hub, tmp_path / "file" / "models").run(CancelToken(), lambda _event: None)
    assert caught.value.code is ErrorCode.DOWNLOAD_UNWRITABLE


@pytest.mark.parametrize(
    "endpoint", ["http://huggingface.co", "ftp://127.0.0.1", "https://", "https://me:word@host", "https://host:99999"]
)
def test_only_encrypted_addresses_are_taken(endpoint: str, tmp_path: Path) -> None:
    with running_hub(FILES) as hub:
        entry = hub.entry()
    with pytest.raises(AppError) as caught:
        Download(entry, tmp_path, DownloadOptions(endpoint=endpoint)).run(CancelToken(), lambda _event: None)
    assert caught.value.code is ErrorCode.ADDRESS_INVALID
    assert list(tmp_path.iterdir()) == []


def test_what_to_fetch_elsewhere_has_pinned_addresses() -> None:
    with running_hub(FILES) as hub:
        entry: CatalogueModel = hub.entry()
        found = {file.name: file.url for file in remote_files(entry, "https://mirror.example/")}
    assert found[WEIGHTS] == f"https://mirror.example/owner/name/resolve/{hub.revision}/model.safetensors"


TERN = """
import json, sys
from pathlib import Path
import core.models.catalogue as catalogue
entry = json.loads(Path(sys.argv.pop(1)).read_text("utf-8"))
models = catalogue.parse_catalogue(json.dumps({"models": [entry]}).encode())
catalogue.catalogue = lambda: models
from app.__main__ import main
sys.exit(main())
"""


def start_tern(entry: Path, *arguments: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", TERN, str(entry), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def stored_entry(hub: FakeHub, path: Path) -> Path:
    files = [{"name": name, "n_bytes": None, "sha256": hub.sha256(name)} for name in hub.files]
    entry = {
        "name": "tiny", "title": "Tiny", "kind": "chat", "is_default": True, "repository": hub.repository,
        "revision": hub.revision, "files": files, "architecture": None, "context_length": 64, "languages": ["en"],
        "licence": "MIT", "memory_bytes": 1, "sentence": "Small.",
    }  # fmt: skip
    path.write_text(json.dumps(entry), encoding="utf-8")
    return path


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_the_command_goes_on_after_an_interrupt_or_a_kill(number: int, code: int, tmp_path: Path) -> None:
    with running_hub(FILES, [Fault(), Fault(), Fault(stall_at=600_000)]) as hub:
        entry = stored_entry(hub, tmp_path / "entry.json")
        arguments = ("models", "download", "tiny", "--endpoint", hub.url, "--proxy", "", "--to", tmp_path / "stick")
        first = start_tern(entry, *arguments)
        assert hub.is_stalled.wait(60)
        part = tmp_path / "stick" / ".downloading-tiny" / f"{WEIGHTS}.part"
        give_up = time.monotonic() + 60
        while part.stat().st_size < 3 * BLOCK_BYTES and time.monotonic() < give_up:
            hub.released.wait(0.01)
        first.send_signal(number)
        _, notes = first.communicate(timeout=60)
        assert first.returncode == code
        if number == signal.SIGINT:
            assert b"paused" in notes
            assert b"Traceback" not in notes
        hub.released.set()  # the child of a killed Tern sees that nobody listens, and ends
        second = start_tern(entry, *arguments)
        out, notes = second.communicate(timeout=60)
        assert second.returncode == 0, notes
        assert b"downloaded and checked" in out
        assert hub.starts(WEIGHTS)[-1] > 0  # not from the start
    stick = tmp_path / "stick" / "tiny"
    assert {path.name: path.read_bytes() for path in stick.iterdir() if path.name != "receipt.json"} == FILES
