"""The pages of the preferences: rows made from the table, with the parts that belong between them.

Knows which part stands on which page; must not know what a setting does.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QToolButton, QVBoxLayout, QWidget

from app.plain_text import PlainLabel
from app.preferences.controls import Control, NameControl, make_control
from app.preferences.facts import Facts
from app.preferences.live import LiveSettings
from app.preferences.preview import NextWordPreview
from app.preferences.rows import SettingRow, heading
from app.preferences.styles import PromptLibrary, StyleChooser
from app.theme import SIZES, Theme
from core.specs import SPECS, Page, Spec

_WIDTH = SIZES.column * 3 // 4


class PageView(QScrollArea):
    """One page: a single column that scrolls."""

    def __init__(self, page: Page, theme: Theme, live: LiveSettings, parts: Sequence[Facts]) -> None:
        super().__init__()
        self.page = page
        self.rows: list[SettingRow] = []
        self.parts = list(parts)
        self.preview: NextWordPreview | None = None
        self._advanced: QToolButton | None = None
        self._theme = theme
        self._live = live
        self.setObjectName("preferencesPage")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(page.value)
        body = QWidget()
        body.setObjectName("preferencesBody")
        self._column = QVBoxLayout()
        self._column.setSpacing(SIZES.space_5)
        self._column.addWidget(PlainLabel(page.value, kind="page"))
        self._fill([spec for spec in SPECS if spec.page is page])
        self._column.addStretch(1)
        self._holder = QWidget()
        self._holder.setLayout(self._column)
        centre = QHBoxLayout(body)
        centre.setContentsMargins(SIZES.space_5, SIZES.space_4, SIZES.space_5, SIZES.space_5)
        centre.addWidget(self._holder, 1000)
        centre.addStretch(1)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.setWidget(body)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    def show_matching(self, words: list[str]) -> int:
        """Show only what every word of a search fits; all of it without words. Returns how much that is."""
        is_page = all(word in self.page.value.casefold() for word in words)
        shown = 0
        items: list[SettingRow | Facts] = [*self.rows, *self.parts]
        for item in items:
            fits = is_page or item.matches(words)
            is_folded = isinstance(item, SettingRow) and item.spec.is_advanced and not words and not self.is_unfolded
            item.setVisible(fits and not is_folded)
            shown += fits
        if self._advanced is not None:
            self._advanced.setVisible(not words)
        if self.preview is not None:
            self.preview.setVisible(
                not words or any(row.spec.is_advanced and row.isVisibleTo(self) for row in self.rows)
            )
        return shown

    @property
    def is_unfolded(self) -> bool:
        """True while the advanced settings are shown."""
        return self._advanced is None or self._advanced.isChecked()

    def unfold(self, is_open: bool = True) -> None:
        """Show or hide the advanced settings."""
        if self._advanced is not None:
            self._advanced.setChecked(is_open)

    def on_unfolded(self, is_open: bool) -> None:
        """Show or hide the advanced settings."""
        assert self._advanced is not None
        self._advanced.setText("▾ Advanced" if is_open else "▸ Advanced")
        for row in self.rows:
            if row.spec.is_advanced:
                row.setVisible(is_open)

    def on_settings_changed(self, keys: frozenset[str]) -> None:
        """Keep the preview in step."""
        if self.preview is not None and any(spec.key in keys for spec in SPECS if spec.page is self.page):
            self.preview.show_settings(self._live.settings)

    def on_theme_changed(self) -> None:
        """Keep the column readable at every size of text."""
        self._holder.setMaximumWidth(self._theme.px(_WIDTH))

    def _fill(self, specs: Sequence[Spec]) -> None:
        for spec in specs:
            if not spec.is_advanced:
                self._add(spec)
        advanced = [spec for spec in specs if spec.is_advanced]
        if advanced:
            self._add_advanced(advanced)
        for part in self.parts:
            self._column.addWidget(part)

    def _add_advanced(self, specs: Sequence[Spec]) -> None:
        self._column.addWidget(heading("The next word"))
        self.preview = NextWordPreview(self._theme)
        self._column.addWidget(self.preview)
        self._live.changed.connect(self.on_settings_changed)
        self._advanced = QToolButton()
        self._advanced.setProperty("kind", "fold")
        self._advanced.setCheckable(True)
        self._advanced.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._advanced.setAccessibleName("Advanced settings")
        self._advanced.toggled.connect(self.on_unfolded)
        self._column.addWidget(self._advanced)
        for spec in specs:
            self._add(spec)
        self.on_unfolded(False)

    def _add(self, spec: Spec) -> None:
        row = SettingRow(spec, self._control(spec), self._live)
        self.rows.append(row)
        self._column.addWidget(row)

    def _control(self, spec: Spec) -> Control:
        match spec.key:
            case "preset":
                return NameControl(spec, StyleChooser(self._live))
            case "prompt_library":
                return NameControl(spec, PromptLibrary(self._live))
            case "own_presets":
                return NameControl(spec, _OwnStyles(self._live))
            case _:
                return make_control(spec, self._theme)


class _OwnStyles(QWidget):
    """How many own styles there are; they are made and deleted with the chooser above."""

    def __init__(self, live: LiveSettings) -> None:
        super().__init__()
        self._live = live
        self._label = PlainLabel(kind="secondary", wrap=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._label)
        live.changed.connect(lambda _keys: self._show())
        self._show()

    def _show(self) -> None:
        names = [preset.name for preset in self._live.settings.presets("own_presets")]
        self._label.setText(", ".join(names) or "None yet. Change values under Advanced and save them above.")
