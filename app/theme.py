"""Every colour and every size of the window, as tokens, and the ways Qt takes them: palette, stylesheet, fonts.

Knows look; must not know any widget of Tern beyond its object name. No other module names a colour or a pixel size.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

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
COMPACT = replace(SIZES, space_1=2, space_2=4, space_3=8, space_4=8, space_5=16)
TEXT_PERCENTS = (80, 90, 100, 110, 125, 150, 175, 200)  # the steps of the menu; any size between them can be set


class Density(StrEnum):
    """How much room there is around controls, messages and the lines of lists."""

    COMFORTABLE = "comfortable"
    COMPACT = "compact"


class Scheme(StrEnum):
    """Which colours to use."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Theme(QObject):
    """The look in force; widgets that draw or lay out text themselves listen to `changed`.

    A change of look reaches a visible window in slices, so that the window's thread is never held for long; its
    picture stays as it was until all is ready. `changing` comes first: who will make widgets anew may drop them then,
    which saves restyling them. The stylesheet is set on windows, not on the application, where Qt spends twice the
    time on it; a window without a parent is given to `dress` once.
    """

    changing = Signal()
    changed = Signal()

    def __init__(
        self,
        scheme: Scheme = Scheme.SYSTEM,
        text_percent: int = 100,
        density: Density = Density.COMFORTABLE,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._scheme = scheme
        self._percent = _in_range(text_percent)
        self._density = density
        self._family = _body_family()
        self._shown: tuple[Tokens, int, Density] | None = None
        self._palette_of: Tokens | None = None
        self._font_of = 0
        self._sheet = ""
        self._roots: list[QWidget] = []
        self._steps: list[Callable[[], object]] = []
        self._frozen: list[QWidget] = []
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self.on_next_step)
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
    def density(self) -> Density:
        """How much room there is around things."""
        return self._density

    @property
    def sizes(self) -> Sizes:
        """The lengths in force; SIZES where density makes no difference."""
        return SIZES if self._density is Density.COMFORTABLE else COMPACT

    @property
    def is_settled(self) -> bool:
        """True when the last change has reached every window."""
        return not self._steps

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
        """Scale text, 80 to 200 %."""
        self._percent = _in_range(percent)
        self.apply()

    def set_density(self, density: Density) -> None:
        """Give things more or less room."""
        self._density = density
        self.apply()

    def set_look(self, scheme: Scheme, percent: int, density: Density) -> None:
        """Set all three at once."""
        self._scheme, self._percent, self._density = scheme, _in_range(percent), density
        self.apply()

    def step_text(self, steps: int) -> None:
        """Go `steps` up (or down) in the offered text sizes."""
        larger = [percent for percent in TEXT_PERCENTS if percent > self._percent]
        smaller = [percent for percent in reversed(TEXT_PERCENTS) if percent < self._percent]
        ahead = larger if steps > 0 else smaller
        if ahead and steps:
            self.set_text_percent(ahead[min(abs(steps), len(ahead)) - 1])

    def dress(self, root: QWidget) -> None:
        """Give the stylesheet to a new window that has no parent; its children and dialogs take it from there.

        A window of very many widgets is dressed part by part instead: each part is then a slice of its own.
        """
        if root not in self._roots:
            self._roots.append(root)
        root.setStyleSheet(self._sheet)

    def apply(self) -> None:
        """Show the look that is set now, at once where no window is visible, else in slices."""
        wanted = (self.tokens, self._percent, self._density)
        if wanted == self._shown:
            return
        self._shown = wanted
        self._sheet = build_stylesheet(self.tokens, self.sizes, self.px)
        self.changing.emit()
        self._roots = [root for root in self._roots if isValid(root)]
        visible = [root for root in self._roots if root.isVisible()]
        hidden = [root for root in self._roots if not root.isVisible()]
        self._steps = [
            self._set_palette_and_font,
            *[lambda root=root: self._restyle(root) for root in visible],
            self.changed.emit,
            self._thaw,
            *[lambda root=root: self._restyle(root) for root in hidden],
        ]
        if visible:
            self._freeze({root.window() for root in visible})
            self._next.start(0)
        else:
            while self._steps:
                self.on_next_step()

    def on_next_step(self) -> None:
        """Carry out one slice; events are handled before the next."""
        if self._steps:
            self._steps.pop(0)()
        if self._steps and not self._next.isActive():
            self._next.start(0)

    def on_system_scheme_changed(self) -> None:
        """Follow the system when nothing else was chosen."""
        self.apply()

    def _set_palette_and_font(self) -> None:
        app = QApplication.instance()
        if not isinstance(app, QApplication):
            return
        # Only what is another now: each reaches every widget. A change that was overtaken never got here.
        if self._palette_of != self.tokens:
            self._palette_of = self.tokens
            app.setPalette(palette(self.tokens))
        if self._font_of != self._percent:
            self._font_of = self._percent
            app.setFont(self.font())

    def _restyle(self, root: QWidget) -> None:
        if isValid(root):
            root.setStyleSheet(self._sheet)

    def _freeze(self, windows: set[QWidget]) -> None:
        for window in windows:
            if window.updatesEnabled():
                window.setUpdatesEnabled(False)
                self._frozen.append(window)

    def _thaw(self) -> None:
        for window in self._frozen:
            if isValid(window):
                window.setUpdatesEnabled(True)
                # Qt 6.11 never again paints a window by itself that had an update pending when updates were disabled.
                window.repaint()
        self._frozen = []


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


def _in_range(percent: int) -> int:
    return max(TEXT_PERCENTS[0], min(percent, TEXT_PERCENTS[-1]))


def _body_family() -> str:
    """Return the system's own face; on Linux Noto Sans where it is there."""
    system = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
    if sys.platform.startswith("linux") and "Noto Sans" in QFontDatabase.families():
        return "Noto Sans"
    return system
