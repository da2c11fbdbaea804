from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import (
    ARRAY,
    BOOL,
    F32,
    FLOATS,
    STRING,
    TERNARY,
    TYPE_IDS,
    U32,
    GgufFiles,
    Stored,
    Typed,
    Weights,
    as_gguf,
    as_safetensors,
    pack_tq2_0,
    random_weights,
    with_block_scales,
)
from model_files import FIXTURES
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.events import CancelToken, LoadProgress
from core.inference.config import TokenId, load_config
from core.inference.formats import read_config, read_tokenizer
from core.inference.gguf import GgufFile
from core.inference.gguf_model import (
    GgufReader,
    check_gguf_tensors,
    format_name,
    gguf_config,
    load_gguf_weights,
)
from core.inference.model import Interrupted, load_model, score_ids
from core.inference.safetensors import TensorFiles
from core.inference.weights import shape_for
from cython_kernels import ModelWeights, TernaryMatrix, new_kv
from cython_kernels.reference import ReferenceTransformer, unpack

IDS = [TokenId(i) for i in (496, 17, 300, 2, 77, 411, 9, 9, 250, 31)]
Q, DOWN = "blk.1.attn_q.weight", "blk.0.ffn_down.weight"


def ignore(event: object) -> None:
    """Nobody listens."""


def logits(path: Path) -> NDArray[np.float32]:
    model = load_model(path, n_threads=1, cancel=CancelToken(), emit=ignore)
    try:
        return score_ids(model, IDS, None)
    finally:
        model.close()


def refusal(path: Path) -> AppError:
    with pytest.raises(AppError) as caught:
        load_model(path, n_threads=1, cancel=CancelToken(), emit=ignore)
    return caught.value


def written(files: GgufFiles, tmp_path: Path) -> Path:
    return files.write(tmp_path / "model.gguf")


@pytest.mark.parametrize("kind", ["i2_s", "tq1_0", "tq2_0"])
def test_fixtures_give_the_bits_of_the_packed_model(kind: str) -> None:
    model = FIXTURES / "tied-h256"
    assert np.array_equal(logits(model / f"ggml-model-{kind}.gguf"), logits(model / "hf-packed"))


