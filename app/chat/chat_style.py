"""The small control in a chat's header: which style answers here, and which system prompt.

Knows names and words; must not know where the differences are kept.
"""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.icons import icon
from app.plain_text import PlainLabel, menu_text, set_tooltip
from app.preferences.live import LiveSettings
from app.preferences.styles import fill_prompt_menu
from app.theme import SIZES, Theme
from core import presets
from core.presets import NO_OVERRIDES, ChatOverrides
from core.specs import spec_of

_MAX_NAME_CHARS = 24


class ChatStyleButton(QToolButton):
    """Shows the style in force and whether the chat has something of its own; its menu changes both."""

    preset_chosen = Signal(object)  # a name, or None for that of the settings
    prompt_requested = Signal()
    preferences_requested = Signal()

    def __init__(self, theme: Theme, live: LiveSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._live = live
        self._overrides = NO_OVERRIDES
        self.setProperty("kind", "model")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self.on_menu)
        self.setMenu(self._menu)
        live.changed.connect(lambda _keys: self.refresh())
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()
        self.refresh()

    def show_overrides(self, overrides: ChatOverrides) -> None:
        """Show what the open conversation does differently."""
        self._overrides = overrides
        self.refresh()

    def refresh(self) -> None:
        """Show the style in force."""
        name = presets.preset_in_force(self._live.settings, self._overrides).name
        shown = name if len(name) <= _MAX_NAME_CHARS else name[: _MAX_NAME_CHARS - 1] + "…"
        is_own = self._overrides != NO_OVERRIDES
        self.setText(menu_text(f"{shown} ●" if is_own else shown))
        own = ", with settings of its own" if is_own else ""
        self.setAccessibleName(f"Style of answers in this chat: {name}{own}")
        set_tooltip(self, "Style of answers in this chat" + (" (it differs from the settings)" if is_own else ""))

    def on_menu(self) -> None:
        """Fill the menu with the styles there are now."""
        settings, menu = self._live.settings, self._menu
        menu.clear()
        general = presets.preset_in_force(settings).name
        self._add(f"As in the settings ({general})", None, is_checked=self._overrides.preset is None)
        menu.addSeparator()
        in_force = presets.preset_in_force(settings, self._overrides).name
        for preset in presets.all_presets(settings):
            is_chosen = self._overrides.preset is not None and preset.name == in_force
            self._add(preset.name, preset.name, is_checked=is_chosen)
        menu.addSeparator()
        has_own = self._overrides.system_prompt is not None
        self._command(
            "System prompt of this chat ●…" if has_own else "System prompt of this chat…", self.prompt_requested
        )
        self._command("Preferences…", self.preferences_requested)

    def on_theme_changed(self) -> None:
        """Recolour the icon."""
        self.setIcon(icon("chevron-down", self._theme.tokens.ink_2, SIZES.icon))

    def _add(self, text: str, name: str | None, *, is_checked: bool) -> None:
        action = QAction(menu_text(text), self._menu)
        action.setMenuRole(QAction.MenuRole.NoRole)
        action.setCheckable(True)
        action.setChecked(is_checked)
        action.triggered.connect(lambda _checked, chosen=name: self.preset_chosen.emit(chosen))
        self._menu.addAction(action)

    def _command(self, text: str, signal: object) -> None:
        action = QAction(text, self._menu)
        action.setMenuRole(QAction.MenuRole.NoRole)
        action.triggered.connect(lambda _checked: signal.emit())  # type: ignore[attr-defined]
        self._menu.addAction(action)


class ChatPromptDialog(QDialog):
    """Edits the system prompt of one conversation; the window behind it stays usable."""

    chosen = Signal(object)  # the text, or None for that of the settings

    def __init__(self, live: LiveSettings, overrides: ChatOverrides, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("System prompt of this chat")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        text = presets.resolve(live.settings, overrides).text("system_prompt")
        self.edit = QPlainTextEdit(text)
        self.edit.setProperty("kind", "field")
        self.edit.setAccessibleName("System prompt of this chat")
        self.edit.setTabChangesFocus(True)
        self.edit.setMinimumSize(theme.px(SIZES.column // 2), theme.px(SIZES.sidebar // 2))
        library = QToolButton()
        library.setText("Use a system prompt…")
        library.setProperty("kind", "menu")
        library.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        library.setAccessibleName("Use a system prompt of the library")
        library.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(library)
        menu.aboutToShow.connect(lambda: fill_prompt_menu(menu, live, self.edit.setPlainText))
        library.setMenu(menu)
        self._use = QPushButton("Use in this chat")
        self._use.setProperty("kind", "primary")
        self._use.setDefault(True)
        self._use.clicked.connect(self.on_use)
        general = QPushButton("As in the settings")
        general.setEnabled(overrides.system_prompt is not None)
        general.clicked.connect(self.on_general)
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        self.edit.textChanged.connect(self.on_text)
        line = QHBoxLayout()
        line.setSpacing(SIZES.space_2)
        for button in (library, general):
            line.addWidget(button)
        line.addStretch(1)
        for button in (cancel, self._use):
            line.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_4, SIZES.space_4, SIZES.space_4, SIZES.space_4)
        layout.setSpacing(SIZES.space_3)
        layout.addWidget(PlainLabel("What the model is told before this conversation.", kind="secondary"))
        layout.addWidget(self.edit, 1)
        layout.addLayout(line)

    def on_text(self) -> None:
        """Take only what can be stored."""
        self._use.setEnabled(len(self.edit.toPlainText()) <= (spec_of("system_prompt").maximum or 0))

    def on_use(self) -> None:
        """Tell the text."""
        self.chosen.emit(self.edit.toPlainText().replace("\0", ""))
        self.accept()

    def on_general(self) -> None:
        """Tell that the settings' one is to be used."""
        self.chosen.emit(None)
        self.accept()
