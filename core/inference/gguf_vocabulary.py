"""What all vocabularies in GGUF files share: tokens, their types, merges, and the byte-level BPE made of them.

Knows the keys under `tokenizer.ggml.`; must not know which models have which vocabulary (gguf_tokenizer.py for chat
models, embedding_tokenizer.py) nor tensors.
"""

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, models, pre_tokenizers
from tokenizers import Tokenizer as Backend

from core.errors import AppError, ErrorCode
from core.inference.gguf import GgufFile

# llama_token_type of llama.h
NORMAL: Final = 1
UNKNOWN: Final = 2
CONTROL: Final = 3
USER_DEFINED: Final = 4
UNUSED: Final = 5
BYTE: Final = 6


def tokens_and_types(file: GgufFile, known: Collection[int]) -> tuple[list[str], NDArray[np.int64]]:
    """Return all tokens, at least one, and the type of each, which is one of `known`.

    Raises:
        AppError: TOKENIZER_DAMAGED.
    """
    tokens = file.metadata.get("tokenizer.ggml.tokens")
    types = file.metadata.get("tokenizer.ggml.token_type")
    if not isinstance(tokens, list) or not tokens:
        raise damaged(file, "no list of tokens")
    if not isinstance(types, np.ndarray) or types.dtype.kind not in "iu" or len(types) != len(tokens):
        raise damaged(file, "no list of one type for each token")
    numbers = types.astype(np.int64)
    if not np.isin(numbers, list(known)).all():
        raise damaged(file, "a type of token that such a vocabulary does not have")
    return tokens, numbers


def merges_of(file: GgufFile, vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Return the merges as pairs; both parts and what they make are in `vocabulary`.

    Raises:
        AppError: TOKENIZER_DAMAGED.
    """
    texts = file.metadata.get("tokenizer.ggml.merges")
    if not isinstance(texts, list):
        raise damaged(file, "no list of merges")
    merges: list[tuple[str, str]] = []
    for text in texts:
        left, space, right = text.partition(" ")
        if not space or left not in vocabulary or right not in vocabulary or left + right not in vocabulary:
            raise damaged(file, f"the merge {text[:40]!r} is not made of tokens")
        merges.append((left, right))
    return merges


def backend_of(file: GgufFile, model: models.BPE, *, expression: str | None = None) -> Backend:
    """Return a tokenizer around `model`; with `expression` it is byte-level and cuts text by that first.

    Raises:
        AppError: TOKENIZER_DAMAGED.
    """
    try:
        backend = Backend(model)
    except Exception as exc:
        raise damaged(file, str(exc)[:200]) from exc
    if expression is not None:
        split = pre_tokenizers.Split(Regex(expression), "isolated")
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        # mypy: the stubs of `tokenizers` do not know that this is assignable.
        backend.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])  # type: ignore[assignment]
    return backend


def damaged(file: GgufFile, reason: str) -> AppError:
    """Return the error for a vocabulary that is wrong."""
    return AppError(ErrorCode.TOKENIZER_DAMAGED, path=file.path, reason=reason)
