#!/usr/bin/env python3
"""Measure the built program on Linux.

usage: python3 packaging/measure_bundle.py [RUNS]

Warm starts on a virtual screen: from starting the program to a window that the screen shows (MapNotify), and in the
terminal to the first characters of the starter model's answer; then idle processor time and memory of a window that
nobody touches. Prints median and worst of RUNS (5). Needs Xvfb and xdotool, and a machine that does nothing else; the
processor time beside each figure says how much of it was waiting for others.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import prove_bundle
from build import ROOT

PROGRAM = ROOT / "dist" / "Tern" / "tern"


def seconds_to_window(home: Path, screen: str) -> tuple[float, float, subprocess.Popen[bytes]]:
    """Start the window; return how long it took until the screen showed it, on the clock and of processors."""
    environ = {"HOME": str(home), "DISPLAY": screen, "QT_QPA_PLATFORM": "xcb", "PATH": "/usr/bin:/bin"}
    seek = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "^Tern$"]
    waiting = subprocess.Popen(seek, env={**os.environ, "DISPLAY": screen}, stdout=subprocess.DEVNULL)
    started = time.monotonic()
    program = subprocess.Popen([PROGRAM], env=environ, stderr=subprocess.DEVNULL)
    waiting.wait(timeout=60)
    took = time.monotonic() - started
    return took, prove_bundle.cpu_seconds(program.pid), program


def seconds_to_token(home: Path) -> tuple[float, float]:
    """Return how long it took to the first characters of an answer, on the clock and of processors."""
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    started = time.monotonic()
    program = subprocess.Popen([PROGRAM, "ask", "--greedy", prove_bundle.QUESTION], env=environ, stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.read(1)
    took, used = time.monotonic() - started, prove_bundle.cpu_seconds(program.pid)
    program.communicate(timeout=60)
    return took, used


def tell(what: str, values: Sequence[tuple[float, float]]) -> None:
    """Print median and worst on the clock, and the median of processor time."""
    clock, processor = [each[0] for each in values], [each[1] for each in values]
    print(
        f"{what}: median {statistics.median(clock):.2f} s, worst {max(clock):.2f} s of {len(values)}; "
        f"processor time {statistics.median(processor):.2f} s",
        flush=True,
    )


def main(arguments: Sequence[str]) -> int:
    """Measure and return the exit code."""
    n_runs = int(arguments[0]) if arguments else 5
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        server, screen = prove_bundle.start_screen(home)
        try:
            shown = []
            for index in range(n_runs + 1):
                took, used, program = seconds_to_window(home, screen)
                if index:  # the first start is a cold one
                    shown.append((took, used))
                if index == n_runs:
                    time.sleep(5)  # until the model is loaded and the window has come to rest
                    prove_bundle.print_idle(program.pid)
                program.terminate()
                program.wait(timeout=30)
            tell("start to visible window, warm", shown)
            tell("start to first token of the starter model", [seconds_to_token(home) for _ in range(n_runs)])
        finally:
            server.terminate()
            server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
