import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from gguf_files import Stored, as_gguf, random_weights
from model_files import FIXTURES

from core.errors import AppError, ErrorCode
from core.events import CancelToken, LoadProgress
from core.inference.engine import open_engine
from core.inference.formats import gguf_path, model_name, read_config, read_tokenizer
from core.inference.inspect import inspect_model
from core.inference.prompt import Role, Turn, build_prompt
from core.inference.sampling import SamplingParams

I2_S = FIXTURES / "tied-h256" / "ggml-model-i2_s.gguf"
Make = Callable[..., Path]


def ignore(event: object) -> None:
    """Nobody listens."""


def test_a_file_and_the_directory_that_holds_it_are_the_same_model(tmp_path: Path) -> None:
    shutil.copyfile(I2_S, tmp_path / "model.GGUF")
    (tmp_path / "README.md").touch()
    assert gguf_path(I2_S) == I2_S
    assert gguf_path(tmp_path) == tmp_path / "model.GGUF"
    assert read_config(tmp_path) == read_config(I2_S)
    assert (model_name(I2_S), model_name(tmp_path)) == ("ggml-model-i2_s", tmp_path.name)


def test_safetensors_beside_a_gguf_file_are_the_model(tiny_model_dir: Make) -> None:
    directory = tiny_model_dir()
    shutil.copyfile(I2_S, directory / "other.gguf")
    assert gguf_path(directory) is None
    assert read_config(directory).hidden_size == 32


def test_several_files_are_refused(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        shutil.copyfile(I2_S, tmp_path / name)
    with pytest.raises(AppError, match=r"2 \.gguf files") as caught:
        read_config(tmp_path)
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    report = inspect_model(tmp_path)
    assert report.error is not None
    assert report.error.code is ErrorCode.MODEL_UNSUPPORTED


@pytest.mark.parametrize(
    ("name", "code"),
    [("none", ErrorCode.MODEL_NOT_FOUND), ("none.gguf", ErrorCode.MODEL_NOT_FOUND),
     ("empty", ErrorCode.MODEL_INCOMPLETE), ("a.gguf", ErrorCode.MODEL_INCOMPLETE),
     ("nul\0", ErrorCode.MODEL_NOT_FOUND)],
)  # fmt: skip
def test_what_is_no_model_is_refused(tmp_path: Path, name: str, code: ErrorCode) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.gguf").mkdir()
    with pytest.raises(AppError) as caught:
        read_config(tmp_path / name)
    assert caught.value.code is code


def answers(path: Path) -> tuple[tuple[int, ...], str]:
    engine = open_engine(path, n_threads=1, cancel=CancelToken(), emit=ignore)
    try:
        turns = [Turn(Role.SYSTEM, "Be kind."), Turn(Role.USER, "Hello <|eot_id|> there")]
        prompt = build_prompt(turns, engine.tokenizer, context_length=engine.context_length, reserve=24)
        params = SamplingParams(temperature=0.8, seed=3, max_tokens=24)
        return prompt.ids, engine.generate(prompt.ids, params, CancelToken(), ignore).text
    finally:
        engine.close()


def test_an_engine_answers_alike_from_every_format() -> None:
    model = FIXTURES / "tied-h256"
    packed = answers(model / "hf-packed")
    for kind in ("i2_s", "tq1_0", "tq2_0"):
        assert answers(model / f"ggml-model-{kind}.gguf") == packed


@pytest.mark.parametrize("deep", [False, True])
def test_inspection_tells_what_a_gguf_file_is(deep: bool) -> None:
    report = inspect_model(I2_S, deep=deep)
    assert report.error is None
    assert [check.name for check in report.checks if check.ok][:4] == ["files", "config", "tokenizer", "tensors"]
    assert report.format == "GGUF, I2_S weights, F16 embedding"
    assert report.files == (I2_S.name,)
    assert report.has_tokenizer
    assert report.n_parameters == inspect_model(FIXTURES / "tied-h256" / "hf-packed").n_parameters


def test_inspection_says_what_was_rounded_and_reports_progress(tmp_path: Path) -> None:
    path, told = as_gguf(random_weights(), "I2_S", "Q8_0").write(tmp_path / "m.gguf"), []
    values = next(check for check in inspect_model(path, deep=True, emit=told.append).checks if check.name == "values")
    assert values.ok
    assert "values of token_embd.weight rounded to bfloat16" in values.detail
    assert isinstance(told[-1], LoadProgress)


@pytest.mark.parametrize("deep", [False, True])
def test_inspection_finds_code_3_only_when_it_reads_values(tmp_path: Path, deep: bool) -> None:
    files = as_gguf(random_weights())
    old = files.tensors["blk.1.ffn_up.weight"]
    data = b"\xff" * (len(old.data) - 32) + old.data[-32:]
    files.tensors["blk.1.ffn_up.weight"] = Stored(old.type_id, old.sizes, data)
    report = inspect_model(files.write(tmp_path / "m.gguf"), deep=deep)
    assert (report.error is not None) == deep


def test_inspection_of_what_is_no_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    report = inspect_model(tmp_path / "m.gguf")
    assert report.error is not None
    assert report.error.code is ErrorCode.MODEL_DAMAGED
    assert (report.config, report.has_tokenizer) == (None, False)


def test_a_gguf_tokenizer_is_read_through_its_directory(tmp_path: Path) -> None:
    shutil.copyfile(I2_S, tmp_path / "m.gguf")
    assert read_tokenizer(tmp_path).encode_text("Hi") == read_tokenizer(I2_S).encode_text("Hi")
