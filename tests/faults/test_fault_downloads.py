"""Seeded downloads with every fault that the network and the disk have; the script says what the rules are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.models.part_file import CHUNK_BYTES

SCRIPT = Path(__file__).with_name("fault_downloads.py")


def run(n: int, seed: int = 0) -> dict[str, object]:
    command = [sys.executable, str(SCRIPT), "--n", str(n), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_500, check=False)
    assert done.stdout, done.stderr[-2_000:]
    figures = json.loads(done.stdout)
    assert figures["broken"] == []
    assert figures["exact"] == n
    assert figures["most_fetched_twice"] <= CHUNK_BYTES
    assert isinstance(figures, dict)
    return figures


def test_a_few_faulty_downloads_end_exact() -> None:
    figures = run(10)
    assert figures["kills"] == 2


@pytest.mark.slow
@pytest.mark.timeout(1_600)
def test_300_faulty_downloads_end_exact() -> None:
    figures = run(300, seed=1_000)
    assert figures["kills"] == 60
    assert figures["flips_sent"] > 20
    assert figures["flips_on_disk"] > 20
