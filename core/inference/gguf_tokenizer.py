"""The tokenizer of a GGUF file: rebuilt with `tokenizers` from its tokens, merges and token types.

Knows the keys under `tokenizer.ggml.` for byte-level BPE ("gpt2") and the pre-tokenizers that stand for the Llama-3
expression. Must not know tensors. The file's chat template is only recognised, never run, and for the bitnet
architectures not even that: their converter writes a placeholder with which the model does not stop.
"""

import numpy as np
from tokenizers import AddedToken, Regex, models, pre_tokenizers
from tokenizers import Tokenizer as Backend

from core.errors import AppError, ErrorCode
from core.inference.config import ModelConfig
from core.inference.gguf import GgufFile
from core.inference.gguf_model import CONTROL_TOKEN
from core.inference.templates import ChatTemplate, choose_template
from core.inference.tokenizer import Tokenizer, byte_alphabet

# Names of tokenizer.ggml.pre that llama.cpp and its forks map to the Llama-3 expression with ignore_merges
# (llm_load_vocab). The official 2B4T file has no such key.
LLAMA3_NAMES = ("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon_e")
LLAMA3_EXPRESSION = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
MAX_ADDED = 8192  # Falcon3 has about 2,000; finding them in a text takes time for each
_NORMAL, _USER_DEFINED, _UNUSED = 1, 4, 5


def gguf_tokenizer(file: GgufFile, config: ModelConfig) -> Tokenizer:
    """Return the tokenizer that the header of `file` describes; it agrees with tokenizer.json token for token.

    Raises:
        AppError: TOKENIZER_MISSING, TOKENIZER_DAMAGED; MODEL_UNSUPPORTED for another kind of vocabulary.
    """
    _check_kind(file)
    tokens, types = _tokens(file, config)
    control = types == CONTROL_TOKEN
    added = {int(i): tokens[i] for i in np.flatnonzero(control | (types == _USER_DEFINED))}
    inside = {tokens[i]: int(i) for i in np.flatnonzero(types == _NORMAL)}
    merges = _merges(file, inside)
    first_outside = _first_outside(types)
    inside |= {text: i for i, text in added.items() if i < first_outside}
    if len({*inside, *added.values()}) != np.count_nonzero(types != _UNUSED):
        raise _damaged(file, "two tokens of the same text")
    if not inside.keys() >= {chr(code) for code in byte_alphabet()}:
        raise _damaged(file, "some bytes have no token")
    backend = _backend(file, inside, merges)
    _add(file, backend, added, control)
    specials = frozenset(text for i, text in added.items() if control[i])
    template = choose_template(config.model_type, _template_text(file, config), specials)
    return Tokenizer.checked(backend, config, file.path, template=template, adds_bos=_adds_bos(file, template))


def _check_kind(file: GgufFile) -> None:
    kind, pre = file.metadata.get("tokenizer.ggml.model"), file.metadata.get("tokenizer.ggml.pre", LLAMA3_NAMES[0])
    if kind is None:
        raise AppError(ErrorCode.TOKENIZER_MISSING, path=file.path)
    if not isinstance(kind, str) or kind != "gpt2":
        raise file.unsupported(f"the vocabulary is of the kind {str(kind)[:40]!r}")
    if not isinstance(pre, str) or pre not in LLAMA3_NAMES:
        raise file.unsupported(f"the pre-tokenizer is {str(pre)[:40]!r}")


def _tokens(file: GgufFile, config: ModelConfig) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    tokens = file.metadata.get("tokenizer.ggml.tokens")
    types = file.metadata.get("tokenizer.ggml.token_type")
    if not isinstance(tokens, list) or len(tokens) != config.vocab_size:
        raise _damaged(file, f"no list of {config.vocab_size} tokens")
    if not isinstance(types, np.ndarray) or types.dtype.kind not in "iu" or len(types) != len(tokens):
        raise _damaged(file, "no list of one type for each token")
    numbers = types.astype(np.int64)
    if not np.isin(numbers, (_NORMAL, CONTROL_TOKEN, _USER_DEFINED, _UNUSED)).all():
        raise _damaged(file, "a type of token that byte-level BPE does not have")
    return tokens, numbers


def _first_outside(types: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Return from which id on added tokens may be left out of the vocabulary proper.

    `tokenizers` numbers tokens that the vocabulary lacks from its size on. So those at its end can be left out, as
    Llama-3's tokenizer.json does, if there is no gap before; all others must be in it to keep their ids.
    """
    others = np.flatnonzero(types == _NORMAL)
    return len(types) if (types == _UNUSED).any() or len(others) == 0 else int(others[-1]) + 1


def _merges(file: GgufFile, vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Return the merges as pairs; both parts and what they make must be tokens."""
    texts = file.metadata.get("tokenizer.ggml.merges")
    if not isinstance(texts, list):
        raise _damaged(file, "no list of merges")
    merges: list[tuple[str, str]] = []
    for text in texts:
        left, space, right = text.partition(" ")
        if not space or left not in vocabulary or right not in vocabulary or left + right not in vocabulary:
            raise _damaged(file, f"the merge {text[:40]!r} is not made of tokens")
        merges.append((left, right))
    return merges


def _backend(file: GgufFile, vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Backend:
    try:
        backend = Backend(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    except Exception as exc:
        raise _damaged(file, str(exc)[:200]) from exc
    split = pre_tokenizers.Split(Regex(LLAMA3_EXPRESSION), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    return backend


def _add(
    file: GgufFile, backend: Backend, added: dict[int, str], control: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> None:
    """Add tokens, all at once and in the order of their ids, and see that they kept them."""
    if len(added) > MAX_ADDED:
        raise file.unsupported(f"{len(added)} added tokens, more than {MAX_ADDED}")
    if "" in added.values():
        raise _damaged(file, "an added token without a text")
    backend.add_tokens([AddedToken(text, special=bool(control[i]), normalized=False) for i, text in added.items()])
    for token_id, text in added.items():
        if backend.token_to_id(text) != token_id:
            raise file.unsupported(f"the added token {text[:40]!r} cannot have the id {token_id}")


def _template_text(file: GgufFile, config: ModelConfig) -> str | None:
    text = file.metadata.get("tokenizer.chat_template")
    return text if isinstance(text, str) and config.model_type != "bitnet" else None


def _adds_bos(file: GgufFile, template: ChatTemplate) -> bool:
    """Tell whether a prompt begins with BOS: where the template or the file says so, and there is one."""
    said = file.metadata.get("tokenizer.ggml.add_bos_token")
    return "tokenizer.ggml.bos_token_id" in file.metadata and (template.needs_bos or said is True)


def _damaged(file: GgufFile, reason: str) -> AppError:
    return AppError(ErrorCode.TOKENIZER_DAMAGED, path=file.path, reason=reason)
