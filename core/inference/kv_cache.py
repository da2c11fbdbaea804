"""Which token ids the model's KV cache holds, so that a prompt's known beginning is not read again; its precisions.

Knows ids only. It is told what was read (`extend`) and what is no longer valid (`truncate`); the tensors themselves
belong to the model.
"""

from collections.abc import Sequence
from typing import Final, Literal

from core.inference.config import TokenId

__all__ = ["DEFAULT_KV", "KVPrecision", "PrefixCache", "kv_precision"]

KVPrecision = Literal["f32", "f16", "int8"]  # as the facade of the kernels names them
DEFAULT_KV: Final = "f16"  # of answers; half the memory of f32 and nearly always the same words


def kv_precision(name: str) -> KVPrecision:
    """Return the precision of that name; ValueError for another name than f32, f16, int8."""
    match name:
        case "f32" | "f16" | "int8":
            return name
        case _:
            raise ValueError(name)


class PrefixCache:
    """The ids at cache positions 0, 1, 2, ... in the order in which the model read them."""

    def __init__(self) -> None:
        self._ids: list[TokenId] = []

    @property
    def ids(self) -> tuple[TokenId, ...]:
        """A copy of what the cache holds."""
        return tuple(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def match(self, ids: Sequence[TokenId]) -> int:
        """Length of the longest common beginning of `ids` and the cache."""
        n = 0
        for held, wanted in zip(self._ids, ids, strict=False):
            if held != wanted:
                break
            n += 1
        return n

    def truncate(self, n_tokens: int) -> None:
        """Forgets everything from position `n_tokens` on; nothing happens when less is held."""
        if n_tokens < 0:
            raise ValueError(f"n_tokens must not be negative: {n_tokens}")
        del self._ids[n_tokens:]

    def extend(self, ids: Sequence[TokenId]) -> None:
        """Records ids that the model has read, after those already held."""
        self._ids.extend(ids)
