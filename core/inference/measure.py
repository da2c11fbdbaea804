"""What this computer does with a model: reading and writing speed, memory, and a plain memory read beside them.

Knows models, clocks and the operating system's counters; must not know how figures are shown. Token ids are drawn from
a fixed seed: speed does not depend on what is read.
"""

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference.config import TokenId
from core.inference.engine import PREFILL_CHUNK
from core.inference.head import HeadCounts
from core.inference.kv_cache import KVPrecision
from core.inference.logits import HeadQuery
from core.inference.model import Interrupted, TernaryModel
from cython_kernels import KV_BLOCK, sequential_read_gb_per_s

_LEAST_READ_BYTES = 128 << 20  # smaller weights would be read from the caches
_SEED = 1
_QUERY = HeadQuery(40)  # what the usual settings of an answer ask for


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: `n_prompt` tokens read and `n_generate` written, both from position `depth` on."""

    threads: tuple[int, ...]
    n_prompt: int
    n_generate: int
    depth: int

    @property
    def context_length(self) -> int:
        """Positions that the cache must hold, in whole blocks."""
        n_positions = self.depth + max(self.n_prompt, self.n_generate)
        return -(-n_positions // KV_BLOCK) * KV_BLOCK


@dataclass(frozen=True, slots=True)
class Speed:
    """One figure; `read_gb_per_s` is the plain read by as many threads right after it."""

    phase: Literal["prefill", "decode"]
    threads: int
    tokens: int
    depth: int
    tokens_per_s: float
    read_gb_per_s: float
    whole_heads: int = 0  # tokens for which all logits had to be computed although the head is screened
    rows_per_token: float = 0.0  # of a screened head, scored exactly


@dataclass(frozen=True, slots=True)
class Measurement:
    """All figures of one run; `first_token_s` is reading the whole prompt with the best number of threads."""

    machine: str
    kernels: str
    kv: KVPrecision
    load_s: float
    first_token_s: float
    peak_rss_bytes: int
    results: tuple[Speed, ...]


def measure(open_model: Callable[[int, int], TernaryModel], plan: Plan, cancel: CancelToken) -> Measurement:
    """Open a model by `open_model(context_length, n_threads)` and measure it; the model is closed at the end.

    The weights and the cache serve all numbers of threads. Peak memory is taken after the first of them, before any
    memory is used for the plain read alone; more threads need no more.

    Raises:
        AppError: SETTING_INVALID when the model's context is shorter than the plan, and what `open_model` raises.
        Interrupted: `cancel` was cancelled.
    """
    started = time.perf_counter()
    model = open_model(plan.context_length, plan.threads[0])
    load_s = time.perf_counter() - started
    kernels, kv = model.kernels, model.kv
    results: list[Speed] = []
    firsts: list[float] = []
    peak = 0
    try:
        if plan.context_length > model.context_length:
            raise AppError(
                ErrorCode.SETTING_INVALID,
                key="depth and tokens together",
                value=plan.depth + max(plan.n_prompt, plan.n_generate),
                allowed=f"at most {model.context_length} with this model",
            )
        _fill(model, plan.depth, cancel)
        for n_threads in plan.threads:
            with_threads = model.with_threads(n_threads)
            try:
                prefill_s, decode_s = _time_phases(with_threads, plan, cancel)
                counts = with_threads.head_counts
            finally:
                with_threads.close()
            peak = peak or peak_rss_bytes()
            firsts.append(prefill_s)
            results += _speeds(plan, n_threads, prefill_s, decode_s, _read_speed(model, n_threads), counts)
    finally:
        model.close()
    return Measurement(machine(), kernels, kv, load_s, min(firsts), peak, tuple(results))


def _time_phases(model: TernaryModel, plan: Plan, cancel: CancelToken) -> tuple[float, float]:
    """Return the seconds of reading the prompt up to its first token, and of writing, each from plan.depth on."""
    ids = _ids(model, plan.n_prompt)
    model.read_top(ids[:1], plan.depth, _QUERY)  # the threads exist and the caches are warm
    started = time.perf_counter()
    token = _read(model, ids, plan.depth, cancel)
    prefill_s = time.perf_counter() - started
    started = time.perf_counter()
    for position in range(plan.depth, plan.depth + plan.n_generate):
        token = _read(model, [token], position, cancel)
    return prefill_s, time.perf_counter() - started


def _read(model: TernaryModel, ids: Sequence[TokenId], start: int, cancel: CancelToken) -> TokenId:
    """Read `ids` as the engine does, and return the likeliest next token."""
    last = (len(ids) - 1) // PREFILL_CHUNK * PREFILL_CHUNK
    for at in range(0, last, PREFILL_CHUNK):
        if cancel.is_cancelled:
            raise Interrupted
        model.read(ids[at : at + PREFILL_CHUNK], start + at, want_logits=False)
    if cancel.is_cancelled:
        raise Interrupted
    top = model.read_top(ids[last:], start + last, _QUERY)
    return TokenId(int(top.ids[top.logits.argmax()]))


def _fill(model: TernaryModel, depth: int, cancel: CancelToken) -> None:
    if depth:
        _read(model, _ids(model, depth), 0, cancel)


def _ids(model: TernaryModel, n: int) -> list[TokenId]:
    drawn = np.random.Generator(np.random.PCG64(_SEED)).integers(0, model.vocab_size, n)
    return [TokenId(int(number)) for number in drawn]


def _speeds(
    plan: Plan, n_threads: int, prefill_s: float, decode_s: float, read: float, counts: HeadCounts | None
) -> tuple[Speed, Speed]:
    whole = 0 if counts is None else counts.n_full
    rows = 0.0 if counts is None else counts.n_rows / max(counts.n_queries, 1)
    return (
        Speed("prefill", n_threads, plan.n_prompt, plan.depth, plan.n_prompt / max(prefill_s, 1e-9), read),
        Speed(
            "decode", n_threads, plan.n_generate, plan.depth, plan.n_generate / max(decode_s, 1e-9), read, whole, rows
        ),
    )


def _read_speed(model: TernaryModel, n_threads: int) -> float:
    """Read the model's own head where it is large enough, so that measuring costs no memory."""
    weights = model.weights
    head = weights.screen.lines if weights.screen is not None else weights.head
    is_large = head is not None and head.nbytes >= _LEAST_READ_BYTES
    return sequential_read_gb_per_s(n_threads, head if is_large else None)


