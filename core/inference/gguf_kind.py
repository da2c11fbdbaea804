"""What kind of model a GGUF file says it is, told from its first bytes alone, to list files without reading them.

Knows the beginning of the header as far as the scalar keys before the vocabulary. A file is judged when it is loaded
(gguf.py); here whatever is odd counts as not known.
"""

import struct
from pathlib import Path
from typing import Final

PEEK_BYTES: Final = 64 << 10
EMBEDDING_FAMILIES: Final = ("qwen3", "gemma3")
_STRING: Final = 8
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of scalars, by type


def is_embedding_gguf(path: Path) -> bool:
    """Tell whether the file at `path` is a model for searching documents: by its architecture and a key for pooling.

    False for every other file, and for one that cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(PEEK_BYTES)
        return _is_embedding(data)
    except (OSError, ValueError, struct.error):
        return False


def _is_embedding(data: bytes) -> bool:
    """Walk the keys up to the first list, which is the vocabulary's."""
    if data[:4] != b"GGUF":
        return False
    at, architecture = 24, b""
    while True:
        key, at = _string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        at += 4
        if kind == _STRING:
            text, at = _string(data, at)
            architecture = text if key == b"general.architecture" else architecture
        elif kind in _SIZES:
            at += _SIZES[kind]
        else:
            return False
        if architecture.decode("utf-8", "replace") in EMBEDDING_FAMILIES and key == architecture + b".pooling_type":
            return True


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("<Q", data, at)
    if at + 8 + size > len(data):
        raise ValueError("longer than what was read")
    return data[at + 8 : at + 8 + size], at + 8 + size
