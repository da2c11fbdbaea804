"""The styles of answers: which one is in force, own ones under a name, and the system prompts that are kept.

Knows styles and names; must not know what a style does to an answer.
"""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import PlainLabel, menu_text
from app.preferences.live import LiveSettings
from app.theme import SIZES
from core import presets
from core.errors import AppError
from core.specs import MAX_NAME_CHARS, Preset

_COLUMNS = 3
_TAKEN = "There is such a name already."


class StyleChooser(QWidget):
    """A button for each style; below, keeping the values in force as an own style, and taking one away."""

    def __init__(self, live: LiveSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._live = live
        self._group = QButtonGroup(self)
        self._grid = QGridLayout()
        self._grid.setSpacing(SIZES.space_2)
        self._name = _name_field("Name of the new style", "Name for these values")
        self._save = QPushButton("Save as a style")
        self._save.clicked.connect(self.on_save)
        self._name.returnPressed.connect(self.on_save)
        self._name.textChanged.connect(self.on_name)
        self._remove = QPushButton()
        self._remove.clicked.connect(self.on_remove)
        self._note = PlainLabel(kind="warning")
        self._note.hide()
        line = QHBoxLayout()
        line.setSpacing(SIZES.space_2)
        line.addWidget(self._name, 1)
        line.addWidget(self._save)
        line.addWidget(self._remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SIZES.space_2)
        layout.addLayout(self._grid)
        layout.addLayout(line)
        layout.addWidget(self._note)
        self._group.idClicked.connect(self.on_chosen)
        live.changed.connect(self.on_settings_changed)
        self._fill()
        self.on_name()

    @property
    def names(self) -> list[str]:
        """The styles that are offered."""
        return [preset.name for preset in presets.all_presets(self._live.settings)]

    def on_chosen(self, number: int) -> None:
        """Put a style in force."""
        self._live.set("preset", self.names[number])

    def on_name(self) -> None:
        """Offer saving only under a name that is free."""
        name = " ".join(self._name.text().split())
        is_taken = name.casefold() in {each.casefold() for each in self.names}
        self._note.setText(_TAKEN)
        self._note.setVisible(is_taken)
        self._save.setEnabled(bool(name) and not is_taken)

    def on_save(self) -> None:
        """Keep the values in force under the name, and choose it."""
        if self._save.isEnabled():
            try:
                self._live.replace(presets.with_own_preset(self._live.settings, self._name.text()))
            except AppError:
                return  # more styles than can be kept
            self._name.clear()

    def on_remove(self) -> None:
        """Delete the own style in force, or take back what was changed about a built-in one."""
        name = presets.preset_in_force(self._live.settings).name
        self._live.replace(presets.without_preset(self._live.settings, name))

    def on_settings_changed(self, keys: frozenset[str]) -> None:
        """Follow the styles."""
        if keys & {"preset", "own_presets"}:
            self._fill()
            self.on_name()

    def _fill(self) -> None:
        names = self.names
        chosen = presets.preset_in_force(self._live.settings).name
        for button in self._group.buttons()[len(names) :]:
            self._group.removeButton(button)
            self._grid.removeWidget(button)
            button.deleteLater()
        for number, name in enumerate(names):
            button = self._group.button(number) or self._add_button(number)
            button.setText(menu_text(name))
            button.setAccessibleName(f"Style: {name}")
            button.setChecked(name == chosen)
        own = {preset.name for preset in self._live.settings.presets("own_presets")}
        is_own = not presets.is_built_in(chosen)
        self._remove.setText(f"Delete {menu_text(chosen)}" if is_own else f"Reset {menu_text(chosen)}")
        self._remove.setVisible(is_own or chosen in own)

    def _add_button(self, number: int) -> QPushButton:
        button = QPushButton()
        button.setCheckable(True)
        button.setProperty("kind", "segment")
        self._group.addButton(button, number)
        self._grid.addWidget(button, number // _COLUMNS, number % _COLUMNS)
        return button


class PromptLibrary(QWidget):
    """Puts a kept system prompt into the setting, and keeps the one in force under a name."""

    def __init__(self, live: LiveSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._live = live
        self._choose = QToolButton()
        self._choose.setText("Use a system prompt…")
        self._choose.setProperty("kind", "menu")
        self._choose.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._choose.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._choose.setAccessibleName("Use a system prompt of the library")
        self._menu = QMenu(self._choose)
        self._menu.aboutToShow.connect(self.on_menu)
        self._choose.setMenu(self._menu)
        self._name = _name_field("Name of the system prompt", "Name for this prompt")
        self._name.textChanged.connect(self.on_name)
        self._name.returnPressed.connect(self.on_save)
        self._save = QPushButton("Keep")
        self._save.setAccessibleName("Keep the system prompt under this name")
        self._save.clicked.connect(self.on_save)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SIZES.space_2)
        layout.addWidget(self._choose)
        layout.addWidget(self._name, 1)
        layout.addWidget(self._save)
        self.on_name()

    @property
    def menu(self) -> QMenu:
        """The menu of prompts."""
        return self._menu

    def on_menu(self) -> None:
        """Fill the menu with what is kept now."""
        fill_prompt_menu(self._menu, self._live, lambda text: self._live.change("system_prompt", text))
        own = [each.name for each in self._live.settings.presets("prompt_library")]
        if own:
            self._menu.addSeparator()
        for name in own:
            action = self._menu.addAction(f"Delete “{menu_text(name)}”")
            action.triggered.connect(lambda _checked, gone=name: self._forget(gone))

    def on_name(self) -> None:
        """Offer keeping only under a name."""
        self._save.setEnabled(bool(self._name.text().strip()))

    def on_save(self) -> None:
        """Keep the prompt in force; one of the same name is replaced."""
        name = " ".join(self._name.text().split())
        if not name:
            return
        text = presets.resolve(self._live.settings).text("system_prompt")
        others = self._without(name)
        self._live.set("prompt_library", (*others, Preset.of(name, {"system_prompt": text})))
        self._name.clear()

    def _forget(self, name: str) -> None:
        self._live.set("prompt_library", self._without(name))

    def _without(self, name: str) -> tuple[Preset, ...]:
        kept = self._live.settings.presets("prompt_library")
        return tuple(each for each in kept if each.name.casefold() != name.casefold())


def fill_prompt_menu(menu: QMenu, live: LiveSettings, on_chosen: Callable[[str], object]) -> None:
    """List the system prompts that are kept; `on_chosen` gets the text."""
    menu.clear()
    for each in presets.all_prompts(live.settings):
        text = str(each.as_mapping()["system_prompt"])
        action = QAction(menu_text(each.name), menu)
        action.setMenuRole(QAction.MenuRole.NoRole)
        action.triggered.connect(lambda _checked, chosen=text: on_chosen(chosen))
        menu.addAction(action)


def _name_field(name: str, placeholder: str) -> QLineEdit:
    field = QLineEdit()
    field.setMaxLength(MAX_NAME_CHARS)
    field.setAccessibleName(name)
    field.setPlaceholderText(placeholder)
    return field
