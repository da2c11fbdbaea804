"""Receipts and references: written and read back, and what is not one counts as absent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.models.catalogue import by_repository, pinned
from core.models.installed import installed_models, references
from core.models.receipts import PinnedFile, Receipt, read_receipt, reference_path

SHA = "a" * 64
GOOD: dict[str, Any] = {
    "source": "/m",
    "repository": None,
    "revision": None,
    "files": {"x.gguf": {"n_bytes": 3, "sha256": SHA}},
}


def test_a_receipt_is_read_back(tmp_path: Path) -> None:
    receipt = Receipt(Path("/m/\udcff"), "a/b", "0" * 40, (PinnedFile("x.gguf", 3, SHA),))
    path = tmp_path / "receipt.json"
    path.write_bytes(receipt.encoded())
    assert read_receipt(path) == receipt
    assert receipt.n_bytes == 3


def test_a_receipt_tells_what_an_entry_of_the_catalogue_was_pinned_to(tmp_path: Path) -> None:
    entry = by_repository("tiiuae/Falcon-E-3B-Instruct")
    assert entry is not None
    files = (PinnedFile("config.json", 9, SHA), PinnedFile("model.safetensors", 99, "b" * 64))
    got = pinned(entry, "1" * 40, [(file.name, file.n_bytes, file.sha256) for file in files])
    receipt = Receipt(tmp_path, entry.repository, "1" * 40, files)
    path = tmp_path / "receipt.json"
    path.write_bytes(receipt.encoded())
    stored = read_receipt(path)
    assert stored is not None
    assert stored.pinned(entry) == got
    other = by_repository("microsoft/bitnet-b1.58-2B-4T")
    assert other is not None
    assert stored.pinned(other) is other
    assert replace(stored, revision="main").pinned(entry) is entry


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b" " * (2 << 20),
        *[
            json.dumps(GOOD | change).encode()
            for change in (
                {"source": 1},
                {"source": "a\0b"},
                {"files": {}},
                {"files": []},
                {"repository": 1},
                {"files": {"../x": {"n_bytes": 3, "sha256": SHA}}},
                {"files": {"x": {"n_bytes": -3, "sha256": SHA}}},
                {"files": {"x": {"n_bytes": 3, "sha256": "short"}}},
                {"files": {"x": {"n_bytes": 3}}},
                {"files": {"x": 3}},
            )
        ],
    ],
)
def test_what_is_no_receipt_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    path = reference_path(tmp_path, "m")
    path.write_bytes(content)
    assert read_receipt(path) is None
    assert references(tmp_path) == ()
    assert installed_models(tmp_path) == ()


def test_a_reference_is_a_model_while_its_model_is_there(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "weights.gguf"
    file.parent.mkdir()
    file.write_bytes(b"abc")
    models = tmp_path / "models"
    models.mkdir()
    path = reference_path(models, "mine")
    path.write_bytes(json.dumps(GOOD | {"source": str(file)}).encode())
    (model,) = installed_models(models)
    assert (model.name, model.path, model.reference) == ("mine", file, path)
    file.unlink()
    assert installed_models(models) == ()
    assert [model.name for model in references(models)] == ["mine"]


def test_a_relative_reference_names_nothing(tmp_path: Path) -> None:
    reference_path(tmp_path, "m").write_bytes(json.dumps(GOOD | {"source": "m"}).encode())
    assert references(tmp_path) == ()
