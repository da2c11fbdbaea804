"""Measure a warm start: from the start of the process to a window that can be typed in, with a model loading behind it.

    python tests/bench/make_full_size.py packed DIRECTORY
    python tests/bench/measure_start.py DIRECTORY [--times 5]

Every start is a process of its own on one data directory, so that all but the first are warm. Usable means: exposed,
the history open, and the writing field takes what is typed. Prints one JSON object, in seconds: `usable` and `shown`
are wall time, `work` is the processor time of the window's own thread until then, which other programs lengthen little.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 60.0


def start_once(data: Path, model: Path, begun: float) -> None:
    """Start the window in this process and say when it was usable; `begun` is the clock at the start of the process."""
    sys.path.insert(0, str(ROOT))
    from PySide6.QtTest import QTest

    from app.window import Session, make_application
    from core import offline
    from core.paths import AppPaths
    from core.start_guard import StartGuard

    offline.install()
    make_application(["tern"])
    paths = AppPaths(data)
    paths.create()
    guard = StartGuard(data)
    guard.begin()
    session = Session(paths, model=model, guard=guard, greets=True)
    session.start()
    window = session.window
    shown = None
    while window.services is None or not window.windowHandle().isExposed():
        if time.time() - begun > WITHIN_S:
            raise SystemExit("the window was not usable in time")
        QTest.qWait(1)
        if shown is None and window.windowHandle().isExposed():
            shown = time.time() - begun
    QTest.keyClicks(window.pane.composer.text, "typed")
    assert window.pane.composer.text.toPlainText() == "typed"
    usable, work = time.time() - begun, time.thread_time()
    is_loading = window.models.state.is_loading
    window.pane.composer.text.clear()
    window.close()
    session.end()
    print(json.dumps({"shown_s": shown or usable, "usable_s": usable, "work_s": work, "was_loading": is_loading}))  # noqa: T201


def main() -> int:
    """Start several times and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--begun", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.data is not None:
        start_once(options.data, options.model, options.begun)
        return 0
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    starts = []
    with tempfile.TemporaryDirectory() as data:
        for _ in range(options.times + 1):
            command = [sys.executable, __file__, str(options.model.absolute()), "--data", data]
            command += ["--begun", repr(time.time())]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            starts.append(json.loads(done.stdout.splitlines()[-1]))
    warm = starts[1:]
    found = {
        "usable_s_median": round(median(start["usable_s"] for start in warm), 2),
        "usable_s": [round(start["usable_s"], 2) for start in warm],
        "shown_s": [round(start["shown_s"], 2) for start in warm],
        "work_s": [round(start["work_s"], 2) for start in warm],
        "was_loading": all(start["was_loading"] for start in starts),
    }
    print(json.dumps(found, indent=1))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
