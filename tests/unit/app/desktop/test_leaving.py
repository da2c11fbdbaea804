"""Who is asked at the end, and what is said."""

import pytest

from app.desktop.attention import LONG_S, Attention
from app.desktop.leaving import work_at_risk


@pytest.mark.parametrize("lanes", [set(), {"store"}, {"engine"}, {"load", "store"}])
def test_nobody_is_asked_when_nothing_would_be_lost(lanes: set[str]) -> None:
    assert work_at_risk(frozenset(lanes), is_answering=False) == []


def test_everything_that_would_be_cut_off_is_said() -> None:
    said = work_at_risk(frozenset({"download", "index", "store"}), is_answering=True)
    assert len(said) == 3
    assert "answer" in said[0]
    assert any("download" in words for words in said)


class Answer:
    """An answer that takes `seconds`, seen from a window that is in front or not."""

    def __init__(self, qapp, seconds: float, *, is_in_front: bool, is_enabled: bool = True) -> None:
        self.now = 0.0
        self.announced: list[str] = []
        self.wanted: list[str] = []
        made = Attention(qapp, lambda: self.now, lambda: is_in_front)
        made.is_enabled = is_enabled
        made.announced.connect(self.announced.append)
        made.wanted.connect(self.wanted.append)
        made.on_busy_changed(True)
        self.now = seconds
        made.on_busy_changed(False)
        made.setParent(None)


def test_a_long_answer_calls_for_attention_in_the_background(qapp) -> None:
    assert Answer(qapp, LONG_S, is_in_front=False).wanted == ["The answer is finished."]


def test_the_beginning_of_an_answer_is_announced(qapp) -> None:
    assert Answer(qapp, 1, is_in_front=True).announced == ["The answer is being written."]


@pytest.mark.parametrize(
    ("seconds", "facts"),
    [(LONG_S - 1, {}), (LONG_S, {"is_in_front": True}), (LONG_S, {"is_enabled": False})],
    ids=["short", "in front", "switched off"],
)
def test_nobody_is_disturbed_for_nothing(qapp, seconds: float, facts: dict[str, bool]) -> None:
    assert Answer(qapp, seconds, **{"is_in_front": False, **facts}).wanted == []
