"""A walk through the real window with a real model: types, streams, stops, quits, comes back, and takes pictures.

Run it by path; it prints one JSON object with the longest time that the window's thread was blocked, by phase:

    python tests/gui/tour.py --xvfb --out pictures
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL_DIR = ROOT / "tests" / "fixtures" / "tied-h256" / "hf-packed"
SCREEN = "1400x900x24"
PATIENCE = float(os.environ.get("TERN_TOUR_PATIENCE", "1"))  # how much slower this computer is made by a tracer


class Watchdog:
    """Measures how late a 2 ms timer of the window's thread fires: the time for which nothing else could happen.

    `longest_ms` is wall time, which holds also what the system gave to other processes; `longest_work_ms` is the
    processor time of the window's thread alone in one such stretch.
    """

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.phase = "start"
        self.longest_ms: dict[str, float] = {}
        self.longest_work_ms: dict[str, float] = {}
        self._last = time.perf_counter()
        self._last_work = time.thread_time()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.on_tick)
        self._timer.start(2)

    def on_tick(self) -> None:
        now, work = time.perf_counter(), time.thread_time()
        gap_ms, work_ms = 1000 * (now - self._last) - 2, 1000 * (work - self._last_work)
        self._last, self._last_work = now, work
        self.longest_work_ms[self.phase] = max(work_ms, self.longest_work_ms.get(self.phase, 0.0))
        self.longest_ms[self.phase] = max(gap_ms, self.longest_ms.get(self.phase, 0.0))

    def enter(self, phase: str) -> None:
        self.phase = phase
        self._last = time.perf_counter()
        self._last_work = time.thread_time()


@contextmanager
def virtual_screen() -> Iterator[None]:
    """Start Xvfb (and openbox, where there is one) on a free number and point Qt at it."""
    read_end, write_end = os.pipe()
    xvfb = subprocess.Popen(
        ["Xvfb", "-screen", "0", SCREEN, "-nolisten", "tcp", "-displayfd", str(write_end)],
        pass_fds=[write_end],
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
    os.environ["QT_QPA_PLATFORM"] = "xcb"
    manager = (
        subprocess.Popen(["openbox"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if shutil.which("openbox")
        else None
    )
    try:
        yield
    finally:
        if manager is not None:
            manager.terminate()
            manager.wait()
        xvfb.terminate()
        xvfb.wait()


class Tour:
    """One walk; every wait has an end."""

    def __init__(self, data: Path, model: Path, out: Path | None, *, is_full: bool = False) -> None:
        from app.window import Session, make_application
        from core.paths import AppPaths
        from core.settings import Settings

        self.app = make_application(["tern"])
        self.paths = AppPaths(data)
        self.paths.create()
        Settings().with_value("model_path", str(model)).with_value("theme", "light").with_value("seed", 7).with_value(
            "max_tokens", 220
        ).save(self.paths.settings)
        self.out = out
        self.is_full = is_full
        self.figures: dict[str, object] = {}
        self.pictures: list[str] = []
        self.session = Session(self.paths)
        self.watchdog = Watchdog()

    def wait(self, fact: Callable[[], object], what: str, seconds: float = 20) -> None:
        from PySide6.QtTest import QTest

        end = time.monotonic() + seconds * PATIENCE
        while not fact():
            if time.monotonic() > end:
                raise SystemExit(f"waited too long for: {what}")
            QTest.qWait(5)

    def pause(self, ms: int) -> None:
        from PySide6.QtTest import QTest

        QTest.qWait(ms)

    def picture(self, name: str, settle_ms: int = 150, window: "QWidget | None" = None) -> None:
        if self.out is not None:
            self.wait(lambda: self.session.theme.is_settled, "the look")
            self.pause(settle_ms)
            phase = self.watchdog.phase
            self.watchdog.enter("pictures")
            path = self.out / f"{name}.png"
            # From the screen itself where there is one: what a person would see.
            shown = window or self.session.window
            if self.app.platformName() == "xcb" and settle_ms:
                shown.screen().grabWindow(shown.winId()).save(str(path))
            else:
                shown.grab().save(str(path))
            self.pictures.append(str(path))
            self.pause(20)
            self.watchdog.enter(phase)

    def type(self, text: str) -> None:
        """Type with keys of the X server where there is one, with Qt's own otherwise."""
        from PySide6.QtTest import QTest

        field = self.session.window.pane.composer.text
        if self.app.platformName() == "xcb" and shutil.which("xdotool"):
            self.session.window.activateWindow()
            self.wait(field.hasFocus, "focus in the composer")
            keys = subprocess.Popen(["xdotool", "type", "--delay", "15", text])
            self.wait(lambda: keys.poll() is not None and field.toPlainText() == text, "typed text")
            enter = subprocess.Popen(["xdotool", "key", "Return"])
            self.wait(lambda: enter.poll() is not None, "Enter")
        else:
            QTest.keyClicks(field, text)
            QTest.keyClick(field, "\r")
            self.pause(20)  # all keys came at once: let the watchdog tick

    @property
    def answer(self) -> str:
        return self.session.window.chat.last_answer()

    @property
    def is_busy(self) -> bool:
        return self.session.window.chat.is_busy

    def run(self) -> None:
        window = self.session.window
        self.session.start()
        self.wait(lambda: window.services is not None, "the history")
        self.wait(lambda: window.models.state.is_ready, "the model")
        self.picture("1-empty-light")
        self.watchdog.enter("typing")
        self.type("Tell me something about terns, please.")
        self.watchdog.enter("streaming")
        self.wait(lambda: len(self.answer) > 60, "60 characters")
        self.picture("2-streaming-light", settle_ms=0)
        self.wait(lambda: len(self.answer) > 90 or not self.is_busy, "more text")
        self.stop()
        self.picture("3-stopped-light")
        self.watchdog.enter("second answer")
        self.type("And now a whole answer.")
        self.wait(lambda: self.is_busy, "the second answer")
        self.wait(lambda: not self.is_busy, "the end of the second answer", 60)
        self.picture("4-done-light")
        self.scenes()
        self.history_scenes()
        self.preferences()
        self.commands()
        self.quit_while_streaming()
        self.figures["longest_block_ms"] = {k: round(v, 1) for k, v in self.watchdog.longest_ms.items()}
        self.figures["longest_work_ms"] = {k: round(v, 1) for k, v in self.watchdog.longest_work_ms.items()}
        self.figures["platform"] = self.app.platformName()
        self.figures["pictures"] = self.pictures

    def stop(self) -> None:
        started = time.perf_counter()
        self.session.window.chat.stop()
        self.wait(lambda: not self.is_busy, "stop")
        self.figures["stop_ms"] = round(1000 * (time.perf_counter() - started), 1)

    def scenes(self) -> None:
        """Pictures of the other looks."""
        from app.chat.message_model import Row, RowKind
        from app.theme import Scheme
        from core.errors import AppError, ErrorCode

        window, theme = self.session.window, self.session.theme
        self.watchdog.enter("scheme and size")
        theme.set_scheme(Scheme.DARK)
        self.wait(lambda: theme.is_settled, "the dark look")
        self.picture("5-done-dark")
        window.messages.append(Row(RowKind.USER, "What about tides, lists and tables?"))
        window.messages.append(Row(RowKind.ANSWER, SAMPLE))
        self.picture("6-markdown-dark")
        theme.set_scheme(Scheme.LIGHT)
        self.picture("7-markdown-light")
        path = Path("/home/you/models/bitnet-2b")
        window.chat.show_error(
            AppError(ErrorCode.MODEL_DAMAGED, path=path, part="model.safetensors", reason="the file ends too early")
        )
        self.picture("8-error-light")
        theme.set_text_percent(150)
        self.picture("9-150-percent-light")
        window.resize(720, 480)
        self.picture("10-smallest-150-percent-light")
        theme.set_text_percent(100)
        window.resize(1120, 760)
        window.on_new_chat()
        theme.set_scheme(Scheme.DARK)
        self.picture("11-empty-dark")
        theme.set_scheme(Scheme.LIGHT)

    def preferences(self) -> None:
        """Every page in every look with --all, else one page in two."""
        from app.theme import Scheme
        from core.specs import Page

        window, theme = self.session.window, self.session.theme
        theme.set_scheme(Scheme.LIGHT)
        self.wait(lambda: theme.is_settled, "the light look")
        self.watchdog.enter("preferences")
        window.on_preferences()
        shown = window.preferences.window
        self.pause(200)  # the other pages are made while nothing else is to do
        preview = shown.view(Page.ANSWERS).preview
        shown.show_page(Page.ANSWERS)
        self.wait(lambda: preview.candidates, "the next word")
        shown.view(Page.ANSWERS).unfold()
        window.live.set("temperature", 1.4)
        window.live.set("context_length", 1024)
        looks = [(scheme, percent) for percent in (100, 150) for scheme in (Scheme.LIGHT, Scheme.DARK)]
        for scheme, percent in looks if self.is_full else [(Scheme.LIGHT, 100), (Scheme.DARK, 150)]:
            self.watchdog.enter("scheme and size with preferences")
            window.live.set("theme", scheme.value)
            window.live.set("text_size_percent", percent)
            self.wait(lambda: theme.is_settled, "the next look")
            self.watchdog.enter("preferences")
            for page in Page if self.is_full else (Page.ANSWERS,):
                shown.show_page(page)
                self.picture(f"preferences-{page.value.lower()}-{scheme.value}-{percent}", window=shown)
            if self.is_full:
                bar = shown.view(Page.ANSWERS).verticalScrollBar()
                shown.show_page(Page.ANSWERS)
                bar.setValue(bar.maximum() * 2 // 3)
                self.picture(f"preferences-advanced-{scheme.value}-{percent}", window=shown)
                bar.setValue(0)
        shown.search.setText("word")
        self.picture("preferences-search", window=shown)
        shown.close()
        for key in ("theme", "text_size_percent", "temperature", "context_length"):
            window.live.reset(key)
        window.live.set("theme", "light")
        self.wait(lambda: theme.is_settled, "the first look")

    def history_scenes(self) -> None:
        """The list of conversations: full, searched, with a trash, and what an import shows first."""
        from app.history.exchange import ImportDialog
        from app.theme import Scheme

        window, theme, store = self.session.window, self.session.theme, self.session.window.services.store
        history = window.services.history
        self.watchdog.enter("history")
        now = time.time()
        for number, title in enumerate(TITLES):
            when = now - 90_000 * max(0, number - 3)
            store._clock = lambda when=when: when
            chat_id = store.create_chat(title)
            store.add_prompt(chat_id, f"{title}: what do terns and gulls have in common, and what does the sea do?")
        store._clock = time.time
        known = {chat.title: chat.id for chat in store.chats()}
        history.pin([known[TITLES[0]]], is_pinned=True)
        folder = history.create_folder("Birds of the coast")
        history.move([known[TITLES[1]], known[TITLES[2]]], folder)
        history.create_folder("Work")
        window.history.refresh()
        self.wait(lambda: TITLES[0] in window.sidebar.titles(), "the list")
        window.sidebar.on_activated(window.sidebar.list_view.model().index_of_folder(folder))
        window.on_chat_chosen(known[TITLES[4]])
        self.both("13-history", theme)
        window.sidebar.search.setText("terns se")
        self.wait(lambda: window.sidebar.results_view.model().rowCount() > 3, "hits")
        self.both("14-search", theme)
        window.sidebar.show_list()
        window.history.on_delete([known[TITLES[5]], known[TITLES[6]]])
        self.wait(lambda: window.sidebar.notice.text, "the undo bar")
        self.both("15-undo", theme)
        window.on_show_trash()
        self.wait(lambda: window.sidebar.trash.list_view.model().rowCount() == 2, "the trash")
        window.sidebar.trash.list_view.setCurrentIndex(window.sidebar.trash.list_view.model().index(0))
        self.both("16-trash", theme)
        theme.set_text_percent(150)
        self.picture("17-trash-150-percent-light")
        theme.set_text_percent(100)
        window.sidebar.show_list()
        target = self.paths.data / "export.json"
        window.exchange.export_to(None, target)
        self.wait(lambda: target.exists() and not window.exchange.is_busy, "the export")
        target.write_text(target.read_text("utf-8").replace("what do terns", "how do terns"), "utf-8")
        window.exchange.look_into(target)
        self.wait(lambda: window.findChild(ImportDialog) is not None, "what is in the file")
        dialog = window.findChild(ImportDialog)
        if self.out is not None:
            self.pause(150)
            dialog.grab().save(str(self.out / "18-import-light.png"))
        dialog.reject()
        window.on_new_chat()
        theme.set_scheme(Scheme.LIGHT)

    def both(self, name: str, theme) -> None:
        """Take a picture in the light and in the dark colours."""
        from app.theme import Scheme

        for scheme in (Scheme.DARK, Scheme.LIGHT):
            theme.set_scheme(scheme)
            self.picture(f"{name}-{scheme.value}")

    def commands(self) -> None:
        """The palette, the list of keys and the quick actions, light and dark."""
        from app.theme import Scheme
        from core.inference.rewriting import differences

        window, theme = self.session.window, self.session.theme
        desktop = window.desktop
        for scheme in (Scheme.LIGHT, Scheme.DARK):
            window.live.set("theme", scheme.value)
            self.wait(lambda: theme.is_settled, "the look")
            self.watchdog.enter("commands")
            desktop.show_palette()
            self.picture(f"palette-{scheme.value}")
            desktop.palette.field.setText("ch")
            desktop.palette.on_query("ch")
            self.picture(f"palette-found-{scheme.value}")
            desktop.palette.leave()
            desktop.show_shortcuts()
            self.picture(f"shortcuts-{scheme.value}", window=desktop.shortcut_list)
            desktop.shortcut_list.close()
            desktop.show_quick_actions()
            quick = desktop.quick
            quick.text.setPlainText(DRAFT)
            changed = DRAFT.replace("very, very", "quite").replace("in order to ", "to ")
            quick.show_done(changed, differences(DRAFT, changed))
            self.picture(f"quick-actions-{scheme.value}", window=quick)
            quick.close()
        window.live.set("theme", "light")
        self.wait(lambda: theme.is_settled, "the first look")

    def quit_while_streaming(self) -> None:
        """Close the window in the middle of an answer, open it again and compare."""
        from PySide6.QtWidgets import QMessageBox

        from app.window import Session

        self.watchdog.enter("quit")
        self.type("One more, and then I leave.")
        self.wait(lambda: len(self.answer) > 60, "60 characters")
        window = self.session.window
        shown, chat_id = self.answer, window.chat.chat_id
        window.close()
        question = window.findChild(QMessageBox)
        if question is None or not window.isVisible():
            raise SystemExit("nobody was asked before an answer was cut off")
        self.picture("quit-light", window=question)
        started = time.perf_counter()
        question.buttons()[0].click()
        if not self.session.end():
            raise SystemExit("a thread did not end in time")
        self.figures["quit_ms"] = round(1000 * (time.perf_counter() - started), 1)
        window.deleteLater()
        self.watchdog.enter("restart")
        self.session = Session(self.paths)
        self.session.start()
        self.wait(lambda: self.session.window.models.state.is_ready, "the model again")
        self.wait(lambda: self.session.window.chat.chat_id == chat_id and self.answer, "the last chat")
        kept = self.answer
        self.picture("12-restarted-light")
        if not kept.startswith(shown):
            raise SystemExit(f"lost text: {shown[len(kept) :]!r}")
        self.figures["kept_chars"] = len(kept)
        self.session.window.close()
        self.session.end()


TITLES = (
    "Lease questions",
    "Arctic terns and their way south",
    "Gulls, terns and skuas",
    "Rewrite the mail to the harbour master",
    "Trip plan for Brittany in the second half of September, with tides",
    "海鸥和燕鸥有什么区别",
    "What is a <b>ternary</b> weight & why",
    "Packing list",
    "Holiday photos",
)

DRAFT = """Dear neighbours,
the stairs will be painted on Monday and it is very, very important that nothing stands there in order to keep the way
free. Please take your shoes and plants inside before eight.
"""
SAMPLE = """## Tides
The sea rises and falls **twice a day** because of *gravity*; see [the almanac](https://example.org/tides) or `moon()`.

1. The moon pulls
2. The earth turns
   - one bulge near the moon
   - one bulge far from it

> The sea never forgets an appointment.

```python
def height(hour: float) -> float:
    return 6.1 * sin(hour / 12.42 * 2 * pi)
```

| Place | High | Low |
|---|---|---|
| Brest | 6.1 m | 1.2 m |
| Saint-Malo | 12.0 m | 0.9 m |
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="take pictures into this directory")
    parser.add_argument("--model", type=Path, default=MODEL_DIR)
    parser.add_argument("--all", action="store_true", help="every page of the preferences in every look")
    parser.add_argument("--xvfb", action="store_true", help="start a virtual screen instead of drawing offscreen")
    options = parser.parse_args()
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as data:
        if options.xvfb:
            with virtual_screen():
                return walk(Path(data), options)
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        return walk(Path(data), options)


def walk(data: Path, options: argparse.Namespace) -> int:
    tour = Tour(data, options.model, options.out, is_full=options.all)
    tour.run()
    print(json.dumps(tour.figures, indent=1))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
