"""Text to the token ids of an embedding model, from the vocabulary in its GGUF file.

Knows the two kinds that these models have: byte-level BPE with Qwen2's expression ("gpt2", "qwen2"), and Gemma's
SentencePiece BPE with byte fallback ("llama"), which the file tells as tokens and scores alone. Must not know tensors.
Text is text: no control token can come out of it whatever it spells, because none is in the vocabulary that text meets.
BOS and EOS are put around it as ids.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, models, normalizers
from tokenizers import Tokenizer as Backend

from core.errors import AppError, ErrorCode
from core.inference.config import ConfigKeys, TokenId
from core.inference.gguf import GgufFile
from core.inference.gguf_vocabulary import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    backend_of,
    damaged,
    merges_of,
    tokens_and_types,
)

# PRETOKENIZE_REGEX of transformers' models/qwen2/tokenization_qwen2.py
QWEN2_EXPRESSION = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MAX_PIECE_CHARS = 256  # of a token that merges can make; Gemma's longest has under 100
MAX_CHARS = 4 << 20  # of all tokens together; Gemma's 262,144 have about 2 million
MAX_MERGES = 800_000  # Gemma has somewhat over 500,000
MAX_USER_DEFINED = 1 << 14  # Gemma has some 100
_SPACE = "\u2581"  # SentencePiece's mark

_TYPES = (NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE)


class EmbeddingTokenizer:
    """The vocabulary of one embedding model. Nothing in it changes after loading."""

    def __init__(self, backend: Backend, bos_id: TokenId | None, eos_id: TokenId | None) -> None:
        """bos_id, eos_id: what is put before and behind each text; None for nothing."""
        self._backend = backend
        self.bos_id = bos_id
        self.eos_id = eos_id

    def encode(self, text: str) -> list[TokenId]:
        """Return the ids of `text`, BOS and EOS included; those two alone for the empty text."""
        # Lone surrogates have no UTF-8 and would be refused.
        sendable = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        inner: Sequence[int] = self._backend.encode(sendable, add_special_tokens=False).ids if sendable else ()
        before = [] if self.bos_id is None else [self.bos_id]
        behind = [] if self.eos_id is None else [self.eos_id]
        return [*before, *map(TokenId, inner), *behind]


def embedding_tokenizer(file: GgufFile) -> EmbeddingTokenizer:
    """Return the tokenizer that the header of `file` describes.

    Raises:
        AppError: TOKENIZER_MISSING, TOKENIZER_DAMAGED; MODEL_UNSUPPORTED for another kind of vocabulary.
    """
    kind, pre = file.metadata.get("tokenizer.ggml.model"), file.metadata.get("tokenizer.ggml.pre")
    if kind is None:
        raise AppError(ErrorCode.TOKENIZER_MISSING, path=file.path)
    tokens, types = tokens_and_types(file, _TYPES)
    if kind == "gpt2" and pre == "qwen2":
        backend = _byte_level(file, tokens, types)
    elif kind == "llama" and file.metadata.get("tokenizer.ggml.add_space_prefix") is False:
        backend = _sentence_piece(file, tokens, types)
    else:
        raise file.unsupported(f"the vocabulary is of the kind {str(kind)[:40]!r}, {str(pre)[:40]!r}")
    _add_user_defined(file, backend, tokens, types)
    return EmbeddingTokenizer(backend, _around(file, "bos", len(tokens)), _around(file, "eos", len(tokens)))


def _around(file: GgufFile, name: str, vocab_size: int) -> TokenId | None:
    """Return the id of `name` where the file wants one: no BOS unless it says so, EOS unless it says no.

    The EOS is what last-token pooling looks at; the model card has it appended to every text.
    """
    said = file.metadata.get(f"tokenizer.ggml.add_{name}_token", name == "eos")
    if not isinstance(said, bool):
        raise damaged(file, f"add_{name}_token is neither true nor false")
    keys = ConfigKeys(file.path, "header", file.metadata)
    return TokenId(keys.integer(f"tokenizer.ggml.{name}_token_id", 0, vocab_size - 1)) if said else None


def _byte_level(file: GgufFile, tokens: list[str], types: NDArray[np.int64]) -> Backend:
    """Return Qwen2's tokenizer (Qwen2Tokenizer in transformers)."""
    vocabulary = _vocabulary(file, tokens, types, (NORMAL, USER_DEFINED))
    model = models.BPE(vocab=vocabulary, merges=merges_of(file, vocabulary))
    backend = backend_of(file, model, expression=QWEN2_EXPRESSION)
    backend.normalizer = normalizers.NFC()  # type: ignore[assignment]
    return backend


