"""How smoothly a conversation scrolls and streams, and for how long a large paste holds up the window.

Run it by path; it prints one JSON object:

    python tests/bench/measure_transcript.py [--messages 2000] [--platform offscreen]

- **scroll frame**: time of the window's thread to scroll by three wheel notches and paint, through a chat of many
  messages with lists, code and tables; the rows come into sight for the first time, which is the worst case.
- **streaming**: processor time of the window's thread while 30 pieces a second are appended to a long answer, as a
  share of one core, and the longest single append.
- **paste**: the longest time for which the window's thread was held while 10 MB were pasted, in several shapes. The
  reading of the document happens beside the window.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ANSWER = """## Number {n}
The sea rises and falls **twice a day** because of *gravity*; see [the almanac](https://example.org/tides) or `moon()`.

1. The moon pulls
2. The earth turns

```python
def height(hour: float) -> float:
    return 6.1 * sin(hour / 12.42 * 2 * pi)  # metres
```

| Place | High | Low |
|---|---|---|
| Brest | 6.1 m | 1.2 m |
"""


def percentile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(int(share * len(values)), len(values) - 1)], 2)


def scroll(app, n_messages: int) -> dict[str, object]:
    from app.chat.message_model import MessageModel, Row, RowKind
    from app.chat.rows import RowActions
    from app.chat.transcript import Transcript
    from app.theme import Theme

    theme, model = Theme(), MessageModel()
    view = Transcript(model, theme, RowActions(lambda _h: None, lambda _a: None, lambda: None))
    theme.dress(view)
    view.resize(900, 700)
    view.show()
    for number in range(n_messages // 2):
        model._rows.append(Row(RowKind.USER, f"What of number {number}?", message_id=2 * number + 1))
        text = ANSWER.format(n=number) if number % 3 == 0 else f"Number {number}. " + "Some plain words. " * 30
        model._rows.append(Row(RowKind.ANSWER, text, message_id=2 * number + 2))
    started = time.perf_counter()
    model.reset.emit()
    app.processEvents()
    opened_ms = 1000 * (time.perf_counter() - started)
    bar, frames, work = view.verticalScrollBar(), [], []
    for _ in range(400):
        started, started_work = time.perf_counter(), time.thread_time()
        bar.setValue(bar.value() - 180)
        app.processEvents()
        frames.append(1000 * (time.perf_counter() - started))
        work.append(1000 * (time.thread_time() - started_work))
    return {
        "messages": n_messages,
        "opened_ms": round(opened_ms, 1),
        "frame_p50_ms": percentile(frames, 0.5),
        "frame_p95_ms": percentile(frames, 0.95),
        "frame_work_p95_ms": percentile(work, 0.95),
        "frame_max_ms": round(max(frames), 1),
    } | stream(app, view, model)


def stream(app, view, model) -> dict[str, object]:
    from app.chat.message_model import Row, RowKind

    view.scroll_to_end()
    index = model.append(Row(RowKind.ANSWER, is_streaming=True))
    words = (ANSWER.format(n=1) * 3).split(" ")[:300]
    longest, began, work = 0.0, time.perf_counter(), time.thread_time()
    for number, word in enumerate(words):
        started = time.thread_time()
        model.add_text(index, word + " ")
        app.processEvents()
        longest = max(longest, time.thread_time() - started)
        time.sleep(max(0.0, began + (number + 1) / 30 - time.perf_counter()))
    took, used = time.perf_counter() - began, time.thread_time() - work
    return {
        "stream_pieces_per_s": round(len(words) / took, 1),
        "stream_core_percent": round(100 * used / took, 1),
        "stream_longest_ms": round(1000 * longest, 1),
    }


def paste(app, data: Path) -> dict[str, float]:
    from PySide6.QtCore import QMimeData
    from PySide6.QtTest import QTest
    from tour import Watchdog

    from app.window import Session
    from core.paths import AppPaths

    paths = AppPaths(data)
    paths.create()
    session = Session(paths)
    session.start()
    while session.window.services is None or not session.runner.is_idle:
        QTest.qWait(10)
    shapes = {
        "words": "words and words " * 625_000,
        "one line": "x" * 10_000_000,
        "short lines": "a line\n" * 1_430_000,
        "beyond ASCII": "Größe 大小 " * 600_000,
    }
    found = {}
    for name, text in shapes.items():
        pasted = QMimeData()
        pasted.setText(text)
        watchdog = Watchdog()
        QTest.qWait(20)
        watchdog.enter(name)
        session.window.pane.composer.text.insertFromMimeData(pasted)
        QTest.qWait(50)
        while session.window.documents.is_reading or not session.runner.is_idle:
            QTest.qWait(10)
        watchdog._timer.stop()
        found[name] = {
            "blocked_ms": round(watchdog.longest_ms[name], 1),
            "work_ms": round(watchdog.longest_work_ms[name], 1),
        }
        session.window.chat.new_chat()
    session.window.close()
    session.end()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--platform", default="offscreen")
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", options.platform)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "gui")]
    from app.window import make_application

    app = make_application(["tern"])
    figures = scroll(app, options.messages)
    with tempfile.TemporaryDirectory() as data:
        figures["paste_10_mb"] = paste(app, Path(data))
    print(json.dumps(figures, indent=1))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
