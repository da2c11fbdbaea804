"""Texts -> vectors that lie close together where the texts mean the same: for search in documents.

Joins tokenizer, weights and kernels of the models microsoft/BitNet-embedding-270M and -0.6B, and does the pooling. Must
not know documents or an index. A text's vector depends on the text alone, to the bit: not on its neighbours, on the
number of threads or on the kernel set.
"""

import errno
from collections.abc import Sequence
from math import fsum, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, Interrupted
from core.inference.config import TokenId
from core.inference.embedding_config import EmbeddingConfig, Pooling, embedding_config
from core.inference.embedding_tokenizer import EmbeddingTokenizer, embedding_tokenizer
from core.inference.embedding_weights import TokenRows, encoder_shape, load_embedding_weights, memory_bytes
from core.inference.gguf import GgufFile
from core.inference.model import settle_compute
from cython_kernels.encoder import Encoder

__all__ = ["SEARCH_TASK", "EmbeddingModel", "Pooling", "load_embedding_model"]

# What a query is told to be; documents are told nothing. The models were trained so: "web_search_query" in
# config_sentence_transformers.json of microsoft/harrier-oss-v1, their teachers.
SEARCH_TASK = "Given a web search query, retrieve relevant passages that answer the query"


class EmbeddingModel:
    """An embedding model on this CPU. One owner: one embed() at a time."""

    def __init__(
        self, config: EmbeddingConfig, tokenizer: EmbeddingTokenizer, rows: TokenRows, encoder: Encoder
    ) -> None:
        """Takes over `encoder`; use `load_embedding_model`."""
        self.config = config
        self._tokenizer = tokenizer
        self._rows: TokenRows | None = rows
        self._encoder = encoder

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.config.hidden_size

    @property
    def max_tokens(self) -> int:
        """Longest text that embed() takes, in tokens."""
        return self.config.max_tokens

    @property
    def kernels(self) -> str:
        """Name of the kernel set in use."""
        return self._encoder.kernels

    @property
    def n_threads(self) -> int:
        """Threads that compute in step."""
        return self._encoder.n_threads

    def count_tokens(self, text: str, *, is_query: bool = False) -> int:
        """Return how long `text` is to embed()."""
        return len(self._ids(text, is_query=is_query))

    def embed(
        self, texts: Sequence[str], *, is_query: bool = False, task: str = SEARCH_TASK, cancel: CancelToken
    ) -> NDArray[np.float32]:
        """Return one vector for each text, float32 (n, dim), of length 1; all zero if a text's states are all zero.

        Args:
            texts: documents, or with `is_query` what is looked for; may be empty, and so may each text.
            is_query: put the instruction in front that queries, and only they, were trained with.
            task: the instruction, one English sentence.
            cancel: stops within a layer.

        Raises:
            AppError: PROMPT_TOO_LONG for a text of more than max_tokens; nothing has been computed then.
            Interrupted: `cancel` was cancelled.
        """
        sequences = [self._ids(text, is_query=is_query, task=task) for text in texts]
        for ids in sequences:
            if len(ids) > self.max_tokens:
                raise AppError(ErrorCode.PROMPT_TOO_LONG, n_tokens=len(ids), limit=self.max_tokens)
        vectors = np.zeros((len(sequences), self.dim), np.float32)
        cancel.on_cancel(self._encoder.interrupt)
        for vector, ids in zip(vectors, sequences, strict=True):
            if ids:
                vector[:] = normalized(pooled(self._states(ids, cancel), self.config.pooling))
        return vectors

    def close(self) -> None:
        """Free the weights and end the threads; idempotent."""
        self._encoder.close()
        self._rows = None

    def _ids(self, text: str, *, is_query: bool, task: str = SEARCH_TASK) -> list[TokenId]:
        return self._tokenizer.encode(f"Instruct: {task}\nQuery: {text}" if is_query else text)

    def _states(self, ids: list[TokenId], cancel: CancelToken) -> NDArray[np.float32]:
        """Return the normed last states of a sequence, float32 (n, dim)."""
        if self._rows is None:
            raise ValueError("the model is closed")
        while not cancel.is_cancelled:
            states = self._rows.of(np.asarray(ids, np.int64))
            if self._encoder.run(states):
                return states
            self._encoder.clear_interrupt()  # of a token that is no longer ours, unless ours is cancelled as well
        self._encoder.clear_interrupt()
        raise Interrupted


def load_embedding_model(
    path: Path,
    *,
    pooling: Pooling | None = None,
    n_threads: int | None = None,
    kernels: str | None = None,
    cancel: CancelToken,
    emit: Emit,
) -> EmbeddingModel:
    """Load the model in the GGUF file `path`; emits LoadProgress.

    Args:
        path: laid out like bitnet-embeddings-270m-bf16-i2_s.gguf.
        pooling: None for what the model was trained with (see embedding_config).
        n_threads: None for default_threads().
        kernels: None for TERN_KERNELS, and without that the best set of this CPU.
        cancel: looked at all along.
        emit: gets LoadProgress.

    Raises:
        AppError: MODEL_*, TOKENIZER_*, KERNELS_UNKNOWN, SETTING_INVALID, OUT_OF_MEMORY.
        Interrupted: `cancel` was cancelled.
    """
    threads, chosen = settle_compute(n_threads, kernels)
    with GgufFile(path) as file:
        config = embedding_config(file, pooling)
        needed = memory_bytes(file, config)
        try:
            tokenizer = embedding_tokenizer(file)
            rows, weights = load_embedding_weights(file, config, cancel, emit)
            encoder = Encoder(encoder_shape(config), weights, n_threads=threads, kernels=chosen)
        except MemoryError as exc:
            raise AppError(ErrorCode.OUT_OF_MEMORY, needed_bytes=needed) from exc
        except OSError as exc:
            if exc.errno != errno.ENOMEM:  # how mmap says it
                raise
            raise AppError(ErrorCode.OUT_OF_MEMORY, needed_bytes=needed) from exc
    return EmbeddingModel(config, tokenizer, rows, encoder)


def pooled(states: NDArray[np.float32], pooling: Pooling) -> NDArray[np.float64]:
    """Return the vector of the states (n, dim) of a sequence, float64 (dim,)."""
    chosen = states[-1:] if pooling is Pooling.LAST_TOKEN else states
    total = np.zeros(states.shape[1], np.float64)
    for row in chosen:  # one after the other: numpy's own sums may take another order on another CPU
        total += row
    return total / np.float64(len(chosen))


def normalized(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return `vector` at length 1, float32; a zero vector stays one. The squares are summed without rounding."""
    length = sqrt(fsum((vector * vector).tolist()))
    return (vector / length if length > 0 else vector).astype(np.float32)
