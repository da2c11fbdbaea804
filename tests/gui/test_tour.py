"""The whole window with a real model and a real screen: painted, alive during an answer, nothing lost at the end."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage

from app.theme import DARK, LIGHT

TOUR = Path(__file__).with_name("tour.py")
WORK_BOUND_MS = 50  # of the window's own thread; measured about 10
PHASES = ("typing", "streaming", "second answer", "scheme and size", "scheme and size with preferences", "quit")
WALL_BOUND_MS = 500  # a busy test machine gives the processor to others for longer than the window ever takes it

pytestmark = [
    pytest.mark.gui,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed"),
]


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> dict[str, object]:
    out = tmp_path_factory.mktemp("pictures")
    done = subprocess.run(
        [sys.executable, str(TOUR), "--xvfb", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def picture(figures, name: str) -> QImage:
    image = QImage(next(path for path in figures["pictures"] if name in path))
    assert not image.isNull()
    return image


def share_of(image: QImage, color: str, tolerance: int = 6) -> float:
    wanted = QColor(color)
    points = [(x, y) for x in range(0, image.width(), 4) for y in range(0, image.height(), 4)]
    hits = 0
    for x, y in points:
        found = image.pixelColor(x, y)
        parts = zip(found.getRgb()[:3], wanted.getRgb()[:3], strict=True)
        hits += all(abs(a - b) <= tolerance for a, b in parts)
    return hits / len(points)


def test_the_window_is_painted_on_the_screen(figures) -> None:
    image = picture(figures, "4-done-light")
    assert (image.width(), image.height()) == (1120, 760)
    assert share_of(image, LIGHT.paper) > 0.3
    assert share_of(image, LIGHT.rail) > 0.1
    assert share_of(image, LIGHT.user_tint) > 0.003


@pytest.mark.parametrize(
    ("name", "paper"),
    [
        ("5-done-dark", DARK.paper),
        ("6-markdown-dark", DARK.paper),
        ("7-markdown-light", LIGHT.paper),
        ("9-150-percent-light", LIGHT.paper),
        ("11-empty-dark", DARK.paper),
        ("12-restarted-light", LIGHT.paper),
        ("preferences-answers-light-100", LIGHT.paper),
        ("preferences-answers-dark-150", DARK.paper),
    ],
)
def test_every_change_of_look_reaches_the_screen(figures, name: str, paper: str) -> None:
    assert share_of(picture(figures, name), paper, tolerance=2) > 0.15


def test_the_text_of_the_chat_is_on_the_screen(figures) -> None:
    column = (299, 100, 700, 500)
    done = picture(figures, "4-done-light").copy(*column)
    dark_text = share_of(done, LIGHT.ink, tolerance=60)
    assert 0.005 < dark_text < 0.5
    assert figures["kept_chars"] > 60


def test_the_window_was_never_blocked_while_it_answered(figures, record_property) -> None:
    for figure, bound_ms in (("longest_work_ms", WORK_BOUND_MS), ("longest_block_ms", WALL_BOUND_MS)):
        longest = {phase: figures[figure][phase] for phase in PHASES}
        record_property(figure, json.dumps(longest))
        assert max(longest.values()) < bound_ms, (figure, longest)


def test_stop_and_quit_are_quick(figures) -> None:
    assert figures["stop_ms"] < 1_000
    assert figures["quit_ms"] < 3_000
