"""A file that is being downloaded: `NAME.part` until every byte is there and right, then NAME in one step.

Beside it `NAME.part.sums` keeps what the file is to be and a short checksum of every block that was written. After a
crash, a power cut or a damaged disk the part is read from its start: the first block that is not what was written, and
all after it, is dropped, and the rest continues to be hashed. Knows files and hashes; must not know where bytes come
from. Less than a
chunk of what was received is lost when the process is killed.
"""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from core.errors import AppError, ErrorCode
from core.events import RestartReason
from core.settings import sync_directory

CHUNK_BYTES: Final = 256 << 10  # at most so many received bytes are lost by a kill
# A block and what is read from a connection at once (64 KiB) are together less than a chunk.
BLOCK_BYTES: Final = 128 << 10
_SUM_BYTES: Final = 16
_MAX_HEADER_BYTES: Final = 1 << 16

OnChecked = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a part is a part of; another identity means other bytes."""

    repository: str
    revision: str
    name: str
    n_bytes: int
    sha256: str | None
    git_sha1: str | None = None  # SHA-1 of git's blob, where no SHA-256 is published


@dataclass(frozen=True, slots=True)
class Dropped:
    """Bytes of a part that have to be fetched again."""

    reason: RestartReason
    kept_bytes: int
    lost_bytes: int


class PartFile:
    """One open part; write() in order, finish() at the end. `dropped` says what was found wrong when it was opened."""

    def __init__(self, path: Path, identity: Identity, on_checked: OnChecked = lambda _n: None) -> None:
        """Open or create the part of `path` (the final name) and check what is there; `on_checked` gets byte counts.

        Raises:
            OSError: the files cannot be read or written.
        """
        self.path = path
        self.identity = identity
        self.dropped: Dropped | None = None
        self._buffer = bytearray()
        self._part_path = path.with_name(path.name + ".part")
        self._sums_path = path.with_name(path.name + ".part.sums")
        self._part = _opened(self._part_path)
        try:
            self._sums = _opened(self._sums_path)
        except BaseException:
            self._part.close()
            raise
        self._header = json.dumps(asdict(identity), sort_keys=True).encode("ascii") + b"\n"
        self._written = 0  # whole blocks, and the short one at the end of a finished file
        self._start_hashes()
        try:
            self._take_over(on_checked)
        except BaseException:
            self.close()
            raise

    @property
    def n_bytes(self) -> int:
        """Bytes received so far, those not yet written included: where the next byte goes."""
        return self._written + len(self._buffer)

    @property
    def is_complete(self) -> bool:
        """True when no byte is missing; whether they are the right ones says matches()."""
        return self.n_bytes == self.identity.n_bytes

    def write(self, data: bytes) -> None:
        """Append received bytes; they reach the file in blocks.

        Raises:
            OSError: the disk is full or fails; what was written before stays whole.
            ValueError: more than the file holds.
        """
        if self.n_bytes + len(data) > self.identity.n_bytes:
            raise ValueError("more bytes than the file holds")
        self._buffer += data
        while len(self._buffer) >= BLOCK_BYTES or (self._buffer and self.is_complete):
            block = bytes(self._buffer[:BLOCK_BYTES])
            del self._buffer[: len(block)]
            self._write_block(block)

    def matches(self) -> bool:
        """Tell whether the complete file has the published hash; True where none is published."""
        if self.identity.sha256 is not None:
            return self.sha256 == self.identity.sha256
        return self.identity.git_sha1 is None or self._git.hexdigest() == self.identity.git_sha1

    @property
    def sha256(self) -> str:
        """Hash of what has been written."""
        return self._sha256.hexdigest()

    def restart(self, reason: RestartReason) -> Dropped:
        """Drop everything for `reason`."""
        return self._reset(reason)

    def commit(self) -> None:
        """Give the complete file its name, durably.

        Raises:
            OSError: it stays a part.
        """
        os.fsync(self._part.fileno())
        self.close()
        self._part_path.replace(self.path)
        with contextlib.suppress(OSError):
            self._sums_path.unlink()
        sync_directory(self.path.parent)

    def close(self) -> None:
        """Close the files; what was not a whole block is lost."""
        self._part.close()
        self._sums.close()

    def _take_over(self, on_checked: OnChecked) -> None:
        size = os.fstat(self._part.fileno()).st_size
        sums = self._read_sums()
        if sums is None or not size:
            if size:
                self.dropped = Dropped(self._why_unknown(), 0, size)
            self._reset(RestartReason.RECORD_LOST)
            return
        self._part.seek(0)
        is_damaged = False
        for expected in sums:
            block = _read_exactly(self._part, min(BLOCK_BYTES, self.identity.n_bytes - self._written))
            if not block or _sum(block) != expected:
                # A short read is what a kill leaves between the two files, and what a power cut does.
                is_damaged = bool(block) or self._written < size
                break
            self._hash(block)
            self._written += len(block)
            on_checked(len(block))
        lost = size - self._written
        self._truncate(self._written)
        if is_damaged:
            self.dropped = Dropped(RestartReason.BLOCK_DAMAGED, self._written, lost)
        elif lost > BLOCK_BYTES:
            self.dropped = Dropped(RestartReason.RECORD_LOST, self._written, lost)

    def _read_sums(self) -> list[bytes] | None:
        """Return the checksums of the blocks; None where they belong to something else."""
        self._sums.seek(0)
        if self._sums.read(len(self._header)) != self._header:
            return None
        n_blocks = -(-self.identity.n_bytes // BLOCK_BYTES)
        data = self._sums.read(n_blocks * _SUM_BYTES)
        return [data[at : at + _SUM_BYTES] for at in range(0, len(data) - _SUM_BYTES + 1, _SUM_BYTES)]

    def _why_unknown(self) -> RestartReason:
        """Return whether the record speaks of another file or is no record at all."""
        self._sums.seek(0)
        try:
            header = json.loads(self._sums.read(_MAX_HEADER_BYTES).partition(b"\n")[0])
            is_record = isinstance(header, dict) and header.keys() == asdict(self.identity).keys()
        except (ValueError, RecursionError):
            is_record = False
        return RestartReason.PUBLISHED_CHANGED if is_record else RestartReason.RECORD_LOST

    def _reset(self, reason: RestartReason) -> Dropped:
        dropped = Dropped(reason, 0, self.n_bytes)
        self._buffer.clear()
        self._written = 0
        self._start_hashes()
        self._sums.seek(0)
        self._sums.truncate(0)
        self._part.seek(0)
        self._part.truncate(0)
        _write_all(self._sums, self._header)
        return dropped

    def _truncate(self, n_bytes: int) -> None:
        n_blocks = -(-n_bytes // BLOCK_BYTES)
        end_of_sums = len(self._header) + n_blocks * _SUM_BYTES
        self._sums.truncate(end_of_sums)
        self._sums.seek(end_of_sums)
        self._part.truncate(n_bytes)
        self._part.seek(n_bytes)

    def _write_block(self, block: bytes) -> None:
        try:
            _write_all(self._part, block)
            _write_all(self._sums, _sum(block))
        except OSError:
            self._buffer.clear()  # the block is lost, and what came after it must not follow what came before it
            with contextlib.suppress(OSError):
                self._truncate(self._written)
            raise
        self._hash(block)
        self._written += len(block)

    def _start_hashes(self) -> None:
        self._sha256 = hashlib.sha256()
        # git hash-object: "blob", the size and a NUL stand before the content
        self._git = hashlib.sha1(b"blob %d\0" % self.identity.n_bytes, usedforsecurity=False)

    def _hash(self, block: bytes) -> None:
        self._sha256.update(block)
        if self.identity.git_sha1 is not None:
            self._git.update(block)


def _opened(path: Path) -> BinaryIO:
    """Open for reading and writing, make it where it is absent; never through a link."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return open(os.open(path, flags, 0o600), "r+b", buffering=0)  # type: ignore[return-value]  # noqa: PTH123 (a descriptor)


def _sum(block: bytes) -> bytes:
    return hashlib.blake2b(block, digest_size=_SUM_BYTES).digest()


def _read_exactly(file: BinaryIO, n_bytes: int) -> bytes:
    data = b""
    while len(data) < n_bytes and (more := file.read(n_bytes - len(data))):
        data += more
    return data


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def disk_error(exc: BaseException | None, path: Path, needed_bytes: int, free_bytes: int) -> AppError:
    """Return what a failure of the disk means to a download into `path`."""
    number = getattr(exc, "errno", None)
    reason = getattr(exc, "strerror", None) or type(exc).__name__
    if number in (errno.ENOSPC, errno.EDQUOT):
        return AppError(ErrorCode.DOWNLOAD_NO_SPACE, path=path, needed_bytes=needed_bytes, free_bytes=free_bytes)
    if number == errno.EROFS:
        return AppError(ErrorCode.DOWNLOAD_READ_ONLY, path=path)
    if number in (errno.EACCES, errno.EPERM):
        return AppError(ErrorCode.DOWNLOAD_FORBIDDEN, path=path, reason=reason)
    return AppError(ErrorCode.DOWNLOAD_UNWRITABLE, path=path, reason=reason)


def file_hashes(path: Path, identity: Identity, on_read: OnChecked) -> tuple[str, bool]:
    """Return the SHA-256 of a finished file and whether it is the published one.

    Raises:
        OSError: it cannot be read.
    """
    sha256, n_bytes = hashlib.sha256(), 0
    git = hashlib.sha1(b"blob %d\0" % identity.n_bytes, usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(BLOCK_BYTES):
            sha256.update(data)
            git.update(data)
            n_bytes += len(data)
            on_read(len(data))
    digest = sha256.hexdigest()
    if identity.sha256 is not None:
        return digest, digest == identity.sha256
    return digest, n_bytes == identity.n_bytes and identity.git_sha1 in (None, git.hexdigest())
