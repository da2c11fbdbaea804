"""Text from standard input, bounded, and refused where it is no text.

Knows bytes and UTF-8; must not know what the text is for.
"""

import io
import sys
from typing import Final

from app.commands.problems import UsageError
from app.notices import bytes_in_words

MAX_BYTES: Final = 16 << 20  # far over any context; keeps a wrong file from filling the memory


def is_terminal() -> bool:
    """True when a person types."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def read_all() -> str:
    """Return all of standard input, exactly as it is; "" when there is none.

    Raises:
        UsageError: it is no UTF-8 text, or far too long.
    """
    return _text(_bytes().read(MAX_BYTES + 1))


def read_line() -> str | None:
    """Return the next line without its end; None at the end of the input.

    Raises:
        UsageError: it is no UTF-8 text, or far too long.
    """
    data = _bytes().readline(MAX_BYTES + 1)
    return _text(data).removesuffix("\n").removesuffix("\r") if data else None


def _bytes() -> io.BufferedIOBase:
    if sys.stdin is None or sys.stdin.closed:  # started with standard input closed
        return io.BytesIO()
    return sys.stdin.buffer  # type: ignore[return-value]  # typeshed says BinaryIO


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise UsageError(f"the input is longer than {bytes_in_words(MAX_BYTES)}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("the input is not valid UTF-8 text") from None
