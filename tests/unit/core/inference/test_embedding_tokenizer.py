"""The vocabularies of embedding models, against transformers' Qwen2Tokenizer and GemmaTokenizer."""

import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding_files import tiny_embedding
from gguf_files import ARRAY, BOOL, F32, I32, STRING, U32, GgufFiles, Typed

from core.errors import AppError, ErrorCode
from core.inference.embedding import SEARCH_TASK
from core.inference.embedding_tokenizer import EmbeddingTokenizer, embedding_tokenizer
from core.inference.gguf import GgufFile

ARCHS = ["qwen3", "gemma3"]


def tokenizer_of(path: Path) -> EmbeddingTokenizer:
    with GgufFile(path) as file:
        return embedding_tokenizer(file)


@pytest.mark.golden
@pytest.mark.parametrize("arch", ARCHS)
def test_ids_are_those_of_the_reference(arch: str, fixtures_dir: Path) -> None:
    folder = fixtures_dir / f"embedding-{arch}"
    golden = np.load(folder / "golden.npz")
    texts = json.loads((folder / "texts.json").read_text("utf-8"))
    texts["query"] = f"Instruct: {SEARCH_TASK}\nQuery: {texts['sentence']}"
    tokenizer = tokenizer_of(folder / "model-i2_s.gguf")
    for name, text in texts.items():
        assert tokenizer.encode(text) == golden[f"{name}_ids"].tolist(), name


@pytest.mark.parametrize("arch", ARCHS)
def test_no_text_becomes_a_control_token(arch: str, tmp_path: Path) -> None:
    files = tiny_embedding(arch)
    tokenizer = tokenizer_of(files.write(tmp_path / "model.gguf"))
    tokens, types = (files.metadata[f"tokenizer.ggml.{key}"].value for key in ("tokens", "token_type"))
    control = {i for i, kind in enumerate(types) if kind == 3}
    assert control
    texts = [tokens[i] for i in sorted(control)] + ["a <eos> b", "<|endoftext|><|im_start|>", "".join(tokens)[:5000]]
    for text in texts:
        ids = tokenizer.encode(text)
        inner = ids[(tokenizer.bos_id is not None) : -1]
        assert ids[-1] == tokenizer.eos_id
        assert inner
        assert control.isdisjoint(inner), text


