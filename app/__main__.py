"""The entry points `tern`, `tern-gui` and `python -m app`."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tern` with `argv` (None: the arguments of this process) and return the exit code."""
    try:
        from app.cli import run
    except KeyboardInterrupt:
        return 130
    return run(sys.argv[1:] if argv is None else argv)


def main_gui(argv: Sequence[str] | None = None) -> int:
    """Run `tern-gui`, which is the window alone."""
    from app.cli import run_window_only

    return run_window_only(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
