"""A language model as the rest of core sees it: token ids in, logits out.

Joins configuration, weights, KV cache and kernels; knows the environment variable that forces a kernel set. Must not
know text, sampling or which ids the cache holds (kv_cache.py).
"""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, Interrupted
from core.inference.assembly import LoadedWeights
from core.inference.config import ModelConfig, TokenId, config_2b4t
from core.inference.formats import gguf_path, model_name, read_config
from core.inference.gguf import GgufFile
from core.inference.gguf_model import gguf_config, load_gguf_weights
from core.inference.head import ExactHead, HeadCounts
from core.inference.logits import HeadQuery, TopLogits
from core.inference.weights import is_screened, load_weights, memory_bytes, shape_for, synthetic_weights
from cython_kernels import (
    HeadBounds,
    KVArrays,
    KVPrecision,
    ModelWeights,
    Shape,
    Transformer,
    choose_kernels,
    kernel_sets,
    new_kv,
)

__all__ = [
    "Interrupted",
    "LanguageModel",
    "TernaryModel",
    "available_kernels",
    "default_threads",
    "load_model",
    "score_ids",
    "settle_compute",
    "synthetic_model",
]

Head = Literal["screened", "plain"]

KERNELS_VARIABLE = "TERN_KERNELS"
DEFAULT_CONTEXT = 4096
MAX_THREADS = 256
_CPU_TOPOLOGY = Path("/sys/devices/system/cpu")


class LanguageModel(Protocol):
    """The seam between generating text and computing logits. One owner, except for interrupt()."""

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""

    @property
    def context_length(self) -> int:
        """Positions that the cache holds."""

    def read(self, ids: Sequence[TokenId], start: int, *, want_logits: bool) -> NDArray[np.float32] | None:
        """Run `ids` at positions start, start + 1, ...

        Returns:
            float32 (vocab,), the logits after the last id: a view, valid until the next call. None without want_logits.

        Raises:
            Interrupted: interrupt() stopped it; the cache then holds nothing new.
        """

    def read_top(self, ids: Sequence[TokenId], start: int, query: HeadQuery) -> TopLogits:
        """Run `ids` and return at least the logits after the last id that `query` asks for; valid until the next call.

        Raises:
            AppError: MODEL_DAMAGED when the model's file can no longer be read.
            Interrupted: as with read().
        """

    def all_logits(self) -> NDArray[np.float32]:
        """Return all logits that the last read_top() chose from, float32 (vocab,): a view, valid until the next call.

        Raises:
            AppError: MODEL_DAMAGED when the model's file can no longer be read.
            Interrupted: as with read().
        """

    @property
    def n_full_heads(self) -> int:
        """How often so far all logits had to be computed for one read_top() although the head is a screened one."""

    def interrupt(self) -> None:
        """Make a running read() raise Interrupted soon; callable from any thread."""

    def clear_interrupt(self) -> None:
        """Forget an earlier interrupt(), before a new request."""

    def close(self) -> None:
        """Free the model; it cannot be used afterwards."""


