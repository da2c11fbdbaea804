"""One control for each kind of setting; what is not allowed cannot be entered.

Knows kinds and ranges; must not know single settings or where a value goes.
"""

from PySide6.QtCore import QPointF, QRegularExpression, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QRegularExpressionValidator, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.file_dialogs import choose_file, choose_folder
from app.plain_text import ElidedLabel
from app.theme import SIZES, Theme
from core.errors import AppError
from core.specs import Kind, SettingValue, Spec

_INT_MAX = 2**31 - 1  # of a QSpinBox
_LINE_CHARS = 400  # a text of more has several lines
_SLIDER_STEPS = 200  # a range of more has no slider
_TICK = ((0.24, 0.52), (0.44, 0.72), (0.78, 0.3))  # shares of the box


class Control(QWidget):
    """What a value is entered with; the first widget that takes the focus is `field`."""

    value_changed = Signal(object)

    def __init__(self, spec: Spec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        self.field: QWidget = self
        self.line = QHBoxLayout(self)
        self.line.setContentsMargins(0, 0, 0, 0)
        self.line.setSpacing(SIZES.space_2)

    def show_value(self, value: SettingValue) -> None:
        """Show a value without telling that it changed."""
        raise NotImplementedError

    def tell(self, value: object) -> None:
        """Tell what was entered, if it is allowed."""
        try:
            self.value_changed.emit(self.spec.check(value))
        except AppError:
            return


class TickBox(QCheckBox):
    """A box with a tick in the colours of the theme; a stylesheet alone takes the tick away."""

    def __init__(self, text: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._theme = theme

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the tick over the filled box."""
        super().paintEvent(event)
        if not self.isChecked():
            return
        option = QStyleOptionButton()
        self.initStyleOption(option)
        box = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self)
        points = [QPointF(box.x() + x * box.width(), box.y() + y * box.height()) for x, y in _TICK]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.color("on_sea"), SIZES.caret))
        painter.drawPolyline(points)
        painter.end()


class SwitchControl(Control):
    """On or off."""

    def __init__(self, spec: Spec, theme: Theme) -> None:
        super().__init__(spec)
        self._box = TickBox(spec.label, theme)
        self._box.setAccessibleDescription(spec.help)
        self._box.toggled.connect(self.tell)
        self.field = self._box
        self.line.addWidget(self._box)
        self.line.addStretch(1)

    def show_value(self, value: SettingValue) -> None:
        """Show a value."""
        self._box.blockSignals(True)
        self._box.setChecked(value is True)
        self._box.blockSignals(False)


class ChoiceControl(Control):
    """One of a few, as a row of buttons; the arrow keys go from one to the next."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._group = QButtonGroup(self)
        for number, choice in enumerate(spec.choices):
            word = spec.words[number] if spec.words else choice
            button = QPushButton(word)
            button.setCheckable(True)
            button.setProperty("kind", "segment")
            button.setAccessibleName(f"{spec.label}: {word}")
            self._group.addButton(button, number)
            self.line.addWidget(button)
        self.line.addStretch(1)
        self.field = self._group.button(0)
        self._group.idClicked.connect(lambda number: self.tell(spec.choices[number]))

    def show_value(self, value: SettingValue) -> None:
        """Show a value."""
        self._group.button(self.spec.choices.index(str(value))).setChecked(True)


class _Spin(QSpinBox):
    """A number field that leaves the wheel to the page unless it has the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class _DoubleSpin(QDoubleSpinBox):
    """The same for numbers with decimals."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class _Slider(QSlider):
    """A slider that leaves the wheel to the page unless it has the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class NumberControl(Control):
    """A number: a field, two buttons, and a slider where the range is small enough to see."""

    def __init__(self, spec: Spec, theme: Theme) -> None:
        super().__init__(spec)
        assert spec.minimum is not None
        assert spec.maximum is not None
        self._low, self._high = spec.minimum, spec.maximum
        self._spin = _make_spin(spec)
        self._spin.setAccessibleName(spec.label)
        self._spin.setAccessibleDescription(spec.help)
        self._spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._spin.valueChanged.connect(self.on_number)
        self.field = self._spin
        self._slider: QSlider | None = None
        steps = round((self._high - self._low) / spec.step)
        if not spec.is_optional and steps <= _SLIDER_STEPS and self._high - self._low > 12:
            self._add_slider(steps)
        elif spec.kind is Kind.NUMBER:
            self._add_slider(min(steps * 2, _SLIDER_STEPS))
        for sign, name in (("−", "less"), ("+", "more")):
            button = QToolButton()
            button.setText(sign)
            button.setProperty("kind", "step")
            button.setAutoRepeat(True)
            button.setAccessibleName(f"{spec.label}: {name}")
            button.clicked.connect(self._spin.stepDown if sign == "−" else self._spin.stepUp)
            self.line.addWidget(button)
            if sign == "−":
                self.line.addWidget(self._spin)
        if self._slider is None:
            self.line.addStretch(1)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    def show_value(self, value: SettingValue) -> None:
        """Show a value; None as the field's own word for it."""
        shown = self._low - 1 if value is None else value
        assert isinstance(shown, int | float)
        if self._spin.value() == shown and not self._spin.hasFocus():
            self._show_on_slider()
            return
        self._spin.blockSignals(True)
        self._spin.setValue(shown)  # type: ignore[arg-type]
        self._spin.blockSignals(False)
        self._show_on_slider()

    def on_number(self, number: float) -> None:
        """Tell what was entered."""
        self._show_on_slider()
        self.tell(None if self.spec.is_optional and number < self._low else number)

    def on_slid(self, place: int) -> None:
        """Take the number at the slider's place."""
        assert self._slider is not None
        number = self._low + (self._high - self._low) * place / self._slider.maximum()
        stepped = round(number / self.spec.step * 2) * self.spec.step / 2 if self.spec.kind is Kind.NUMBER else number
        if isinstance(self._spin, QSpinBox):
            self._spin.setValue(round(stepped))
        else:
            self._spin.setValue(stepped)

    def _add_slider(self, steps: int) -> None:
        self._slider = _Slider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, steps)
        self._slider.setPageStep(max(1, steps // 10))
        self._slider.setAccessibleName(self.spec.label)
        self._slider.valueChanged.connect(self.on_slid)
        self.line.addWidget(self._slider, 1)

    def _show_on_slider(self) -> None:
        if self._slider is not None:
            share = (self._spin.value() - self._low) / (self._high - self._low)
            self._slider.blockSignals(True)
            self._slider.setValue(round(share * self._slider.maximum()))
            self._slider.blockSignals(False)

    def on_theme_changed(self) -> None:
        """Keep the field as wide as what it may have to show."""
        spin = self._spin
        longest = max((spin.specialValueText(), spin.textFromValue(spin.maximum()) + spin.suffix()), key=len)  # type: ignore[arg-type]
        spin.setFixedWidth(spin.fontMetrics().horizontalAdvance(longest + "00") + 2 * SIZES.space_3)


def _make_spin(spec: Spec) -> QSpinBox | QDoubleSpinBox:
    assert spec.minimum is not None
    assert spec.maximum is not None
    spin: QSpinBox | QDoubleSpinBox
    if spec.kind is Kind.INTEGER:
        spin = _Spin()
        spin.setRange(int(spec.minimum) - int(spec.is_optional), int(spec.maximum))
        spin.setSingleStep(int(spec.step))
        spin.setGroupSeparatorShown(True)
        if spec.is_optional:
            spin.setSpecialValueText(spec.empty[:1].upper() + spec.empty[1:])
    else:
        spin = _DoubleSpin()
        spin.setDecimals(2)
        spin.setRange(spec.minimum, spec.maximum)
        spin.setSingleStep(spec.step)
    spin.setSuffix(spec.unit)
    spin.setKeyboardTracking(False)
    spin.setCorrectionMode(QAbstractSpinBox.CorrectionMode.CorrectToNearestValue)
    spin.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return spin


class DigitsControl(Control):
    """A whole number that is larger than number fields take; empty is None."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._edit = QLineEdit()
        self._edit.setAccessibleName(spec.label)
        self._edit.setAccessibleDescription(spec.help)
        self._edit.setPlaceholderText(spec.empty[:1].upper() + spec.empty[1:])
        digits = len(str(int(spec.maximum or 0))) - 1  # one fewer than the largest has: all of them are allowed
        self._edit.setValidator(QRegularExpressionValidator(QRegularExpression(f"[0-9]{{0,{digits}}}"), self._edit))
        self._edit.textEdited.connect(lambda text: self.tell(int(text) if text else None))
        self.field = self._edit
        self.line.addWidget(self._edit)
        self.line.addStretch(1)

    def show_value(self, value: SettingValue) -> None:
        """Show a value."""
        text = "" if value is None else str(value)
        if self._edit.text() != text:
            self._edit.setText(text)


class TextControl(Control):
    """Several lines of text: one value (TEXT), or one a line (LINES, where a line break is spelt with a backslash)."""

    def __init__(self, spec: Spec, theme: Theme) -> None:
        super().__init__(spec)
        self._theme = theme
        self._edit = QPlainTextEdit()
        self._edit.setProperty("kind", "field")
        self._edit.setAccessibleName(spec.label)
        self._edit.setAccessibleDescription(spec.help)
        self._edit.setTabChangesFocus(True)
        self._edit.textChanged.connect(self.on_text)
        self._allowed = ""
        self.field = self._edit
        self.line.addWidget(self._edit)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    @property
    def edit(self) -> QPlainTextEdit:
        """The field."""
        return self._edit

    def show_value(self, value: SettingValue) -> None:
        """Show a value, unless the field holds it already in other spelling."""
        if self._value(self._edit.toPlainText()) == value:
            return
        self._allowed = (
            "\n".join(escaped(str(line)) for line in value) if isinstance(value, tuple) else str(value or "")
        )
        self._edit.blockSignals(True)
        self._edit.setPlainText(self._allowed)
        self._edit.blockSignals(False)

    def on_text(self) -> None:
        """Take over what is allowed; anything else is taken out again at once."""
        text = self._edit.toPlainText()
        try:
            value = self.spec.check(self._value(text))
        except AppError:
            cursor = self._edit.textCursor()
            place = max(0, cursor.position() - (len(text) - len(self._allowed)))
            self._edit.blockSignals(True)
            self._edit.setPlainText(self._allowed)
            self._edit.blockSignals(False)
            cursor = self._edit.textCursor()
            cursor.setPosition(min(place, len(self._allowed)))
            self._edit.setTextCursor(cursor)
            return
        self._allowed = text
        self.value_changed.emit(value)

    def on_theme_changed(self) -> None:
        """Give the field room for a few lines."""
        lines = 4 if self.spec.kind is Kind.TEXT else 3
        self._edit.setFixedHeight(self._theme.px(SIZES.body) * lines * 3 // 2 + 2 * SIZES.space_2)

    def _value(self, text: str) -> object:
        if self.spec.kind is Kind.LINES:
            return tuple(unescaped(line) for line in text.split("\n") if line)
        return text.replace("\0", "")


def escaped(line: str) -> str:
    """Return a text on one line: backslash and n for a line break, two backslashes for one."""
    return line.replace("\\", "\\\\").replace("\n", "\\n")


def unescaped(line: str) -> str:
    """Undo `escaped`; a backslash before anything else stays."""
    made, rest = "", line
    while "\\" in rest:
        before, _, rest = rest.partition("\\")
        made += before
        if rest[:1] in ("n", "\\"):
            made += "\n" if rest[0] == "n" else "\\"
            rest = rest[1:]
        else:
            made += "\\"
    return made + rest


class LineControl(Control):
    """One short text on one line."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._edit = QLineEdit()
        self._edit.setMaxLength(int(spec.maximum or _INT_MAX))
        self._edit.setAccessibleName(spec.label)
        self._edit.setAccessibleDescription(spec.help)
        self._edit.textChanged.connect(lambda text: self.tell(text.strip()))
        self.field = self._edit
        self.line.addWidget(self._edit)

    def show_value(self, value: SettingValue) -> None:
        """Show a value, unless the field holds it already."""
        if self._edit.text().strip() != value:
            self._edit.blockSignals(True)
            self._edit.setText(str(value or ""))
            self._edit.blockSignals(False)


class PathControl(Control):
    """A folder or a file; it is chosen, not typed."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._label = ElidedLabel(kind="secondary")
        button = QPushButton("Choose…")
        button.setAccessibleName(f"{spec.label}: choose a {'file' if spec.is_file else 'folder'}")
        button.setAccessibleDescription(spec.help)
        button.clicked.connect(self.on_choose)
        self.field = button
        self.line.addWidget(button)
        self.line.addWidget(self._label, 1)

    def show_value(self, value: SettingValue) -> None:
        """Show a path, or what stands in for none."""
        self._label.set_full_text(str(value) if value else self.spec.empty[:1].upper() + self.spec.empty[1:])

    def on_choose(self) -> None:
        """Let the person point at it."""
        choose = choose_file if self.spec.is_file else choose_folder
        choose(self.window(), self.spec.label, lambda path: self.tell(str(path)))


class NameControl(Control):
    """A stand-in for a setting that has controls of its own elsewhere on the page."""

    def __init__(self, spec: Spec, made: QWidget) -> None:
        super().__init__(spec)
        self.field = made
        holder = QVBoxLayout()
        holder.addWidget(made)
        self.line.addLayout(holder)

    def show_value(self, value: SettingValue) -> None:
        """Nothing: the widget follows the settings by itself."""


def make_control(spec: Spec, theme: Theme) -> Control:
    """Return the control for a setting."""
    match spec.kind:
        case Kind.SWITCH:
            return SwitchControl(spec, theme)
        case Kind.CHOICE:
            return ChoiceControl(spec)
        case Kind.NUMBER:
            return NumberControl(spec, theme)
        case Kind.INTEGER:
            return DigitsControl(spec) if (spec.maximum or 0) > _INT_MAX else NumberControl(spec, theme)
        case Kind.TEXT if (spec.maximum or 0) <= _LINE_CHARS:
            return LineControl(spec)
        case Kind.TEXT | Kind.LINES:
            return TextControl(spec, theme)
        case Kind.PATH:
            return PathControl(spec)
        case Kind.PRESETS:
            raise ValueError(spec.key)  # such a setting has controls of its own
