"""The line above a conversation: its title, and which model answers.

Knows names of models; must not know how they are found or loaded.
"""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget

from app.chat.chat_style import ChatStyleButton
from app.chat.model_session import STARTER_LABEL, ModelState
from app.icons import icon
from app.plain_text import ElidedLabel, menu_text, set_tooltip
from app.preferences.live import LiveSettings
from app.theme import SIZES, Theme
from core.models.installed import InstalledModel

_MAX_NAME_CHARS = 40


class ChatHeader(QWidget):
    """Title at the left, model chooser at the right."""

    model_chosen = Signal(object)
    folder_requested = Signal()
    sidebar_toggled = Signal()
    get_requested = Signal()
    manager_requested = Signal()

    def __init__(self, theme: Theme, live: LiveSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chatHeader")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._installed: Sequence[InstalledModel] = ()
        self._state = ModelState()
        self._sidebar = QToolButton()
        self._sidebar.setAccessibleName("Show or hide the conversations")
        self._sidebar.setToolTip("Show or hide the conversations (Ctrl+B)")
        self._sidebar.setIconSize(QSize(SIZES.icon, SIZES.icon))
        self._sidebar.clicked.connect(self.sidebar_toggled)
        self._title = ElidedLabel(kind="heading")
        self.style_button = ChatStyleButton(theme, live)
        self._chooser = QToolButton()
        self._chooser.setProperty("kind", "model")
        self._chooser.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._chooser.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self._chooser.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._chooser.setAccessibleName("Choose the model")
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self.on_menu)
        self._chooser.setMenu(self._menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SIZES.space_3, SIZES.space_2, SIZES.space_3, SIZES.space_2)
        layout.setSpacing(SIZES.space_2)
        layout.addWidget(self._sidebar)
        layout.addWidget(self._title, 1)
        layout.addWidget(self.style_button)
        layout.addWidget(self._chooser)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()
        self.show_model(self._state)

    @property
    def menu(self) -> QMenu:
        """The menu of models, for tests."""
        return self._menu

    def set_title(self, title: str) -> None:
        """Show the title of the conversation."""
        self._title.set_full_text(title)

    def show_models(self, installed: Sequence[InstalledModel]) -> None:
        """Offer these models."""
        self._installed = installed

    def show_model(self, state: ModelState) -> None:
        """Show which model answers."""
        self._state = state
        name = state.model.name if state.model else "Choose a model"
        shown = name if len(name) <= _MAX_NAME_CHARS else name[: _MAX_NAME_CHARS - 1] + "…"
        self._chooser.setText(menu_text(shown))
        set_tooltip(self._chooser, str(state.model.path) if state.model else "Choose the model that answers")

    def set_chooser_enabled(self, is_enabled: bool) -> None:
        """Hold the model while an answer is running."""
        self._chooser.setEnabled(is_enabled)

    def on_menu(self) -> None:
        """Fill the menu with what is installed now."""
        self._menu.clear()
        for model in self._installed:
            text = menu_text(STARTER_LABEL if model.is_starter else model.name)
            action = QAction(text, self._menu)
            action.setMenuRole(QAction.MenuRole.NoRole)
            if model.is_embedding:
                action.setText(menu_text(f"{model.name} – for searching documents"))
                action.setEnabled(False)
            action.setCheckable(True)
            action.setChecked(model == self._state.model)
            action.triggered.connect(lambda _checked, chosen=model: self.model_chosen.emit(chosen))
            self._menu.addAction(action)
        self._menu.addSeparator()
        self._menu.addAction("Get a model…", self.get_requested.emit)
        self._menu.addAction("All models…", self.manager_requested.emit)
        self._menu.addAction("Open a model folder…", self.folder_requested.emit)

    def on_theme_changed(self) -> None:
        """Recolour the icons."""
        self._sidebar.setIcon(icon("panel-left", self._theme.tokens.ink_2, SIZES.icon))
        self._chooser.setIcon(icon("chevron-down", self._theme.tokens.ink_2, SIZES.icon))
