"""Counts the internet sockets of Tern from outside: under strace, and in a network namespace without any interface.

    python tests/faults/count_sockets.py                      every scene, both ways
    python tests/faults/count_sockets.py --scenes ask window

The scenes are the terminal commands, the window's scripted session (tests/gui/tour.py, with Tern's own hook installed
and its self-test at the end) and, as a check of the check, a download from a hub on this computer: there the child has
sockets and Tern has none. Prints one JSON object; the exit code is 1 where Tern opened one. Linux alone.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "gui")]

MODEL = ROOT / "tests" / "fixtures" / "tied-h128" / "hf-packed"
CHILD = "core.models.download_child"
# Every way of having a socket of the network: made, or got from somebody who has made one.
SOCKET = re.compile(r"^(\d+) .*\bsocket(?:pair)?\((AF_INET6?|AF_PACKET)\b")
CHILD_STARTS = re.compile(r"^(\d+) .*\bexecve\(.*" + re.escape(CHILD))

# The filter in the kernel lets all other system calls run at their usual speed.
STRACE = ["strace", "-f", "--seccomp-bpf"]

# Tern's hook around a scripted session, as app/__main__.py would have installed it.
GUARDED = """
import runpy, sys
from core import offline
offline.install()
import core.inference.engine  # under a tracer this takes long beside a running event loop
sys.argv = sys.argv[1:]
code = 0
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    code = end.code or 0
test, found = offline.self_test(), offline.counters()
sys.stderr.write(f"hook: {found.blocked} refused, self-test {'passed' if test.passed else test}\\n")
sys.exit(code or (0 if test.passed and not found.blocked else 3))
"""
DOWNLOAD = """
import sys
from pathlib import Path
from core import offline
offline.install()
sys.path.insert(0, sys.argv[3])
from fake_hub import FakeHub
from core.events import CancelToken
from core.models.download import Download, DownloadOptions
hub = FakeHub({"config.json": b"{}", "model.safetensors": bytes(range(256)) * 2000})
Download(hub.entry(), Path(sys.argv[2]), DownloadOptions(sys.argv[1], "")).run(CancelToken(), lambda event: None)
sys.exit(0 if offline.self_test().passed and not offline.counters().blocked else 3)
"""


def scenes(work: Path) -> dict[str, list[str]]:
    """Return the command of each scene; `work` takes what they write."""
    tern = [sys.executable, "-m", "app", "--data-dir", str(work / "data")]
    document = work / "notes.txt"
    document.write_text("The common tern weighs 110 grams. " * 20, encoding="utf-8")
    ask = [*tern, "ask", "--model", str(MODEL), "--greedy", "--max-tokens", "8"]
    return {
        "ask": [*ask, "What is a tern?"],
        "document": [*ask, "--document", str(document), "What does a tern weigh?"],
        "models": [*tern, "models", "list"],
        "import": [*tern, "models", "import", str(MODEL), "--reference", "--name", f"m{os.urandom(4).hex()}"],
        "window": [sys.executable, "-c", GUARDED, str(ROOT / "tests" / "gui" / "tour.py")],
    }


def run(command: list[str], environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def traced(command: list[str], environ: dict[str, str]) -> dict[str, object]:
    """Run `command` under strace and count its sockets, those of the download child apart."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        strace = [*STRACE, "-qq", "-s", "200", "-e", "trace=socket,socketpair,execve", "-o", str(log)]
        done = run([*strace, *command], {**environ, "TERN_TOUR_PATIENCE": "10"})
        own, child = count(log.read_text(encoding="utf-8", errors="replace").splitlines())
    return {"exit_code": done.returncode, "sockets": own, "sockets_of_child": child, "notes": last_line(done.stderr)}


def count(lines: list[str]) -> tuple[int, int]:
    """Return the internet sockets of Tern and of the download child in what strace wrote."""
    children = {match[1] for line in lines if (match := CHILD_STARTS.match(line))}
    pids = [match[1] for line in lines if (match := SOCKET.match(line))]
    return sum(pid not in children for pid in pids), sum(pid in children for pid in pids)


def isolated(command: list[str], environ: dict[str, str]) -> dict[str, object]:
    """Run `command` where there is no network at all, not even a loopback that is up."""
    done = run(["unshare", "--user", "--map-root-user", "--net", *command], environ)
    return {"exit_code": done.returncode, "notes": last_line(done.stderr)}


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def can_trace() -> bool:
    """Tell whether strace is there and may trace."""
    return bool(shutil.which("strace")) and run([*STRACE, "-qq", "true"], dict(os.environ)).returncode == 0


def can_isolate() -> bool:
    """Tell whether a network namespace can be made."""
    command = ["unshare", "--user", "--map-root-user", "--net", "true"]
    return bool(shutil.which("unshare")) and run(command, dict(os.environ)).returncode == 0


@contextmanager
def screen() -> Iterator[dict[str, str]]:
    """Give the environment for the window: a virtual screen outside of what is traced, else none."""
    from tour import virtual_screen

    if not shutil.which("Xvfb"):
        yield {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        return
    with virtual_screen():
        yield dict(os.environ)


def downloaded(work: Path) -> dict[str, object]:
    """Trace a download from a hub in this process, which is not traced."""
    from fake_hub import running_hub

    files = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 2000}
    with running_hub(files) as hub:
        arguments = [hub.url, str(work / "models"), str(ROOT / "tests" / "support")]
        return traced([sys.executable, "-c", DOWNLOAD, *arguments], dict(os.environ))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--scenes", nargs="+", default=["ask", "document", "models", "import", "window", "download"])
    chosen = parser.parse_args().scenes
    figures: dict[str, dict[str, object]] = {}
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as directory, screen() as environ:
        work = Path(directory)
        for name in chosen:
            if name == "download":
                figure = figures[name] = downloaded(work)
                if figure["exit_code"] or figure["sockets"] or not figure["sockets_of_child"]:
                    broken.append(name)
                continue
            figure = figures[name] = {"traced": traced(scenes(work)[name], environ)} if can_trace() else {}
            if can_isolate():
                figure["isolated"] = isolated(scenes(work)[name], environ)
            if any(part["exit_code"] or part.get("sockets") for part in figure.values()):  # type: ignore[attr-defined,index]
                broken.append(name)
    sys.stdout.write(json.dumps({"scenes": figures, "broken": broken}, indent=2) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
