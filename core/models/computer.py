"""What this computer has for running a model, and which of the published models fit on it.

Facts alone: processor, cores, memory, room on the disk. Must not know how a model is run; the measured speed comes from
core/inference/speed.py as a number. What the system does not tell is None. No measuring here: it takes milliseconds.
"""

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from core.models import system_facts
from core.models.catalogue import Architecture, CatalogueModel

SCREENED_HEAD_BYTES: Final = 32 << 20  # core.inference.weights.SCREENED_FROM_BYTES
WORDS_PER_TOKEN: Final = 0.75  # of English text in the vocabulary of Llama 3
SPARE_DISK_BYTES: Final = 64 << 20  # as a download leaves free
RESERVED_BYTES: Final = 512 << 20  # for the system and the window; a model gets no more than the rest


class Problem(StrEnum):
    """Why a model does not fit, or may be a tight fit."""

    CPU_UNSUPPORTED = "cpu_unsupported"
    TOO_LITTLE_MEMORY = "too_little_memory"
    LITTLE_FREE_MEMORY = "little_free_memory"  # there is enough, but other programs use it now
    TOO_LITTLE_DISK = "too_little_disk"


@dataclass(frozen=True, slots=True)
class Computer:
    """What was found; `performance_cores` is `physical_cores` where all cores are alike."""

    processor: str
    system: str
    kernel_sets: tuple[str, ...]  # of cython_kernels that this processor runs, best first
    logical_cores: int
    physical_cores: int
    performance_cores: int
    memory_bytes: int | None
    free_memory_bytes: int | None
    free_disk_bytes: int | None


@dataclass(frozen=True, slots=True)
class Fit:
    """How a model fits; `needed_disk_bytes` is None where the sizes of its files are not known."""

    model: CatalogueModel
    problems: tuple[Problem, ...]
    needed_memory_bytes: int
    needed_disk_bytes: int | None

    @property
    def fits(self) -> bool:
        """True where nothing but memory that other programs use now is in the way."""
        return not set(self.problems) - {Problem.LITTLE_FREE_MEMORY}


def inspect_computer(data: Path, kernel_sets: Sequence[str]) -> Computer:
    """Return what this computer has.

    Args:
        data: where models would be kept; it need not exist.
        kernel_sets: what core.inference.speed.available_kernels() tells.
    """
    logical = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    physical, performance = system_facts.cores(logical)
    memory, free = system_facts.memory()
    return Computer(
        processor=system_facts.processor(),
        system=f"{platform.system() or sys.platform} {platform.machine()}".strip(),
        kernel_sets=tuple(kernel_sets),
        logical_cores=logical,
        physical_cores=physical,
        performance_cores=performance,
        memory_bytes=memory,
        free_memory_bytes=free,
        free_disk_bytes=_free_disk(data),
    )


def fit(model: CatalogueModel, computer: Computer, *, is_installed: bool = False) -> Fit:
    """Return how `model` fits on `computer`; one that is installed needs no more room on the disk."""
    size = model.download_bytes
    disk = None if size is None else 0 if is_installed else size + size // 10 + SPARE_DISK_BYTES
    problems: list[Problem] = []
    if not computer.kernel_sets:
        problems.append(Problem.CPU_UNSUPPORTED)
    if computer.memory_bytes is not None and computer.memory_bytes - RESERVED_BYTES < model.memory_bytes:
        problems.append(Problem.TOO_LITTLE_MEMORY)
    elif computer.free_memory_bytes is not None and computer.free_memory_bytes < model.memory_bytes:
        problems.append(Problem.LITTLE_FREE_MEMORY)
    if disk is not None and computer.free_disk_bytes is not None and computer.free_disk_bytes < disk:
        problems.append(Problem.TOO_LITTLE_DISK)
    return Fit(model, tuple(problems), model.memory_bytes, disk)


def words_per_s(model: CatalogueModel, weights_per_s: float) -> float | None:
    """Return how fast `model` answers when `weights_per_s` bytes of weights are read a second; None where unknown."""
    if model.architecture is None:
        return None
    return WORDS_PER_TOKEN * weights_per_s / bytes_per_token(model.architecture)


def bytes_per_token(architecture: Architecture) -> int:
    """Return the bytes of weights that one token reads: ternary ones at two bits, the output head as bfloat16.

    Of a large head eight bits a weight are read, and then a few rows whole (core/inference/head.py).
    """
    shape = architecture
    attention, kv = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
    layer = shape.hidden_size * (2 * attention + 2 * kv + 3 * shape.intermediate_size)
    head = shape.vocab_size * shape.hidden_size
    return shape.num_hidden_layers * layer // 4 + (head if 2 * head >= SCREENED_HEAD_BYTES else 2 * head)


def _free_disk(path: Path) -> int | None:
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None
