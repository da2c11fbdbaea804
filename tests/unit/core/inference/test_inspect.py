from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf_files import STRING, Typed, as_gguf, random_weights, with_block_scales
from model_files import BF16_NAN

from core.errors import ErrorCode
from core.events import CancelToken, LoadProgress
from core.inference.config import config_2b4t
from core.inference.inspect import ModelReport, count_parameters, inspect_model
from core.inference.weights import Interrupted

Make = Callable[..., Path]
Q = "model.layers.0.self_attn.q_proj"


def failed(report: ModelReport) -> list[str]:
    return [check.name for check in report.checks if not check.ok]


@pytest.mark.parametrize("family", ["bitnet", "llama"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_good_model_passes_every_check(tiny_model_dir: Make, family: str, deep: bool) -> None:
    report = inspect_model(tiny_model_dir(family=family), deep=deep)
    assert report.error is None
    assert failed(report) == []
    assert [check.name for check in report.checks][:4] == ["config", "tokenizer", "files", "tensors"]
    assert ("values" in [check.name for check in report.checks]) == deep
    assert report.has_tokenizer
    assert report.format == "safetensors, packed 2-bit"
    assert report.files == ("model.safetensors",)
    assert report.config is not None
    assert report.config.model_type == family
    assert report.memory_bytes > 0


def test_scales_of_blocks_are_told(tmp_path: Path) -> None:
    weights = random_weights(layers=1)
    with_block_scales(weights, list(weights.codes)[:3])
    report = inspect_model(as_gguf(weights, "TQ1_0").write(tmp_path / "model.gguf"), deep=True)
    assert report.error is None
    assert "3 tensors with a scale for each block" in report.checks[-1].detail


def test_a_chat_model_of_an_embedding_architecture_is_refused_by_that(tmp_path: Path) -> None:
    files = as_gguf(random_weights(layers=1))
    files.metadata["general.architecture"] = Typed(STRING, "qwen3")
    report = inspect_model(files.write(tmp_path / "model.gguf"))
    assert report.embedding is None
    assert report.error is not None
    assert "'qwen3'" in str(report.error.facts["reason"])


def test_masters_and_shards_are_told(tiny_model_dir: Make) -> None:
    report = inspect_model(tiny_model_dir(lambda files: setattr(files, "n_shards", 2), masters=True), deep=True)
    assert report.error is None
    assert report.format == "safetensors, bfloat16 masters"
    assert len(report.files) == 2


def test_parameters_of_2b4t_are_those_published() -> None:
    assert count_parameters(config_2b4t()) == 2_412_820_480


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    report = inspect_model(tmp_path / "none")
    assert report.error is not None
    assert report.error.code is ErrorCode.MODEL_NOT_FOUND
    assert failed(report) == ["config"]
    assert (report.config, report.n_parameters, report.format) == (None, 0, "")


def test_a_missing_tokenizer_is_refused_but_all_else_is_told(tiny_model_dir: Make) -> None:
    directory = tiny_model_dir()
    (directory / "tokenizer.json").unlink()
    report = inspect_model(directory)
    assert report.error is not None
    assert report.error.code is ErrorCode.TOKENIZER_MISSING
    assert not report.has_tokenizer
    assert failed(report) == ["tokenizer"]
    assert report.file_bytes > 0


def test_the_first_reason_is_the_error(tiny_model_dir: Make) -> None:
    directory = tiny_model_dir(lambda files: files.tensors.pop(f"{Q}.weight"))
    (directory / "tokenizer.json").unlink()
    report = inspect_model(directory)
    assert failed(report) == ["tokenizer", "tensors"]
    assert report.error is not None
    assert report.error.code is ErrorCode.TOKENIZER_MISSING


def test_a_truncated_file_is_refused(tiny_model_dir: Make) -> None:
    directory = tiny_model_dir()
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    report = inspect_model(directory)
    assert report.error is not None
    assert report.error.code is ErrorCode.MODEL_DAMAGED
    assert failed(report) == ["files"]


def spoil(name: str, value: int) -> Callable[[Any], None]:
    def edit(files: Any) -> None:
        files.tensors[name].reshape(-1)[-1] = value

    return edit


@pytest.mark.parametrize(
    ("name", "value", "masters"),
    [
        (f"{Q}.weight", 0xC0, False),
        (f"{Q}.weight_scale", 0, False),
        ("model.embed_tokens.weight", BF16_NAN, False),
        ("model.norm.weight", BF16_NAN, False),
        (f"{Q}.weight", BF16_NAN, True),
    ],
)
def test_only_a_deep_look_finds_damaged_values(tiny_model_dir: Make, name: str, value: int, masters: bool) -> None:
    directory = tiny_model_dir(spoil(name, value), masters=masters)
    assert inspect_model(directory).error is None
    report = inspect_model(directory, deep=True)
    assert failed(report) == ["values"]
    assert report.error is not None
    assert (report.error.code, report.error.facts["part"]) == (ErrorCode.MODEL_DAMAGED, name)


def test_a_deep_look_tells_progress_and_can_be_cancelled(tiny_model_dir: Make) -> None:
    directory = tiny_model_dir()
    events: list[object] = []
    report = inspect_model(directory, deep=True, emit=events.append)
    assert events[-1] == LoadProgress(report.file_bytes, report.file_bytes)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        inspect_model(directory, deep=True, cancel=cancel)
