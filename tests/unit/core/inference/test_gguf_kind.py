from pathlib import Path

import pytest
from gguf_files import STRING, U32, GgufFiles, Typed
from model_files import FIXTURES

from core.inference.gguf_kind import is_embedding_gguf


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*.gguf")), ids=str)
def test_fixtures_are_told_apart(path: Path) -> None:
    assert is_embedding_gguf(path) == path.parent.name.startswith("embedding-")


@pytest.mark.parametrize(
    ("metadata", "is_embedding"),
    [
        ({"general.architecture": Typed(STRING, "qwen3"), "qwen3.pooling_type": Typed(U32, 3)}, True),
        ({"general.architecture": Typed(STRING, "qwen3")}, False),
        ({"general.architecture": Typed(STRING, "llama"), "llama.pooling_type": Typed(U32, 3)}, False),
        ({"general.architecture": Typed(STRING, "qwen3"), "gemma3.pooling_type": Typed(U32, 3)}, False),
        ({"general.architecture": Typed(STRING, "x" * 70_000), "qwen3.pooling_type": Typed(U32, 3)}, False),
        ({}, False),
    ],
)
def test_architecture_and_pooling_decide(metadata: dict[str, Typed], is_embedding: bool, tmp_path: Path) -> None:
    assert is_embedding_gguf(GgufFiles(metadata, {}).write(tmp_path / "a.gguf")) == is_embedding


def test_any_beginning_of_a_file_and_any_bytes_are_survived(tmp_path: Path) -> None:
    data = (FIXTURES / "embedding-qwen3" / "model-i2_s.gguf").read_bytes()[:3000]
    path = tmp_path / "cut.gguf"
    for n in range(0, 3000, 7):
        path.write_bytes(data[:n])
        is_embedding_gguf(path)
        path.write_bytes(data[:n] + b"\xff" * 64)
        is_embedding_gguf(path)
    assert not is_embedding_gguf(tmp_path)
    assert not is_embedding_gguf(tmp_path / "missing")
