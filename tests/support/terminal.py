"""Runs `tern` for tests: inside this process, or as a process of its own where that is the point."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.__main__ import main

ROOT = Path(__file__).resolve().parents[2]

# A script around `tern` in which every step of the model takes a while, so that there is time to interrupt it.
SLOW = """
import sys, time
import core.inference.model as model
def slowed(read):
    def slow_read(self, *args, **kwargs):
        time.sleep(0.02)
        return read(self, *args, **kwargs)
    return slow_read
model.TernaryModel.read = slowed(model.TernaryModel.read)
model.TernaryModel.read_top = slowed(model.TernaryModel.read_top)
from app.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Ended:
    """How a run of `tern` ended."""

    code: int
    out: str
    err: str

    def is_one_line(self) -> bool:
        """True when standard error holds exactly one line for a person."""
        return self.err.startswith("tern: ") and self.err.count("\n") == 1 and self.err.endswith("\n")


class Tern:
    """`tern` inside this process; `stdin` is what it reads."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Ended:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Ended(code, captured.out, captured.err)


def start_tern(*arguments: object, slow: bool = False, **options: object) -> "subprocess.Popen[bytes]":
    """Start `tern` as a process of its own, with pipes unless `options` say otherwise."""
    program = ["-c", SLOW] if slow else ["-m", "app"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, *program, *(os.fsencode(str(argument)) for argument in arguments)]
    return subprocess.Popen(command, cwd=ROOT, **{**pipes, **options})  # type: ignore[call-overload, no-any-return]


def run_tern(*arguments: object, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> Ended:
    """Run `tern` as a process of its own to its end; `env` comes on top of this environment."""
    process = start_tern(*arguments, stdin=subprocess.PIPE, env={**os.environ, **(env or {})})
    out, err = process.communicate(stdin, timeout=60)
    return Ended(process.returncode, out.decode(), err.decode())
