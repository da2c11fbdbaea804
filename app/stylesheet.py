"""The one generated stylesheet: how tokens reach the widgets, by object name and by the property `kind`.

Knows selectors; must not hold a colour or a size of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.theme import Sizes, Tokens


def build_stylesheet(tokens: Tokens, sizes: Sizes, px: Callable[[int], int]) -> str:
    """Return the stylesheet of the whole application; `px` scales sizes of text."""
    return "\n".join(
        (
            _surfaces(tokens, sizes),
            _text(tokens, sizes, px),
            _buttons(tokens, sizes, px),
            _composer(tokens, sizes),
            _lists(tokens, sizes),
            _menus(tokens, sizes),
            _bars(tokens),
            _library(tokens, sizes),
            _settings(tokens, sizes, px),
            _desktop(tokens, sizes),
        )
    )


def _surfaces(t: Tokens, s: Sizes) -> str:
    return f"""
QMainWindow, QDialog, QMessageBox {{ background: {t.paper}; }}
#transcript, #transcript > QWidget, #chatPane, #emptyState {{ background: {t.paper}; border: none; }}
#transcript {{ border: 2px solid {t.paper}; }}
#transcript:focus {{ border: 2px solid {t.sea}; }}
#sidebar {{ background: {t.rail}; border: none; }}
#undoBar {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {s.radius}px; }}
#chatHeader {{ background: {t.paper}; border: none; border-bottom: 1px solid {t.line}; }}
#findBar {{ background: {t.surface}; border: none; border-bottom: 1px solid {t.line}; }}
#statusLine {{ background: {t.rail}; border: none; border-top: 1px solid {t.line}; }}
#userBlock {{ background: {t.user_tint}; border: none; border-radius: {s.radius}px; }}
#codeBlock {{ background: {t.rail}; border: 1px solid {t.line}; border-radius: {s.radius}px; }}
#codeBlock QPlainTextEdit {{ background: transparent; border: none; color: {t.ink}; }}
#errorCard {{ background: {t.surface}; border: 1px solid {t.line}; border-left: 3px solid {t.coral};
  border-radius: {s.radius}px; }}
#starterLine {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {s.radius_control}px; }}
#passagesCard {{ background: transparent; border: 1px solid {t.line}; border-radius: {s.radius}px; }}
#card {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {s.radius}px; }}
#column, #columnBody {{ background: {t.paper}; border: none; }}
QLabel[kind="openable"]:hover {{ background: {t.hover}; border-radius: {s.space_1}px; }}
#openableCard {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {s.radius}px; }}
#openableCard:hover {{ background: {t.hover}; }}
#openableCard:focus {{ border: 2px solid {t.sea}; }}
#dropArea {{ background: {t.surface}; border: 2px dashed {t.line}; border-radius: {s.radius}px; }}
#chip {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {s.radius_control}px; }}
#messageText {{ background: transparent; border: none; color: {t.ink}; }}
#messageText:focus, #openableLine:focus, #codeBlock QPlainTextEdit:focus {{ background: {t.hover}; }}
#caret {{ background: {t.sea}; }}
#hairline {{ background: {t.line}; border: none; max-height: 1px; min-height: 1px; }}
QSplitter::handle {{ background: {t.line}; }}
QSplitter::handle:horizontal {{ width: 1px; }}
QToolTip {{ background: {t.surface}; color: {t.ink}; border: 1px solid {t.line}; padding: {s.space_1}px; }}
"""


def _text(t: Tokens, s: Sizes, px: Callable[[int], int]) -> str:
    return f"""
QLabel {{ background: transparent; color: {t.ink}; }}
QLabel[kind="secondary"] {{ color: {t.ink_2}; }}
QLabel[kind="small"] {{ color: {t.ink_2}; font-size: {px(s.small)}px; }}
QLabel[kind="warning"] {{ color: {t.amber}; font-size: {px(s.small)}px; }}
QLabel[kind="starter"] {{ color: {t.amber}; }}
QLabel[kind="verified"] {{ color: {t.leaf}; font-size: {px(s.small)}px; }}
QLabel[kind="passage"] {{ color: {t.ink}; font-size: {px(s.small)}px; }}
QLabel[kind="title"] {{ font-size: {px(s.title)}px; font-weight: 600; }}
QLabel[kind="heading"] {{ font-size: {px(s.headings[2])}px; font-weight: 600; }}
QLabel[kind="strong"] {{ font-weight: 600; }}
QLabel[kind="code"] {{ color: {t.ink_2}; font-size: {px(s.small)}px; }}
"""


def _buttons(t: Tokens, s: Sizes, px: Callable[[int], int]) -> str:
    pad = f"padding: {s.space_1 + 2}px {s.space_3}px; border-radius: {s.radius_control}px;"
    return f"""
