"""kill -9 while files are indexed: afterwards nothing is missing and nothing is there twice."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from index_files import OpenIndex

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL")

CHILD = Path(__file__).with_name("index_kill_child.py")
N_FILES = 400
WORDS = "rent notice month garden river stone window paper bread winter letter ship music iron cloud".split()  # noqa: SIM905


def write_files(folder: Path, n_files: int) -> None:
    rng = random.Random(3)
    folder.mkdir()
    for number in range(n_files):
        paragraphs = [" ".join(rng.choices(WORDS, k=60)) + "." for _ in range(rng.randrange(1, 30))]
        text = f"# Letter {number % (n_files - 5)}\n\n" + "\n\n".join(paragraphs) + "\n"
        (folder / f"{number:04}.md").write_text(text, encoding="utf-8")
    for number in range(5):  # copies: one text, two files
        (folder / f"copy-{number}.md").write_bytes((folder / f"{number:04}.md").read_bytes())


def change_files(folder: Path, rng: random.Random) -> None:
    """Rename one file, change one, delete one, as a person does between two starts."""
    names = sorted(path.name for path in folder.iterdir() if path.name.startswith("0"))
    renamed, changed, deleted = rng.sample(names, 3)
    (folder / renamed).rename(folder / f"1{renamed}")
    with (folder / changed).open("a", encoding="utf-8") as file:
        file.write("\nOne more line about bread.\n")
    (folder / deleted).unlink()


def kill_while_indexing(index: Path, folder: Path, seconds: float) -> bool:
    """Let the child index for `seconds` and kill it; True when it was done before."""
    process = subprocess.Popen([sys.executable, str(CHILD), str(index), str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with process.stdout:
        return "done" in process.stdout.read()


def check(tmp_path: Path, n_kills: int, n_files: int) -> None:
    folder = tmp_path / "papers"
    write_files(folder, n_files)
    rng = random.Random(11)
    index = tmp_path / "killed" / "index.db"
    n_killed = 0
    for attempt in range(20 * n_kills):
        if n_killed == n_kills:
            break
        if kill_while_indexing(index, folder, rng.uniform(0.05, 0.9)):
            change_files(folder, rng)
            if attempt % 3 == 0:  # begin again from nothing, so that there is work to be killed in
                for path in index.parent.iterdir():
                    path.unlink()
        else:
            n_killed += 1
    assert n_killed == n_kills
    killed = OpenIndex(index)
    if not killed.collections.all():
        killed.add("Papers", folder)
    elif not killed.collections.all()[0].sources:
        killed.collections.add(killed.collections.all()[0].id, [folder])
    killed.update()
    whole = OpenIndex(tmp_path / "whole" / "index.db")
    whole.add("Papers", folder)
    assert killed.state() == whole.state()
    with killed.database.write() as connection:
        connection.execute("INSERT INTO words(words) VALUES('integrity-check')")
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    question = "bread in the winter letter"
    assert killed.found(question) == whole.found(question)
    killed.close()
    whole.close()


def test_four_kills_leave_what_an_uninterrupted_run_leaves(tmp_path: Path) -> None:
    check(tmp_path, 4, 120)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fifty_kills_leave_what_an_uninterrupted_run_leaves(tmp_path: Path) -> None:
    check(tmp_path, 50, N_FILES)
