"""How much memory a model will need, told from its configuration alone.

Knows shapes; loads nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from core.inference.formats import read_config
from core.inference.kv_cache import DEFAULT_KV, KVPrecision
from core.inference.weights import memory_bytes, shape_for

DEFAULT_CONTEXT: Final = 4096  # what load_model takes where nothing is said


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of the packed weights and of a full KV cache; `context_length` is what the model would be given."""

    weights_bytes: int
    cache_bytes: int
    context_length: int


def estimate_memory(path: Path, context_length: int | None, kv: KVPrecision = DEFAULT_KV) -> MemoryEstimate:
    """Estimate for the model at `path`; None for the context that it would be given by default.

    Raises:
        AppError: MODEL_*.
    """
    config = read_config(path)
    shape = shape_for(config, context_length or DEFAULT_CONTEXT)
    # What a context of no length would take, from two lengths: memory grows evenly with it.
    whole, twice = (memory_bytes(config, replace(shape, max_context=n * shape.max_context), kv) for n in (1, 2))
    return MemoryEstimate(2 * whole - twice, twice - whole, shape.max_context)
