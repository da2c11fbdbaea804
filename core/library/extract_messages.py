"""What Tern and its extraction child say to each other: frames of a kind, a length and so many bytes.

Knows the values and how they are written, for both sides; every length is checked before it is believed.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from core.errors import AppError, ErrorCode, Fact
from core.library.extracted import MAX_BLOCKS, MAX_TEXT_CHARS, Extracted, Format, structure_from

HEAD: Final = struct.Struct(">cI")
STARTED: Final = b"S"  # the request was understood; from here on a death is the file's doing
PROGRESS: Final = b"P"  # JSON [done, total]
FAILED: Final = b"E"  # JSON {"code", "facts"}
FOUND: Final = b"F"  # JSON {"sha256", "format", "n_chars"}; then come the structure and the text
STRUCTURE: Final = b"X"
TEXT: Final = b"T"
REQUEST: Final = b"R"
MAX_BYTES: Final = {
    STARTED: 0, PROGRESS: 200, FAILED: 20_000, FOUND: 1_000, STRUCTURE: 400 * MAX_BLOCKS, TEXT: 4 * MAX_TEXT_CHARS,
    REQUEST: 100_000,
}  # fmt: skip
_MAX_REASON_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may cost."""

    wall_s: float = 30.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 100_000_000
    idle_s: float = 60.0  # after which a child without work ends


@dataclass(frozen=True, slots=True)
class Request:
    """One file to read; its name decides between formats whose content is alike."""

    path: Path
    name: str
    limits: Limits


def frame(kind: bytes, payload: bytes) -> bytes:
    """Return a frame."""
    return HEAD.pack(kind, len(payload)) + payload


def checked_head(head: bytes, kinds: frozenset[bytes], limits: Mapping[bytes, int] = MAX_BYTES) -> tuple[bytes, int]:
    """Return kind and length of the frame that `head` begins; `limits`: how long a frame of each kind may be.

    Raises:
        ValueError: it is none of `kinds`, or longer than such a frame may be.
    """
    kind, length = HEAD.unpack(head)
    if kind not in kinds or length > limits[kind]:
        raise ValueError("not a frame that may come now")
    return kind, length


def encode_request(request: Request) -> bytes:
    """Return the frame for the child."""
    stored = {"path": str(request.path), "name": request.name, "limits": asdict(request.limits)}
    return frame(REQUEST, json.dumps(stored).encode("ascii"))


def decode_request(payload: bytes) -> Request:
    """Return what encode_request() wrote."""
    stored = json.loads(payload)
    return Request(Path(stored["path"]), stored["name"], Limits(**stored["limits"]))


def encode_error(error: AppError) -> bytes:
    """Return the frame for a document that cannot be read."""
    facts = {
        key: str(fact)[:_MAX_REASON_CHARS] if isinstance(fact, str | Path) else fact
        for key, fact in error.facts.items()
    }
    return frame(FAILED, json.dumps({"code": error.code, "facts": facts}).encode("ascii"))


def decode_error(payload: bytes, path: Path) -> AppError:
    """Return the error about the file at `path`.

    Raises:
        ValueError: the payload is no error.
    """
    try:
        stored = json.loads(payload)
        facts: dict[str, Fact] = {str(key): fact for key, fact in stored["facts"].items()}
        if not all(isinstance(fact, str | int | float) for fact in facts.values()):
            raise ValueError("not facts")
        return AppError(ErrorCode(stored["code"]), **facts | {"path": path})
    except (TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise ValueError("not an error") from exc


def encode_found(extracted: Extracted) -> bytes:
    """Return the three frames of a document."""
    head = {"sha256": extracted.sha256, "format": extracted.format, "n_chars": len(extracted.text)}
    return b"".join(
        (
            frame(FOUND, json.dumps(head).encode("ascii")),
            frame(STRUCTURE, extracted.structure.encoded().encode("utf-8")),
            frame(TEXT, extracted.text.encode("utf-8")),
        )
    )


def decode_found(name: str, found: bytes, structure: bytes, text: bytes) -> Extracted:
    """Return the document that three frames hold.

    Raises:
        ValueError: they do not fit together.
    """
    try:
        head = json.loads(found)
        words = text.decode("utf-8")
        if head["n_chars"] != len(words) or len(words) > MAX_TEXT_CHARS or len(str(head["sha256"])) != 64:
            raise ValueError("another length")
        form = Format(head["format"])
        return Extracted(name, str(head["sha256"]), form, words, structure_from(structure.decode("utf-8"), len(words)))
    except (TypeError, KeyError, RecursionError) as exc:
        raise ValueError("not a document") from exc
