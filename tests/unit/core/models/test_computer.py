"""What this computer has, as facts; and which models fit."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.inference.config import config_2b4t
from core.inference.speed import available_kernels
from core.inference.weights import SCREENED_FROM_BYTES, memory_bytes, shape_for
from core.models.catalogue import default_model
from core.models.computer import (
    SCREENED_HEAD_BYTES,
    Computer,
    Problem,
    bytes_per_token,
    fit,
    inspect_computer,
    words_per_s,
)
from core.models.system_facts import cpu_list, linux_cores, linux_memory

GB = 1 << 30
GOOD = Computer("Processor", "System", ("avx2", "scalar"), 8, 4, 4, 16 * GB, 8 * GB, 100 * GB)


def test_this_computer_has_something_of_everything(tmp_path: Path) -> None:
    found = inspect_computer(tmp_path / "not" / "made", available_kernels())
    assert found.processor
    assert found.kernel_sets[-1] == "scalar"
    assert 1 <= found.performance_cores <= found.physical_cores <= found.logical_cores
    assert found.memory_bytes is None or found.memory_bytes > 100 << 20
    assert found.free_disk_bytes is not None
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    ("changed", "problems"),
    [
        ({}, ()),
        ({"kernel_sets": ()}, (Problem.CPU_UNSUPPORTED,)),
        ({"memory_bytes": GB}, (Problem.TOO_LITTLE_MEMORY,)),
        ({"free_memory_bytes": GB}, (Problem.LITTLE_FREE_MEMORY,)),
        ({"free_disk_bytes": GB}, (Problem.TOO_LITTLE_DISK,)),
        ({"memory_bytes": None, "free_memory_bytes": None, "free_disk_bytes": None}, ()),
    ],
)
def test_why_a_model_does_not_fit(changed: dict[str, object], problems: tuple[Problem, ...]) -> None:
    found = fit(default_model(), replace(GOOD, **changed))  # type: ignore[arg-type]
    assert found.problems == problems
    assert found.fits is (not problems or problems == (Problem.LITTLE_FREE_MEMORY,))


def test_an_installed_model_needs_no_more_room() -> None:
    assert fit(default_model(), replace(GOOD, free_disk_bytes=5), is_installed=True).fits
    assert not fit(default_model(), replace(GOOD, free_disk_bytes=5)).fits


def test_the_head_is_screened_from_the_size_that_inference_has() -> None:
    assert SCREENED_HEAD_BYTES == SCREENED_FROM_BYTES


def test_the_bytes_of_a_token_are_those_of_the_packed_weights() -> None:
    model, config = default_model(), config_2b4t()
    assert model.architecture is not None
    packed = memory_bytes(config, replace(shape_for(config, 128), max_context=0))
    assert bytes_per_token(model.architecture) == packed
    assert words_per_s(model, packed * 4.0) == pytest.approx(3.0)


def test_cores_that_share_are_counted_once_and_fast_ones_apart(tmp_path: Path) -> None:
    for cpu, core in enumerate((0, 0, 1, 1, 2, 3)):  # two fast cores of two threads, two slow ones
        directory = tmp_path / f"cpu{cpu}" / "topology"
        directory.mkdir(parents=True)
        (directory / "physical_package_id").write_text("0\n")
        (directory / "core_id").write_text(f"{core}\n")
    intel = tmp_path / "fast"
    intel.write_text("0-3\n")
    assert linux_cores(list(range(6)), tmp_path, intel) == (4, 2)
    assert linux_cores(list(range(6)), tmp_path, tmp_path / "absent") == (4, 4)
    for cpu in range(6):
        (tmp_path / f"cpu{cpu}" / "cpu_capacity").write_text("1024\n" if cpu > 3 else "400\n")
    assert linux_cores(list(range(6)), tmp_path, tmp_path / "absent") == (4, 2)
    assert linux_cores([0, 1], tmp_path / "nothing", tmp_path / "absent") == (2, 2)


@pytest.mark.parametrize(("text", "numbers"), [("0-2,5", {0, 1, 2, 5}), ("", set()), ("x-3,4", {4}), ("3-1", set())])
def test_lists_of_processors(text: str, numbers: set[int]) -> None:
    assert cpu_list(text) == numbers


def test_a_limit_of_the_process_counts_as_the_memory(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       8000 kB\nMemFree:  10 kB\nMemAvailable:   6000 kB\n")
    limit = tmp_path / "memory.max"
    assert linux_memory(meminfo, limit) == (8_192_000, 6_144_000)
    limit.write_text("max\n")
    assert linux_memory(meminfo, limit) == (8_192_000, 6_144_000)
    limit.write_text("4096000\n")
    assert linux_memory(meminfo, limit) == (4_096_000, 4_096_000)
    assert linux_memory(tmp_path / "absent", tmp_path / "absent") == (None, None)
