"""Text to token ids and back, from a model directory's tokenizer.json or what a GGUF file says (gguf_tokenizer.py).

Knows the `tokenizers` library and byte-level BPE; must not know how a prompt is put together (prompt.py) nor any
model. The rule that everything here serves: text is text. No text given to `encode_text` can become a special token,
whatever it spells.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from tokenizers import AddedToken
from tokenizers import Tokenizer as _Backend

from core.errors import AppError, ErrorCode
from core.inference.config import ModelConfig, TokenId, parse_json_object
from core.inference.templates import ChatTemplate, choose_template
from core.inference.tokenizer_file import FILE_NAME, read_backend

MAX_TEMPLATE_BYTES = 1 << 20
MAX_TOKEN_BYTES = 64  # longer tokens are runs of spaces and rules, which nothing needs to be spelt with

_SURROGATES = re.compile("[\ud800-\udfff]")
_PROBE = "Aa 0\n\tGröße 今日は 🚀"


class StreamDecoder:
    """Turns token ids, one at a time, into text that ends on whole characters.

    Bytes of a character that is not complete yet are held back; bytes that can never become a character give U+FFFD, as
    `bytes.decode("utf-8", "replace")` would.
    """

    def __init__(self, token_bytes: Callable[[TokenId], bytes]) -> None:
        self._token_bytes = token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: TokenId) -> str:
        """Text that `token_id` completes; empty for special tokens and inside a character."""
        return self._utf8.decode(self._token_bytes(token_id))

    def flush(self) -> str:
        """What is left at the end (U+FFFD for half a character); the decoder is as new afterwards."""
        rest = self._utf8.decode(b"", final=True)
        self._utf8.reset()
        return rest


class Tokenizer:
    """The vocabulary of one model. Safe to use from several threads: nothing in it changes after loading."""

    def __init__(self, backend: _Backend, config: ModelConfig, *, template: ChatTemplate, adds_bos: bool) -> None:
        """Wraps a loaded tokenizer; use `from_directory` or `checked`, which also check it."""
        self.bos_id = config.bos_token_id
        self.vocab_size = config.vocab_size
        self.template = template
        # What a prompt begins with: BOS, or nothing for models that were trained without.
        self.prefix_ids = (config.bos_token_id,) if adds_bos else ()
        self._plain = _without_added_tokens(backend)
        added = backend.get_added_tokens_decoder()
        self._added = {token.content: cast("TokenId", token_id) for token_id, token in added.items()}
        self._added_ids = frozenset(self._added.values())
        # A normal added token stands for text; a special one never does.
        self._added_text = {id_: b"" if token.special else token.content.encode() for id_, token in added.items()}
        self._specials = frozenset(token.content for token in added.values() if token.special)
        self._added_pattern = _pattern_of(list(added.values()))
        end_of_turn = self.special(template.end_token) if template.end_token else None
        # What ends a turn in a prompt; the lowest stop id where the template or the vocabulary has none of its own.
        self.end_of_turn_id = min(config.stop_ids) if end_of_turn is None else end_of_turn
        self.stop_ids = config.stop_ids | {self.end_of_turn_id}

    @classmethod
    def from_directory(cls, directory: Path, config: ModelConfig) -> "Tokenizer":
        """Reads and checks `directory`/tokenizer.json.

        Raises:
            AppError: TOKENIZER_MISSING, or TOKENIZER_DAMAGED when it is no byte-level BPE that fits `config`.
        """
        path = directory / FILE_NAME
        backend = read_backend(path, config.vocab_size)
        specials = frozenset(token.content for token in backend.get_added_tokens_decoder().values() if token.special)
        template = choose_template(config.model_type, _template_text(directory), specials)
        adds_bos = template.needs_bos or _adds_bos(backend, config)
        return cls.checked(backend, config, path, template=template, adds_bos=adds_bos)

    @classmethod
    def checked(
        cls, backend: _Backend, config: ModelConfig, path: Path, *, template: ChatTemplate, adds_bos: bool
    ) -> "Tokenizer":
        """Wraps `backend` after trying it out; `path` is where it came from.

        Raises:
            AppError: TOKENIZER_DAMAGED when it is no byte-level BPE that fits `config`.
        """
        tokenizer = cls(backend, config, template=template, adds_bos=adds_bos)
        reason = _misfit(backend, tokenizer, config)
        if reason is not None:
            raise AppError(ErrorCode.TOKENIZER_DAMAGED, path=path, reason=reason)
        return tokenizer

    def encode_text(self, text: str) -> list[TokenId]:
        """Ids of `text` as plain text: no BOS, and no special or added token whatever the text spells."""
        ids = self._encode_plain(text)
        if self._added_ids.isdisjoint(ids):
            return ids
        # Only where a file lists an added token in the ordinary vocabulary as well.
        return [id_ for token_id in ids for id_ in self._spelled_out(token_id)]

    def encode_rendered(self, text: str) -> list[TokenId]:
        """Ids of an already rendered prompt: added tokens recognised, exactly one BOS in front if the model has one."""
        ids = list(self.prefix_ids)
        position = 0
        for match in self._added_pattern.finditer(text) if self._added_pattern else ():
            ids += self._encode_plain(text[position : match.start()])
            ids.append(self._added[match[match.lastindex or 0]])
            position = match.end()
        ids += self._encode_plain(text[position:])
        n_bos = next((i for i, token_id in enumerate(ids) if token_id != self.bos_id), len(ids))
        return ids[max(n_bos - 1, 0) :]

    def special(self, token: str) -> TokenId | None:
        """Id of the special token written `token`; None when this vocabulary has none."""
        return self._added[token] if token in self._specials else None

    def decoder(self) -> StreamDecoder:
        """A new streaming decoder over this vocabulary."""
        return StreamDecoder(self._bytes_of)

    def decode(self, ids: Sequence[TokenId]) -> str:
        """Text of a whole sequence; special tokens give none."""
        stream = self.decoder()
        return "".join([stream.push(token_id) for token_id in ids]) + stream.flush()

    def bytes_of(self, token_id: TokenId) -> bytes:
        """UTF-8 that the token stands for, possibly part of a character; empty for special tokens."""
        return self._bytes_of(token_id)

    def ids_of_prefixes(self, data: bytes) -> list[TokenId]:
        """Ids of the plain tokens whose bytes are the beginning of `data`, the shortest first."""
        piece = "".join(_CHARACTERS[byte] for byte in data[:MAX_TOKEN_BYTES])
        found = (self._plain.token_to_id(piece[:length]) for length in range(1, len(piece) + 1))
        return [cast("TokenId", id_) for id_ in found if id_ is not None and id_ not in self._added_ids]

    def _encode_plain(self, text: str) -> list[TokenId]:
        if not text:
            return []
        return cast("list[TokenId]", self._plain.encode(_sendable(text), add_special_tokens=False).ids)

    def _spelled_out(self, token_id: TokenId) -> list[TokenId]:
        if token_id not in self._added_ids:
            return [token_id]
        content = self._plain.id_to_token(token_id) or ""
        ids = [id_ for char in _bytes_of_piece(content).decode("utf-8", "replace") for id_ in self._encode_plain(char)]
        return [id_ for id_ in ids if id_ not in self._added_ids]

    def _bytes_of(self, token_id: TokenId) -> bytes:
        if token_id in self.stop_ids or token_id == self.bos_id:
            return b""
        added = self._added_text.get(token_id)
        if added is not None:
            return added
        piece = self._plain.id_to_token(token_id)
        return b"" if piece is None else _bytes_of_piece(piece)


def byte_alphabet() -> dict[int, int]:
    """GPT-2's map from the characters of a vocabulary to bytes (openai/gpt-2, encoder.py, bytes_to_unicode)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: byte for byte in printable}, **{256 + i: byte for i, byte in enumerate(others)}}


