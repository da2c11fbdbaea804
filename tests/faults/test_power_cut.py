"""The power fails at any sync: all that was not synced is gone, all that was acknowledged is there."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.store.chats import ChatStore
from core.store.database import Database

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs LD_PRELOAD and a C compiler"
)

ROOT = Path(__file__).parents[2]
NAME = "history.sqlite3"
# Prompts of all lengths, and now and then a deletion, which empties the log into the file.
_WRITER = """
import os, random, sys
from pathlib import Path
from core.store import database
from core.store.chats import ChatStore

if sys.argv[2] == "NORMAL":
    database._PRAGMAS = tuple(
        ("synchronous", "NORMAL", 1) if name == "synchronous" else (name, value, expected)
        for name, value, expected in database._PRAGMAS
    )
log = os.open(Path(os.environ["CUT_DIR"]) / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
store = ChatStore(database.Database.open(Path(sys.argv[1])))
chance = random.Random(5)
kept = store.create_chat("kept")
for number in range(80):
    store.add_prompt(kept, f"{number} " + "x" * chance.choice([10, 500, 30_000]))
    os.write(log, f"commit {number}\\n".encode())
    if number % 9 == 8:
        gone = store.create_chat("gone")
        store.add_prompt(gone, "y" * 20_000)
        store.delete_chat(gone)
os._exit(0)
"""


@dataclass(frozen=True)
class Cut:
    """One moment: what every file held at its last sync, and how many prompts had been acknowledged."""

    files: dict[str, Path]
    n_acknowledged: int


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("power_cut_shim.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def _cuts(shim: Path, directory: Path, synchronous: str) -> list[Cut]:
    """Run the writer and return every state in which a power cut could have left its files."""
    kept, live = directory / "kept", directory / "live"
    kept.mkdir()
    live.mkdir()
    subprocess.run(
        [sys.executable, "-c", _WRITER, str(live / NAME), synchronous],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(shim), "CUT_DIR": str(kept)},
        check=True,
    )
    cuts: list[Cut] = []
    files: dict[str, Path] = {}
    unlinked: set[str] = set()
    n_acknowledged = 0
    for line in (kept / "log").read_text().splitlines():
        match line.split():
            case ["sync", number, name]:
                cuts.append(Cut(dict(files), n_acknowledged))  # the state until just before this sync
                files[name] = kept / f"{number}.{name}"
            case ["unlink", name]:
                unlinked.add(name)
            case ["directory"]:
                cuts.append(Cut(dict(files), n_acknowledged))
                files = {name: content for name, content in files.items() if name not in unlinked}
                unlinked.clear()
            case ["commit", number]:
                n_acknowledged = int(number) + 1
    return [*cuts, Cut(files, n_acknowledged)]


def _n_lost(cut: Cut, directory: Path) -> int:
    """Start from the files of `cut` and return how many acknowledged prompts are missing."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, content in cut.files.items():
        shutil.copyfile(content, directory / name)
    database = Database.open(directory / NAME)
    assert database.recovery is None
    with database.read() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    store = ChatStore(database)
    texts = [message.text for chat in store.chats() if chat.title == "kept" for message in store.messages(chat.id)]
    database.close()
    numbers = [int(text.split()[0]) for text in texts]
    assert numbers == list(range(len(numbers)))
    return max(cut.n_acknowledged - len(numbers), 0)


def test_a_power_cut_loses_nothing_that_was_acknowledged(shim: Path, tmp_path: Path) -> None:
    cuts = _cuts(shim, tmp_path, "FULL")
    assert len(cuts) > 100
    assert cuts[-1].n_acknowledged == 80
    assert [_n_lost(cut, tmp_path / "after") for cut in cuts] == [0] * len(cuts)


def test_the_harness_sees_what_normal_would_lose(shim: Path, tmp_path: Path) -> None:
    cuts = _cuts(shim, tmp_path, "NORMAL")
    assert max(_n_lost(cut, tmp_path / "after") for cut in cuts) > 0
