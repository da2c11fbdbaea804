"""The window of the preferences: search above, pages at the left, one column of settings at the right.

Knows pages, search and keys; must not know what a setting does. It does not stop the conversation's window.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import PlainLabel
from app.preferences.facts import Facts
from app.preferences.live import LiveSettings
from app.preferences.pages import PageView
from app.preferences.rows import SettingRow
from app.theme import SIZES, Theme
from core.specs import Page

_LIST_WIDTH = SIZES.sidebar * 3 // 4


class PreferencesWindow(QWidget):
    """All pages; Esc closes it, and it comes back as it was left."""

    shown = Signal()
    page_shown = Signal(object)  # Page
    reload_requested = Signal()

    def __init__(self, theme: Theme, live: LiveSettings, parts: Sequence[tuple[Page, Facts]]) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.setWindowTitle("Preferences – Tern")
        self._theme = theme
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search the settings")
        self.search.setAccessibleName("Search the settings")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self.on_search)
        self.list = QListWidget()
        self.list.setObjectName("preferencesList")
        self.list.setAccessibleName("Pages")
        self.list.currentRowChanged.connect(self.on_page)
        self._live = live
        self._facts = list(parts)
        self._views: dict[Page, PageView] = {}
        self._build_next = QTimer(self)
        self._build_next.setSingleShot(True)
        self._build_next.timeout.connect(self.on_build_next)
        self._stack = QStackedWidget()
        for page in Page:
            self._stack.addWidget(QWidget())  # until the page is made
            self.list.addItem(QListWidgetItem(page.value))
        self._nothing = PlainLabel("No setting has these words.", kind="secondary")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack.addWidget(self._nothing)
        self._notice = self._make_notice()
        self._arrange()
        for part in self.parts:
            theme.dress(part)
        for keys, what in (("Esc", self.close), ("Ctrl+W", self.close), ("Ctrl+F", self.search.setFocus)):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(what)
            self.addAction(action)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()
        self.setMinimumSize(SIZES.window_least[0] * 7 // 8, SIZES.window_least[1])
        self.resize(SIZES.window[0] * 3 // 4, SIZES.window[1] * 7 // 8)
        self.list.setCurrentRow(0)

    @property
    def parts(self) -> list[QWidget]:
        """What the stylesheet is given to, one after the other: all at once would hold the window up."""
        return [self._top, self._rail, self._notice, self._nothing, *self._views.values()]

    @property
    def pages(self) -> list[PageView]:
        """All pages; those that were not wanted yet are made now."""
        return [self.view(page) for page in Page]

    @property
    def rows(self) -> list[SettingRow]:
        """All settings, page by page."""
        return [row for view in self.pages for row in view.rows]

    @property
    def page(self) -> Page:
        """The page in sight."""
        return list(Page)[max(0, self.list.currentRow())]

    def view(self, page: Page) -> PageView:
        """Return a page, made when it is first wanted."""
        return self._views.get(page) or self._build(page)

    def show_page(self, page: Page) -> None:
        """Go to a page."""
        self.list.setCurrentRow(list(Page).index(page))

    def show_in_front(self) -> None:
        """Open the window, or bring it forward."""
        self.show()
        self.raise_()
        self.activateWindow()

    def show_reload(self, labels: Sequence[str]) -> None:
        """Offer to open the model again, for these settings; hide the offer when there are none."""
        what = ", ".join(labels)
        self._notice_text.setText(f"Not in force yet: {what}.")
        self._notice.setVisible(bool(labels))

    @property
    def reload_text(self) -> str:
        """What the offer says; empty while there is none."""
        return "" if self._notice.isHidden() else self._notice_text.text()

    def on_page(self, number: int) -> None:
        """Show a page."""
        if 0 <= number < len(Page):
            page = list(Page)[number]
            self._stack.setCurrentWidget(self.view(page))
            self.page_shown.emit(page)

    def on_build_next(self) -> None:
        """Make one more page while nothing else is to do: all at once would hold the window up."""
        missing = next((page for page in Page if page not in self._views), None)
        if missing is not None:
            self._build(missing)
            self._build_next.start(0)

    def on_search(self, text: str) -> None:
        """Leave what fits: pages without any of it are not listed."""
        words = text.casefold().split()
        found = [view.show_matching(words) for view in self.pages]
        for number, n_found in enumerate(found):
            self.list.item(number).setHidden(n_found == 0 and bool(words))
        here = self.list.currentRow()
        if not any(found):
            self._stack.setCurrentWidget(self._nothing)
        elif words and not found[max(0, here)]:
            self.list.setCurrentRow(next(number for number, n_found in enumerate(found) if n_found))
        else:
            self._stack.setCurrentIndex(max(0, here))

    def on_theme_changed(self) -> None:
        """Keep the list wide enough for its words."""
        self.list.setFixedWidth(self._theme.px(_LIST_WIDTH))

    def showEvent(self, event: QShowEvent) -> None:
        """Tell that figures are wanted."""
        super().showEvent(event)
        self._build_next.start(0)
        self.shown.emit()

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the search: the next visit begins with all settings."""
        self.search.clear()
        super().closeEvent(event)

    def _build(self, page: Page) -> PageView:
        view = PageView(page, self._theme, self._live, [part for on, part in self._facts if on is page])
        self._views[page] = view
        self._theme.dress(view)
        number = list(Page).index(page)
        stand_in = self._stack.widget(number)
        assert stand_in is not None
        is_current = self._stack.currentWidget() is stand_in
        self._stack.insertWidget(number, view)
        self._stack.removeWidget(stand_in)
        stand_in.deleteLater()
        if is_current:
            self._stack.setCurrentWidget(view)
        return view

    def _make_notice(self) -> QFrame:
        frame = QFrame()
        frame.setObjectName("reloadNotice")
        self._notice_text = PlainLabel(kind="secondary", wrap=True)
        button = QPushButton("Open the model again")
        button.setProperty("kind", "primary")
        button.clicked.connect(self.reload_requested)
        layout = QHBoxLayout(frame)
        layout.setContentsMargins(SIZES.space_4, SIZES.space_2, SIZES.space_4, SIZES.space_2)
        layout.setSpacing(SIZES.space_3)
        layout.addWidget(self._notice_text, 1)
        layout.addWidget(button)
        frame.hide()
        return frame

    def _arrange(self) -> None:
        left = QVBoxLayout()
        left.setContentsMargins(SIZES.space_3, SIZES.space_3, SIZES.space_3, SIZES.space_3)
        left.setSpacing(SIZES.space_3)
        left.addWidget(self.list, 1)
        self._rail = rail = QWidget()
        rail.setObjectName("preferencesRail")
        rail.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        rail.setLayout(left)
        self._top = top = QWidget()
        top.setObjectName("preferencesTop")
        top.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        bar = QHBoxLayout(top)
        bar.setContentsMargins(SIZES.space_3, SIZES.space_3, SIZES.space_3, SIZES.space_3)
        bar.addWidget(self.search)
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self._stack, 1)
        right.addWidget(self._notice)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(rail)
        middle.addLayout(right, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(top)
        layout.addLayout(middle, 1)
