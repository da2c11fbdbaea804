"""Every colour and every size of the window, as tokens, and the ways Qt takes them: palette, stylesheet, fonts.

Knows look; must not know any widget of Tern beyond its object name. No other module names a colour or a pixel size.
"""

import sys
from dataclasses import dataclass, fields
from enum import StrEnum

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from app.stylesheet import build_stylesheet


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours of one scheme as #RRGGBB."""

    paper: str  # transcript background
    surface: str  # composer, cards, menus, dialogs
    rail: str  # sidebar
    ink: str  # text
    ink_2: str  # secondary text, icons at rest
    line: str  # hairlines
    sea: str  # primary action, links, focus ring
    on_sea: str  # text on a filled primary button
    coral: str  # stop, destructive, errors
    on_coral: str
    amber: str  # warnings, unverified
    leaf: str  # verified, offline padlock
    user_tint: str  # the user's messages
    mark: str  # highlighted words
    hover: str  # a control under the pointer
    selected: str  # sea at 18 % over the rail


LIGHT = Tokens(
    paper="#FBFBFA",
    surface="#FFFFFF",
    rail="#F2F4F3",
    ink="#1B1F23",
    ink_2="#59626E",
    line="#E1E5E7",
    sea="#0B6B72",
    on_sea="#FFFFFF",
    coral="#C2412D",
    on_coral="#FFFFFF",
    amber="#8A5A00",
    leaf="#18704F",
    user_tint="#E7F0F1",
    mark="#FFF0A8",
    hover="#E8ECEC",
    selected="#C8DBDC",
)
DARK = Tokens(
    paper="#14171A",
    surface="#1B1F23",
    rail="#0F1214",
    ink="#E8EAED",
    ink_2="#A3ABB5",
    line="#2B3137",
    sea="#62C6CC",
    on_sea="#0F1214",
    coral="#FF8A75",
    on_coral="#0F1214",
    amber="#F0C15A",
    leaf="#62D3A2",
    user_tint="#1D2C2F",
    mark="#574700",
    hover="#20262A",
    selected="#1E3235",
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Lengths in pixels at 100 % text; text sizes are scaled, spacing is not."""

    body: int = 14
    code: int = 13
    small: int = 12
    headings: tuple[int, int, int] = (20, 17, 15)
    title: int = 28  # the name in an empty chat
    line_height_percent: int = 150
    space_1: int = 4
    space_2: int = 8
    space_3: int = 12
    space_4: int = 16
    space_5: int = 24
    space_6: int = 32
    radius: int = 8
    radius_control: int = 6
    icon: int = 18
    caret: int = 2
    column: int = 760
    sidebar: int = 248
    sidebar_collapse_below: int = 900
    window: tuple[int, int] = (1120, 760)
    window_least: tuple[int, int] = (720, 480)
    composer_lines: int = 9
    motion_ms: int = 140


SIZES = Sizes()
TEXT_PERCENTS = (80, 90, 100, 110, 125, 150, 175, 200)


class Scheme(StrEnum):
    """Which colours to use."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Theme(QObject):
    """The look in force; widgets that draw or lay out text themselves listen to `changed`."""

    changed = Signal()

    def __init__(self, scheme: Scheme = Scheme.SYSTEM, text_percent: int = 100, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._scheme = scheme
        self._percent = _nearest_percent(text_percent)
        self._family = _body_family()
        self._shown: tuple[Tokens, int] | None = None
        QGuiApplication.styleHints().colorSchemeChanged.connect(self.on_system_scheme_changed)

    @property
    def scheme(self) -> Scheme:
        """What the user chose."""
        return self._scheme

    @property
    def text_percent(self) -> int:
        """Size of text, 80 to 200."""
        return self._percent

    @property
    def is_dark(self) -> bool:
        """Whether the dark colours are shown now."""
        if self._scheme is Scheme.SYSTEM:
            return QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
        return self._scheme is Scheme.DARK

    @property
    def tokens(self) -> Tokens:
        """The colours shown now."""
        return DARK if self.is_dark else LIGHT

    def px(self, size: int) -> int:
        """Return a text size or a height made of text, scaled."""
        return round(size * self._percent / 100)

    def color(self, name: str) -> QColor:
        """Return the token `name` as a colour."""
        return QColor(getattr(self.tokens, name))

    def font(self, size: int | None = None, *, strong: bool = False) -> QFont:
        """Return the body face at `size` pixels (before scaling)."""
        font = QFont(self._family)
        font.setPixelSize(self.px(size or SIZES.body))
        font.setWeight(QFont.Weight.DemiBold if strong else QFont.Weight.Normal)
        return font

    def code_font(self) -> QFont:
        """Return the monospaced face."""
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(self.px(SIZES.code))
        return font

    def set_scheme(self, scheme: Scheme) -> None:
        """Follow the system, or stay light or dark."""
        self._scheme = scheme
        self.apply()

    def set_text_percent(self, percent: int) -> None:
        """Scale text to the nearest offered step."""
        self._percent = _nearest_percent(percent)
        self.apply()

    def step_text(self, steps: int) -> None:
        """Go `steps` up (or down) in the offered text sizes."""
        index = TEXT_PERCENTS.index(self._percent) + steps
        self.set_text_percent(TEXT_PERCENTS[max(0, min(index, len(TEXT_PERCENTS) - 1))])

    def apply(self) -> None:
        """Give palette, font and stylesheet to the application and tell the listeners."""
        before, self._shown = self._shown, (self.tokens, self._percent)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            # Each of the three polishes every widget again; only what changed is set.
            if before is None or before[0] != self.tokens:
                app.setPalette(palette(self.tokens))
            if before is None or before[1] != self._percent:
                app.setFont(self.font())
            app.setStyleSheet(build_stylesheet(self.tokens, SIZES, self.px))
        self.changed.emit()

    def on_system_scheme_changed(self) -> None:
        """Follow the system when nothing else was chosen."""
        if self._shown != (self.tokens, self._percent):
            self.apply()


def palette(tokens: Tokens) -> QPalette:
    """Return the palette for parts that the stylesheet does not reach (selection, placeholders, Fusion's own)."""
    made = QPalette()
    role = QPalette.ColorRole
    pairs = {
        role.Window: tokens.paper,
        role.WindowText: tokens.ink,
        role.Base: tokens.surface,
        role.AlternateBase: tokens.rail,
        role.Text: tokens.ink,
        role.Button: tokens.surface,
        role.ButtonText: tokens.ink,
        role.BrightText: tokens.coral,
        role.Link: tokens.sea,
        role.LinkVisited: tokens.sea,
        role.ToolTipBase: tokens.surface,
        role.ToolTipText: tokens.ink,
        role.PlaceholderText: tokens.ink_2,
        role.Highlight: tokens.selected,
        role.HighlightedText: tokens.ink,
        role.Mid: tokens.line,
        role.Dark: tokens.line,
        role.Light: tokens.surface,
        role.Midlight: tokens.hover,
        role.Accent: tokens.sea,
    }
    for which, color in pairs.items():
        made.setColor(which, QColor(color))
    disabled = QPalette.ColorGroup.Disabled
    for which in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(disabled, which, QColor(tokens.ink_2))
    return made


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def token_names() -> tuple[str, ...]:
    """Return the names of all colour tokens."""
    return tuple(field.name for field in fields(Tokens))


def _luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _nearest_percent(percent: int) -> int:
    return min(TEXT_PERCENTS, key=lambda offered: abs(offered - percent))


def _body_family() -> str:
    """Return the system's own face; on Linux Noto Sans where it is there."""
    system = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
    if sys.platform.startswith("linux") and "Noto Sans" in QFontDatabase.families():
        return "Noto Sans"
    return system
