"""The tokenizer of a GGUF file: rebuilt with `tokenizers` from its tokens, merges and token types.

Knows the keys under `tokenizer.ggml.` for byte-level BPE ("gpt2") and the pre-tokenizers that stand for the Llama-3
expression. Must not know tensors. The file's chat template is only recognised, never run, and for the bitnet
architectures not even that: their converter writes a placeholder with which the model does not stop.
"""

import numpy as np
from tokenizers import AddedToken, models
from tokenizers import Tokenizer as Backend

from core.errors import AppError, ErrorCode
from core.inference.config import ModelConfig
from core.inference.gguf import GgufFile
from core.inference.gguf_vocabulary import (
    CONTROL,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    backend_of,
    damaged,
    merges_of,
    tokens_and_types,
)
from core.inference.templates import ChatTemplate, choose_template
from core.inference.tokenizer import Tokenizer, byte_alphabet
from core.inference.tokenizer_file import MAX_ADDED

# Names of tokenizer.ggml.pre that llama.cpp and its forks map to the Llama-3 expression with ignore_merges
# (llm_load_vocab). The official 2B4T file has no such key.
LLAMA3_NAMES = ("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon_e")
LLAMA3_EXPRESSION = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def gguf_tokenizer(file: GgufFile, config: ModelConfig) -> Tokenizer:
    """Return the tokenizer that the header of `file` describes; it agrees with tokenizer.json token for token.

    Raises:
        AppError: TOKENIZER_MISSING, TOKENIZER_DAMAGED; MODEL_UNSUPPORTED for another kind of vocabulary.
    """
    _check_kind(file)
    tokens, types = tokens_and_types(file, (NORMAL, CONTROL, USER_DEFINED, UNUSED))
    if len(tokens) != config.vocab_size:
        raise damaged(file, f"no list of {config.vocab_size} tokens")
    control = types == CONTROL
    added = {int(i): tokens[i] for i in np.flatnonzero(control | (types == USER_DEFINED))}
    inside = {tokens[i]: int(i) for i in np.flatnonzero(types == NORMAL)}
    merges = merges_of(file, inside)
    first_outside = _first_outside(types)
    inside |= {text: i for i, text in added.items() if i < first_outside}
    if len({*inside, *added.values()}) != np.count_nonzero(types != UNUSED):
        raise damaged(file, "two tokens of the same text")
    if not inside.keys() >= {chr(code) for code in byte_alphabet()}:
        raise damaged(file, "some bytes have no token")
    model = models.BPE(vocab=inside, merges=merges, ignore_merges=True)
    backend = backend_of(file, model, expression=LLAMA3_EXPRESSION)
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


def _first_outside(types: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Return from which id on added tokens may be left out of the vocabulary proper.

    `tokenizers` numbers tokens that the vocabulary lacks from its size on. So those at its end can be left out, as
    Llama-3's tokenizer.json does, if there is no gap before; all others must be in it to keep their ids.
    """
    others = np.flatnonzero(types == NORMAL)
    return len(types) if (types == UNUSED).any() or len(others) == 0 else int(others[-1]) + 1


def _add(
    file: GgufFile, backend: Backend, added: dict[int, str], control: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> None:
    """Add tokens, all at once and in the order of their ids, and see that they kept them."""
    if len(added) > MAX_ADDED:
        raise file.unsupported(f"{len(added)} added tokens, more than {MAX_ADDED}")
    if "" in added.values():
        raise damaged(file, "an added token without a text")
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
