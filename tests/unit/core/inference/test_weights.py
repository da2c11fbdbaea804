from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import BF16_NAN, BF16_ONE, HEADS, HIDDEN, INNER, VOCAB, tiny_model

from core.errors import AppError, ErrorCode
from core.events import CancelToken, LoadProgress
from core.inference.config import config_2b4t, load_config
from core.inference.weights import (
    Interrupted,
    expected_tensors,
    load_weights,
    memory_bytes,
    rope_tables,
    round_to_bf16,
    shape_for,
    synthetic_weights,
)
from cython_kernels import ModelWeights
from cython_kernels.reference import unpack

Make = Callable[..., Path]
Q = "model.layers.1.self_attn.q_proj"
INFINITY = 0x7F80


def ignore(event: object) -> None:
    """Nobody listens."""


def load(directory: Path, context_length: int = 64) -> ModelWeights:
    config = load_config(directory)
    return load_weights(directory, config, shape_for(config, context_length), CancelToken(), ignore).weights


def refusal(directory: Path) -> AppError:
    with pytest.raises(AppError) as caught:
        load(directory)
    assert caught.value.facts["path"] == directory
    return caught.value


def set_value(name: str, value: int, at: int = 0) -> Callable[[Any], None]:
    def edit(files: Any) -> None:
        files.tensors[name].reshape(-1)[at] = value

    return edit


