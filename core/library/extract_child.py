"""The extraction child: the only process of Tern that opens documents.

core/library/extractor.py starts it by core/child.py, which is all that loads this module. It reads requests from
standard input, answers on standard output and ends when nobody asks any more. It binds itself before the first file and
may be killed at any moment: it keeps nothing.
"""

import gc
import hashlib
import os
import signal
import stat
import sys
import time
from collections.abc import Sequence
from typing import Final

from core.errors import AppError, ErrorCode
from core.library.confinement import Confinement
from core.library.extract_messages import (
    HEAD,
    MAX_BYTES,
    PROGRESS,
    REQUEST,
    STARTED,
    Request,
    checked_head,
    decode_request,
    encode_error,
    encode_found,
    frame,
)
from core.library.extracted import Extracted
from core.library.page_messages import PAGE_FRAMES, PAGE_REQUEST, PageRequest, decode_page_request, encode_page

_DEFAULT_MEMORY: Final = 1 << 30
_IDLE_S: Final = 60.0
_PROGRESS_EVERY_S: Final = 0.1
_WORN_OUT: Final = 0.35  # of the memory; a child that has held more ends, so that the next file has all of it
_DAMAGED: Final = "its content does not follow the rules of its format"


def main(argv: Sequence[str] = ()) -> int:
    """Read one file after the other until nobody asks any more; argv: memory in bytes, seconds without work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for Tern, which then ends this process
    output = _take_standard_output()
    memory_bytes = int(argv[0]) if argv else _DEFAULT_MEMORY
    idle_s = float(argv[1]) if len(argv) > 1 else _IDLE_S
    confinement = Confinement(memory_bytes)
    while True:
        confinement.allow_s(idle_s, is_work=False)
        request = _next_request()
        if request is None:
            return 0
        confinement.allow_s(request.limits.wall_s, is_work=True)
        _write_all(output, frame(STARTED, b""))
        answer = _answer(request, output, confinement)
        confinement.allow_s(request.limits.wall_s, is_work=True)  # for a slow reader of a long answer
        _write_all(output, answer)
        del answer
        if confinement.is_too_large(_WORN_OUT):
            return 0


def _next_request() -> Request | PageRequest | None:
    head = _read_exactly(HEAD.size)
    if head is None:
        return None
    kind, length = checked_head(head, frozenset({REQUEST, PAGE_REQUEST}), MAX_BYTES | PAGE_FRAMES)
    payload = _read_exactly(length)
    if payload is None:
        return None
    return decode_request(payload) if kind == REQUEST else decode_page_request(payload)


def _answer(request: Request | PageRequest, output: int, confinement: Confinement) -> bytes:
    """Return the frames that end the work on a file."""
    try:
        if isinstance(request, PageRequest):
            return _page(request)
        return encode_found(_extract(request, _Progress(output, confinement)))
    except AppError as error:
        return encode_error(error)
    except MemoryError:
        gc.collect()
        return encode_error(AppError(ErrorCode.DOCUMENT_TOO_HEAVY, limit_bytes=request.limits.memory_bytes))
    except RecursionError:
        return encode_error(AppError(ErrorCode.DOCUMENT_DAMAGED, reason="it is nested too deeply"))
    except Exception as error:
        reason = f"{_DAMAGED} ({type(error).__name__})"
        return encode_error(AppError(ErrorCode.DOCUMENT_DAMAGED, reason=reason))


def _extract(request: Request, progress: "_Progress") -> Extracted:
    from core.library.extract.formats import read

    content = _read_file(request)
    form, builder = read(request.name, content, progress.tick)
    text = builder.text()
    if not text.strip():
        raise AppError(ErrorCode.DOCUMENT_EMPTY)
    return Extracted(request.name, hashlib.sha256(content).hexdigest(), form, text, builder.structure())


def _page(request: PageRequest) -> bytes:
    from core.library.extract.pdf_page import render_page

    content = _read_file(request)
    if b"%PDF-" not in content[:1_024]:
        raise AppError(ErrorCode.DOCUMENT_UNKNOWN, kind="no PDF")
    return encode_page(render_page(content, request.number, request.width, request.needles))


def _read_file(request: Request | PageRequest) -> bytes:
    try:
        with request.path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise AppError(ErrorCode.DOCUMENT_UNREADABLE, reason="it is not a file")
            content = file.read(request.limits.file_bytes + 1)
    except OSError as exc:
        raise AppError(ErrorCode.DOCUMENT_UNREADABLE, reason=exc.strerror or "it cannot be opened") from exc
    if len(content) > request.limits.file_bytes:
        size = max(status.st_size, len(content))
        raise AppError(ErrorCode.DOCUMENT_TOO_LARGE, found_bytes=size, limit_bytes=request.limits.file_bytes)
    return content


class _Progress:
    """Tells now and then how far the work is, and stops it where memory is not limited by the system."""

    def __init__(self, output: int, confinement: Confinement) -> None:
        self._output = output
        self._confinement = confinement
        self._told_at = 0.0

    def tick(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told_at < _PROGRESS_EVERY_S:
            return
        self._told_at = now
        if self._confinement.is_too_large():
            raise MemoryError
        _write_all(self._output, frame(PROGRESS, f"[{int(done)},{int(total)}]".encode("ascii")))


def _take_standard_output() -> int:
    """Return where frames go, and let nothing else go there or to the terminal."""
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(0, os.O_BINARY)
        msvcrt.setmode(output, os.O_BINARY)
    return output


def _read_exactly(n_bytes: int) -> bytes | None:
    """Return so many bytes of standard input; None where it has ended."""
    data = b""
    while len(data) < n_bytes:
        piece = os.read(0, n_bytes - len(data))
        if not piece:
            return None
        data += piece
    return data


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view[: 1 << 20]) :]
    except OSError:
        os._exit(0)  # Tern has gone


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
