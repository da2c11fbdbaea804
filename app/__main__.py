"""The entry points `tern`, `tern-gui` and `python -m app`."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tern` with `argv` (None: the arguments of this process) and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        from core.child import run_child

        code = run_child(arguments)  # the frozen program is its own children as well
        if code is not None:
            return code
        from app.cli import run
    except KeyboardInterrupt:
        return 130
    return run(arguments)


def main_gui(argv: Sequence[str] | None = None) -> int:
    """Run `tern-gui`, which is the window alone."""
    from app.cli import run_window_only
    from core.child import run_child

    arguments = sys.argv[1:] if argv is None else argv
    code = run_child(arguments)
    return run_window_only(arguments) if code is None else code


if __name__ == "__main__":
    sys.exit(main())