def codes_of(packed: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the weights of the file's layout: four planes of rows, low bits first."""
    return np.concatenate([(packed >> (2 * plane)) & 3 for plane in range(4)]).astype(np.int8) - 1


def to_float(bits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def test_projections_are_fused_at_their_places(tiny_model_dir: Make) -> None:
    weights = load(tiny_model_dir())
    tensors = tiny_model().tensors
    for index, layer in enumerate(weights.layers):

        def wanted(name: str, layer_index: int = index) -> np.ndarray[Any, Any]:
            return codes_of(tensors[f"model.layers.{layer_index}.{name}.weight"])

        qkv, gate_up = unpack(layer.qkv), unpack(layer.gate_up)
        assert (qkv[0:32] == wanted("self_attn.q_proj")).all()
        assert (qkv[64:80] == wanted("self_attn.k_proj")).all()
        assert (qkv[128:144] == wanted("self_attn.v_proj")).all()
        assert not qkv[32:64].any()
        assert not qkv[80:128].any()
        assert (gate_up[0:INNER] == wanted("mlp.gate_proj")).all()
        assert (gate_up[64 : 64 + INNER] == wanted("mlp.up_proj")).all()
        assert (unpack(layer.o)[:HIDDEN] == wanted("self_attn.o_proj")).all()
        assert (unpack(layer.down)[:HIDDEN] == wanted("mlp.down_proj")).all()


def test_gate_and_up_alternate_by_blocks(fixtures_dir: Path) -> None:
    weights = load(fixtures_dir / "tied-h128" / "hf-packed")
    scales = weights.layers[0].gate_up.block_scales
    assert (scales[0::2] == scales[0]).all()
    assert (scales[1::2] == scales[1]).all()


@pytest.mark.parametrize("family", ["bitnet", "llama"])
def test_scales_multiply_or_divide_as_the_config_says(tiny_model_dir: Make, family: str) -> None:
    weights = load(tiny_model_dir(family=family))
    tensors = tiny_model(family).tensors
    for place, name in enumerate(("q", "k", "v")):
        stored = to_float(tensors[f"model.layers.0.self_attn.{name}_proj.weight_scale"])[0]
        assert weights.layers[0].qkv.block_scales[place] == (stored if family == "bitnet" else np.float32(1) / stored)


def test_embedding_keeps_its_bits_and_serves_as_tied_head(tiny_model_dir: Make) -> None:
    weights = load(tiny_model_dir())
    assert (weights.embedding == tiny_model().tensors["model.embed_tokens.weight"]).all()
    assert weights.head is weights.embedding


def test_untied_head_is_its_own_matrix_and_sub_norms_are_absent(tiny_model_dir: Make) -> None:
    weights = load(tiny_model_dir(family="llama"))
    assert (weights.head == tiny_model("llama").tensors["lm_head.weight"]).all()
    assert weights.layers[0].attn_sub_norm is None
    assert weights.layers[0].ffn_sub_norm is None


def test_norms_become_float32_and_tiny_values_survive(tiny_model_dir: Make) -> None:
    name = "model.layers.1.mlp.ffn_sub_norm.weight"
    tiny = 0x0A05  # about 6.4e-33, as in layers 1-3 of 2B4T
    weights = load(tiny_model_dir(set_value(name, tiny)))
    norm = weights.layers[1].ffn_sub_norm
    assert norm is not None
    assert norm[0] == to_float(np.array([tiny], np.uint16))[0] > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_norms_and_scales_may_be_stored_wider(tiny_model_dir: Make, dtype: type) -> None:
    def edit(files: Any) -> None:
        for name, bits in files.tensors.items():
            if name.endswith(("norm.weight", "_scale")):
                files.tensors[name] = to_float(bits).astype(dtype)

    wide, plain = load(tiny_model_dir(edit)), load(tiny_model_dir())
    np.testing.assert_allclose(wide.final_norm, plain.final_norm, rtol=1e-3)
    np.testing.assert_allclose(wide.layers[0].o.block_scales, plain.layers[0].o.block_scales, rtol=1e-3)


def test_shards_give_the_same_weights(tiny_model_dir: Make) -> None:
    one, three = load(tiny_model_dir()), load(tiny_model_dir(lambda files: setattr(files, "n_shards", 3)))
    assert (one.embedding == three.embedding).all()
    for a, b in zip(one.layers, three.layers, strict=True):
        assert (a.qkv.lines == b.qkv.lines).all()
        assert (a.down.lines == b.down.lines).all()


def test_masters_are_quantised_like_the_packed_file(fixtures_dir: Path) -> None:
    packed, masters = (load(fixtures_dir / "tied-h128" / name) for name in ("hf-packed", "hf-bf16"))
    for a, b in zip(packed.layers, masters.layers, strict=True):
        for name in ("qkv", "o", "gate_up", "down"):
            assert (getattr(a, name).lines == getattr(b, name).lines).all()
            assert (getattr(a, name).block_scales == getattr(b, name).block_scales).all()


@pytest.mark.parametrize(
    ("edit", "part", "reason"),
    [
        (set_value(f"{Q}.weight_scale", 0), f"{Q}.weight_scale", "scale"),
        (set_value(f"{Q}.weight_scale", BF16_ONE | 0x8000), f"{Q}.weight_scale", "scale"),
        (set_value(f"{Q}.weight_scale", BF16_NAN), f"{Q}.weight_scale", "NaN"),
        (set_value(f"{Q}.weight_scale", INFINITY), f"{Q}.weight_scale", "NaN"),
        (set_value(f"{Q}.weight", 0b11_00_01_10, at=37), f"{Q}.weight", "code 3"),
        (set_value(f"{Q}.weight", 0b00_00_00_11, at=-1), f"{Q}.weight", "code 3"),
        (set_value("model.norm.weight", BF16_NAN), "model.norm.weight", "NaN"),
        (set_value("model.layers.0.input_layernorm.weight", INFINITY, at=5), "model.layers.0.input_layernorm", "NaN"),
        (set_value("model.embed_tokens.weight", BF16_NAN, at=-1), "model.embed_tokens.weight", "NaN"),
        (set_value("model.embed_tokens.weight", INFINITY | 0x8000), "model.embed_tokens.weight", "NaN"),
    ],
)
def test_refuses_damaged_values(tiny_model_dir: Make, edit: Callable[[Any], None], part: str, reason: str) -> None:
    error = refusal(tiny_model_dir(edit))
    assert error.code is ErrorCode.MODEL_DAMAGED
    assert str(error.facts["part"]).startswith(part)
    assert reason in str(error.facts["reason"])


def test_refuses_a_dividing_scale_whose_inverse_is_no_number(tiny_model_dir: Make) -> None:
    error = refusal(tiny_model_dir(set_value(f"{Q}.weight_scale", 0x0001), family="llama"))
    assert error.facts["part"] == f"{Q}.weight_scale"


def test_refuses_masters_with_nan(tiny_model_dir: Make) -> None:
    error = refusal(tiny_model_dir(set_value(f"{Q}.weight", BF16_NAN), masters=True))
    assert (error.code, error.facts["part"]) == (ErrorCode.MODEL_DAMAGED, f"{Q}.weight")


def test_masters_of_zeros_give_zeros(tiny_model_dir: Make) -> None:
    def edit(files: Any) -> None:
        files.tensors["model.layers.0.mlp.down_proj.weight"][:] = 0

    matrix = load(tiny_model_dir(edit, masters=True)).layers[0].down
    assert not unpack(matrix).any()
    assert matrix.block_scales[0] == pytest.approx(1e-5, rel=1e-2)


def test_2b4t_has_the_542_published_tensors() -> None:
    specs = expected_tensors(config_2b4t())
    assert len(specs) == 542
    assert specs["model.layers.29.mlp.down_proj.weight"].shape == (640, 6912)


@pytest.mark.parametrize("family", ["bitnet", "llama"])
def test_every_tensor_is_needed_and_named(tiny_model_dir: Make, family: str) -> None:
    for name in tiny_model(family).tensors:
        error = refusal(tiny_model_dir(lambda files, name=name: files.tensors.pop(name), family=family))
        assert (error.code, error.facts["missing"]) == (ErrorCode.MODEL_INCOMPLETE, name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("model.embed_tokens.weight", (VOCAB - 1, HIDDEN)),
        ("model.embed_tokens.weight", (HIDDEN, VOCAB)),
        (f"{Q}.weight", (HIDDEN, HEADS * 16 // 4)),
        (f"{Q}.weight_scale", (2,)),
        ("model.norm.weight", (HIDDEN // 2,)),
    ],
)
def test_refuses_wrong_shapes(tiny_model_dir: Make, name: str, shape: tuple[int, ...]) -> None:
    def edit(files: Any) -> None:
        files.tensors[name] = np.zeros(shape, files.tensors[name].dtype)

    error = refusal(tiny_model_dir(edit))
    assert (error.code, error.facts["part"]) == (ErrorCode.MODEL_DAMAGED, name)
    assert "shape" in str(error.facts["reason"])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (f"{Q}.weight", np.uint16),  # masters that the config calls packed
        (f"{Q}.weight_scale", np.int64),
        ("model.embed_tokens.weight", np.float32),
        ("model.norm.weight", np.uint8),
    ],
)
def test_refuses_other_dtypes(tiny_model_dir: Make, name: str, dtype: type) -> None:
    def edit(files: Any) -> None:
        files.tensors[name] = np.zeros(files.tensors[name].shape, dtype)

    error = refusal(tiny_model_dir(edit))
    assert error.code is ErrorCode.MODEL_UNSUPPORTED
    assert name in str(error.facts["reason"])


@pytest.mark.parametrize(
    "name", [f"{Q}.bias", "lm_head.weight", "model.layers.2.input_layernorm.weight", "model.layers.0.q_norm.weight"]
)
def test_refuses_tensors_that_the_forward_pass_would_ignore(tiny_model_dir: Make, name: str) -> None:
    def edit(files: Any) -> None:
        files.tensors[name] = np.zeros((VOCAB, HIDDEN), np.uint16)

    error = refusal(tiny_model_dir(edit))
    assert error.code is ErrorCode.MODEL_UNSUPPORTED
    assert name in str(error.facts["reason"])


def test_an_old_rope_buffer_is_let_through(tiny_model_dir: Make) -> None:
    def edit(files: Any) -> None:
        files.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.zeros(8, np.float32)

    load(tiny_model_dir(edit))


def test_a_config_of_another_model_is_refused(tiny_model_dir: Make) -> None:
    error = refusal(tiny_model_dir(lambda files: files.config.update(intermediate_size=INNER + 16)))
    assert error.code is ErrorCode.MODEL_DAMAGED


def test_progress_grows_to_all_bytes(fixtures_dir: Path) -> None:
    directory = fixtures_dir / "tied-h128" / "hf-bf16"
    config = load_config(directory)
    events: list[object] = []
    load_weights(directory, config, shape_for(config, 64), CancelToken(), events.append)
    last = events[-1]
    assert isinstance(last, LoadProgress)
    assert last.done_bytes == last.total_bytes == 888064


def test_cancel_stops_loading(fixtures_dir: Path) -> None:
    directory = fixtures_dir / "tied-h128" / "hf-packed"
    config = load_config(directory)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        load_weights(directory, config, shape_for(config, 64), cancel, ignore)


def test_context_is_clamped_and_rounded_down_to_key_blocks() -> None:
    config = config_2b4t()
    lengths = [shape_for(config, n).max_context for n in (1, 16, 100, 4095, 4096, 99999)]
    assert lengths == [16, 16, 96, 4080, 4096, 4096]


def test_memory_of_2b4t_is_known() -> None:
    config = config_2b4t()
    packed, shape, vectors = 521_011_200 + 328_335_360, shape_for(config, 4096), 4096 * 30 * 2 * 5
    assert memory_bytes(config, shape, "f32") == packed + vectors * 128 * 4
    assert memory_bytes(config, shape) == memory_bytes(config, shape, "f16") == packed + vectors * 128 * 2
    assert memory_bytes(config, shape, "int8") == packed + vectors * (128 + 4)


def test_rope_tables_match_the_definition() -> None:
    cos, sin = rope_tables(500000.0, 128, 4096)
    assert cos.shape == sin.shape == (4096, 64)
    assert (cos[0] == 1).all()
    assert (sin[0] == 0).all()
    angle = np.outer(np.arange(4096), 500000.0 ** -(np.arange(0, 128, 2) / 128))
    # the angle is rounded to float32, so that the error grows with the position
    np.testing.assert_allclose(cos, np.cos(angle), atol=4096 * 2**-23)
    np.testing.assert_allclose(cos.astype(np.float64) ** 2 + sin.astype(np.float64) ** 2, 1, atol=2e-7)


def test_rope_tables_do_not_depend_on_their_length() -> None:
    short, long = rope_tables(1e4, 32, 16), rope_tables(1e4, 32, 1 << 16)
    assert (short[0] == long[0][:16]).all()
    assert (short[1] == long[1][:16]).all()


@pytest.mark.parametrize(
    ("value", "rounded"), [(1.0, 1.0), (1.00390625, 1.0), (1.01171875, 1.015625), (1.06809, 1.0703125)]
)
def test_rounding_to_bfloat16_is_half_to_even(value: float, rounded: float) -> None:
    assert round_to_bf16(np.float32(value)) == rounded


def test_synthetic_weights_are_seeded_and_valid() -> None:
    config = replace(
        config_2b4t(),
        hidden_size=128,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        vocab_size=300,
    )
    shape = shape_for(config, 32)
    one, same, other = (synthetic_weights(config, shape, seed).weights for seed in (1, 1, 2))
    assert (one.embedding == same.embedding).all()
    assert (one.layers[1].down.lines == same.layers[1].down.lines).all()
    assert not (one.layers[1].down.lines == other.layers[1].down.lines).all()
    assert not (one.layers[0].o.lines == one.layers[1].o.lines).all()
    weights = unpack(one.layers[0].gate_up)
    assert set(np.unique(weights)) == {-1, 0, 1}
    assert abs(weights.mean()) < 0.01
    assert np.isfinite(to_float(one.embedding)).all()


def test_synthetic_weights_need_whole_blocks() -> None:
    config = replace(config_2b4t(), hidden_size=32, head_dim=16, num_attention_heads=2, num_key_value_heads=1)
    with pytest.raises(ValueError, match="64"):
        synthetic_weights(replace(config, vocab_size=16), shape_for(config, 16), 0)
