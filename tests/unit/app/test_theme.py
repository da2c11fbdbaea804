"""The tokens: readable in both schemes, complete, and the only place that names a colour."""

import re
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QWidget

import app
from app import theme
from app.stylesheet import build_stylesheet

TEXT_ON = [
    ("ink", ("paper", "surface", "rail", "user_tint", "mark", "hover", "selected")),
    ("ink_2", ("paper", "surface", "rail", "user_tint", "hover")),
    ("sea", ("paper", "surface", "rail")),
    ("coral", ("paper", "surface")),
    ("amber", ("paper", "surface")),
    ("leaf", ("paper", "rail")),
    ("on_sea", ("sea",)),
    ("on_coral", ("coral",)),
]


@pytest.mark.parametrize("tokens", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "grounds"), TEXT_ON, ids=[text for text, _ in TEXT_ON])
def test_text_can_be_read(tokens: theme.Tokens, text: str, grounds: tuple[str, ...]) -> None:
    for ground in grounds:
        ratio = theme.contrast(getattr(tokens, text), getattr(tokens, ground))
        assert ratio >= 4.5, f"{text} on {ground}: {ratio:.2f}"


def test_contrast_agrees_with_the_extremes() -> None:
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast("#777777", "#777777") == pytest.approx(1)


@pytest.mark.parametrize("tokens", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_the_stylesheet_is_balanced(tokens: theme.Tokens) -> None:
    made = build_stylesheet(tokens, theme.SIZES, lambda size: size)
    assert made.count("{") == made.count("}")
    assert "None" not in made


def test_no_other_module_names_a_colour() -> None:
    for path in Path(app.__file__).parent.rglob("*.py"):
        if path.name != "theme.py":
            assert not re.findall(r"#[0-9A-Fa-f]{6}\b", path.read_text(encoding="utf-8")), path.name


def test_text_sizes_stay_in_range(qapp) -> None:
    made = theme.Theme(theme.Scheme.LIGHT, 1000)
    assert made.text_percent == 200
    made.step_text(5)
    assert made.text_percent == 200
    made.set_text_percent(100)
    made.step_text(-1)
    assert made.text_percent == 90
    assert made.px(20) == 18
    made.set_text_percent(135)  # between two steps
    made.step_text(1)
    assert made.text_percent == 150


def test_the_scheme_can_be_overridden(qapp) -> None:
    made = theme.Theme(theme.Scheme.DARK)
    assert made.tokens is theme.DARK
    made.set_scheme(theme.Scheme.LIGHT)
    assert made.tokens is theme.LIGHT


def test_a_visible_window_is_restyled_in_slices_and_shown_at_the_end(qtbot) -> None:
    made = theme.Theme(theme.Scheme.LIGHT)
    made.apply()
    window = QWidget()
    qtbot.addWidget(window)
    made.dress(window)
    window.show()
    told: list[str] = []
    made.changing.connect(lambda: told.append("changing"))
    made.changed.connect(lambda: told.append("changed"))
    made.set_scheme(theme.Scheme.DARK)
    assert told == ["changing"]
    assert not made.is_settled
    assert not window.updatesEnabled()
    made.set_text_percent(150)  # before the first change was through: only the last look is shown
    qtbot.waitUntil(lambda: made.is_settled)
    assert told == ["changing", "changing", "changed"]
    assert window.updatesEnabled()
    assert window.styleSheet() == build_stylesheet(theme.DARK, theme.SIZES, made.px)
    assert QApplication.palette().window().color().name().upper() == theme.DARK.paper
    assert QApplication.font().pixelSize() == 21


def test_the_same_look_again_does_nothing(qtbot) -> None:
    made = theme.Theme(theme.Scheme.LIGHT)
    made.apply()
    made.changed.connect(lambda: pytest.fail("nothing has changed"))
    made.set_scheme(theme.Scheme.LIGHT)


def test_compact_has_less_room_than_comfortable(qapp) -> None:
    made = theme.Theme(density=theme.Density.COMPACT)
    assert made.sizes.space_4 < theme.SIZES.space_4
    assert made.sizes.body == theme.SIZES.body
