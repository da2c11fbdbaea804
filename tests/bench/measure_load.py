"""Measure what loading a model costs: seconds, and the largest resident memory above that of the program itself.

    python tests/bench/measure_load.py MODEL [--inspect]

The figure that counts is `above`: the peak minus what was resident after all imports. `held` is what is still resident
after loading. With --inspect every value is checked and nothing kept, as `tern inspect` does.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.events import CancelToken
from core.inference.formats import read_config, read_tokenizer
from core.inference.inspect import inspect_model
from core.inference.model import load_model


def resident_bytes() -> int:
    """Return what is resident now (Linux)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def peak_bytes() -> int:
    """Return the most that was resident so far (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def shown(label: str, seconds: float, before: int) -> None:
    peak, held = peak_bytes() - before, resident_bytes() - before
    memory = f"above {peak / 1e9:6.3f} GB ({peak / 2**30:6.3f} GiB)   held {held / 1e9:6.3f} GB"
    sys.stdout.write(f"{label:<10}{seconds:7.2f} s   {memory}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure loading.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--inspect", action="store_true", help="check every value instead of loading")
    parser.add_argument("--tokenizer", action="store_true", help="read the tokenizer first, as answering does")
    arguments = parser.parse_args()
    before, started = resident_bytes(), time.perf_counter()
    read_config(arguments.model)
    shown("header", time.perf_counter() - started, before)
    if arguments.tokenizer:
        started = time.perf_counter()
        kept = read_tokenizer(arguments.model)
        shown("tokenizer", time.perf_counter() - started, before)
        assert kept.vocab_size > 0
    started = time.perf_counter()
    if arguments.inspect:
        report = inspect_model(arguments.model, deep=True)
        sys.stdout.write(f"{report.format}: {report.error or 'no error'}\n")
        shown("inspect", time.perf_counter() - started, before)
        return
    model = load_model(arguments.model, n_threads=2, cancel=CancelToken(), emit=lambda event: None)
    shown("load", time.perf_counter() - started, before)
    model.close()


if __name__ == "__main__":
    main()