QPushButton {{ background: {t.surface}; color: {t.ink}; border: 1px solid {t.line}; {pad} }}
QPushButton:hover {{ background: {t.hover}; }}
QPushButton:focus {{ border: 2px solid {t.sea}; padding: {s.space_1 + 1}px {s.space_3 - 1}px; }}
QPushButton:disabled {{ color: {t.ink_2}; background: transparent; }}
QPushButton[kind="primary"] {{ background: {t.sea}; color: {t.on_sea}; border: 1px solid {t.sea}; font-weight: 600; }}
QPushButton[kind="primary"]:focus {{ border: 2px solid {t.ink}; }}
QPushButton[kind="primary"]:disabled {{ background: {t.hover}; color: {t.ink_2}; border: 1px solid {t.line}; }}
QPushButton[kind="stop"] {{ background: {t.coral}; color: {t.on_coral}; border: 1px solid {t.coral};
  font-weight: 600; }}
QPushButton[kind="stop"]:focus {{ border: 2px solid {t.ink}; }}
QPushButton[kind="stop"]:disabled {{ background: {t.hover}; color: {t.ink_2}; border: 1px solid {t.line}; }}
QPushButton[kind="example"] {{ text-align: left; padding: {s.space_3}px {s.space_4}px; border-radius: {s.radius}px; }}
QPushButton[kind="quiet"] {{ background: transparent; color: {t.sea}; border: 1px solid transparent;
  padding: {s.space_1}px {s.space_2}px; font-weight: 600; }}
QPushButton[kind="quiet"]:hover {{ background: {t.hover}; }}
QPushButton[kind="quiet"]:focus {{ border: 2px solid {t.sea}; padding: {s.space_1 - 1}px {s.space_2 - 1}px; }}
QPushButton[kind="newChat"] {{ text-align: left; padding: {s.space_2}px {s.space_3}px; }}
QToolButton {{ background: transparent; color: {t.ink_2}; border: 1px solid transparent;
  border-radius: {s.radius_control}px; padding: {s.space_1}px {s.space_2}px; }}
QToolButton:hover {{ background: {t.hover}; color: {t.ink}; }}
QToolButton:focus {{ border: 2px solid {t.sea}; padding: {s.space_1 - 1}px {s.space_2 - 1}px; }}
QToolButton:disabled {{ color: {t.ink_2}; background: transparent; }}
QToolButton[quiet="true"] {{ color: transparent; }}
#toEnd {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {s.space_4}px; padding: 0px; }}
QToolButton[kind="action"] {{ font-size: {px(s.small)}px; padding: 2px {s.space_1 + 2}px; }}
QToolButton[kind="action"]:focus {{ padding: 1px {s.space_1 + 1}px; }}
QToolButton[kind="offline"] {{ color: {t.leaf}; font-size: {px(s.small)}px; padding: 1px {s.space_1}px; }}
QToolButton[kind="offline"]:hover {{ color: {t.leaf}; }}
QToolButton[kind="offline"]:focus {{ padding: 0px {s.space_1 - 1}px; }}
QToolButton[kind="model"] {{ color: {t.ink}; font-weight: 600; padding: {s.space_1 + 2}px {s.space_2}px; }}
QToolButton[kind="model"]:disabled {{ color: {t.ink_2}; }}
QToolButton::menu-indicator {{ image: none; width: 0px; }}
"""


def _composer(t: Tokens, s: Sizes) -> str:
    return f"""
#composer {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {s.radius}px; padding: 1px; }}
#composer[active="true"] {{ border: 2px solid {t.sea}; padding: 0px; }}
#composerText {{ background: transparent; border: none; color: {t.ink}; placeholder-text-color: {t.ink_2}; }}
QLineEdit {{ background: {t.surface}; color: {t.ink}; placeholder-text-color: {t.ink_2}; border: 1px solid {t.line};
  border-radius: {s.radius_control}px; padding: {s.space_1}px {s.space_2}px; selection-background-color: {t.selected};
  selection-color: {t.ink}; }}
QLineEdit:focus {{ border: 2px solid {t.sea}; padding: {s.space_1 - 1}px {s.space_2 - 1}px; }}
"""


def _lists(t: Tokens, s: Sizes) -> str:
    return f"""
#chatList {{ background: transparent; border: 2px solid transparent; border-radius: {s.radius_control}px;
  outline: none; }}