def test_float16_may_have_lost_a_small_value_of_the_embedding(tmp_path: Path) -> None:
    """tied-h128 has one value below 2^-14: the file holds it as a float16, and that is what is used."""
    directory, gguf = FIXTURES / "tied-h128" / "hf-packed", FIXTURES / "tied-h128" / "ggml-model-i2_s.gguf"
    data = bytearray((directory / "model.safetensors").read_bytes())
    with TensorFiles(directory) as files:
        info = files.tensors["model.embed_tokens.weight"]
    bits = np.frombuffer(data, np.uint16, info.n_bytes // 2, info.start)
    values = (bits.astype(np.uint32) << 16).view(np.float32)
    through_f16 = values.astype(np.float16).astype(np.float32)
    assert np.count_nonzero(values != through_f16) == 1
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in directory.iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    data[info.start : info.start + info.n_bytes] = (through_f16.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    (changed / "model.safetensors").write_bytes(data)
    assert np.array_equal(logits(gguf), logits(changed))


@pytest.mark.parametrize("family", ["bitnet", "llama"])
@pytest.mark.parametrize("kind", list(TERNARY))
@pytest.mark.parametrize("tied", [True, False])
def test_all_formats_give_the_same_bits(tmp_path: Path, family: str, kind: str, tied: bool) -> None:
    """llama: permuted q and k, SiLU, no sub-norms, a scale that divides in safetensors and multiplies in GGUF."""
    weights = random_weights(family, tied=tied)
    packed = logits(as_safetensors(weights).write(tmp_path / "packed"))
    assert np.array_equal(packed, logits(written(as_gguf(weights, kind), tmp_path)))
    assert np.isfinite(packed).all()


@pytest.mark.parametrize("head_dim", [32, 128])
def test_heads_of_their_own_size(tmp_path: Path, head_dim: int) -> None:
    weights = random_weights("llama", heads=8, kv_heads=2, head_dim=head_dim, tied=False)
    packed = logits(as_safetensors(weights).write(tmp_path / "packed"))
    assert np.array_equal(packed, logits(written(as_gguf(weights), tmp_path)))


@pytest.mark.parametrize("embedding", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("norms", ["F32", "F16", "BF16"])
def test_plain_types_are_exact(tmp_path: Path, embedding: str, norms: str) -> None:
    weights = random_weights(layers=1)
    reference = logits(written(as_gguf(weights, "TQ2_0", "F16"), tmp_path))
    assert np.array_equal(reference, logits(written(as_gguf(weights, "TQ2_0", embedding, norms), tmp_path)))


def test_a_quantized_embedding_is_rounded_to_bfloat16_and_counted(tmp_path: Path) -> None:
    weights = random_weights(layers=1)
    path = written(as_gguf(weights, "I2_S", "Q8_0"), tmp_path)
    with GgufFile(path) as file:
        reader = GgufReader(file, gguf_config(file), CancelToken(), ignore)
        bits = reader.bits("model.embed_tokens.weight")
    values = (bits.astype(np.uint32) << 16).view(np.float32)
    assert np.abs(values - weights.matrices["model.embed_tokens"]).max() < 0.03
    assert reader.n_rounded["token_embd.weight"] > 0.5 * bits.size
    quantized, exact = logits(path), logits(written(as_gguf(weights, "I2_S", "F16"), tmp_path))
    assert 0 < np.abs(quantized - exact).mean() < 0.1 * exact.std()


def test_a_q6_k_embedding_is_read(tmp_path: Path) -> None:
    files = as_gguf(random_weights(layers=1))
    blocks = np.random.default_rng(4).integers(0, 256, (512, 210), np.uint8)
    blocks[:, 208:] = np.array([0.001], np.float16).view(np.uint8)
    files.tensors["token_embd.weight"] = Stored(TYPE_IDS["Q6_K"], (256, 512), blocks.tobytes())
    path = written(files, tmp_path)
    assert np.isfinite(logits(path)).all()
    with GgufFile(path) as file:
        assert format_name(file) == "GGUF, I2_S weights, Q6_K embedding"


def test_the_configuration_is_that_of_config_json() -> None:
    packed = load_config(FIXTURES / "tied-h256" / "hf-packed")
    from_gguf = read_config(FIXTURES / "tied-h256" / "ggml-model-i2_s.gguf")
    different = {name for name in packed.__slots__ if getattr(packed, name) != getattr(from_gguf, name)}
    assert different == {"rms_norm_eps"}  # a float32 in GGUF
    assert np.float32(packed.rms_norm_eps) == np.float32(from_gguf.rms_norm_eps)


@pytest.mark.parametrize("name", ["bitnet-25", "bitnet-b1.58"])
def test_both_names_of_the_architecture_are_one(tmp_path: Path, name: str) -> None:
    files = as_gguf(random_weights(layers=1))
    reference = logits(written(files, tmp_path))
    renamed = {key.replace("bitnet-b1.58.", f"{name}."): typed for key, typed in files.metadata.items()}
    files.metadata = renamed | {"general.architecture": Typed(STRING, name)}
    assert np.array_equal(reference, logits(written(files, tmp_path)))


def test_stops_are_the_named_ones_and_the_tokens_that_end_turns(tmp_path: Path) -> None:
    files = as_gguf(random_weights(layers=1))
    assert read_config(written(files, tmp_path)).stop_ids == {497, 505}
    files.metadata["tokenizer.ggml.eot_token_id"] = Typed(U32, 500)
    assert read_config(written(files, tmp_path)).stop_ids == {497, 500, 505}


def set_key(key: str, typed: Typed) -> Callable[[GgufFiles], None]:
    return lambda files: files.metadata.update({key: typed})


def drop_key(key: str) -> Callable[[GgufFiles], None]:
    return lambda files: files.metadata.pop(key) and None


def set_tensor(name: str, **changes: Any) -> Callable[[GgufFiles], None]:
    def edit(files: GgufFiles) -> None:
        for attribute, value in changes.items():
            setattr(files.tensors[name], attribute, value)

    return edit


def move_in(name: str, tensor: Stored) -> Callable[[GgufFiles], None]:
    return lambda files: files.tensors.update({name: tensor})


def scale_of(name: str, scale: float) -> Callable[[GgufFiles], None]:
    def edit(files: GgufFiles) -> None:
        data = bytearray(files.tensors[name].data)
        data[-32:-28] = np.float32(scale).tobytes()
        files.tensors[name].data = bytes(data)

    return edit


PRE = "bitnet-b1.58."
UNSUPPORTED = {
    "the old bitnet": (set_key("general.architecture", Typed(STRING, "bitnet")), "2024 (SiLU)"),
    "another family": (set_key("general.architecture", Typed(STRING, "qwen2")), "'qwen2'"),
    "scaled rope": (set_key(PRE + "rope.scaling.type", Typed(STRING, "yarn")), "rope.scaling.type"),
    "a rope factor": (set_key(PRE + "rope.scaling.factor", Typed(F32, 8.0)), "rope.scaling.factor"),
    "experts": (set_key(PRE + "expert_count", Typed(U32, 8)), "expert_count"),
    "a window": (set_key(PRE + "attention.sliding_window", Typed(U32, 1024)), "sliding_window"),
    "a part of many": (set_key("split.count", Typed(U32, 3)), "several files"),
    "half rotated heads": (set_key(PRE + "attention.key_length", Typed(U32, 128)), "heads of 64 and 128"),
    "dense weights": (set_tensor(Q, type_id=1, data=bytes(2 * 256 * 256)), f"{Q} is F16"),
    "an unknown tensor": (move_in("rope_freqs.weight", Stored(0, (32,), bytes(128))), "unknown tensor rope_freqs"),
    "a bias": (move_in("blk.0.attn_q.bias", Stored(0, (256,), bytes(1024))), "unknown tensor blk.0.attn_q.bias"),
    "more key heads than heads": (set_key(PRE + "attention.head_count_kv", Typed(U32, 8)), "more than 4"),
    "a huge size": (set_key(PRE + "embedding_length", Typed(U32, 1 << 20)), "embedding_length"),
}


@pytest.mark.parametrize(("edit", "reason"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_not_implemented_is_refused_by_name(
    tmp_path: Path, edit: Callable[[GgufFiles], None], reason: str
) -> None:
    files = as_gguf(random_weights())
    edit(files)
    error = refusal(written(files, tmp_path))
    assert error.code is ErrorCode.MODEL_UNSUPPORTED
    assert reason in str(error.facts["reason"])


DAMAGED = {
    "no architecture": drop_key("general.architecture"),
    "no layers": set_key(PRE + "block_count", Typed(U32, 0)),
    "no heads": drop_key(PRE + "attention.head_count"),
    "heads as text": set_key(PRE + "attention.head_count", Typed(STRING, "4")),
    "no end": drop_key("tokenizer.ggml.eos_token_id"),
    "NaN as epsilon": set_key(PRE + "attention.layer_norm_rms_epsilon", Typed(F32, float("nan"))),
    "theta below 0": set_key(PRE + "rope.freq_base", Typed(F32, -1.0)),
    "another vocabulary": set_key(PRE + "vocab_size", Typed(U32, 511)),
    "an end that is no token": set_key("tokenizer.ggml.eos_token_id", Typed(U32, 512)),
    "a begin that is no token": set_key("tokenizer.ggml.bos_token_id", Typed(U32, 1 << 31)),
    "no types": drop_key("tokenizer.ggml.token_type"),
    "another shape": set_tensor(Q, sizes=(128, 512)),
    "scale 0": scale_of(Q, 0.0),
    "scale below 0": scale_of(Q, -1.0),
    "scale NaN": scale_of(Q, float("nan")),
    "scale infinite": scale_of(Q, float("inf")),
    "code 3": set_tensor(DOWN, data=b"\xff" * (256 * 512 // 4) + np.float32(1).tobytes() + bytes(28)),
    "NaN in a norm": set_tensor("output_norm.weight", data=np.full(256, np.nan, np.float32).tobytes()),
    "infinity in the embedding": set_tensor(
        "token_embd.weight", data=np.full((512, 256), np.inf, np.float16).tobytes()
    ),
}


@pytest.mark.parametrize("edit", DAMAGED.values(), ids=DAMAGED)
def test_wrong_values_are_damage(tmp_path: Path, edit: Callable[[GgufFiles], None]) -> None:
    files = as_gguf(random_weights())
    edit(files)
    error = refusal(written(files, tmp_path))
    assert error.code is ErrorCode.MODEL_DAMAGED
    assert error.facts["path"] == tmp_path / "model.gguf"


@pytest.mark.parametrize("key", [key for key in as_gguf(random_weights(layers=1)).metadata if "scores" not in key])
@pytest.mark.parametrize(
    "typed", [Typed(ARRAY, [1, 2], U32), Typed(ARRAY, ["a", "b"], STRING), Typed(BOOL, 1), Typed(STRING, "x" * 99)]
)
def test_keys_of_another_type_are_refused_or_do_not_matter(tmp_path: Path, key: str, typed: Typed) -> None:
    files = as_gguf(random_weights(layers=1))
    files.metadata |= {key: typed, "split.count": typed, "tokenizer.ggml.pre": typed}
    path = written(files, tmp_path)
    with pytest.raises(AppError):
        read_tokenizer(path)
    del files.metadata["split.count"], files.metadata["tokenizer.ggml.pre"]
    path = written(files, tmp_path)
    try:
        read_tokenizer(path)
    except AppError as error:
        assert error.facts["path"] == path  # noqa: PT017
    else:
        assert key in ("tokenizer.chat_template", "tokenizer.ggml.add_bos_token")


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    files = as_gguf(random_weights())
    del files.tensors[DOWN]
    error = refusal(written(files, tmp_path))
    assert (error.code, error.facts["missing"]) == (ErrorCode.MODEL_INCOMPLETE, DOWN)


def test_i2s_rows_must_be_whole_blocks(tmp_path: Path) -> None:
    weights = random_weights(hidden=192, heads=3, kv_heads=1, inner=512)
    error = refusal(written(as_gguf(weights), tmp_path))
    assert error.code is ErrorCode.MODEL_UNSUPPORTED
    assert "rows of 192 weights" in str(error.facts["reason"])


def blocks_of(scales: NDArray[np.float16]) -> Callable[[Weights], GgufFiles]:
    def make(weights: Weights) -> GgufFiles:
        files = as_gguf(weights, "TQ2_0")
        codes = weights.codes["model.layers.1.self_attn.q_proj"]
        files.tensors[Q].data = pack_tq2_0(codes, np.resize(scales, codes.size // 256).astype(np.float16))
        return files

    return make


@pytest.mark.parametrize(
    "scales",
    [
        np.array([1, -1], np.float16),
        np.array([1, np.nan], np.float16),
        np.array([1, np.inf], np.float16),
        np.array([np.inf], np.float16),
        np.array([0], np.float16),
    ],
)
def test_block_scales_that_are_no_scales_are_refused(tmp_path: Path, scales: NDArray[np.float16]) -> None:
    error = refusal(written(blocks_of(scales)(random_weights()), tmp_path))
    assert error.code is ErrorCode.MODEL_DAMAGED
    assert Q in str(error)


def loaded_weights(path: Path) -> ModelWeights:
    with GgufFile(path) as file:
        config = gguf_config(file)
        return load_gguf_weights(file, config, shape_for(config, 64), CancelToken(), ignore).weights


def dense(matrix: TernaryMatrix, first_block: int, rows: int, step: int = 1) -> NDArray[np.float32]:
    """Return the weights of one part of a fused matrix, float32 (rows, cols)."""
    values = unpack(matrix).astype(np.float32)
    scales = np.repeat(matrix.block_scales, 64)[:, None]
    if matrix.group_scales is not None:
        own = matrix.group_scales.swapaxes(1, 2).reshape(len(values), -1)
        scales = np.where(scales == 0, np.repeat(own, matrix.group_cols, axis=1), scales)
    blocks = (values * scales).reshape(-1, 64, matrix.cols)
    return blocks[first_block::step][: -(-rows // 64)].reshape(-1, matrix.cols)[:rows]


@pytest.mark.parametrize("family", ["bitnet", "llama"])
@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0"])
def test_block_scales_that_differ_are_kept(tmp_path: Path, family: str, kind: str) -> None:
    """Also for the permuted rows of llama, and beside parts of the same fused matrix that have one factor."""
    weights = random_weights(family, hidden=512, inner=768, heads=8, kv_heads=4, seed=9)
    parts = ["self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"]
    with_block_scales(weights, [f"model.layers.{layer}.{part}" for layer in (0, 1) for part in parts])
    loaded = loaded_weights(written(as_gguf(weights, kind), tmp_path))
    q, kv = 8, 4  # blocks
    for i, layer in enumerate(loaded.layers):
        found = {
            "self_attn.q_proj": dense(layer.qkv, 0, 512), "self_attn.k_proj": dense(layer.qkv, q, 256),
            "self_attn.v_proj": dense(layer.qkv, q + kv, 256), "self_attn.o_proj": dense(layer.o, 0, 512),
            "mlp.gate_proj": dense(layer.gate_up, 0, 768, 2), "mlp.up_proj": dense(layer.gate_up, 1, 768, 2),
            "mlp.down_proj": dense(layer.down, 0, 512),
        }  # fmt: skip
        for name, values in found.items():
            full = f"model.layers.{i}.{name}"
            scale = np.asarray(weights.scales[full], np.float32)
            spread = np.repeat(scale, 256, axis=1) if scale.ndim else scale
            assert np.array_equal(values, (weights.codes[full].astype(np.float32) - 1) * spread), full


def test_a_model_with_block_scales_agrees_with_the_reference_and_with_itself(tmp_path: Path) -> None:
    weights = random_weights()
    with_block_scales(weights, weights.codes)
    one, other = (written(as_gguf(weights, kind), tmp_path / kind) for kind in ("TQ1_0", "TQ2_0"))
    got = logits(one)
    assert np.array_equal(got, logits(other))
    loaded, shape = loaded_weights(one), shape_for(read_config(one), 64)
    want = np.empty((len(IDS), shape.vocab), np.float32)
    ReferenceTransformer(shape, loaded, new_kv(shape)).forward(np.array(IDS, np.int32), 0, want)
    error = np.abs(got - want).max(axis=1) / want.std()
    assert np.median(error) < 1e-4
    assert error.max() < 0.25  # where one int8 value fell on the other side of a tie


def test_one_factor_in_all_blocks_needs_no_groups(tmp_path: Path) -> None:
    loaded = loaded_weights(written(as_gguf(random_weights(), "TQ2_0"), tmp_path))
    assert all(layer.down.group_scales is None and layer.qkv.group_scales is None for layer in loaded.layers)


def test_blocks_without_a_scale_are_weights_of_zero(tmp_path: Path) -> None:
    weights = random_weights()
    files = blocks_of(np.array([0, 1], np.float16))(weights)
    name = "model.layers.1.self_attn.q_proj"
    weights.codes[name].reshape(-1, 2, 256)[:, 0] = 1
    weights.scales[name] = 1.0
    assert np.array_equal(logits(written(files, tmp_path)), logits(written(as_gguf(weights, "I2_S"), tmp_path)))


def test_loading_reports_progress_and_stops(tmp_path: Path) -> None:
    path, told = written(as_gguf(random_weights()), tmp_path), []
    load_model(path, n_threads=1, cancel=CancelToken(), emit=told.append).close()
    assert isinstance(told[-1], LoadProgress)
    assert told[-1].done_bytes == told[-1].total_bytes
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        load_model(path, n_threads=1, cancel=cancel, emit=ignore)


def test_every_dense_type_is_accepted_for_the_head(tmp_path: Path) -> None:
    weights = random_weights("llama", tied=False, layers=1)
    for kind in FLOATS:
        with GgufFile(written(as_gguf(weights, "I2_S", kind), tmp_path)) as file:
            config = gguf_config(file)
            check_gguf_tensors(file, config)
            assert not config.tie_word_embeddings
