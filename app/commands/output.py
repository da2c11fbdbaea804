"""What the terminal shows: answers and results on standard output, everything about them on standard error.

Knows that text of a model or a file is foreign and may hold escape sequences; must not know what it is about.
"""

import os
import sys
import unicodedata
from typing import Final, TextIO

from core.errors import AppError, ErrorCode

# Direction overrides and isolates: they can make text read as something else (https://trojansource.codes).
_DIRECTIONS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KEPT: Final = frozenset("\n\t")


class OutputClosed(Exception):  # noqa: N818 - whoever read our output has seen enough
    """Nobody reads standard output any more."""


def printable(text: str) -> str:
    """Return `text` without control characters (so without escape sequences), but with its lines and tabs.

    Carriage returns go too: they would let a later part of a line hide an earlier one.
    """
    if text.isprintable():
        return text
    return "".join(char for char in text if char in _KEPT or _is_harmless(char))


def _is_harmless(char: str) -> bool:
    return char not in _DIRECTIONS and unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")


class Output:
    """The two streams of a command. Standard output holds nothing but results."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout or _nowhere()
        self._err = err or sys.stderr or _nowhere()
        self._status = ""
        self._problem: OSError | None = None
        self.is_closed = False
        for stream in (self._out, self._err):
            _never_fail_to_encode(stream)

    @property
    def is_terminal(self) -> bool:
        """True when a person reads standard output."""
        return _is_terminal(self._out)

    @property
    def shows_status(self) -> bool:
        """True when passing messages can be shown and wiped again."""
        return _is_terminal(self._err)

    def write(self, text: str) -> None:
        """Write a piece of a result at once; a reader that has gone, or a full disk, is noted in `is_closed`."""
        self.wipe_status()
        if self.is_closed:
            return
        try:
            self._out.write(printable(text))
            self._out.flush()
        except OSError as error:
            self.is_closed = True
            self._problem = None if isinstance(error, BrokenPipeError) else error
            self._drop_pending()

    def line(self, text: str = "") -> None:
        """Write a line of a result."""
        self.write(f"{text}\n")

    def note(self, text: str) -> None:
        """Write one line for the person, beside the result."""
        self.wipe_status()
        self._to_error(f"{printable(' '.join(text.split()))}\n")

    def status(self, text: str) -> None:
        """Show a passing message where that is possible, instead of the last one."""
        if self.shows_status and text != self._status:
            self._to_error(f"\r{printable(text)}\x1b[K")
            self._status = text

    def wipe_status(self) -> None:
        """Take the passing message away."""
        if self._status:
            self._to_error("\r\x1b[K")
            self._status = ""

    def check_open(self) -> None:
        """End the command when nothing can be written any more.

        Raises:
            OutputClosed: nobody reads.
            AppError: OUTPUT_UNWRITABLE.
        """
        if self._problem is not None:
            reason = self._problem.strerror or type(self._problem).__name__
            raise AppError(ErrorCode.OUTPUT_UNWRITABLE, path="standard output", reason=reason) from self._problem
        if self.is_closed:
            raise OutputClosed

    def _to_error(self, text: str) -> None:
        try:
            self._err.write(text)
            self._err.flush()
        except OSError:
            return  # there is nowhere left to say it

    def _drop_pending(self) -> None:
        """Let the interpreter's flush at exit go to nowhere instead of failing again."""
        try:
            descriptor = self._out.fileno()
        except (OSError, ValueError):
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _never_fail_to_encode(stream: TextIO) -> None:
    """Write "?" for what the terminal's encoding lacks, rather than losing an answer to it."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _nowhere() -> TextIO:
    # A windowed program on Windows has no streams at all.
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 (lives as long as the process)
