"""Every reason has its sentence, and a time is said as a person says it."""

import pytest

from app.download_words import restarted, seconds_in_words, waiting
from core.events import RestartReason, WaitReason


@pytest.mark.parametrize("reason", WaitReason)
def test_every_wait_has_a_sentence(reason: WaitReason) -> None:
    assert waiting(reason).endswith(".")


@pytest.mark.parametrize("reason", RestartReason)
def test_every_repetition_says_why_and_how_much(reason: RestartReason) -> None:
    text = restarted(reason, "model.safetensors", 1_000, 2_000)
    assert "2,000 bytes of model.safetensors" in text
    assert "1,000 bytes of it are kept" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.1, "1 s"), (59.2, "60 s"), (100, "2 min"), (5_900, "99 min"), (7_200, "2 h 0 min")]
)
def test_times(seconds: float, text: str) -> None:
    assert seconds_in_words(seconds) == text
