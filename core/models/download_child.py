"""The download child: the only process of Tern that opens connections.

core/models/download.py starts it by core/child.py, which is all that loads this module. It reads one request from
standard input, writes one JSON object a line to standard output and ends. It may be killed at any moment: what it has
written is continued.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from core.errors import AppError, ErrorCode
from core.events import Connected
from core.models.download_messages import MAX_LINE_BYTES, Message, Refused, decode_request, encode

# Read when the hub's library is imported: no token, no telemetry, no second way of transfer, no look for updates.
ENVIRONMENT: Final = {
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
    "HF_HUB_OFFLINE": "0",
    "DO_NOT_TRACK": "1",
}


def main(_argv: Sequence[str] = ()) -> int:
    """Carry out the request on standard input; the exit code is 0 when it was told how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for Tern, which then ends this process
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)
    output = _take_standard_output()

    def send(message: Message) -> None:
        try:
            _write_all(output, encode(message))
        except OSError:
            os._exit(1)  # Tern has gone

    request = decode_request(sys.stdin.buffer.readline(MAX_LINE_BYTES))
    os.environ["HF_HOME"] = str(request.directory / ".none")  # not the person's: no token, no cache
    sys.addaudithook(_Watch(send).on_event)
    try:
        from core.models.download_fetch import Fetcher

        send(Fetcher(request, send).run())
    except AppError as error:
        send(Refused(error))
    except Exception as error:
        send(Refused(AppError(ErrorCode.DOWNLOAD_FAILED, reason=f"{type(error).__name__} {_place(error)}")))
    return 0


class _Watch:
    """Tells every host that this process looks up in order to connect, once each."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._told: set[tuple[str, int]] = set()

    def on_event(self, event: str, arguments: tuple[object, ...]) -> None:
        if event != "socket.getaddrinfo":
            return
        host, port = arguments[0], arguments[1]
        host = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        peer = (host, port if isinstance(port, int) else 0)
        if peer not in self._told:
            self._told.add(peer)
            self._send(Connected(datetime.now(UTC), *peer))


def _take_standard_output() -> int:
    """Return where messages go, and let nothing else go there."""
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return output


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _place(error: BaseException) -> str:
    """Return where in the code it happened; a message could hold an address with a password."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return "" if traceback is None else f"in {traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}"


if __name__ == "__main__":
    sys.exit(main())
