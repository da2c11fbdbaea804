"""A child process that only says that child processes work: it imports what the others need and ends.

Knows which modules the children load late; opens no connection and reads no file of a person. The self-test starts it:
a library that is missing in the frozen program shows here and not in the middle of a download.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import Final

from core.child import CHILD_MODULES

SAID: Final = "children work"
_LOADED_LATE: Final = ("core.models.download_fetch",)


def main(_argv: Sequence[str] = ()) -> int:
    """Import every child that this version has, with what it loads late; 0 and one line when all is there."""
    names = [name for name in sorted(CHILD_MODULES) if importlib.util.find_spec(name) is not None]
    for name in (*names, *_LOADED_LATE):
        importlib.import_module(name)
    stream = sys.stdout
    assert stream is not None  # a pipe, by the one who started this
    stream.write(f"{SAID}: {', '.join(name.rpartition('.')[2] for name in names)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