class TernaryModel:
    """A model on this CPU, with one KV cache. One owner, except for interrupt()."""

    def __init__(
        self,
        name: str,
        config: ModelConfig,
        transformer: Transformer,
        arrays: tuple[LoadedWeights, KVArrays],
    ) -> None:
        self.name = name
        self.config = config
        self._transformer = transformer
        self._arrays: tuple[LoadedWeights, KVArrays] | None = arrays
        rows = arrays[0].head
        self._head = None if rows is None else ExactHead(transformer, rows)
        self._logits = np.empty((1, config.vocab_size if self._head is None else 0), np.float32)

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.config.vocab_size

    @property
    def context_length(self) -> int:
        """Positions that the cache holds."""
        return self._transformer.shape.max_context

    @property
    def kernels(self) -> str:
        """Name of the kernel set in use."""
        return self._transformer.kernels

    @property
    def kv(self) -> KVPrecision:
        """How the KV cache keeps a number; not after close()."""
        return self._open_arrays()[1].precision

    @property
    def n_threads(self) -> int:
        """Threads that compute in step."""
        return self._transformer.n_threads

    @property
    def weights(self) -> ModelWeights:
        """The packed weights, for measurements; not after close()."""
        return self._open_arrays()[0].weights

    @property
    def n_full_heads(self) -> int:
        """How often all logits had to be computed although the head is screened."""
        return 0 if self._head is None else self._head.counts.n_full

    @property
    def head_counts(self) -> HeadCounts | None:
        """What the screened head did so far; None for a plain head."""
        return None if self._head is None else self._head.counts

    def with_threads(self, n_threads: int) -> "TernaryModel":
        """Return a model over the same weights and the same cache; only one of the two may compute at a time."""
        weights, kv = self._open_arrays()
        shape = self._transformer.shape
        transformer = Transformer(shape, weights.weights, kv, n_threads=n_threads, kernels=self.kernels)
        return TernaryModel(self.name, self.config, transformer, (weights.shared(), kv))

    def read(self, ids: Sequence[TokenId], start: int, *, want_logits: bool) -> NDArray[np.float32] | None:
        """Run `ids`; see LanguageModel.read."""
        if not want_logits:
            self._forward(ids, start, None)
            return None
        if self._head is not None:
            return self.read_top(ids, start, HeadQuery(0)).logits
        self._forward(ids, start, self._logits)
        return self._last_logits()

    def read_top(self, ids: Sequence[TokenId], start: int, query: HeadQuery) -> TopLogits:
        """Run `ids`; see LanguageModel.read_top."""
        if self._head is None:
            self._forward(ids, start, self._logits)
            return TopLogits.of_all(self._logits[0])
        self._forward(ids, start, None, hidden=self._head.hidden, bounds=None if query.wants_all else self._head.bounds)
        return self._head.top(query) or TopLogits.of_all(self.all_logits())

    def all_logits(self) -> NDArray[np.float32]:
        """Return all logits of the last read_top(); see LanguageModel.all_logits."""
        if self._head is not None:
            self._logits = self._head.all_logits()
        return self._last_logits()

    def _last_logits(self) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self._logits[0]
        return logits

    def read_all(self, ids: Sequence[TokenId], start: int) -> NDArray[np.float32]:
        """Run `ids` and return float32 (n, vocab): row i holds the logits after ids[i].

        Raises:
            Interrupted: interrupt() stopped it.
        """
        if self._head is not None:
            hidden = np.empty((len(ids), self.config.hidden_size), np.float32)
            self._forward(ids, start, None, hidden=hidden)
            return self._head.all_logits(hidden)
        logits = np.empty((len(ids), self.vocab_size), np.float32)
        self._forward(ids, start, logits)
        return logits

    def interrupt(self) -> None:
        """Make a running read() raise Interrupted soon; callable from any thread."""
        self._transformer.interrupt()

    def clear_interrupt(self) -> None:
        """Forget an earlier interrupt(), before a new request."""
        self._transformer.clear_interrupt()

    def close(self) -> None:
        """Free the weights, close their files and end the threads; idempotent."""
        self._transformer.close()
        if self._arrays is not None:
            self._arrays[0].close()
        self._arrays = None

    def _open_arrays(self) -> tuple[LoadedWeights, KVArrays]:
        if self._arrays is None:
            raise ValueError("the model is closed")
        return self._arrays

    def _forward(
        self,
        ids: Sequence[TokenId],
        start: int,
        logits: NDArray[np.float32] | None,
        *,
        hidden: NDArray[np.float32] | None = None,
        bounds: HeadBounds | None = None,
    ) -> None:
        rows = self._open_arrays()[0].embedding
        embedded = None
        if rows is not None:
            embedded = np.empty((len(ids), self.config.hidden_size), np.uint16)
            rows.read(np.asarray(ids, np.int64), embedded)
        numbers = np.asarray(ids, np.int32)
        if not self._transformer.forward(numbers, start, logits, embedded=embedded, hidden=hidden, bounds=bounds):
            raise Interrupted


def load_model(
    path: Path,
    *,
    context_length: int | None = None,
    n_threads: int | None = None,
    kernels: str | None = None,
    head: Head | None = None,
    kv: KVPrecision = "f32",
    cancel: CancelToken,
    emit: Emit,
) -> TernaryModel:
    """Load the model at `path`; emits LoadProgress.

    Args:
        path: a directory laid out like microsoft/bitnet-b1.58-2B-4T, a .gguf file, or a directory that holds one.
        context_length: clamped to the model's; None for the model's, at most 4096.
        n_threads: None for default_threads().
        kernels: None for TERN_KERNELS, and without that the best set of this CPU.
        head: "screened" keeps the bfloat16 rows in the file, "plain" in memory, for the same logits; None for what its
            size asks for.
        kv: how the KV cache keeps a number.
        cancel: looked at all along.
        emit: gets LoadProgress.

    Raises:
        AppError: MODEL_*, KERNELS_UNKNOWN, SETTING_INVALID, OUT_OF_MEMORY.
        Interrupted: `cancel` was cancelled.
    """
    config = read_config(path)
    shape = shape_for(config, context_length or DEFAULT_CONTEXT)

    def weights(screen_with: str | None) -> LoadedWeights:
        return _read_weights(path, config, shape, screen_with, cancel, emit)

    return _assemble(model_name(path), config, shape, weights, n_threads, kernels, head, kv)


def synthetic_model(
    *,
    context_length: int,
    n_threads: int | None,
    kernels: str | None,
    seed: int = 0,
    config: ModelConfig | None = None,
    head: Head | None = None,
    kv: KVPrecision = "f32",
) -> TernaryModel:
    """Return a model of the exact 2B4T shapes, or those of `config`, with seeded random weights.

    Raises:
        AppError: KERNELS_UNKNOWN, SETTING_INVALID, OUT_OF_MEMORY.
    """
    config = config or config_2b4t()
    shape = shape_for(config, context_length)

    def weights(screen_with: str | None) -> LoadedWeights:
        return synthetic_weights(config, shape, seed, screen_with=screen_with)

    return _assemble("synthetic-2b4t", config, shape, weights, n_threads, kernels, head, kv)