#chatList:focus {{ border: 2px solid {t.sea}; }}
#pickList {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {s.radius}px; padding: {s.space_1}px;
  outline: none; }}
#pickList::item {{ padding: {s.space_1}px {s.space_2}px; border-radius: {s.radius_control}px; color: {t.ink}; }}
#pickList::item:selected {{ background: {t.selected}; }}
#chatList QLineEdit {{ border-radius: {s.radius_control}px; padding: 0px {s.space_1}px; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 2px; }}
QScrollBar::handle {{ background: {t.line}; border-radius: 3px; }}
QScrollBar::handle:vertical {{ min-height: {s.space_6}px; }}
QScrollBar::handle:horizontal {{ min-width: {s.space_6}px; }}
QScrollBar::handle:hover {{ background: {t.ink_2}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0px; height: 0px; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
"""


def _menus(t: Tokens, s: Sizes) -> str:
    return f"""
QMenuBar {{ background: {t.rail}; color: {t.ink}; border: none; border-bottom: 1px solid {t.line}; }}
QMenuBar::item {{ background: transparent; padding: {s.space_1}px {s.space_2}px; }}
QMenuBar::item:selected {{ background: {t.hover}; border-radius: {s.space_1}px; }}
QMenu {{ background: {t.surface}; color: {t.ink}; border: 1px solid {t.line}; padding: {s.space_1}px; }}
QMenu::item {{ padding: {s.space_1 + 2}px {s.space_5}px; border-radius: {s.space_1}px; }}
QMenu::item:selected {{ background: {t.selected}; color: {t.ink}; }}
QMenu::item:disabled {{ color: {t.ink_2}; }}
QMenu::separator {{ height: 1px; background: {t.line}; margin: {s.space_1}px {s.space_2}px; }}
"""


def _library(t: Tokens, s: Sizes) -> str:
    return f"""
#libraryWindow, #pageWindow, #libraryPage, #libraryBody {{ background: {t.paper}; border: none; }}
#libraryTop {{ background: {t.rail}; border: none; border-bottom: 1px solid {t.line}; }}
#libraryRail {{ background: {t.rail}; border: none; }}
#libraryList {{ background: transparent; border: 2px solid transparent; border-radius: {s.radius}px; color: {t.ink};
  outline: none; }}
#libraryList:focus, #libraryFiles:focus {{ border: 2px solid {t.sea}; }}
#libraryList::item {{ padding: {s.space_2}px {s.space_2}px; border-radius: {s.radius_control}px; }}
#libraryList::item:hover {{ background: {t.hover}; }}
#libraryList::item:selected {{ background: {t.selected}; color: {t.ink}; }}
#libraryFiles {{ background: {t.surface}; color: {t.ink}; border: 2px solid {t.line}; border-radius: {s.radius}px;
  outline: none; }}
#libraryFiles::item {{ padding: {s.space_1}px {s.space_2}px; border: none; }}
#libraryFiles::item:selected {{ background: {t.selected}; color: {t.ink}; }}
#libraryFiles QHeaderView {{ background: {t.surface}; border: none; }}
#libraryFiles QHeaderView::section {{ background: {t.surface}; color: {t.ink_2}; border: none;
  border-bottom: 1px solid {t.line}; padding: {s.space_1}px {s.space_2}px; }}
QComboBox {{ background: {t.surface}; color: {t.ink}; border: 1px solid {t.line};
  border-radius: {s.radius_control}px; padding: {s.space_1}px {s.space_2}px; }}
QComboBox::drop-down {{ border: none; width: {s.space_5}px; }}
QComboBox:focus {{ border: 2px solid {t.sea}; padding: {s.space_1 - 1}px {s.space_2 - 1}px; }}
QComboBox QAbstractItemView {{ background: {t.surface}; color: {t.ink}; border: 1px solid {t.line};
  selection-background-color: {t.selected}; selection-color: {t.ink}; }}
#pageArea, #pageArea > QWidget {{ background: {t.rail}; border: none; }}
#pageText {{ background: {t.paper}; color: {t.ink}; border: none; selection-background-color: {t.selected};
  selection-color: {t.ink}; }}
QToolButton:checked {{ background: {t.selected}; color: {t.ink}; }}
"""


def _bars(t: Tokens) -> str:
    return f"""
QProgressBar {{ background: {t.line}; border: none; border-radius: 2px; max-height: 4px; min-height: 4px; }}
QProgressBar::chunk {{ background: {t.sea}; border-radius: 2px; }}
"""


def _settings(t: Tokens, s: Sizes, px: Callable[[int], int]) -> str:
    knob = px(s.space_4)
    return f"""
