"""The entry points `tern`, `tern-gui` and `python -m app`.

A process of Tern's own is put offline first of all (core/offline.py), unless it is to become the download child. A call
with `argv` is one from another program, a test for example, whose process is not Tern's to change.
"""

import sys
from collections.abc import Sequence

from core import offline
from core.child import CHILD_ARGUMENT, run_child

_DOWNLOAD_CHILD = [CHILD_ARGUMENT, "core.models.download_child"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tern` with `argv` (None: the arguments of this process) and return the exit code."""
    arguments = _own_arguments() if argv is None else argv
    try:
        code = run_child(arguments)  # the frozen program is its own children as well
        if code is not None:
            return code
        from app.cli import run
    except KeyboardInterrupt:
        return 130
    return run(arguments)


def main_gui(argv: Sequence[str] | None = None) -> int:
    """Run `tern-gui`, which is the window alone."""
    arguments = _own_arguments() if argv is None else argv
    code = run_child(arguments)
    if code is not None:
        return code
    from app.cli import run_window_only

    return run_window_only(arguments)


def _own_arguments() -> list[str]:
    """Return the arguments of this process, which from now on cannot open a connection."""
    if sys.argv[1:3] != _DOWNLOAD_CHILD:
        offline.install()
    return sys.argv[1:]


if __name__ == "__main__":
    sys.exit(main())
