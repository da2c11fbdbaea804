"""The catalogue: complete, consistent with what is implemented, and refused where it could lead anywhere else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.inference.config import config_2b4t, load_config
from core.inference.weights import memory_bytes, shape_for
from core.models.catalogue import (
    CATALOGUE_FILE,
    ModelKind,
    by_hashes,
    by_repository,
    catalogue,
    default_model,
    is_safe_name,
    parse_catalogue,
    pinned,
)

STARTER = Path(__file__).parents[4] / "assets" / "starter"


def test_2b4t_is_the_default_and_its_constants_are_those_of_the_code() -> None:
    model, config = default_model(), config_2b4t()
    assert model.repository == "microsoft/bitnet-b1.58-2B-4T"
    assert model.architecture is not None
    for name in model.architecture.__slots__:
        assert getattr(model.architecture, name) == getattr(config, name), name
    assert model.memory_bytes == memory_bytes(config, shape_for(config, 4096))
    assert model.context_length == config.max_position_embeddings
    assert not model.verified_on_first_download


def test_every_family_that_is_supported_is_listed() -> None:
    names = " ".join(model.repository or "" for model in catalogue())
    for part in (
        "2B-4T-gguf",
        "2B-4T-bf16",
        "Aramis",
        "Bifrost",
        "Falcon-E-1B",
        "Falcon-E-3B",
        "Falcon3-10B",
        "Llama3",
    ):
        assert part in names
    embedding = [model.name for model in catalogue() if model.kind is ModelKind.EMBEDDING]
    assert embedding == ["BitNet-embedding-270M", "BitNet-embedding-0.6B"]


GOT = [("config.json", 900, "a" * 64), ("model.safetensors", 5000, "b" * 64)]


def test_an_entry_is_pinned_by_what_was_got() -> None:
    falcon = by_repository("tiiuae/Falcon-E-3B-Instruct")
    assert falcon is not None
    assert falcon.verified_on_first_download
    got = pinned(falcon, "1" * 40, GOT)
    assert not got.verified_on_first_download
    assert (got.revision, got.name, got.sentence) == ("1" * 40, falcon.name, falcon.sentence)
    assert [(file.name, file.n_bytes, file.sha256) for file in got.files] == GOT
    assert pinned(got, "1" * 40, GOT) == got
    unlisted = by_repository("jpacifico/Aramis-2B-BitNet-b1.58-i2s-GGUF")  # the names of its files are not known
    assert unlisted is not None
    assert pinned(unlisted, "2" * 40, GOT[:1]).download_bytes == 900


@pytest.mark.parametrize(
    ("revision", "files"),
    [
        ("2" * 40, GOT),
        ("1" * 40, GOT[:1]),
        ("1" * 40, [GOT[0], ("model.safetensors", 5000, "c" * 64)]),
        ("1" * 40, [GOT[0], ("model.safetensors", 5001, "b" * 64)]),
    ],
)
def test_what_was_pinned_stays(revision: str, files: list[tuple[str, int, str]]) -> None:
    falcon = by_repository("tiiuae/Falcon-E-3B-Instruct")
    assert falcon is not None
    got = pinned(falcon, "1" * 40, GOT)
    with pytest.raises(ValueError, match="catalogue"):
        pinned(got, revision, files)


@pytest.mark.parametrize(
    ("revision", "files"),
    [
        ("main", GOT),
        ("1" * 39, GOT),
        ("1" * 40, []),
        ("1" * 40, [("../config.json", 1, "a" * 64)]),
        ("1" * 40, [("config.json", 0, "a" * 64)]),
        ("1" * 40, [("config.json", 1, "a" * 63)]),
    ],
)
def test_nothing_else_is_pinned(revision: str, files: list[tuple[str, int, str]]) -> None:
    falcon = by_repository("tiiuae/Falcon-E-3B-Instruct")
    assert falcon is not None
    with pytest.raises(ValueError, match="catalogue"):
        pinned(falcon, revision, files)


def test_what_is_not_known_beforehand_is_said() -> None:
    bf16 = by_repository("Microsoft/bitnet-b1.58-2b-4t-bf16")
    assert bf16 is not None
    assert bf16.revision is None
    assert bf16.verified_on_first_download
    assert bf16.sha256_of("model.safetensors") is not None
    assert bf16.sha256_of("config.json") is None


def test_a_model_is_recognised_by_its_weights_only() -> None:
    gguf = by_repository("microsoft/bitnet-b1.58-2B-4T-gguf")
    assert gguf is not None
    assert by_hashes({"renamed.gguf": gguf.files[0].sha256 or ""}) == gguf
    tokenizer = default_model().sha256_of("tokenizer.json") or ""
    assert by_hashes({"tokenizer.json": tokenizer}) is None  # Llama-3's, in many repositories


def test_the_starter_has_the_hashes_of_the_files_that_come_with_tern() -> None:
    """Where this fails after the starter was made again: python packaging/pin_starter.py."""
    starter = catalogue()[0]
    assert (starter.name, starter.repository) == ("starter", None)
    sums = STARTER / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    assert {file.name: file.sha256 for file in starter.files} == {line.split()[1]: line.split()[0] for line in lines}
    if starter.files and sums.exists():
        config = load_config(STARTER)
        assert starter.architecture is not None
        for name in starter.architecture.__slots__:
            assert getattr(starter.architecture, name) == getattr(config, name), name
        assert starter.context_length == config.max_position_embeddings
        assert starter.memory_bytes == memory_bytes(config, shape_for(config, 4096))
    for file in starter.files:
        assert (STARTER / file.name).stat().st_size == file.n_bytes


def _spoiled(edit: Callable[[dict[str, Any]], object]) -> bytes:
    parsed = json.loads(CATALOGUE_FILE.read_bytes())
    edit(parsed["models"][1])
    return json.dumps(parsed).encode()


@pytest.mark.parametrize(
    "edit",
    [
        lambda model: model.update(revision="main"),
        lambda model: model.update(revision="A" * 40),
        lambda model: model.update(repository="https://elsewhere.example/x"),
        lambda model: model.update(repository="one-part"),
        lambda model: model.update(repository="../../etc"),
        lambda model: model.update(name="../x"),
        lambda model: model.update(name="starter"),
        lambda model: model.update(kind="video"),
        lambda model: model.update(is_default=False),
        lambda model: model.update(is_default=1),
        lambda model: model.update(memory_bytes=0),
        lambda model: model.update(memory_bytes="much"),
        lambda model: model.update(languages=[]),
        lambda model: model.update(languages="en"),
        lambda model: model.update(sentence="two\nlines"),
        lambda model: model.update(unknown=1),
        lambda model: model.pop("licence"),
        lambda model: model["files"][0].update(name="a/b"),
        lambda model: model["files"][0].update(name=".."),
        lambda model: model["files"][0].update(name="con.json"),
        lambda model: model["files"][0].update(sha256="0" * 63),
        lambda model: model["files"][0].update(sha256="Z" * 64),
        lambda model: model["files"][0].update(n_bytes=-1),
        lambda model: model["files"][0].update(n_bytes=True),
        lambda model: model["files"].append(model["files"][0]),
        lambda model: model["architecture"].update(hidden_size=0),
        lambda model: model["architecture"].update(extra=1),
    ],
)
def test_what_is_not_sound_is_refused(edit: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(ValueError, match=r"catalogue|not a valid"):
        parse_catalogue(_spoiled(edit))


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a:b", "a b", "NUL", "lpt1.txt", "x.", "ä"])
def test_names_that_are_no_plain_file_name_are_not_safe(name: str) -> None:
    assert not is_safe_name(name)
    assert is_safe_name("bitnet-b1.58-2B-4T")
