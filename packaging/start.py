"""The first lines of the frozen program: the same command line as `tern`, also where there is no terminal.

Knows that a windowed program on Windows has no standard streams; must not know what any command does.
"""

import os
import sys


def _give_streams() -> None:
    """Give libraries something to write to: they may print a warning while they are imported."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 (lives to the end)


def main() -> int:
    """Run Tern and return the exit code."""
    _give_streams()
    from app.__main__ import main as tern

    return tern()


if __name__ == "__main__":
    sys.exit(main())
