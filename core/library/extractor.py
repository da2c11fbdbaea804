"""Documents as Tern sees them: hands files to the extraction child and takes back text and blocks, checked.

Opens no document itself; knows processes and what may come out of them. Whatever a file does to the child, it costs
that file alone: the child is killed and the next file gets another one.
"""

import contextlib
import hashlib
import json
import os
import select
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from core.child import child_command, child_environ
from core.errors import AppError, ErrorCode
from core.events import CancelToken, DocumentProgress, Emit, Interrupted
from core.library.characters import one_line
from core.library.extract_messages import (
    FAILED,
    FOUND,
    HEAD,
    MAX_BYTES,
    PROGRESS,
    STARTED,
    STRUCTURE,
    TEXT,
    Limits,
    Request,
    checked_head,
    decode_error,
    decode_found,
    encode_request,
)
from core.library.extracted import Extracted
from core.library.page_messages import (
    PAGE,
    PAGE_FRAMES,
    PIXELS,
    PageImage,
    PageRequest,
    decode_page,
    encode_page_request,
)
from core.library.quarantine import Quarantine

CHILD_MODULE: Final = "core.library.extract_child"
_PASSED_ON: Final = ("PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
_START_S: Final = 20.0  # for a child to answer at all
_GRACE_S: Final = 5.0  # beyond the limit, after which a child that did not end itself is killed
_PIECE_BYTES: Final = 1 << 20
_AFTER_START: Final = frozenset({PROGRESS, FAILED, FOUND, PAGE})
_FRAMES: Final = MAX_BYTES | PAGE_FRAMES

_Read = TypeVar("_Read", Extracted, PageImage)


class _Died(Exception):  # noqa: N818 - what happened
    """The child has ended or says what it may not say."""


class _Child:
    """One running child."""

    def __init__(self, limits: Limits) -> None:
        """Start it.

        Raises:
            AppError: EXTRACTOR_FAILED.
        """
        command = child_command(CHILD_MODULE, str(limits.memory_bytes), str(limits.idle_s))
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(os.environ),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                bufsize=0,
            )
        except OSError as exc:
            raise AppError(ErrorCode.EXTRACTOR_FAILED, reason=exc.strerror or str(exc)) from exc

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
        except (OSError, ValueError) as exc:
            raise _Died from exc

    def receive(self, kinds: frozenset[bytes], deadline: float) -> tuple[bytes, bytes]:
        """Return kind and payload of the next frame."""
        try:
            kind, length = checked_head(self._read(HEAD.size, deadline), kinds, _FRAMES)
        except ValueError as exc:
            raise _Died from exc
        return kind, self._read(length, deadline)

    def _read(self, n_bytes: int, deadline: float) -> bytes:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        pieces: list[bytes] = []
        while n_bytes:
            _wait_for(descriptor, deadline)
            try:
                piece = os.read(descriptor, min(n_bytes, _PIECE_BYTES))
            except OSError as exc:
                raise _Died from exc
            if not piece:
                raise _Died
            pieces.append(piece)
            n_bytes -= len(piece)
        return b"".join(pieces)

    def kill(self) -> None:
        """End it at once; any thread."""
        with contextlib.suppress(OSError):
            self.process.kill()

    def end(self) -> str:
        """End it, wait for it and return how it ended."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        code = self.process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


class Extractor:
    """Reads documents in a child, one at a time; close() may come from any thread."""

    def __init__(self, quarantine: Path | None = None, limits: Limits | None = None) -> None:
        """Start nothing yet.

        Args:
            quarantine: where files that kill the child are noted (AppPaths.quarantine); None keeps that in memory.
            limits: what one document may cost.
        """
        self._limits = limits or Limits()
        self._quarantine = Quarantine(quarantine)
        self._child: _Child | None = None
        self._is_used = False  # the child has read a file already
        self._watched: CancelToken | None = None
        self._working_for: CancelToken | None = None

    def extract(self, path: Path, cancel: CancelToken, emit: Emit) -> Extracted:
        """Return what is in the file at `path`; emits DocumentProgress.

        Raises:
            AppError: DOCUMENT_*, EXTRACTOR_FAILED.
            Interrupted: it was cancelled; the child is dead.
        """
        path = _absolute(path)
        request = Request(path, shown_name(path), self._limits)
        return self._guarded(path, cancel, lambda: self._read(request, encode_request(request), cancel, emit, _found))

    def page(self, path: Path, number: int, width: int, needles: Sequence[str], cancel: CancelToken) -> PageImage:
        """Return a page of a PDF as a picture, drawn in the child; number from 1, width in pixels at most.

        needles: pieces of the text as extract() gave it, whose places on the page are to be told.

        Raises:
            AppError: DOCUMENT_*, EXTRACTOR_FAILED.
            Interrupted: it was cancelled; the child is dead.
        """
        path = _absolute(path)
        request = PageRequest(path, shown_name(path), number, width, tuple(needles), self._limits)
        sent = encode_page_request(request)
        return self._guarded(path, cancel, lambda: self._read(request, sent, cancel, lambda _event: None, _drawn))

    def _guarded(self, path: Path, cancel: CancelToken, read: Callable[[], _Read]) -> _Read:
        """Carry out `read` unless the file is in quarantine, and note there what it does to the child."""
        sha256 = self._checked(path, cancel)
        reason = self._quarantine.reason(sha256)
        if reason is not None:
            raise AppError(ErrorCode.DOCUMENT_QUARANTINED, path=path, reason=reason)
        if self._watched is not cancel:
            self._watched = cancel
            cancel.on_cancel(lambda: self._on_cancel(cancel))
        self._working_for = cancel
        try:
            return self._with_second_try(sha256, read)
        finally:
            self._working_for = None

    def close(self) -> None:
        """End the child; the next extract() starts another one."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _on_cancel(self, cancel: CancelToken) -> None:
        child = self._child
        if child is not None and self._working_for is cancel:
            child.kill()

    def _with_second_try(self, sha256: str, read: Callable[[], _Read]) -> _Read:
        """Read a file; where it kills the child, once more in a fresh one."""
        while True:
            try:
                done = read()
            except AppError as error:
                if error.code not in (ErrorCode.DOCUMENT_CRASHED, ErrorCode.DOCUMENT_TOO_SLOW):
                    raise
                self._quarantine.note(sha256, _reason(error))
                is_over = self._quarantine.reason(sha256) is not None
                if error.code is ErrorCode.DOCUMENT_TOO_SLOW or is_over:
                    raise
            else:
                if not self._quarantine.is_empty:
                    self._quarantine.forget(sha256)
                return done

    def _read(
        self,
        request: Request | PageRequest,
        sent: bytes,
        cancel: CancelToken,
        emit: Emit,
        finish: "Callable[[_Child, str, bytes, bytes, float], _Read]",
    ) -> _Read:
        child = self._started(sent, cancel)
        began = time.monotonic()
        deadline = began + request.limits.wall_s + _GRACE_S
        try:
            return self._receive(child, request, deadline, emit, finish)
        except _Died as exc:
            self._child = None
            ended = child.end()
            if cancel.is_cancelled:
                raise Interrupted from None
            if time.monotonic() - began > request.limits.wall_s - 0.5 or ended == "signal 24":  # SIGXCPU
                seconds = round(request.limits.wall_s)
                raise AppError(ErrorCode.DOCUMENT_TOO_SLOW, path=request.path, limit_s=seconds) from exc
            raise AppError(ErrorCode.DOCUMENT_CRASHED, path=request.path, reason=ended) from exc
        except BaseException:
            if not self._is_used:
                self.close()
            raise

    def _started(self, sent: bytes, cancel: CancelToken) -> _Child:
        """Return a child that has begun with the file; one that had ended while idle is replaced."""
        for _ in range(2):
            if self._child is None:
                self._child, self._is_used = _Child(self._limits), False
            child = self._child
            if cancel.is_cancelled:
                raise Interrupted
            try:
                child.send(sent)
                child.receive(frozenset({STARTED}), time.monotonic() + _START_S)
                return child
            except _Died:
                self._child = None
                ended = child.end()
                if cancel.is_cancelled:
                    raise Interrupted from None
        raise AppError(ErrorCode.EXTRACTOR_FAILED, reason=ended)

    def _receive(
        self,
        child: _Child,
        request: Request | PageRequest,
        deadline: float,
        emit: Emit,
        finish: "Callable[[_Child, str, bytes, bytes, float], _Read]",
    ) -> _Read:
        """Return what was read, or raise the child's own error."""
        while True:
            kind, payload = child.receive(_AFTER_START, deadline)
            try:
                if kind == PROGRESS:
                    done, total = json.loads(payload)
                    emit(DocumentProgress(request.name, int(done), int(total)))
                    continue
                self._is_used = True
                if kind == FAILED:
                    error = decode_error(payload, request.path)
                else:
                    return finish(child, request.name, kind, payload, deadline)
            except (ValueError, TypeError) as exc:
                raise _Died from exc
            if error.code is ErrorCode.DOCUMENT_TOO_HEAVY:
                self.close()  # its memory is in pieces
            raise error

    def _checked(self, path: Path, cancel: CancelToken) -> str:
        """Return the hash of a file that may be read; no byte of it is looked at otherwise."""
        digest = hashlib.sha256()
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise _unreadable(path, "it is a folder; choose the files in it")
            if not stat.S_ISREG(status.st_mode):
                raise _unreadable(path, "it is not a file")
            if status.st_size > self._limits.file_bytes:
                facts = {"found_bytes": status.st_size, "limit_bytes": self._limits.file_bytes}
                raise AppError(ErrorCode.DOCUMENT_TOO_LARGE, path=path, **facts)
            with path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    if cancel.is_cancelled:
                        raise Interrupted
                    digest.update(piece)
        except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
            raise _unreadable(path, getattr(exc, "strerror", None) or "there is no such file") from exc
        if status.st_size == 0:
            raise AppError(ErrorCode.DOCUMENT_EMPTY, path=path)
        return digest.hexdigest()


