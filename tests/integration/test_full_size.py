"""Files of the full size of BitNet b1.58 2B4T load in bounded memory; needs 5 GB of disk and some minutes: slow."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
WEIGHTS_BYTES = 521_011_200 + 656_670_720  # ternary at 2 bits, and the embedding in bfloat16
PUBLISHED_BYTES = {"packed": 1_178_623_988, "masters": 4_825_679_400, "i2_s": 1_187_801_280}
LLAMA3_VARIABLE = "TERN_LLAMA3_TOKENIZER"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc"),
]


@pytest.mark.parametrize(
    ("kind", "most_beside_the_weights"),
    [("packed", 40e6), ("masters", 420e6), ("i2_s", 120e6), ("tq2_0", 120e6), ("tq1_0", 120e6)],
)
def test_a_full_size_file_loads_in_bounded_memory(tmp_path: Path, kind: str, most_beside_the_weights: float) -> None:
    tokenizer = os.environ.get(LLAMA3_VARIABLE)
    extra = ["--tokenizer", tokenizer] if tokenizer else []
    made = subprocess.run(
        [sys.executable, BENCH / "make_full_size.py", kind, tmp_path / kind, *extra],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    try:
        n_bytes = int(re.search(r": ([\d,]+) bytes", made.stdout)[1].replace(",", ""))  # type: ignore[index]
        if kind in PUBLISHED_BYTES and (tokenizer or kind != "i2_s"):
            assert n_bytes == PUBLISHED_BYTES[kind]
        loaded = subprocess.run(
            [sys.executable, BENCH / "measure_load.py", tmp_path / kind], check=True, capture_output=True, text=True
        )
        peak = float(re.search(r"load .*above +([\d.]+) GB", loaded.stdout)[1]) * 1e9  # type: ignore[index]
        assert peak <= WEIGHTS_BYTES + most_beside_the_weights
    finally:
        for path in (tmp_path / kind).iterdir():
            path.unlink()  # pytest keeps the directories of the last runs