def machine() -> str:
    """Return one line that names this computer: processor, logical cores, system."""
    return f"{_processor()}, {os.cpu_count() or 1} CPUs, {platform.system()} {platform.machine()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown processor"


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _MemoryCounters(ctypes.Structure):
        # PROCESS_MEMORY_COUNTERS of psapi.h
        _fields_ = (
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
            ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
            ("PagefileUsage", ctypes.c_size_t),
            ("PeakPagefileUsage", ctypes.c_size_t),
        )

    def peak_rss_bytes() -> int:
        """Return the most memory that this process has had resident; 0 where the system does not tell."""
        kernel32 = ctypes.WinDLL("kernel32")
        kernel32.GetCurrentProcess.restype = wintypes.HANDLE
        query = kernel32.K32GetProcessMemoryInfo
        query.argtypes = (wintypes.HANDLE, ctypes.POINTER(_MemoryCounters), wintypes.DWORD)
        counters = _MemoryCounters(cb=ctypes.sizeof(_MemoryCounters))
        if not query(kernel32.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
            return 0
        return int(counters.PeakWorkingSetSize)

else:
    import resource

    def peak_rss_bytes() -> int:
        """Return the most memory that this process has had resident."""
        try:
            # Linux carries ru_maxrss over from the program that started this one; VmHWM is this one's own, proc(5).
            status = Path("/proc/self/status").read_text("ascii", "replace")
            return int(status.partition("VmHWM:")[2].split()[0]) * 1024
        except (OSError, ValueError, IndexError):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB
