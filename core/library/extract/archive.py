"""Zip containers of strangers: bounded in number, size and ratio, read in pieces, never written to disk.

Knows zip; must not know what is in it. Sizes in a container may lie, so what comes out is counted as well.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final

from core.errors import AppError, ErrorCode
from core.library.extract.builder import damaged, too_long

MAX_MEMBERS: Final = 5_000
MAX_INFLATED_BYTES: Final = 200_000_000
MAX_RATIO: Final = 200
_RATIO_COUNTS_FROM: Final = 50_000_000  # bytes; small and dull members may shrink by any factor
MAX_PART_BYTES: Final = 50_000_000  # of a member that is read as a whole
_PIECE_BYTES: Final = 1 << 16
_READABLE: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class Archive:
    """A container that has passed the checks."""

    def __init__(self, content: bytes) -> None:
        """Open it.

        Raises:
            AppError: DOCUMENT_DAMAGED, DOCUMENT_TOO_LONG, DOCUMENT_PROTECTED.
        """
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            members = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, OverflowError) as exc:
            raise damaged("the container is cut off or not whole") from exc
        if len(members) > MAX_MEMBERS:
            raise too_long("parts", MAX_MEMBERS)
        if sum(member.file_size for member in members) > MAX_INFLATED_BYTES:
            raise too_long("bytes when unpacked", MAX_INFLATED_BYTES)
        for member in members:
            is_large = member.file_size > _RATIO_COUNTS_FROM
            if is_large and member.file_size > MAX_RATIO * max(1, member.compress_size):
                raise damaged("it unpacks to an absurd size")
        self._members = {member.filename.replace("\\", "/"): member for member in members}
        self._n_bytes = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all members."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, limit: int = MAX_PART_BYTES) -> bytes:
        """Return a whole member.

        Raises:
            AppError: DOCUMENT_DAMAGED (also where it is missing), DOCUMENT_TOO_LONG, DOCUMENT_PROTECTED.
        """
        pieces = []
        n_bytes = 0
        for piece in self.pieces(name):
            pieces.append(piece)
            n_bytes += len(piece)
            if n_bytes > limit:
                raise too_long("bytes in one part", limit)
        return b"".join(pieces)

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a member piece by piece; raises what read() raises."""
        member = self._members.get(name)
        if member is None:
            raise damaged(f"its part {name} is missing")
        if member.flag_bits & 1:
            raise AppError(ErrorCode.DOCUMENT_PROTECTED)
        if member.compress_type not in _READABLE:
            raise damaged(f"its part {name} is compressed in an unknown way")
        try:
            with self._zip.open(member) as file:
                while piece := file.read(_PIECE_BYTES):
                    self._n_bytes += len(piece)
                    if self._n_bytes > 2 * MAX_INFLATED_BYTES:  # parts may be read twice
                        raise too_long("bytes when unpacked", MAX_INFLATED_BYTES)
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, NotImplementedError) as exc:
            raise damaged(f"its part {name} cannot be unpacked") from exc
