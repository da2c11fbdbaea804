"""tokenizer.json -> a tokenizer of the library, after what could hurt was refused.

Knows how the file is written and what the `tokenizers` library does badly with it: it panics on parts that no
byte-level vocabulary has, takes a minute and gigabytes for many or long added tokens, and numbers added tokens by their
order without looking at the ids in the file. Must not know models or prompts.
"""

import json
import re
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer as Backend

from core.errors import AppError, ErrorCode

FILE_NAME: Final = "tokenizer.json"
MAX_FILE_BYTES: Final = 64 << 20  # the largest published vocabularies (262,144 entries) take about 33 MB
MAX_ADDED: Final = 8192  # Falcon3 has about 2,000; finding them in a text takes time for each
MAX_ADDED_CHARS: Final = 256  # of one added token; published ones have under 50
MAX_ADDED_BYTES: Final = 2 << 20  # of the list of them in the file
# Quotes in the file: two for a token, up to four for a merge, about 16 for an added token.
QUOTES_PER_TOKEN: Final = 48
MORE_QUOTES: Final = 20_000

# SentencePiece's normaliser and WordPiece's prefix: no byte-level vocabulary has them, and damaged ones make the
# library panic, which prints by itself. A quote inside a JSON string is escaped, so no token can look like this.
_FOREIGN = re.compile(rb'"type"\s*:\s*"Precompiled"|"continuing_subword_prefix"\s*:\s*"[^"]')
_ADDED = re.compile(rb'"added_tokens"\s*:\s*(?=\[)')
# A letter or an underscore written as \u00xx, which no program does: it could hide the name of a key from _ADDED.
_HIDDEN = re.compile(rb"\\u00(?:[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff])")


def read_backend(path: Path, vocab_size: int) -> Backend:
    """Return the library's tokenizer for the file at `path`, in which every added token has the id that the file says.

    Args:
        path: a tokenizer.json.
        vocab_size: of the model; ids are below it.

    Raises:
        AppError: TOKENIZER_MISSING, TOKENIZER_DAMAGED.
    """
    data = _read_capped(path)
    if _FOREIGN.search(data):
        raise _damaged(path, "not a byte-level BPE vocabulary")
    if data.count(b'"') > QUOTES_PER_TOKEN * vocab_size + MORE_QUOTES:
        raise _damaged(path, f"more entries than a vocabulary of {vocab_size} can have")
    added = _added_tokens(data, path, vocab_size)
    backend = _parsed(data, path)
    given = {token_id: token.content for token_id, token in backend.get_added_tokens_decoder().items()}
    if given != added:
        wrong = next((text for token_id, text in added.items() if given.get(token_id) != text), "")
        raise _damaged(path, f"the added token {wrong[:40]!r} cannot have the id that it is given")
    return backend


def _read_capped(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe or a device would block
            raise _damaged(path, "not a file")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise AppError(ErrorCode.TOKENIZER_MISSING, path=path) from exc
    except OSError as exc:
        raise _damaged(path, exc.strerror or str(exc)) from exc
    if len(data) > MAX_FILE_BYTES:
        raise _damaged(path, f"larger than {MAX_FILE_BYTES >> 20} MiB")
    return data


def _added_tokens(data: bytes, path: Path, vocab_size: int) -> dict[int, str]:
    """Return the added tokens of the file, id -> text, read by ourselves; none where it has no such list."""
    if b"\\u00" in data and _HIDDEN.search(data.replace(b"\\\\", b"")):
        raise _damaged(path, "letters that are written as numbers")
    places = [match.end() for match in _ADDED.finditer(data)]
    if not places:
        return {}
    if len(places) > 1:
        raise _damaged(path, "two lists of added tokens")
    text = data[places[0] : places[0] + MAX_ADDED_BYTES].decode("utf-8", "replace")
    try:
        entries, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as exc:
        raise _damaged(path, f"no list of added tokens within {MAX_ADDED_BYTES >> 20} MiB") from exc
    if len(entries) > MAX_ADDED:
        raise _damaged(path, f"{len(entries)} added tokens, more than {MAX_ADDED}")
    added: dict[int, str] = {}
    for entry in entries:
        token_id, content = _entry(entry, path)
        if not 0 <= token_id < vocab_size:
            raise _damaged(path, f"the added token {content[:40]!r} has an id that is not below {vocab_size}")
        if token_id in added:
            raise _damaged(path, f"two added tokens have the id {token_id}")
        added[token_id] = content
    if len(set(added.values())) < len(added):
        raise _damaged(path, "two added tokens of the same text")
    return added


def _entry(entry: object, path: Path) -> tuple[int, str]:
    token_id, content = (entry.get("id"), entry.get("content")) if isinstance(entry, dict) else (None, None)
    if type(token_id) is not int or not isinstance(content, str) or not 0 < len(content) <= MAX_ADDED_CHARS:
        raise _damaged(path, f"an added token without an id, or without a text of up to {MAX_ADDED_CHARS} characters")
    return token_id, content


def _parsed(data: bytes, path: Path) -> Backend:
    try:
        backend = Backend.from_buffer(data)
    except BaseException as exc:
        # A panic of the Rust library is a BaseException of its own; everything else of that kind is not ours to catch.
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        reason = str(exc).splitlines()[0][:200] if str(exc) else type(exc).__name__
        raise _damaged(path, reason) from exc
    if getattr(backend.model, "dropout", None) is not None:
        backend.model.dropout = None  # BPE dropout is for training: it would make encoding random
    return backend


def _damaged(path: Path, reason: str) -> AppError:
    return AppError(ErrorCode.TOKENIZER_DAMAGED, path=path, reason=reason)
