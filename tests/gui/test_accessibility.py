"""Every window, page and dialog: named for a screen reader, usable with keys alone, readable, also mirrored."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QApplication, QMenu, QPlainTextEdit, QWidget

import app
from app.chat.chat_style import ChatPromptDialog
from app.chat.links import confirm_link
from app.chat.message_model import Row, RowKind
from app.plain_text import ask
from app.theme import DARK, LIGHT, Scheme, contrast
from core.errors import AppError, ErrorCode
from core.events import Passage
from core.specs import Page

sys.path.insert(0, str(Path(__file__).parent))
from walk import CONTROLS, controls, difference, group_of, tab_stops, text_pairs, unnamed, without_keyboard

pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints", "does not support raise")]

MOST_STOPS = 150
ANSWER = """## Heading
Some *text* with [a link](https://example.org) and `code`.

```python
print("tern")
```

| Place | High |
|---|---|
| North | 6.1 |

- one
- two
"""


@pytest.fixture(scope="module", autouse=True)
def from_left_to_right() -> Iterator[None]:
    yield
    QApplication.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def fill(session) -> None:
    """A conversation with one of everything."""
    messages = session.window.messages
    messages.append(Row(RowKind.USER, "What about tides?"))
    messages.append(Row(RowKind.PASSAGES, passages=(passage(),)))
    messages.append(Row(RowKind.ANSWER, ANSWER, passages=(passage(),), note="Stopped."))
    messages.append(Row(RowKind.NOTE, "The model no longer sees the beginning."))
    session.window.chat.show_error(AppError(ErrorCode.DISK_FULL, path=Path("data")))


def passage() -> Passage:
    return Passage(number=1, document="Lease.pdf", text="three months", start=0, end=12)


def main_empty(session) -> QWidget:
    return session.window


def main_filled(session) -> QWidget:
    fill(session)
    return session.window


def palette(session) -> QWidget:
    session.window.desktop.show_palette()
    return session.window


def shortcut_list(session) -> QWidget:
    session.window.desktop.show_shortcuts()
    return session.window.desktop.shortcut_list


def quick_actions(session) -> QWidget:
    session.window.desktop.show_quick_actions()
    session.window.desktop.quick.text.setPlainText("Some text")
    return session.window.desktop.quick


def chat_prompt(session) -> QWidget:
    session.window.on_chat_prompt()
    return session.window.findChild(ChatPromptDialog)


def question(session) -> QWidget:
    return ask(session.window, title="Quit?", text="At work.", details="Why", yes="Quit", on_yes=lambda: None)


def link(session) -> QWidget:
    confirm_link(session.window, "https://example.org/x")
    return QApplication.activeModalWidget() or session.window


def about(session) -> QWidget:
    session.window.on_about()
    return QApplication.activeModalWidget() or session.window


def chats(session) -> QWidget:
    session.window.history.refresh()
    return session.window


def searched_chats(session) -> QWidget:
    session.window.sidebar.search.setText("tides")
    return session.window


def trash(session) -> QWidget:
    session.window.sidebar.show_list()
    session.window.on_show_trash()
    return session.window


def first_run(session) -> QWidget:
    session.window.on_get_model()
    return session.window


def all_models(session) -> QWidget:
    session.window.on_models()
    return next(each for each in QApplication.topLevelWidgets() if type(each).__name__ == "ModelsWindow")


def preferences(page: Page) -> Callable[[object], QWidget]:
    def opened(session) -> QWidget:
        session.window.on_preferences()
        shown = session.window.preferences.window
        shown.show_page(page)
        shown.view(page).unfold()
        return shown

    opened.__name__ = f"preferences-{page.value.lower()}"
    return opened


SCREENS = [
    main_empty, main_filled, chats, searched_chats, trash, palette, shortcut_list, quick_actions, chat_prompt,
    question, link, about, first_run, all_models,
    *[preferences(page) for page in Page],
]  # fmt: skip


def show(qtbot, open_window, make_engine, screen) -> tuple[object, QWidget]:
    session = open_window(make_engine())
    session.window.live.set("theme", "light")
    window = screen(session)
    qtbot.waitUntil(lambda: window.isVisible() and session.theme.is_settled and session.runner.is_idle)
    QApplication.processEvents()
    return session, window


def test_every_control_of_every_screen_is_named_reached_and_read(qtbot, open_window, make_engine) -> None:
    """One window for all of them: each screen is opened, looked at in both looks, and left."""
    session = open_window(make_engine())
    store = session.window.services.store
    for title in ("Lease questions", "Tides"):
        store.add_prompt(store.create_chat(title), "What about tides?")
    problems: list[str] = []
    for scheme, tokens in ((Scheme.LIGHT, LIGHT), (Scheme.DARK, DARK)):
        session.window.live.set("theme", scheme.value)
        known = {getattr(tokens, name).upper() for name in tokens.__dataclass_fields__}
        for screen in SCREENS:
            window = screen(session)
            qtbot.waitUntil(lambda: session.theme.is_settled and session.runner.is_idle)
            qtbot.waitUntil(window.isVisible)
            QApplication.processEvents()
            found = [*problems_of_names(window), *problems_of_colours(window, known)]
            if scheme is Scheme.LIGHT:
                found += problems_of_tab(qtbot, window) if screen is not palette else []  # it keeps the focus
            problems += [f"{scheme.value} {screen.__name__}: {each}" for each in found]
            leave(session, window)
    assert not problems, "\n".join(problems)


def leave(session, window: QWidget) -> None:
    session.window.desktop.palette.leave()
    if window is not session.window and window is not session.window.preferences.window:
        window.close()
    QApplication.processEvents()


def problems_of_names(window: QWidget) -> list[str]:
    found = [f"no name or role: {words}" for words in unnamed(window)]
    return found + [f"not to be reached by keys: {words}" for words in without_keyboard(window)]


def problems_of_colours(window: QWidget, known: set[str]) -> list[str]:
    pairs = text_pairs(window)
    assert pairs
    found = [f"no token: {pair}" for pair in pairs if pair.text not in known]
    return found + [
        f"{pair.where} has {pair.text} on {pair.ground}: {contrast(pair.text, pair.ground):.2f}"
        for pair in pairs
        if contrast(pair.text, pair.ground) < 4.5
    ]


def problems_of_tab(qtbot, window: QWidget) -> list[str]:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    wanted = tab_stops(window)
    reached: set[QWidget] = set()
    for _ in range(MOST_STOPS):
        here = QApplication.focusWidget()
        if here is None:
            return ["nothing has the focus"]
        reached.add(here)
        groups = {group_of(each) for each in reached} - {None}
        if all(each in reached or group_of(each) in groups for each in wanted):
            return []
        qtbot.keyClick(here, Qt.Key.Key_Tab)
    return [
        f"Tab does not reach {type(each).__name__} {each.accessibleName() or each.property('text')}"
        for each in wanted - reached
        if group_of(each) not in groups
    ]


@pytest.mark.parametrize("scheme", [Scheme.LIGHT, Scheme.DARK])
def test_the_focus_can_be_seen(qtbot, open_window, make_engine, scheme: Scheme) -> None:
    session = open_window(make_engine())
    session.window.live.set("theme", scheme.value)
    fill(session)
    qtbot.waitUntil(lambda: session.theme.is_settled and session.runner.is_idle)
    session.window.activateWindow()
    qtbot.waitUntil(session.window.isActiveWindow)
    unseen = []
    for widget in tab_stops(session.window):
        elsewhere = session.window.menuBar()
        elsewhere.setFocus()
        QApplication.processEvents()
        frame = frame_of(widget)
        before = frame.grab().toImage()
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        QApplication.processEvents()
        if difference(before, frame.grab().toImage()) < 40:  # a text cursor alone is fewer
            unseen.append(f"{type(widget).__name__}#{widget.objectName()} {widget.accessibleName()}")
    assert " | ".join(unseen) == ""


def frame_of(widget: QWidget) -> QWidget:
    """What shows the focus: the composer's frame does it for its field."""
    parent = widget.parentWidget()
    return parent if isinstance(widget, QPlainTextEdit) and parent is not None else widget


def test_every_menu_item_has_words(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    for menu in session.window.findChildren(QMenu):
        menu.aboutToShow.emit()
        for action in menu.actions():
            assert action.isSeparator() or action.text().strip()


def test_a_screen_reader_hears_of_beginning_end_and_failure(qtbot, open_window, make_engine, monkeypatch) -> None:
    heard: list[str] = []
    real = QAccessible.updateAccessibility

    def listen(event) -> None:
        if event.type() == QAccessible.Event.Announcement:
            heard.append(event.message())
        real(event)

    monkeypatch.setattr(QAccessible, "updateAccessibility", listen)
    engine = make_engine()
    session = open_window(engine)
    session.window.chat.on_submitted("Hi")
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle)
    assert heard == ["The answer is being written.", "The answer is finished."]
    engine.error = AppError(ErrorCode.OUT_OF_MEMORY)
    session.window.chat.on_submitted("Again")
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle)
    assert heard[2] == "The answer is being written."
    assert len(heard) == 4


def test_nothing_moves_by_itself() -> None:
    """There is no animation, so nothing has to be held still for those who ask for reduced motion."""
    for path in Path(app.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for name in ("QPropertyAnimation", "QVariantAnimation", "QTimeLine", "QMovie"):
            assert name not in text, path.name


@pytest.mark.parametrize(
    "screen", [main_filled, palette, shortcut_list, quick_actions, preferences(Page.ANSWERS)],
    ids=["main", "palette", "shortcuts", "quick actions", "preferences"],
)  # fmt: skip
def test_from_right_to_left_everything_is_mirrored_and_nothing_is_cut(qtbot, open_window, make_engine, screen) -> None:
    QApplication.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        session, window = show(qtbot, open_window, make_engine, screen)
        assert not window.grab().isNull()
        if window is session.window:
            assert window.sidebar.mapTo(window, window.sidebar.rect().center()).x() > window.width() // 2
        for control in controls(window):
            parent = control.widget.parentWidget()
            if parent is not None and isinstance(control.widget, CONTROLS) and parent.layout() is not None:
                room = QRect(0, 0, parent.width(), max(parent.height(), control.widget.geometry().bottom() + 1))
                assert room.contains(control.widget.geometry()), control.words
    finally:
        QApplication.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
