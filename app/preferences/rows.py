"""One setting on a page: its label, whether it differs from the default, its control, and one line of effect.

Knows a setting and its control; must not know what the setting does.
"""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from app.plain_text import PlainLabel
from app.preferences.controls import Control
from app.preferences.live import LiveSettings
from app.theme import SIZES
from core import presets
from core.specs import PRESET_KEYS, Kind, Spec

_RELOAD = "Takes effect when the model is opened again."


class SettingRow(QWidget):
    """A setting; follows the settings by itself."""

    def __init__(self, spec: Spec, control: Control, live: LiveSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        self.control = control
        self._live = live
        self._dot = PlainLabel("●", kind="changed")
        self._dot.setAccessibleName(f"{spec.label} differs from the default")
        self._dot.setToolTip("Differs from the default")
        label = PlainLabel(spec.label, kind="strong")
        label.setBuddy(control.field)
        self._label = label
        self._reset = QToolButton()
        self._reset.setText("Reset")
        self._reset.setProperty("kind", "action")
        self._reset.setAccessibleName(f"Reset {spec.label}")
        self._reset.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._reset.clicked.connect(self.on_reset)
        self._help = PlainLabel(spec.help + (f" {_RELOAD}" if spec.needs_reload else ""), kind="small", wrap=True)
        for hidden in (self._dot, self._reset):
            policy = hidden.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            hidden.setSizePolicy(policy)
        self._arrange()
        control.value_changed.connect(self.on_value)
        live.changed.connect(self.on_settings_changed)
        self.refresh()

    @property
    def is_marked(self) -> bool:
        """True while the dot says that the value is not the default."""
        return not self._dot.isHidden()

    @property
    def reset_button(self) -> QToolButton:
        """The button beside the label."""
        return self._reset

    def matches(self, words: list[str]) -> bool:
        """True where every word stands in what is said about the setting."""
        text = " ".join((self.spec.label, self.spec.help, *self.spec.words, self.spec.key.replace("_", " "))).casefold()
        return all(word in text for word in words)

    def on_value(self, value: object) -> None:
        """Take over what was entered."""
        self._live.change(self.spec.key, value)

    def on_reset(self) -> None:
        """Go back to the default; the focus goes to the control."""
        self.control.field.setFocus()
        self._live.reset(self.spec.key)

    def on_settings_changed(self, keys: frozenset[str]) -> None:
        """Follow what concerns this setting: itself, or the style above it."""
        if self.spec.key in keys or (self.spec.key in PRESET_KEYS and keys & {"preset", "own_presets"}):
            self.refresh()

    def refresh(self) -> None:
        """Show the value in force and whether it is the default."""
        settings, key = self._live.settings, self.spec.key
        self.control.show_value(presets.resolve(settings).get(key) if key in PRESET_KEYS else settings.get(key))
        if key in PRESET_KEYS:
            is_changed = presets.is_changed(settings, key)
        else:
            is_changed = settings.get(key) != self.spec.default
        self._dot.setVisible(is_changed)
        self._reset.setVisible(is_changed)

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(SIZES.space_1)
        if self.spec.kind is Kind.SWITCH:
            top.addWidget(self.control)  # the box carries the label itself
            self._label.hide()
        else:
            top.addWidget(self._label)
        top.addWidget(self._dot)
        top.addStretch(1)
        top.addWidget(self._reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SIZES.space_1)
        layout.addLayout(top)
        if self.spec.kind is not Kind.SWITCH:
            layout.addWidget(self.control)
        layout.addWidget(self._help)


def heading(text: str) -> PlainLabel:
    """Return the title of a group of settings."""
    return PlainLabel(text, kind="heading")
