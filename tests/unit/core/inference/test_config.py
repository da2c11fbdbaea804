import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import AppError, ErrorCode
from core.inference.config import config_2b4t, load_config

MakeModel = Callable[..., Path]


def with_keys(**keys: Any) -> Callable[[Any], None]:
    return lambda files: files.config.update(keys)


def without(key: str) -> Callable[[Any], None]:
    return lambda files: files.config.pop(key)


def refusal(directory: Path) -> AppError:
    with pytest.raises(AppError) as caught:
        load_config(directory)
    return caught.value


def test_reads_the_keys_of_the_official_config(fixtures_dir: Path) -> None:
    config = load_config(fixtures_dir / "tied-h128" / "hf-packed")
    assert (config.model_type, config.architecture) == ("bitnet", "BitNetForCausalLM")
    assert (config.hidden_size, config.intermediate_size, config.num_hidden_layers) == (128, 384, 2)
    assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (4, 1, 32)
    assert (config.vocab_size, config.max_position_embeddings) == (512, 256)
    assert (config.rms_norm_eps, config.rope_theta, config.hidden_act) == (1e-5, 500000.0, "relu2")
    assert config.tie_word_embeddings
    assert config.has_sub_norms
    assert not config.scale_divides
    assert config.is_packed
    assert config.bos_token_id == 496
    assert config.stop_ids == {497, 505}


def test_reads_a_llama_with_bitlinear_whose_scales_divide(fixtures_dir: Path) -> None:
    config = load_config(fixtures_dir / "llama-bitlinear-h192" / "hf-packed")
    assert (config.model_type, config.hidden_act, config.head_dim) == ("llama", "silu", 32)
    assert config.scale_divides
    assert not config.has_sub_norms
    assert not config.tie_word_embeddings


def test_online_quantization_means_masters(fixtures_dir: Path) -> None:
    assert not load_config(fixtures_dir / "tied-h128" / "hf-bf16").is_packed


def test_the_built_in_2b4t_has_its_published_sizes() -> None:
    config = config_2b4t()
    assert config.num_attention_heads * config.head_dim == config.hidden_size == 2560
    assert config.stop_ids == {128001, 128009}


def test_both_spellings_of_rope_theta_give_the_same_config(tiny_model_dir: MakeModel) -> None:
    def new_spelling(files: Any) -> None:
        files.config["rope_parameters"] = {"rope_theta": files.config.pop("rope_theta"), "rope_type": "default"}
        files.config["dtype"] = files.config.pop("torch_dtype")

    assert load_config(tiny_model_dir(new_spelling)) == load_config(tiny_model_dir())


def test_stop_ids_come_from_config_alone_without_a_generation_config(tiny_model_dir: MakeModel) -> None:
    directory = tiny_model_dir(lambda files: setattr(files, "generation", None))
    assert load_config(directory).stop_ids == {497}


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (with_keys(model_type="gpt2"), "model_type"),
        (with_keys(model_type=["bitnet"]), "model_type"),
        (with_keys(architectures=["BitNetForSequenceClassification"]), "architectures"),
        (with_keys(architectures=[]), "architectures"),
        (with_keys(hidden_act="gelu"), "hidden_act"),
        (with_keys(hidden_act=None), "hidden_act"),
        (with_keys(rope_scaling={"rope_type": "yarn", "factor": 4.0}), "rope_type"),
        (with_keys(rope_scaling={"type": "linear", "factor": 2.0}), "rope_type"),
        (with_keys(rope_parameters={"rope_type": "llama3", "rope_theta": 5e5}), "rope_type"),
        (with_keys(partial_rotary_factor=0.5), "partial_rotary_factor"),
        (with_keys(attention_bias=True), "attention_bias"),
        (with_keys(mlp_bias=True), "mlp_bias"),
        (with_keys(sliding_window=128), "sliding_window"),
        (without("quantization_config"), "quantization_config"),
        (with_keys(quantization_config={"quant_method": "gptq"}), "quant_method"),
        (with_keys(quantization_config={"quant_method": "bitnet", "linear_class": "other"}), "linear_class"),
        (with_keys(quantization_config={"quant_method": "bitnet", "use_rms_norm": True}), "use_rms_norm"),
        (with_keys(quantization_config={"quant_method": "bitnet", "quantization_mode": "online"}), "mode"),
        (with_keys(hidden_size=40, head_dim=16), "multiple of 16"),
        (with_keys(intermediate_size=40), "multiple of 16"),
        (with_keys(head_dim=24), "multiple of 16"),
        (with_keys(hidden_size=1 << 40), "hidden_size"),
        (with_keys(vocab_size=1 << 40), "vocab_size"),
        (with_keys(num_hidden_layers=10**30), "num_hidden_layers"),
    ],
)
def test_refuses_what_is_not_implemented(tiny_model_dir: MakeModel, edit: Callable[[Any], None], reason: str) -> None:
    directory = tiny_model_dir(edit)
    error = refusal(directory)
    assert error.code is ErrorCode.MODEL_UNSUPPORTED
    assert error.facts["path"] == directory
    assert reason in str(error.facts["reason"])