#preferencesPage, #preferencesBody {{ background: {t.paper}; border: none; }}
#preferencesTop {{ background: {t.rail}; border: none; border-bottom: 1px solid {t.line}; }}
#preferencesRail {{ background: {t.rail}; border: none; border-right: 1px solid {t.line}; }}
#preferencesList {{ background: transparent; border: 2px solid transparent; border-radius: {s.radius}px;
  color: {t.ink}; outline: none; }}
#preferencesList:focus {{ border: 2px solid {t.sea}; }}
#preferencesList::item {{ padding: {s.space_2}px {s.space_2}px; border-radius: {s.radius_control}px; }}
#preferencesList::item:hover {{ background: {t.hover}; }}
#preferencesList::item:selected {{ background: {t.selected}; color: {t.ink}; }}
#reloadNotice {{ background: {t.surface}; border: none; border-top: 1px solid {t.line}; }}
QLabel[kind="page"] {{ font-size: {px(s.headings[0])}px; font-weight: 600; }}
QLabel[kind="changed"] {{ color: {t.sea}; font-size: {px(s.small)}px; }}
QPushButton[kind="segment"]:checked {{ background: {t.selected}; border: 1px solid {t.sea}; }}
QPushButton[kind="segment"]:checked:focus {{ border: 2px solid {t.sea}; }}
QToolButton[kind="step"], QToolButton[kind="menu"] {{ background: {t.surface}; color: {t.ink};
  border: 1px solid {t.line}; padding: {s.space_1 + 1}px {s.space_3}px; }}
QToolButton[kind="step"]:focus, QToolButton[kind="menu"]:focus {{ border: 2px solid {t.sea};
  padding: {s.space_1}px {s.space_3 - 1}px; }}
QToolButton[kind="step"]:hover, QToolButton[kind="menu"]:hover {{ background: {t.hover}; }}
QToolButton[kind="fold"] {{ color: {t.ink}; font-weight: 600; padding: {s.space_1}px {s.space_1}px; }}
QToolButton[kind="fold"]:focus {{ padding: {s.space_1 - 1}px {s.space_1 - 1}px; }}
QAbstractSpinBox {{ background: {t.surface}; color: {t.ink}; border: 1px solid {t.line};
  border-radius: {s.radius_control}px; padding: {s.space_1}px {s.space_2}px; selection-background-color: {t.selected};
  selection-color: {t.ink}; }}
QAbstractSpinBox:focus {{ border: 2px solid {t.sea}; padding: {s.space_1 - 1}px {s.space_2 - 1}px; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0px; height: 0px; border: none; }}
QAbstractSpinBox QLineEdit, QAbstractSpinBox QLineEdit:focus {{ background: transparent; border: none; padding: 0px; }}
QPlainTextEdit[kind="field"] {{ background: {t.surface}; color: {t.ink}; placeholder-text-color: {t.ink_2};
  border: 1px solid {t.line};
  border-radius: {s.radius_control}px; padding: {s.space_1}px; selection-background-color: {t.selected};
  selection-color: {t.ink}; }}
QPlainTextEdit[kind="field"]:focus {{ border: 2px solid {t.sea}; padding: {s.space_1 - 1}px; }}
QCheckBox {{ color: {t.ink}; border: 2px solid transparent; border-radius: {s.space_1}px; padding: 2px;
  spacing: {s.space_2}px; font-weight: 600; }}
QCheckBox:focus {{ border: 2px solid {t.sea}; }}
QCheckBox::indicator {{ width: {knob}px; height: {knob}px; border: 1px solid {t.ink_2}; border-radius: {s.space_1}px;
  background: {t.surface}; }}
QCheckBox::indicator:checked {{ background: {t.sea}; border: 1px solid {t.sea}; }}
QSlider {{ min-height: {knob + s.space_2}px; border: 2px solid transparent; border-radius: {s.radius_control}px; }}
QSlider:focus {{ border: 2px solid {t.sea}; }}
QSlider::groove:horizontal {{ height: {s.space_1}px; background: {t.line}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {t.sea}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: {knob}px; margin: -{(knob - s.space_1) // 2}px 0px; background: {t.sea};
  border-radius: {knob // 2}px; }}
"""


def _desktop(t: Tokens, s: Sizes) -> str:
    return f"""
#palette {{ background: {t.surface}; border: 1px solid {t.ink_2}; border-radius: {s.radius}px; }}
#paletteList {{ background: transparent; border: none; outline: none; }}
#shortcutPage, #shortcutBody {{ background: {t.paper}; border: none; }}
#shortcutPage:focus {{ border: 2px solid {t.sea}; }}
"""
