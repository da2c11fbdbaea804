"""`tern inspect`: what is told about a model, and exit code 2 where it must not be loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from terminal import Tern

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tern:
    return Tern(capsys, monkeypatch)


@pytest.mark.parametrize(
    ("path", "architecture"),
    [
        ("tied-h256/hf-packed", "BitNetForCausalLM"),
        ("tied-h128/hf-bf16", "BitNetForCausalLM"),
        ("llama-bitlinear-h192/hf-packed", "LlamaForCausalLM"),
    ],
)
def test_a_sound_model_is_described(tern: Tern, path: str, architecture: str) -> None:
    ended = tern("inspect", FIXTURES / path)
    assert (ended.code, ended.err) == (0, "")
    for part in (architecture, "512 tokens", "tokenizer.json", "Tern can run this model."):
        assert part in ended.out
    assert "FAILED" not in ended.out


@pytest.mark.parametrize(("family", "layers"), [("gemma3", 7), ("qwen3", 3)])
def test_a_model_for_searching_documents_is_described(tern: Tern, family: str, layers: int) -> None:
    path = FIXTURES / f"embedding-{family}" / "model-i2_s.gguf"
    ended = tern("inspect", path)
    assert (ended.code, ended.err) == (0, "")
    for part in (f"{family}, embedding model", "dimension    128", "pooling      last token", "tensors", "I2_S"):
        assert part in ended.out
    assert "Tern can search documents with this model." in ended.out
    report = json.loads(tern("inspect", "--json", path).out)
    assert (report["loadable"], report["config"]) == (True, None)
    found = report["embedding"]
    assert (found["family"], found["dimension"], found["pooling"]) == (family, 128, "last_token")
    assert len(found["windows"]) == layers
    assert report["parameters"] > 100_000
    assert {"config", "tokenizer", "tensors", "values"} <= {check["name"] for check in report["checks"]}


def test_a_damaged_model_for_searching_documents_is_refused_with_its_tensor(tern: Tern, tmp_path: Path) -> None:
    data = bytearray((FIXTURES / "embedding-qwen3" / "model-i2_s.gguf").read_bytes())
    data[-40:] = b"\xff" * 40  # NaN at the end of the last tensor
    (tmp_path / "bad.gguf").write_bytes(data)
    ended = tern("inspect", tmp_path / "bad.gguf")
    assert ended.code == 2
    assert ended.is_one_line()
    assert "blk." in ended.err or "output_norm" in ended.err
    assert "dimension    128" in ended.out


def test_json_holds_the_configuration_and_the_checks(tern: Tern) -> None:
    report = json.loads(tern("inspect", "--json", FIXTURES / "tied-h256" / "hf-packed").out)
    assert (report["loadable"], report["reason"], report["error"]) == (True, None, None)
    assert report["config"]["hidden_size"] == 256
    assert report["config"]["stop_ids"] == [497, 505]
    assert report["parameters"] > 1_000_000
    assert all(check["ok"] for check in report["checks"])


def test_a_model_that_must_not_be_loaded_ends_with_2_and_still_reports(tern: Tern, tmp_path: Path) -> None:
    ended = tern("inspect", "--json", tmp_path / "none")
    assert ended.code == 2
    assert ended.is_one_line()
    report = json.loads(ended.out)
    assert (report["loadable"], report["error"]) == (False, "model_not_found")
    assert report["reason"] in ended.err


def test_every_value_is_read(tern: Tern, tiny_model_dir: Callable[..., Path]) -> None:
    def spoil(files: Any) -> None:
        name = next(name for name in files.tensors if name.endswith("_proj.weight"))
        files.tensors[name][0, 0] |= 0b11  # a code that is no ternary weight

    ended = tern("inspect", tiny_model_dir(spoil))
    assert ended.code == 2
    assert ended.is_one_line()
    assert "FAILED values" in ended.out


def test_hostile_names_do_not_reach_the_terminal(tern: Tern, tmp_path: Path) -> None:
    ended = tern("inspect", tmp_path / "a\x1b[2J\nb")
    assert ended.code == 2
    assert ended.is_one_line()
    assert "\x1b" not in ended.out + ended.err