@pytest.mark.parametrize(
    "key",
    [
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "vocab_size",
        "max_position_embeddings",
        "rms_norm_eps",
        "rope_theta",
        "tie_word_embeddings",
        "bos_token_id",
    ],
)
@pytest.mark.parametrize("value", ["absent", "a string", None, [1], -1, float("nan"), float("inf"), {}])
def test_refuses_a_missing_key_or_a_wrong_type(tiny_model_dir: MakeModel, key: str, value: object) -> None:
    error = refusal(tiny_model_dir(without(key) if value == "absent" else with_keys(**{key: value})))
    assert error.code is ErrorCode.MODEL_DAMAGED
    assert error.facts["part"] == "config.json"
    assert key in str(error.facts["reason"])


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (with_keys(hidden_size=True), "config.json"),
        (with_keys(rms_norm_eps=True), "config.json"),
        (with_keys(rms_norm_eps=0), "config.json"),
        (with_keys(rope_theta=0), "config.json"),
        (with_keys(tie_word_embeddings=1), "config.json"),
        (with_keys(num_attention_heads=3, num_key_value_heads=2, head_dim=16), "config.json"),
        (with_keys(num_attention_heads=3), "config.json"),
        (with_keys(num_key_value_heads=3), "config.json"),
        (with_keys(bos_token_id=512), "config.json"),
        (with_keys(eos_token_id=512), "config.json"),
        (with_keys(eos_token_id="</s>"), "config.json"),
        (with_keys(rope_parameters={"rope_theta": 1e4, "rope_type": "default"}), "config.json"),
        (with_keys(quantization_config="bitnet"), "config.json"),
        (lambda files: files.generation.update(eos_token_id=[497, -1]), "generation_config.json"),
    ],
)
def test_refuses_values_that_contradict(tiny_model_dir: MakeModel, edit: Callable[[Any], None], part: str) -> None:
    error = refusal(tiny_model_dir(edit))
    assert (error.code, error.facts["part"]) == (ErrorCode.MODEL_DAMAGED, part)


def test_refuses_a_model_that_would_never_stop(tiny_model_dir: MakeModel) -> None:
    def no_stop(files: Any) -> None:
        files.generation = None
        del files.config["eos_token_id"]

    assert "eos_token_id" in str(refusal(tiny_model_dir(no_stop)).facts["reason"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"a": 1, "a": 2}',
        "[" * 200_000,
        '{"a":' * 100_000,
        "9" * 10_000,
        "\x00",
        "\ud800",
        " " * (1 << 20) + "{}",
    ],
)
def test_refuses_what_is_no_small_json_object(tiny_model_dir: MakeModel, text: str) -> None:
    directory = tiny_model_dir()
    (directory / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    error = refusal(directory)
    assert (error.code, error.facts["part"]) == (ErrorCode.MODEL_DAMAGED, "config.json")


def test_refuses_bytes_that_are_no_text(tiny_model_dir: MakeModel) -> None:
    directory = tiny_model_dir()
    (directory / "generation_config.json").write_bytes(b"\xff\xfe\xfd")
    assert refusal(directory).facts["part"] == "generation_config.json"


def test_a_missing_directory_is_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / ("x" * 300), Path("a\0b")):
        assert refusal(path).code is ErrorCode.MODEL_NOT_FOUND


def test_a_file_is_no_model_directory(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    assert refusal(path).code is ErrorCode.MODEL_UNSUPPORTED


def test_a_directory_without_config_is_incomplete(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert (error.code, error.facts["missing"]) == (ErrorCode.MODEL_INCOMPLETE, "config.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_in_place_of_config_does_not_block(tiny_model_dir: MakeModel) -> None:
    directory = tiny_model_dir()
    (directory / "config.json").unlink()
    os.mkfifo(directory / "config.json")
    assert refusal(directory).code is ErrorCode.MODEL_INCOMPLETE


def test_foreign_keys_do_no_harm(tiny_model_dir: MakeModel) -> None:
    directory = tiny_model_dir(with_keys(auto_map={"AutoModel": "evil.py"}, anything=[1, {"x": None}]))
    assert load_config(directory) == load_config(tiny_model_dir())
    assert json.loads((directory / "config.json").read_text())["anything"]