def _sentence_piece(file: GgufFile, tokens: list[str], types: NDArray[np.int64]) -> Backend:
    """Return Gemma's tokenizer (GemmaTokenizer in transformers)."""
    keys = ConfigKeys(file.path, "header", file.metadata)
    unknown = tokens[keys.integer("tokenizer.ggml.unknown_token_id", 0, len(tokens) - 1)]
    vocabulary = _vocabulary(file, tokens, types, (NORMAL, USER_DEFINED, BYTE, UNKNOWN))
    if unknown not in vocabulary:
        raise damaged(file, "the unknown token has the type of another")
    merges = _merges_of_scores(file, tokens, types)
    model = models.BPE(vocab=vocabulary, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    backend = backend_of(file, model)
    backend.normalizer = normalizers.Replace(" ", _SPACE)  # type: ignore[assignment]
    return backend


def _merges_of_scores(file: GgufFile, tokens: list[str], types: NDArray[np.int64]) -> list[tuple[str, str]]:
    """Return the merges that a vocabulary with scores stands for, the first one first.

    Each way to cut a token into two tokens is a merge; the better the token's score, the earlier, and among equals the
    one with the longer left part (generate_merges in transformers' convert_slow_tokenizer.py). Runs of spaces and line
    ends, which are user-defined, come before all others: their scores are a placeholder.
    """
    scores = file.metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, np.ndarray) or scores.dtype != np.float32 or len(scores) != len(tokens):
        raise damaged(file, "no list of one score for each token")
    if not np.isfinite(scores).all():
        raise damaged(file, "a score that is no number")
    ranks = np.where(types == USER_DEFINED, np.inf, scores.astype(np.float64))
    chosen = np.flatnonzero((types == NORMAL) | (types == USER_DEFINED))
    pieces = {tokens[i]: tokens[i] for i in chosen}  # to find one string of each text
    if sum(map(len, pieces)) > MAX_CHARS or max(map(len, pieces), default=0) > MAX_PIECE_CHARS:
        raise damaged(file, "tokens of too many characters")
    merges: list[tuple[str, str]] = []
    for _, equals in groupby(sorted(chosen, key=lambda i: -ranks[i]), key=lambda i: float(ranks[i])):
        merges += _cuts((tokens[i] for i in equals), pieces, MAX_MERGES + 1 - len(merges))
        if len(merges) > MAX_MERGES:
            raise damaged(file, "tokens that are made of each other in too many ways")
    return merges


def _cuts(texts: Iterable[str], pieces: dict[str, str], limit: int) -> list[tuple[str, str]]:
    """Return the first `limit` ways to cut `texts` into two pieces, the longest left parts first."""
    every = (
        (pieces[text[:cut]], pieces[text[cut:]])
        for text in texts
        for cut in range(1, len(text))
        if text[:cut] in pieces and text[cut:] in pieces
    )
    cuts = list(islice(every, limit))
    cuts.sort(key=lambda pair: len(pair[1]), reverse=True)
    cuts.sort(key=lambda pair: len(pair[0]), reverse=True)
    return cuts


def _vocabulary(file: GgufFile, tokens: list[str], types: NDArray[np.int64], wanted: tuple[int, ...]) -> dict[str, int]:
    chosen = np.flatnonzero(np.isin(types, wanted))
    vocabulary = {tokens[i]: int(i) for i in chosen}
    if len(vocabulary) != len(chosen) or not vocabulary:
        raise damaged(file, "two tokens of the same text, or none at all")
    return vocabulary


def _add_user_defined(file: GgufFile, backend: Backend, tokens: list[str], types: NDArray[np.int64]) -> None:
    """Have the tokens found first that stand for their own text, as runs of line ends in Gemma do."""
    texts = [tokens[i] for i in np.flatnonzero(types == USER_DEFINED)]
    if len(texts) > MAX_USER_DEFINED or "" in texts:
        raise damaged(file, "an added token without a text, or too many of them")
    # All of them are in the vocabulary and keep their ids. In one go: each call builds the search for them anew.
    backend.add_tokens([AddedToken(text, special=False, normalized=False) for text in texts])
