"""Embedding files that must not be loaded: each is refused by name, with nothing left running."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from embedding_files import half, tiny_embedding
from gguf_files import ARRAY, BOOL, F32, I32, STRING, U32, GgufFiles, Stored, Typed

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference.embedding import load_embedding_model

DAMAGED, UNSUPPORTED, INCOMPLETE = ErrorCode.MODEL_DAMAGED, ErrorCode.MODEL_UNSUPPORTED, ErrorCode.MODEL_INCOMPLETE
Edit = Callable[[GgufFiles], object]


def refused(files: GgufFiles, path: Path) -> AppError:
    with pytest.raises(AppError) as caught:
        load_embedding_model(files.write(path), n_threads=1, cancel=CancelToken(), emit=lambda event: None)
    return caught.value


def key(name: str, typed: Typed | None) -> Edit:
    def edit(files: GgufFiles) -> None:
        files.metadata.pop(name, None)
        if typed is not None:
            files.metadata[name] = typed

    return edit


@pytest.mark.parametrize("arch", ["qwen3", "gemma3"])
def test_the_tiny_model_loads(arch: str, tmp_path: Path) -> None:
    path = tiny_embedding(arch).write(tmp_path / "model.gguf")
    model = load_embedding_model(path, n_threads=1, cancel=CancelToken(), emit=lambda event: None)
    assert np.isfinite(model.embed(["fox", "", "dog " * 90], cancel=CancelToken())).all()
    model.close()


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (key("general.architecture", None), UNSUPPORTED),
        (key("general.architecture", Typed(STRING, "llama")), UNSUPPORTED),
        (key("general.architecture", Typed(ARRAY, [1, 2], I32)), UNSUPPORTED),
        (key("qwen3.embedding_length", None), DAMAGED),
        (key("qwen3.embedding_length", Typed(U32, 0)), DAMAGED),
        (key("qwen3.embedding_length", Typed(U32, 4_000_000_000)), UNSUPPORTED),
        (key("qwen3.embedding_length", Typed(U32, 256)), DAMAGED),
        (key("qwen3.embedding_length", Typed(ARRAY, [128], I32)), DAMAGED),
        (key("qwen3.embedding_length", Typed(F32, 128.0)), DAMAGED),
        (key("qwen3.block_count", Typed(U32, 3)), INCOMPLETE),
        (key("qwen3.block_count", Typed(U32, 1)), UNSUPPORTED),
        (key("qwen3.block_count", Typed(U32, 100_000)), UNSUPPORTED),
        (key("qwen3.feed_forward_length", Typed(U32, 250)), UNSUPPORTED),
        (key("qwen3.attention.head_count", Typed(U32, 3)), DAMAGED),
        (key("qwen3.attention.head_count_kv", Typed(U32, 8)), UNSUPPORTED),
        (key("qwen3.attention.key_length", None), DAMAGED),
        (key("qwen3.attention.key_length", Typed(U32, 64)), UNSUPPORTED),
        (key("qwen3.attention.value_length", Typed(U32, 64)), UNSUPPORTED),
        (key("qwen3.attention.value_length", Typed(ARRAY, [32, 32], I32)), UNSUPPORTED),
        (key("qwen3.rope.dimension_count", Typed(U32, 16)), UNSUPPORTED),
        (key("qwen3.rope.freq_base", None), DAMAGED),
        (key("qwen3.rope.freq_base", Typed(F32, float("nan"))), DAMAGED),
        (key("qwen3.rope.freq_base", Typed(F32, 0.0)), DAMAGED),
        (key("qwen3.rope.scaling.type", Typed(STRING, "yarn")), UNSUPPORTED),
        (key("qwen3.rope.scaling.factor", Typed(F32, 4.0)), UNSUPPORTED),
        (key("qwen3.rope.scaling.factor", Typed(ARRAY, [1.0, 1.0], F32)), UNSUPPORTED),
        (key("qwen3.attention.causal", Typed(BOOL, False)), UNSUPPORTED),
        (key("qwen3.attention.sliding_window", Typed(U32, 512)), UNSUPPORTED),
        (key("qwen3.expert_count", Typed(U32, 8)), UNSUPPORTED),
        (key("qwen3.attention.layer_norm_rms_epsilon", Typed(F32, 0.0)), DAMAGED),
        (key("qwen3.context_length", Typed(U32, 0)), DAMAGED),
        (key("qwen3.vocab_size", Typed(U32, 7)), DAMAGED),
        (key("qwen3.vocab_size", Typed(ARRAY, [7, 8], I32)), DAMAGED),
        (key("qwen3.pooling_type", Typed(U32, 2)), UNSUPPORTED),
        (key("qwen3.pooling_type", Typed(STRING, "mean")), UNSUPPORTED),
        (key("qwen3.pooling_type", Typed(ARRAY, [1, 3], I32)), UNSUPPORTED),
        (key("tokenizer.ggml.tokens", None), DAMAGED),
    ],
)
def test_a_header_that_is_not_implemented_is_refused(edit: Edit, code: ErrorCode, tmp_path: Path) -> None:
    files = tiny_embedding()
    edit(files)
    assert refused(files, tmp_path / "model.gguf").code is code


@pytest.mark.parametrize("value", [Typed(U32, 0), Typed(ARRAY, [True, False], BOOL), Typed(F32, 3.5)])
@pytest.mark.parametrize("name", ["sliding_window", "sliding_window_pattern"])
def test_a_window_of_gemma_that_is_no_number_is_refused(name: str, value: Typed, tmp_path: Path) -> None:
    files = tiny_embedding("gemma3")
    files.metadata[f"gemma3.attention.{name}"] = value
    assert refused(files, tmp_path / "model.gguf").code is DAMAGED


@pytest.mark.parametrize("arch", ["qwen3", "gemma3"])
def test_every_tensor_is_needed(arch: str, tmp_path: Path) -> None:
    names = [name for name in tiny_embedding(arch).tensors if not name.startswith("blk.1.")]
    assert len(names) == (20 if arch == "gemma3" else 18) + 2
    for name in names:
        files = tiny_embedding(arch)
        del files.tensors[name]
        error = refused(files, tmp_path / "model.gguf")
        assert error.code is INCOMPLETE
        assert error.facts["missing"] == name


def replaced(stored: Stored, at: int, data: bytes) -> Stored:
    return Stored(stored.type_id, stored.sizes, stored.data[:at] + data + stored.data[at + len(data) :])


@pytest.mark.parametrize(
    ("name", "edit", "code"),
    [
        ("blk.0.attn_q.weight", lambda t: replaced(t, len(t.data) - 32, b"\0\0\xc0\x7f"), DAMAGED),  # NaN
        ("blk.0.attn_q.weight", lambda t: replaced(t, len(t.data) - 32, b"\0\0\x80\xbf"), DAMAGED),  # -1
        ("blk.0.attn_q.weight", lambda t: replaced(t, len(t.data) - 32, bytes(4)), DAMAGED),
        ("blk.1.ffn_down.weight", lambda t: replaced(t, 77, b"\xff"), DAMAGED),  # code 3
        ("blk.1.attn_v_norm_in.weight", lambda t: replaced(t, 4, b"\0\x7e"), DAMAGED),  # NaN
        ("token_embd.weight", lambda t: replaced(t, 1000, b"\0\x7c"), DAMAGED),  # infinity
        ("blk.0.attn_k.weight", lambda t: Stored(t.type_id, t.sizes[::-1], t.data), DAMAGED),
        ("blk.0.attn_q_norm.weight", lambda t: half(np.ones(64)), DAMAGED),
        ("blk.0.ffn_up.weight", lambda t: half(np.ones((256, 128))), UNSUPPORTED),
        ("output_norm.weight", lambda t: Stored(8, (128,), bytes(136)), UNSUPPORTED),
    ],
)
def test_a_spoilt_tensor_is_refused(
    name: str, edit: Callable[[Stored], Stored], code: ErrorCode, tmp_path: Path
) -> None:
    files = tiny_embedding()
    files.tensors[name] = edit(files.tensors[name])
    error = refused(files, tmp_path / "model.gguf")
    assert error.code is code
    assert name in str(error)


def test_an_unknown_tensor_is_refused(tmp_path: Path) -> None:
    files = tiny_embedding()
    files.tensors["blk.0.attn_q.bias"] = half(np.ones(128))
    assert refused(files, tmp_path / "model.gguf").code is UNSUPPORTED


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tiny_embedding().write(tmp_path / "model.gguf")
    data = path.read_bytes()
    for n_bytes in (0, 3, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:n_bytes])
        with pytest.raises(AppError) as caught:
            load_embedding_model(path, n_threads=1, cancel=CancelToken(), emit=lambda event: None)
        assert caught.value.code is DAMAGED


def test_settings_are_checked_before_the_file_is_read(tmp_path: Path) -> None:
    for options, code in [
        ({"n_threads": 0}, ErrorCode.SETTING_INVALID),
        ({"kernels": "sse9"}, ErrorCode.KERNELS_UNKNOWN),
        ({}, ErrorCode.MODEL_NOT_FOUND),
    ]:
        with pytest.raises(AppError) as caught:
            load_embedding_model(tmp_path / "none.gguf", **options, cancel=CancelToken(), emit=lambda event: None)  # type: ignore[arg-type]
        assert caught.value.code is code
