"""Failed starts are counted, and the last one's cause is named."""

import json
from pathlib import Path

import pytest

from core.start_guard import FILE_NAME, FailedStarts, StartGuard, Step


def killed_while(directory: Path, step: Step, name: str = "") -> None:
    """Leave behind what a process leaves that dies in the middle of `step`."""
    guard = StartGuard(directory)
    guard.begin()
    with guard.during(Step.HISTORY):
        pass
    with guard.during(step, name):
        left = (directory / FILE_NAME).read_bytes()
    (directory / FILE_NAME).write_bytes(left)


def test_a_first_start_knows_of_none(tmp_path: Path) -> None:
    assert StartGuard(tmp_path).begin() == FailedStarts()


def test_the_cause_is_what_was_being_done(tmp_path: Path) -> None:
    killed_while(tmp_path, Step.MODEL, "large")
    failed = StartGuard(tmp_path).begin()
    assert failed == FailedStarts(1, Step.MODEL, "large")
    assert not failed.calls_for_safe_mode


def test_two_in_a_row_call_for_safe_mode(tmp_path: Path) -> None:
    killed_while(tmp_path, Step.MODEL, "large")
    killed_while(tmp_path, Step.HISTORY)
    failed = StartGuard(tmp_path).begin()
    assert failed == FailedStarts(2, Step.HISTORY)
    assert failed.calls_for_safe_mode


def test_a_good_start_clears_the_count(tmp_path: Path) -> None:
    killed_while(tmp_path, Step.MODEL, "large")
    guard = StartGuard(tmp_path)
    guard.begin()
    guard.finish()
    with guard.during(Step.MODEL, "later"):
        assert not (tmp_path / FILE_NAME).exists()
    assert StartGuard(tmp_path).begin() == FailedStarts()


def test_an_error_that_can_be_told_of_is_no_cause(tmp_path: Path) -> None:
    guard = StartGuard(tmp_path)
    guard.begin()
    with pytest.raises(ValueError, match="told"), guard.during(Step.MODEL, "bad"):
        raise ValueError("told")
    assert StartGuard(tmp_path).begin() == FailedStarts(1, Step.WINDOW)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"n": -1, "doing": {}}', b'{"n": "2"}', b'{"n": true}'])
def test_a_damaged_marker_counts_as_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert StartGuard(tmp_path).begin().n == 1


def test_a_disk_that_cannot_be_written_costs_only_the_marker(tmp_path: Path) -> None:
    guard = StartGuard(tmp_path / "absent")
    assert guard.begin() == FailedStarts()
    guard.finish()


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    killed_while(tmp_path, Step.MODEL, "x" * 10_000)
    assert len(json.loads((tmp_path / FILE_NAME).read_text())["doing"]["model"]) == 200
