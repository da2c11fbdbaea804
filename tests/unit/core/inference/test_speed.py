"""The quick measurement: it ends by itself, tells how far it is, and stops when asked."""

from dataclasses import replace

import pytest

from core.events import CancelToken, Interrupted, LoadProgress
from core.inference import speed
from core.inference.config import config_2b4t


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure a fifth of something small: the real sample takes seconds and 220 MB."""
    small = replace(config_2b4t(), hidden_size=256, intermediate_size=512, num_attention_heads=2, num_key_value_heads=1)
    monkeypatch.setattr(speed, "config_2b4t", lambda: small)
    monkeypatch.setattr(speed, "_VOCABULARY", 256)


def test_a_measurement_says_what_it_measured() -> None:
    events: list[LoadProgress] = []
    sample = speed.measure_speed(CancelToken(), events.append)  # type: ignore[arg-type]
    assert sample.kernels in speed.available_kernels()
    assert sample.n_threads >= 1
    assert sample.weights_per_s > 1_000_000
    assert [event.done_bytes for event in events] == list(range(1, len(events) + 1))


def test_it_stops_when_asked() -> None:
    cancel = CancelToken()
    with pytest.raises(Interrupted):
        speed.measure_speed(cancel, lambda _event: cancel.cancel())
    with pytest.raises(Interrupted):
        speed.measure_speed(cancel, lambda _event: None)
