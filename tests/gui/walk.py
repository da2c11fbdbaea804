"""Walks what a screen reader walks: the accessible tree of a window, and what is on the screen of each control."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible, QColor, QImage, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QButtonGroup,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)
_NO_ROLES = (QAccessible.Role.NoRole, QAccessible.Role.Client)


@dataclass(frozen=True, slots=True)
class Control:
    widget: QWidget
    name: str
    role: QAccessible.Role

    @property
    def words(self) -> str:
        chain = [self.widget]
        while (parent := chain[-1].parentWidget()) is not None and len(chain) < 4:
            chain.append(parent)
        return " < ".join(f"{type(each).__name__}#{each.objectName()}" for each in chain)


def is_own(widget: QWidget) -> bool:
    """Whether a person meets the widget as a control: not a scroll bar, nor the inside of another control."""
    if widget.objectName().startswith("qt_") or widget.objectName() == "_q_qlineeditclearaction":
        return False
    parent = widget.parentWidget()
    inside = isinstance(parent, QAbstractSpinBox | QComboBox | QLineEdit)
    is_bar = type(widget).__name__ in ("QScrollBar", "QLineEditIconButton")
    return not inside and not is_bar


def controls(window: QWidget) -> Iterator[Control]:
    """Yield what can be used or reached with Tab in the visible part of `window`."""
    for widget in (window, *window.findChildren(QWidget)):
        can_tab = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and widget is not window
        is_shown = widget.isVisible() and widget.window() is window and is_own(widget)
        if is_shown and (can_tab or isinstance(widget, CONTROLS)):
            found = QAccessible.queryAccessibleInterface(widget)
            yield Control(widget, found.text(QAccessible.Text.Name).strip(), found.role())


def unnamed(window: QWidget) -> list[str]:
    """Return the controls without a name or a role.

    Areas that take the focus only to be scrolled with keys have no role of their own in Qt; they need a name alone.
    """
    return [
        each.words
        for each in controls(window)
        if not each.name or (each.role in _NO_ROLES and isinstance(each.widget, CONTROLS))
    ]


def tab_stops(window: QWidget) -> set[QWidget]:
    """Return what Tab must reach."""
    return {
        each.widget
        for each in controls(window)
        if each.widget.isEnabled()
        and each.widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not each.widget.visibleRegion().isEmpty()
    }


def group_of(widget: QWidget) -> QButtonGroup | None:
    """Return the group of buttons of which Tab reaches one, the arrow keys the others."""
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    return group if group is not None and group.exclusive() else None


def without_keyboard(window: QWidget) -> list[str]:
    """Return the buttons and fields that Tab never reaches."""
    return [
        each.words
        for each in controls(window)
        if isinstance(each.widget, QAbstractButton | QLineEdit | QAbstractSlider | QAbstractSpinBox)
        and not each.widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and group_of(each.widget) is None
    ]


@dataclass(frozen=True, slots=True)
class Pair:
    """A colour of text on the colour that is most of what is behind it, as #RRGGBB."""

    text: str
    ground: str
    where: str


def text_pairs(window: QWidget) -> set[Pair]:
    """Return the colours of all visible text, the grounds as they are on the screen."""
    picture = window.grab().toImage()
    found = set()
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or widget.window() is not window or not _has_text(widget):
            continue
        box = QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())
        box &= widget.visibleRegion().boundingRect().translated(box.topLeft())
        if box.width() > 8 and box.height() > 8:
            found.add(Pair(_text_color(widget), _most_of(picture, box.adjusted(3, 3, -3, -3)), _kind_of(widget)))
    return found


def difference(before: QImage, after: QImage) -> int:
    """Return how many pixels differ."""
    if before.size() != after.size():
        return before.width() * before.height()
    return sum(before.pixel(x, y) != after.pixel(x, y) for y in range(before.height()) for x in range(before.width()))


def _has_text(widget: QWidget) -> bool:
    if widget.property("quiet"):
        return False  # shown under the pointer and with the focus
    if isinstance(widget, QPlainTextEdit):
        return bool(widget.toPlainText())
    return isinstance(widget, QLabel | QAbstractButton | QLineEdit) and any(map(str.isalnum, widget.text()))


def _text_color(widget: QWidget) -> str:
    role = QPalette.ColorRole.Text if isinstance(widget, QLineEdit | QPlainTextEdit) else widget.foregroundRole()
    return widget.palette().color(role).name().upper()


def _most_of(picture: QImage, box: QRect) -> str:
    ratio = picture.devicePixelRatio()
    step_x, step_y = max(1, box.width() // 60), max(1, box.height() // 12)
    seen = Counter(
        picture.pixel(int(x * ratio), int(y * ratio))
        for x in range(box.left(), box.right(), step_x)
        for y in range(box.top(), box.bottom(), step_y)
        if picture.valid(int(x * ratio), int(y * ratio))
    )
    return QColor(seen.most_common(1)[0][0]).name().upper() if seen else "#000000"


def _kind_of(widget: QWidget) -> str:
    kind = widget.property("kind") or widget.objectName()
    state = "" if widget.isEnabled() else ":disabled"
    return f"{type(widget).__name__}[{kind}]{state}"
