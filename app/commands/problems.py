"""How a command ends when it cannot go on: exit codes, one line for the person, details for the log.

Knows every way a command fails; must not know the commands. The log never holds text of a chat, so of an unexpected
exception it gets the type and the places in the code, not the message.
"""

from typing import Final

from core.paths import AppPaths

EXIT_OK: Final = 0
EXIT_BAD_INPUT: Final = 2
EXIT_UNEXPECTED: Final = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT
EXIT_OUTPUT_CLOSED: Final = 141  # 128 + SIGPIPE

LOG_NAME: Final = "terminal.log"
_LOG_BYTES: Final = 1 << 20
_LOG_FILES: Final = 3


class UsageError(Exception):
    """The command line asks for something that cannot be; the message is for the person, one line."""


def log_unexpected(error: BaseException, paths: AppPaths) -> bool:
    """Write where `error` came from into the log; False when that cannot be written."""
    import logging  # only here and when needed: starting has to be fast
    from logging.handlers import RotatingFileHandler

    try:
        paths.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            paths.logs / LOG_NAME, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8"
        )
    except OSError:
        return False
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    record = logging.LogRecord("tern", logging.ERROR, __file__, 0, description(error), None, None)
    try:
        handler.emit(record)
    finally:
        handler.close()
    return True


def description(error: BaseException) -> str:
    """Return the type of `error`, of its causes and the places in the code, without any message or value."""
    import traceback

    lines = [_type_name(error)]
    lines += [
        f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]
    cause = error.__cause__ or error.__context__
    if cause is not None and cause is not error:
        lines += ["caused by", description(cause)]
    return "\n".join(lines)


def _type_name(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    return type(error).__qualname__ + (f" (errno {number})" if isinstance(number, int) else "")