def available_kernels() -> tuple[str, ...]:
    """Return the names of the kernel sets that this processor runs."""
    return kernel_sets()


def default_threads() -> int:
    """Return the number of threads that leaves the machine usable: its physical cores, one less from 6 on."""
    cores = physical_cores(_usable_cpus(), _CPU_TOPOLOGY)
    return cores - 1 if cores >= 6 else cores


def physical_cores(cpus: Sequence[int], topology: Path) -> int:
    """Count the cores behind the logical `cpus`; each counts as one where the system does not tell."""
    cores = set()
    for cpu in cpus:
        directory = topology / f"cpu{cpu}" / "topology"
        try:
            package = (directory / "physical_package_id").read_text("ascii")
            cores.add((package, (directory / "core_id").read_text("ascii")))
        except (OSError, ValueError):
            cores.add(("", str(cpu)))
    return max(len(cores), 1)


def score_ids(model: TernaryModel, ids: Sequence[TokenId], chunk: int | None) -> NDArray[np.float32]:
    """Return float32 (n, vocab), row i = logits after ids[i], reading `chunk` ids at a time (None: all at once).

    Raises:
        AppError: PROMPT_EMPTY, PROMPT_TOO_LONG, TOKEN_OUT_OF_RANGE, SETTING_INVALID, OUT_OF_MEMORY.
        Interrupted: interrupt() stopped it.
    """
    if not ids:
        raise AppError(ErrorCode.PROMPT_EMPTY)
    if len(ids) > model.context_length:
        raise AppError(ErrorCode.PROMPT_TOO_LONG, n_tokens=len(ids), limit=model.context_length)
    for token in ids:
        if not 0 <= token < model.vocab_size:
            raise AppError(ErrorCode.TOKEN_OUT_OF_RANGE, token_id=token, vocab_size=model.vocab_size)
    if chunk is not None and chunk < 1:
        raise AppError(ErrorCode.SETTING_INVALID, key="chunk", value=chunk, allowed="1 or more")
    step = chunk or len(ids)
    try:
        logits = np.empty((len(ids), model.vocab_size), np.float32)
        for start in range(0, len(ids), step):
            logits[start : start + step] = model.read_all(ids[start : start + step], start)
    except MemoryError as exc:
        raise AppError(ErrorCode.OUT_OF_MEMORY, needed_bytes=len(ids) * model.vocab_size * 4) from exc
    return logits


def _read_weights(
    path: Path, config: ModelConfig, shape: Shape, screen_with: str | None, cancel: CancelToken, emit: Emit
) -> LoadedWeights:
    gguf = gguf_path(path)
    if gguf is None:
        return load_weights(path, config, shape, cancel, emit, screen_with=screen_with)
    with GgufFile(gguf) as file:
        if gguf_config(file) != config:
            raise file.damaged(gguf.name, "changed while it was read")
        return load_gguf_weights(file, config, shape, cancel, emit, screen_with=screen_with)


def _assemble(
    name: str,
    config: ModelConfig,
    shape: Shape,
    weights: Callable[[str | None], LoadedWeights],
    n_threads: int | None,
    kernels: str | None,
    head: Head | None,
    kv: KVPrecision,
) -> TernaryModel:
    threads, chosen = settle_compute(n_threads, kernels)  # first: a wrong setting must not cost the time of a load
    screened = is_screened(config) if head is None else head == "screened"
    loaded: LoadedWeights | None = None
    try:
        loaded = weights(chosen if screened else None)
        cache = new_kv(shape, kv)
        transformer = Transformer(shape, loaded.weights, cache, n_threads=threads, kernels=chosen)
        return TernaryModel(name, config, transformer, (loaded, cache))
    except BaseException as exc:
        if loaded is not None:
            loaded.close()
        is_memory = isinstance(exc, MemoryError) or (isinstance(exc, OSError) and exc.errno == errno.ENOMEM)  # mmap
        if not is_memory:
            raise
        raise AppError(ErrorCode.OUT_OF_MEMORY, needed_bytes=memory_bytes(config, shape, kv)) from exc


def settle_compute(n_threads: int | None, kernels: str | None) -> tuple[int, str]:
    """Return the threads and the kernel set to use; None for default_threads(), for TERN_KERNELS or the best set.

    Raises:
        AppError: SETTING_INVALID, KERNELS_UNKNOWN.
    """
    threads = default_threads() if n_threads is None else n_threads
    if not 1 <= threads <= MAX_THREADS:
        raise AppError(ErrorCode.SETTING_INVALID, key="threads", value=threads, allowed=f"1 to {MAX_THREADS}")
    return threads, _choose_kernels(kernels)


def _choose_kernels(name: str | None) -> str:
    asked = name or os.environ.get(KERNELS_VARIABLE, "")
    try:
        return choose_kernels(asked)
    except ValueError as exc:
        raise AppError(ErrorCode.KERNELS_UNKNOWN, name=asked, known=", ".join(kernel_sets())) from exc


def _usable_cpus() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