_ALPHABET = byte_alphabet()
_CHARACTERS = {byte: chr(char) for char, byte in _ALPHABET.items()}


def _bytes_of_piece(piece: str) -> bytes:
    # A piece outside the alphabet stands for itself, as in the ByteLevel decoder of `tokenizers`.
    codes = [_ALPHABET.get(ord(char)) for char in piece]
    known = [code for code in codes if code is not None]
    return bytes(known) if len(known) == len(codes) else piece.encode()


def _sendable(text: str) -> str:
    # Lone surrogates (undecodable bytes on a terminal) have no UTF-8 and would be refused.
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text)
    return text


def _without_added_tokens(backend: _Backend) -> _Backend:
    """The same vocabulary (shared, not copied) with no added tokens at all, so that none can be recognised in text."""
    plain = _Backend(backend.model)
    if backend.normalizer is not None:
        plain.normalizer = backend.normalizer
    if backend.pre_tokenizer is not None:
        plain.pre_tokenizer = backend.pre_tokenizer
    return plain


def _pattern_of(added: list[AddedToken]) -> re.Pattern[str] | None:
    """Finds added tokens in rendered text, the longest first; None when there are none."""
    if not added:
        return None
    longest_first = sorted(added, key=lambda token: len(token.content), reverse=True)
    return re.compile("|".join(_expression_of(token) for token in longest_first))


def _expression_of(token: AddedToken) -> str:
    left = r"\s*" if token.lstrip else ""
    right = r"\s*" if token.rstrip else ""
    return f"{left}({re.escape(token.content)}){right}"


def _adds_bos(backend: _Backend, config: ModelConfig) -> bool:
    """Tell whether the tokenizer itself puts BOS in front of a text."""
    try:
        return list(backend.encode("", add_special_tokens=True).ids[:1]) == [config.bos_token_id]
    except Exception:  # a post-processor that cannot run; `_misfit` tries everything else
        return False


def _template_text(directory: Path) -> str | None:
    """Return the chat template of a model directory; None where there is none that can be read: it is only a hint."""
    try:
        path = directory / "chat_template.jinja"
        if path.is_file():
            return _read_start(path).decode("utf-8")
        path = directory / "tokenizer_config.json"
        if not path.is_file():
            return None
        text = parse_json_object(_read_start(path), directory, path.name).get("chat_template")
    except (AppError, OSError, ValueError):
        return None
    return text if isinstance(text, str) else None


def _read_start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_TEMPLATE_BYTES)


def _misfit(backend: _Backend, tokenizer: Tokenizer, config: ModelConfig) -> str | None:
    """Why this vocabulary cannot serve the model; None when it can."""
    vocabulary = backend.get_vocab(with_added_tokens=True)
    if not vocabulary or max(vocabulary.values()) >= config.vocab_size:
        return f"{len(vocabulary)} tokens for a model of {config.vocab_size}"
    if len(set(vocabulary.values())) < len(vocabulary):
        return "two tokens have the same id"
    if backend.id_to_token(config.bos_token_id) is None:
        return f"no token with the id {config.bos_token_id} that config.json names as bos"
    if not any(backend.id_to_token(token_id) is not None for token_id in config.stop_ids):
        return "none of the model's stop tokens"
    try:
        survived = tokenizer.decode(tokenizer.encode_text(_PROBE))
    except Exception as exc:
        return f"cannot encode text: {str(exc)[:200]}"
    return None if survived == _PROBE else "not a byte-level BPE vocabulary"
