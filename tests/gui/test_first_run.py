"""The whole first run, clicked through in windows of their own processes (first_run.py)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WALK = Path(__file__).with_name("first_run.py")
pytestmark = [pytest.mark.gui, pytest.mark.loopback, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def seen() -> dict[str, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, str(WALK)], capture_output=True, text=True, encoding="utf-8", timeout=390, check=False
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_a_killed_download_goes_on_where_it_was(seen) -> None:
    assert seen["begin"]["code"] == -9
    assert 0 < seen["begin"]["paused_at"] < seen["begin"]["resumed_at"]
    assert seen["resume"]["offered_at"] > seen["begin"]["paused_at"]
    starts = seen["starts"]
    assert len(starts) == 3
    assert 0 == starts[0] < starts[1] < starts[2] < seen["n_weights"]


def test_the_starter_answers_while_the_model_comes(seen) -> None:
    assert "Tern" in seen["begin"]["answer_meanwhile"]


def test_the_model_is_tried_and_answers(seen) -> None:
    assert "works on this computer" in seen["resume"]["tried"]
    assert seen["resume"]["model"] == "tiny"
    assert seen["resume"]["first_answer"]
    assert "intact" in seen["resume"]["verified"]


def test_the_proof_is_given_in_the_process_itself(seen) -> None:
    assert seen["resume"]["self_test"].startswith("Everything was refused")
    assert seen["resume"]["self_test"].count("✓") == 6
    assert "127.0.0.1" in seen["resume"]["hosts"]
    assert "1 connection for downloads since" in seen["resume"]["status"]


def test_a_folder_from_a_stick_is_enough(seen) -> None:
    assert "SHA-256" in seen["offline"]["list"]
    assert "works on this computer" in seen["offline"]["tried"]
    assert "Offline: 0 connections since" in seen["offline"]["status"]
    assert seen["offline"]["answer"]


def test_a_start_that_ends_well_leaves_no_marker(seen) -> None:
    assert seen["resume"]["marker_left"] is False
    assert seen["offline"]["marker_left"] is False
