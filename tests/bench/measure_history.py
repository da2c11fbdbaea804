"""Measure a history of 100,000 messages: searching, starting, switching between 5,000 chats, and the daily backup.

    python tests/bench/measure_history.py [--messages 100000] [--chats 5000] [--keep DIR]

Search is the time of HistoryStore.search, snippets and marks included, over queries from one letter to several words,
each in a process that has just opened the file. Start is from opening the file to the messages of the last chat, and
is compared with an empty history. Switching is from the click to the last chat's rows laid out, in the real window
(offscreen). Each figure is the median of several runs, with the worst beside it.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

QUERIES = ("e", "th", "the ", "the a", "tern fl", "quick brown fox", "zebra7", "the of and to", "nothinglikethis", "海")
_RUNS = 7


def words_of(seed: int) -> list[str]:
    """Return a vocabulary whose words are as frequent as those of a language."""
    rng = random.Random(seed)
    common = ["the", "of", "and", "to", "a", "in", "is", "tern", "flies", "quick", "brown", "fox", "海鸥飞得很远"]
    return common + ["".join(rng.choice("etaoinshrdlucmf") for _ in range(rng.randint(3, 10))) for _ in range(20_000)]


def fill(path: Path, n_messages: int, n_chats: int) -> None:
    """Write a history through the store's own tables, with its index."""
    from core.events import CancelToken
    from core.store import search
    from core.store.chats import ChatStore
    from core.store.database import Database
    from core.store.migrations import checksum_of

    rng = random.Random(1)
    vocabulary = words_of(1)
    ranks = [rng.paretovariate(0.6) for _ in range(200_000)]
    stream = [vocabulary[min(int(rank) - 1, len(vocabulary) - 1)] for rank in ranks]
    database = Database.open(path)
    store = ChatStore(database)
    now = time.time()
    for number in range(n_chats):
        store._clock = lambda at=now - 600 * (n_chats - number): at
        store.create_chat(f"Chat {number} about {rng.choice(vocabulary)}")
    rows = []
    for number in range(n_messages):
        start = rng.randrange(len(stream) - 120)
        text = " ".join(stream[start : start + rng.randint(20, 120)]) + (" zebra7" if number % 5_000 == 7 else "")
        role = "assistant" if number % 2 else "user"
        chat_id = number * n_chats // n_messages + 1
        parent = number if rows and rows[-1][0] == chat_id else None  # ids count from 1
        rows.append((chat_id, parent, role, "done", now - 600 * (n_chats - chat_id), text, checksum_of(text)))
    with database.write() as connection:
        connection.executemany(
            "INSERT INTO messages(chat_id, parent_id, role, state, created_at, text, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        connection.execute("UPDATE search_state SET todo_below = (SELECT max(id) + 1 FROM messages)")
    started = time.perf_counter()
    search.fill(database, CancelToken())
    report("index all messages", [time.perf_counter() - started], 1, "s")
    database.close()
    sys.stdout.write(f"file: {path.stat().st_size / 1e6:.0f} MB\n")


def report(what: str, seconds: list[float], factor: float = 1e3, unit: str = "ms") -> None:
    median, worst = statistics.median(seconds) * factor, max(seconds) * factor
    sys.stdout.write(f"{what:<44} median {median:8.2f} {unit}   worst {worst:8.2f} {unit}\n")
    sys.stdout.flush()


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure_search(path: Path) -> None:
    from core.store.chats import ChatStore
    from core.store.database import Database
    from core.store.history import HistoryStore

    database = Database.open(path)
    history = HistoryStore(database)
    every: list[float] = []
    for query in QUERIES:
        runs, work = [], []
        for _ in range(_RUNS):
            before = time.thread_time()
            runs.append(timed(lambda text=query: history.search(text)))
            work.append(time.thread_time() - before)
        every += work
        report(f"search {query!r}: {len(history.search(query))} hits", runs)
    report("search, all of these, processor time", every)
    store = ChatStore(database)
    chat_id = store.create_chat("a second ago")
    runs = [timed(lambda: store.add_prompt(chat_id, "written just now " + "word " * 300)) for _ in range(_RUNS)]
    report("store and index one prompt", runs)
    assert history.search("written just now")
    store.delete_chat(chat_id)
    database.close()


def start_once(path: Path) -> float:
    """Return the seconds from opening the file to the messages of the last chat."""
    from core.store.chats import ChatStore
    from core.store.database import Database

    started = time.perf_counter()
    database = Database.open(path)
    store = ChatStore(database)
    store.recover()
    chats = store.chats()
    if chats:
        store.messages(chats[0].id)
    seconds = time.perf_counter() - started
    database.close()
    return seconds


def measure_start(path: Path, folder: Path) -> None:
    """Start in processes of their own, the full and the empty history by turns."""
    empty = folder / "empty.sqlite3"
    start_once(empty)
    figures: dict[Path, list[float]] = {empty: [], path: []}
    for _ in range(_RUNS):
        for each, runs in figures.items():
            done = subprocess.run(
                [sys.executable, __file__, "--start-once", str(each)], capture_output=True, text=True, check=True
            )
            runs.append(float(done.stdout))
    report("start, empty history", figures[empty])
    report("start, this history, after a clean end", figures[path])
    difference = statistics.median(figures[path]) - statistics.median(figures[empty])
    sys.stdout.write(f"{'start: difference':<44} {difference * 1e3:15.2f} ms\n")
    runs = []
    for _ in range(3):
        path.with_name(path.name + ".closed").unlink(missing_ok=True)
        runs.append(start_once(path))
    report("start, this history, after a crash (checked)", runs)


def measure_window(path: Path, data: Path) -> None:
    """Switch between chats in the real window."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from app import wiring
    from app.window import Session
    from core.paths import AppPaths

    wiring.find_models = lambda _paths, _settings: ()
    app = QApplication.instance() or QApplication([])
    paths = AppPaths(data)
    paths.create()
    path.replace(paths.database)
    session = Session(paths)
    session.start()
    window = session.window

    def wait(fact: Callable[[], object]) -> None:
        while not fact():
            QTest.qWait(1)

    wait(lambda: window.services is not None and session.runner.is_idle)
    chats = window.history.chats
    runs, blocked = [], []
    for number in range(1, 60):
        chat = chats[(number * 997) % len(chats)]
        started = time.perf_counter()
        window.on_chat_chosen(chat.id)
        blocked.append(time.perf_counter() - started)
        wait(lambda at=chat.id: window.chat.chat_id == at and window.messages.rows and not window.places._is_loading)
        app.processEvents()
        runs.append(time.perf_counter() - started)
    report(f"switch between {len(chats):,} chats", runs)
    report("of that, the window itself held up", blocked)
    report(
        "list all chats anew",
        [
            timed(lambda: window.sidebar._model.set_rows([]))
            + timed(lambda: window.sidebar.show_chats(chats, date.today()))
            for _ in range(_RUNS)
        ],
    )
    window.close()
    session.end()
    paths.database.replace(path)


def measure_care(path: Path) -> None:
    from core.events import CancelToken
    from core.store.backups import daily_backup, damaged_messages

    report("daily backup", [timed(lambda: daily_backup(path, date.today(), CancelToken()))], 1, "s")
    report("check of every message", [timed(lambda: damaged_messages(path, CancelToken()))], 1, "s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a large history.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--chats", type=int, default=5_000)
    parser.add_argument("--keep", type=Path, help="make the history here, or use the one that is here")
    parser.add_argument("--start-once", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start_once is not None:
        sys.stdout.write(str(start_once(options.start_once)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "history.sqlite3"
        if not path.exists():
            fill(path, options.messages, options.chats)
        measure_search(path)
        measure_start(path, folder)
        measure_care(path)
        measure_window(path, Path(scratch) / "data")


if __name__ == "__main__":
    main()
