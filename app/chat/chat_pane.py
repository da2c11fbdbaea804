"""The right side of the window: header, transcript or empty state, composer.

Knows where they stand; must not know what they say.
"""

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from app.chat.composer import Composer, local_files
from app.chat.empty import EmptyState
from app.chat.find_bar import FindBar
from app.chat.header import ChatHeader
from app.chat.message_model import MessageModel
from app.chat.model_session import STARTER_LABEL, ModelState
from app.chat.rows import RowActions
from app.chat.transcript import Transcript
from app.history.bars import NoticeBar
from app.plain_text import PlainLabel
from app.preferences.live import LiveSettings
from app.theme import SIZES, Theme


class ChatPane(QWidget):
    """One conversation and what belongs to it; files may be dropped anywhere on it."""

    files_given = Signal(list)  # paths
    get_requested = Signal()  # the full model

    def __init__(
        self,
        messages: MessageModel,
        theme: Theme,
        live: LiveSettings,
        actions: RowActions,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("chatPane")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._messages = messages
        self._theme = theme
        self.header = ChatHeader(theme, live)
        self.transcript = Transcript(messages, theme, actions)
        self.empty = EmptyState()
        self.composer = Composer(theme)
        self._starter = _starter_line(self.get_requested.emit)
        self._is_starter = False
        self._page: QWidget | None = None
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.transcript)
        self.notice = NoticeBar(theme)
        self.find_bar = FindBar(theme)
        self._foot = QWidget()
        self.setAcceptDrops(True)
        self._arrange()
        self.empty.example_chosen.connect(self.composer.set_text)
        self.composer.text.files_given.connect(self.files_given)
        self.composer.page_requested.connect(self.transcript.scroll_by_page)
        self.composer.submitted.connect(lambda _text: self.transcript.scroll_to_end())
        messages.reset.connect(self.on_rows_changed)
        messages.appended.connect(lambda *_: self.show_page(None))
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    @property
    def is_empty(self) -> bool:
        """True while the empty state is shown."""
        return self._stack.currentWidget() is self.empty

    def show_model(self, state: ModelState) -> None:
        """Show the state of the model wherever it matters here."""
        self.header.show_model(state)
        self.empty.show_model(state)
        self._is_starter = bool(state.model and state.model.is_starter)
        self._starter.setVisible(self._is_starter and self._page is None)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Show that files can be dropped."""
        if local_files(event.mimeData()):
            event.acceptProposedAction()
            self.composer.on_focus_changed(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Show the focus as it is."""
        self.composer.on_focus_changed(self.composer.text.hasFocus())

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the files."""
        event.acceptProposedAction()
        self.composer.on_focus_changed(self.composer.text.hasFocus())
        self.files_given.emit(local_files(event.mimeData()))

    def show_page(self, page: QWidget | None) -> None:
        """Show `page` in the place of the conversation until a message is sent; None shows the conversation."""
        self._page = page
        if page is not None and self._stack.indexOf(page) < 0:
            self._stack.addWidget(page)
        self._starter.setVisible(self._is_starter and page is None)
        self.on_rows_changed()

    def on_rows_changed(self) -> None:
        """Show the transcript as soon as there is something in it."""
        if self._page is not None:
            self._stack.setCurrentWidget(self._page)
            return
        self._stack.setCurrentWidget(self.transcript if self._messages.rows else self.empty)

    def on_theme_changed(self) -> None:
        """Keep the composer as wide as the reading column."""
        self._foot.setMaximumWidth(self._theme.px(SIZES.column) + 2 * SIZES.space_3)

    def _arrange(self) -> None:
        foot = QVBoxLayout(self._foot)
        foot.setContentsMargins(SIZES.space_3, 0, SIZES.space_3, SIZES.space_3)
        foot.setSpacing(SIZES.space_2)
        foot.addWidget(self.notice)
        foot.addWidget(self._starter)
        foot.addWidget(self.composer)
        centre = QHBoxLayout()
        centre.setContentsMargins(SIZES.space_3, 0, SIZES.space_3, 0)
        centre.addStretch(1)
        centre.addWidget(self._foot, 1000)
        centre.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.find_bar)
        layout.addWidget(self._stack, 1)
        layout.addLayout(centre)


def _starter_line(get: Callable[[], object]) -> QFrame:
    line = QFrame()
    line.setObjectName("starterLine")
    words = PlainLabel(STARTER_LABEL, kind="starter", wrap=True)
    words.setObjectName("starterLabel")
    button = QPushButton("Get the model")
    button.clicked.connect(lambda: get())
    layout = QHBoxLayout(line)
    layout.setContentsMargins(SIZES.space_2, SIZES.space_1, SIZES.space_1, SIZES.space_1)
    layout.addWidget(words, 1)
    layout.addWidget(button)
    line.hide()
    return line