@pytest.mark.parametrize("arch", ARCHS)
def test_any_text_has_ids(arch: str, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(tiny_embedding(arch).write(tmp_path / "model.gguf"))
    around = 2 if arch == "gemma3" else 1
    assert len(tokenizer.encode("")) == around
    for text in [
        "\ud800 lone \udfff",
        "\x00",
        "\u0410\u0301",
        "🚀" * 50,
        " " * 70,
        "\n" * 9,
        "x" * 3000,
        "\r\n\t \u2028",
    ]:
        assert len(tokenizer.encode(text)) > around, text


def test_bos_and_eos_are_as_the_file_says(tmp_path: Path) -> None:
    files = tiny_embedding("gemma3")
    assert tokenizer_of(files.write(tmp_path / "a.gguf")).encode("") == [2, 1]
    files.metadata["tokenizer.ggml.add_bos_token"] = Typed(BOOL, False)
    del files.metadata["tokenizer.ggml.add_eos_token"]  # the card has it appended
    assert tokenizer_of(files.write(tmp_path / "b.gguf")).encode("") == [1]
    files.metadata["tokenizer.ggml.add_eos_token"] = Typed(BOOL, False)
    assert tokenizer_of(files.write(tmp_path / "c.gguf")).encode("") == []


def test_runs_of_spaces_and_line_ends_are_single_tokens(tmp_path: Path) -> None:
    files = tiny_embedding("gemma3")
    tokenizer = tokenizer_of(files.write(tmp_path / "model.gguf"))
    tokens = files.metadata["tokenizer.ggml.tokens"].value
    assert tokenizer.encode("\n\n\n")[1:-1] == [tokens.index("\n\n\n")]
    assert tokenizer.encode("a   b")[1:-1] == [tokens.index(token) for token in ("a", "\u2581\u2581\u2581", "b")]


def spoil(files: GgufFiles, key: str, value: Any) -> None:
    typed = files.metadata[f"tokenizer.ggml.{key}"]
    files.metadata[f"tokenizer.ggml.{key}"] = Typed(typed.kind, value(typed.value), typed.items)


@pytest.mark.parametrize(
    ("arch", "key", "value"),
    [
        ("qwen3", "merges", lambda merges: [*merges, "a"]),
        ("qwen3", "merges", lambda merges: [*merges, "a no-token"]),
        ("qwen3", "merges", lambda merges: [*merges, "< |endoftext|>"]),
        ("qwen3", "tokens", lambda tokens: [tokens[1], *tokens[1:]]),
        ("qwen3", "token_type", lambda types: types[1:]),
        ("qwen3", "token_type", lambda types: [9, *types[1:]]),
        ("qwen3", "token_type", lambda types: [3] * len(types)),
        ("qwen3", "eos_token_id", lambda _: 10_000),
        ("gemma3", "scores", lambda scores: [float("nan"), *scores[1:]]),
        ("gemma3", "scores", lambda scores: scores[1:]),
        ("gemma3", "unknown_token_id", lambda _: 10_000),
        ("gemma3", "unknown_token_id", lambda _: 0),
        ("gemma3", "bos_token_id", lambda _: 10_000),
        ("gemma3", "tokens", lambda tokens: [*tokens[:-1], "x" * 300]),
        ("gemma3", "tokens", lambda tokens: [*tokens[:8], "", *tokens[9:]]),
    ],
)
def test_a_spoilt_vocabulary_is_refused(arch: str, key: str, value: Any, tmp_path: Path) -> None:
    files = tiny_embedding(arch)
    spoil(files, key, value)
    with pytest.raises(AppError) as caught:
        tokenizer_of(files.write(tmp_path / "model.gguf"))
    assert caught.value.code in {ErrorCode.TOKENIZER_DAMAGED, ErrorCode.MODEL_DAMAGED, ErrorCode.MODEL_UNSUPPORTED}


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("model", Typed(STRING, "bert")),
        ("pre", Typed(STRING, "llama-bpe")),
        ("tokens", Typed(ARRAY, [1, 2], I32)),
        ("tokens", Typed(U32, 5)),
        ("token_type", Typed(ARRAY, [1.0] * 10, F32)),
        ("merges", Typed(STRING, "a b")),
        ("add_eos_token", Typed(U32, 1)),
    ],
)
def test_a_key_of_another_kind_is_refused(key: str, typed: Typed, tmp_path: Path) -> None:
    files = tiny_embedding()
    files.metadata[f"tokenizer.ggml.{key}"] = typed
    with pytest.raises(AppError) as caught:
        tokenizer_of(files.write(tmp_path / "model.gguf"))
    assert caught.value.code in {ErrorCode.TOKENIZER_DAMAGED, ErrorCode.MODEL_UNSUPPORTED}


def test_a_file_without_a_vocabulary_says_so(tmp_path: Path) -> None:
    files = tiny_embedding()
    del files.metadata["tokenizer.ggml.model"]
    with pytest.raises(AppError) as caught:
        tokenizer_of(files.write(tmp_path / "model.gguf"))
    assert caught.value.code is ErrorCode.TOKENIZER_MISSING


DENSE = ["".join(letters) for n in range(1, 18) for letters in product("\u03b1\u03b2", repeat=n)]


@pytest.mark.parametrize(
    ("texts", "kind"), [(DENSE, 1), ([f"x{i}y" for i in range(20_000)], 4)], ids=["dense", "added"]
)
def test_a_vocabulary_made_to_take_forever_is_refused_at_once(texts: list[str], kind: int, tmp_path: Path) -> None:
    files = tiny_embedding("gemma3")
    for key, more in [("tokens", texts), ("token_type", [kind] * len(texts)), ("scores", [0.0] * len(texts))]:
        files.metadata[f"tokenizer.ggml.{key}"].value += more
    path = files.write(tmp_path / "model.gguf")
    start = time.monotonic()
    with pytest.raises(AppError) as caught:
        tokenizer_of(path)
    assert caught.value.code is ErrorCode.TOKENIZER_DAMAGED
    assert time.monotonic() - start < 10  # a second on an idle computer
