"""How fast this computer reads ternary weights, measured in a few seconds without any model file.

A fifth of BitNet 2B4T with random weights: a fifth of its layers and a fifth of its vocabulary, so that both kinds of
work keep their shares and a token of the whole takes five times as long. Larger than the caches of usual processors.
"""

import time
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from core.events import CancelToken, Emit, Interrupted, LoadProgress
from core.inference.config import TokenId, config_2b4t
from core.inference.logits import HeadQuery
from core.inference.model import TernaryModel, available_kernels, synthetic_model
from core.inference.weights import memory_bytes, shape_for

__all__ = ["SpeedSample", "available_kernels", "measure_speed"]

_SHARE: Final = 5
_BEST: Final = 40  # logits that an answer's settings usually ask for
_VOCABULARY: Final = 25_600  # a fifth of 128,256, in whole blocks of rows
_CONTEXT: Final = 128
_WARM_TOKENS: Final = 2
_TOKENS: Final = 40
_LONGEST_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class SpeedSample:
    """What was measured: bytes of weights read a second while writing an answer."""

    kernels: str
    n_threads: int
    weights_per_s: float


def measure_speed(cancel: CancelToken, emit: Emit) -> SpeedSample:
    """Measure for about two seconds, with as many threads as an answer gets; emits LoadProgress (tokens).

    Raises:
        AppError: OUT_OF_MEMORY, KERNELS_UNKNOWN.
        Interrupted: `cancel` was cancelled.
    """
    whole = config_2b4t()
    config = replace(whole, num_hidden_layers=whole.num_hidden_layers // _SHARE, vocab_size=_VOCABULARY)
    weights = memory_bytes(config, replace(shape_for(config, _CONTEXT), max_context=0))
    if cancel.is_cancelled:
        raise Interrupted
    model = synthetic_model(context_length=_CONTEXT, n_threads=None, kernels=None, config=config)
    try:
        cancel.on_cancel(model.interrupt)
        seconds = _seconds_per_token(model, cancel, emit)
        return SpeedSample(model.kernels, model.n_threads, weights / seconds)
    finally:
        model.close()


def _seconds_per_token(model: TernaryModel, cancel: CancelToken, emit: Emit) -> float:
    """Return the median: other programs that run meanwhile make single tokens slow."""
    times: list[float] = []
    begun = time.perf_counter()
    for position in range(_WARM_TOKENS + _TOKENS):
        if cancel.is_cancelled:
            raise Interrupted
        started = time.perf_counter()
        model.read_top([TokenId(position)], position, HeadQuery(_BEST))
        ended = time.perf_counter()
        emit(LoadProgress(position + 1, _WARM_TOKENS + _TOKENS))
        if position >= _WARM_TOKENS:
            times.append(ended - started)
            if ended - begun > _LONGEST_S:
                break
    return max(median(times), 1e-9)
