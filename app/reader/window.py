"""The window that shows a document: a page as a picture or as text, with a passage marked.

Knows where things stand; must not know files, jobs or how a page is made.
"""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QStackedWidget,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import ElidedLabel, PlainLabel, set_tooltip
from app.reader.picture import PagePicture
from app.theme import SIZES, Theme
from core.library.page_messages import PageImage


class PageWindow(QWidget):
    """One document at a time; it does not stop the conversation's window."""

    spot_requested = Signal(int)  # steps to another citation
    page_requested = Signal(int)  # steps to another page
    zoom_requested = Signal(int)  # steps; 0: fit the width
    find_requested = Signal(str)
    found_requested = Signal(int)  # steps to another place that was found
    text_toggled = Signal(bool)
    closed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self.setObjectName("pageWindow")
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self.name = ElidedLabel(kind="strong")
        self.place = PlainLabel("", kind="secondary")
        self.previous_spot = _tool("‹ Passage", "Previous passage (Alt+Up)")
        self.next_spot = _tool("Passage ›", "Next passage (Alt+Down)")
        self.spot = PlainLabel("", kind="small")
        self.previous_page = _tool("‹", "Previous page (Alt+Left)")
        self.next_page = _tool("›", "Next page (Alt+Right)")
        self.smaller = _tool("−", "Smaller")
        self.fit = _tool("100 %", "Fit the width")
        self.larger = _tool("+", "Larger")
        self.as_text = _tool("As text", "Show the text of this page instead of its picture")
        self.as_text.setCheckable(True)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find in this document")
        self.search.setAccessibleName("Find in this document")
        self.search.setClearButtonEnabled(True)
        self.found = PlainLabel("", kind="small")
        self.previous_found = _tool("‹", "Previous place found (Shift+F3)")
        self.next_found = _tool("›", "Next place found (F3)")
        self.note = PlainLabel("", kind="warning", wrap=True)
        self.note.hide()
        self.picture = PagePicture()
        self.text = self._text_view()
        self.message = PlainLabel("", kind="secondary", wrap=True)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        for each in (self.picture, self.text, self.message):
            self._stack.addWidget(each)
        self._marked: tuple[int, int] | None = None
        self._zoom_percent = 100
        self._arrange()
        self._connect()
        theme.dress(self)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()
        self.setMinimumSize(SIZES.window_least[0] * 3 // 4, SIZES.window_least[1])
        self.resize(SIZES.column + 4 * SIZES.space_6, SIZES.window[1])

    @property
    def shows_picture(self) -> bool:
        """True where the page is shown as it is printed."""
        return self._stack.currentWidget() is self.picture

    def show_document(self, name: str, place: str, number: int, total: int) -> None:
        """Say which document and which place of it is shown; `number` counts its pages from 1."""
        self.setWindowTitle(f"{name.replace('[*]', '[*][*]')} – Tern")
        self.name.set_full_text(name)
        whole = f"{place or 'part ' + str(number)} of {total}" if total > 1 else place
        self.place.setText(whole[:1].upper() + whole[1:])
        for each in (self.previous_page, self.next_page):
            each.setVisible(total > 1)
        self.previous_page.setEnabled(number > 1)
        self.next_page.setEnabled(number < total)

    def show_spot(self, number: int, total: int) -> None:
        """Say which of the passages is marked."""
        for each in (self.previous_spot, self.next_spot, self.spot):
            each.setVisible(total > 1)
        self.spot.setText(f"{number} of {total}")
        self.previous_spot.setEnabled(number > 1)
        self.next_spot.setEnabled(number < total)

    def show_page(self, page: PageImage, *, goes_to_marks: bool) -> None:
        """Show a page as it is printed."""
        self.picture.show_page(page)
        self._stack.setCurrentWidget(self.picture)
        if goes_to_marks:
            self.picture.go_to_marks()

    def show_text(self, text: str, marked: tuple[int, int] | None) -> None:
        """Show a page as text; `marked` are characters of it."""
        if self.text.toPlainText() != text:
            self.text.setPlainText(text)
        self._marked = marked
        self._mark()
        self._stack.setCurrentWidget(self.text)
        if marked is not None:
            cursor = self.text.textCursor()
            cursor.setPosition(_utf16(text, marked[1]))
            self.text.setTextCursor(cursor)
            cursor.setPosition(_utf16(text, marked[0]))
            self.text.setTextCursor(cursor)
            self.text.centerCursor()

    def show_message(self, words: str) -> None:
        """Show words instead of a page."""
        self.message.setText(words)
        self._stack.setCurrentWidget(self.message)

    def show_note(self, words: str) -> None:
        """Say something above the page; "" takes it away."""
        self.note.setText(words)
        self.note.setVisible(bool(words))

    def show_found(self, words: str, *, has_some: bool) -> None:
        """Say what was found."""
        self.found.setText(words)
        self.previous_found.setEnabled(has_some)
        self.next_found.setEnabled(has_some)

    def show_zoom(self, percent: int) -> None:
        """Show pictures and text so large."""
        self._zoom_percent = percent
        self.fit.setText(f"{percent} %")
        self.picture.set_zoom(percent / 100)
        self.on_theme_changed()

    def show_in_front(self) -> None:
        """Open the window, or bring it forward."""
        self.show()
        self.raise_()
        self.activateWindow()

    def on_theme_changed(self) -> None:
        """Take over colours and sizes."""
        font = self._theme.font()
        font.setPixelSize(max(6, round(font.pixelSize() * self._zoom_percent / 100)))
        self.text.setFont(font)
        self._mark()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Tell that the document may be forgotten."""
        super().closeEvent(event)
        self.closed.emit()

    def _mark(self) -> None:
        if self._marked is None:
            self.text.setExtraSelections([])
            return
        text = self.text.toPlainText()
        selection = QTextEdit.ExtraSelection()
        look = QTextCharFormat()
        look.setBackground(self._theme.color("mark"))
        cursor = QTextCursor(self.text.document())
        cursor.setPosition(_utf16(text, self._marked[0]))
        cursor.setPosition(_utf16(text, self._marked[1]), QTextCursor.MoveMode.KeepAnchor)
        selection.format, selection.cursor = look, cursor  # type: ignore[attr-defined]
        self.text.setExtraSelections([selection])

    def _text_view(self) -> QPlainTextEdit:
        view = QPlainTextEdit()
        view.setObjectName("pageText")
        view.setReadOnly(True)
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setAccessibleName("The text of the page")
        view.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        view.document().setDocumentMargin(SIZES.space_5)
        view.setUndoRedoEnabled(False)
        return view

    def _arrange(self) -> None:
        top = QFrame()
        top.setObjectName("libraryTop")
        column = QVBoxLayout(top)
        column.setContentsMargins(SIZES.space_3, SIZES.space_2, SIZES.space_3, SIZES.space_2)
        column.setSpacing(SIZES.space_1)
        first = QHBoxLayout()
        first.setSpacing(SIZES.space_1)
        first.addWidget(self.name, 1)
        for each in (self.previous_page, self.place, self.next_page):
            first.addWidget(each)
        second = QHBoxLayout()
        second.setSpacing(SIZES.space_1)
        second.addWidget(self.search, 1)
        for each in (self.found, self.previous_found, self.next_found):
            second.addWidget(each)
        second.addSpacing(SIZES.space_3)
        for each in (self.previous_spot, self.spot, self.next_spot):
            second.addWidget(each)
        second.addSpacing(SIZES.space_3)
        for each in (self.smaller, self.fit, self.larger, self.as_text):
            second.addWidget(each)
        column.addLayout(first)
        column.addLayout(second)
        column.addWidget(self.note)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(top)
        layout.addWidget(self._stack, 1)

    def _connect(self) -> None:
        self.previous_spot.clicked.connect(lambda: self.spot_requested.emit(-1))
        self.next_spot.clicked.connect(lambda: self.spot_requested.emit(1))
        self.previous_page.clicked.connect(lambda: self.page_requested.emit(-1))
        self.next_page.clicked.connect(lambda: self.page_requested.emit(1))
        self.smaller.clicked.connect(lambda: self.zoom_requested.emit(-1))
        self.fit.clicked.connect(lambda: self.zoom_requested.emit(0))
        self.larger.clicked.connect(lambda: self.zoom_requested.emit(1))
        self.as_text.toggled.connect(self.text_toggled)
        self.previous_found.clicked.connect(lambda: self.found_requested.emit(-1))
        self.next_found.clicked.connect(lambda: self.found_requested.emit(1))
        self.search.textChanged.connect(self.find_requested)
        self.search.returnPressed.connect(lambda: self.found_requested.emit(1))
        self.picture.turn_requested.connect(self.page_requested)
        self.picture.zoom_requested.connect(self.zoom_requested)
        for keys, what in (
            ("Esc", self.close),
            ("Ctrl+W", self.close),
            ("Ctrl+F", self.search.setFocus),
            ("F3", self.next_found.click),
            ("Shift+F3", self.previous_found.click),
            ("Alt+Down", self.next_spot.click),
            ("Alt+Up", self.previous_spot.click),
            ("Alt+Right", self.next_page.click),
            ("Alt+Left", self.previous_page.click),
            ("Ctrl++", self.larger.click),
            ("Ctrl+-", self.smaller.click),
            ("Ctrl+0", self.fit.click),
        ):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(what)
            self.addAction(action)


def _tool(words: str, name: str) -> QToolButton:
    button = QToolButton()
    button.setText(words)
    button.setAccessibleName(name)
    set_tooltip(button, name)
    return button


def _utf16(text: str, position: int) -> int:
    """Return where Qt counts a character: signs beyond the basic plane are two places for it."""
    head = text[:position]
    return len(head) if head.isascii() else len(head) + sum(char > "\uffff" for char in head)