def shown_name(path: Path) -> str:
    """Return the name of a file as one harmless line."""
    return one_line(path.name.encode("utf-8", "replace").decode("utf-8")) or "document"


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path)) if "\0" not in str(path) else path  # noqa: PTH100 - resolve() follows links


def _found(child: _Child, name: str, kind: bytes, payload: bytes, deadline: float) -> Extracted:
    """Take what follows the head of a document."""
    if kind != FOUND:
        raise ValueError("not a document")
    _, structure = child.receive(frozenset({STRUCTURE}), deadline)
    _, text = child.receive(frozenset({TEXT}), deadline)
    return decode_found(name, payload, structure, text)


def _drawn(child: _Child, _name: str, kind: bytes, payload: bytes, deadline: float) -> PageImage:
    """Take what follows the head of a page."""
    if kind != PAGE:
        raise ValueError("not a page")
    _, pixels = child.receive(frozenset({PIXELS}), deadline)
    return decode_page(payload, pixels)


def _reason(error: AppError) -> str:
    if error.code is ErrorCode.DOCUMENT_TOO_SLOW:
        return f"not read in {error.facts['limit_s']} seconds"
    return str(error.facts.get("reason", "unknown"))


def _unreadable(path: Path, reason: str) -> AppError:
    return AppError(ErrorCode.DOCUMENT_UNREADABLE, path=path, reason=reason)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    passed = {name: environ[name] for name in _PASSED_ON if name in environ}
    # PYTHONSAFEPATH: what lies in the directory that Tern was started in is not code of Tern.
    return {**child_environ(passed), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _wait_for(descriptor: int, deadline: float) -> None:
    """Wait until there is something to read; on Windows, where pipes cannot be waited for, the child's timer does."""
    if sys.platform == "win32":
        return
    ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise _Died
