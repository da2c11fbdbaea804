"""Importing, verifying, removing: complete or not at all, and never a file of the person's."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted, LoadProgress
from core.models import manage
from core.models.catalogue import CatalogueFile, default_model
from core.models.installed import InstalledModel, installed_models
from core.models.manage import import_model, import_name, receipt_of, remove_model, verify_model

WEIGHTS = ("model.safetensors",)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models"
    path.mkdir()
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    for name in ("config.json", "tokenizer.json", "modeling_bitnet.py", *WEIGHTS):
        (path / name).write_bytes(name.encode() * 1000)
    return path


def _ignore(_event: object) -> None:
    pass


def _import(source: Path, models: Path, **options: object) -> InstalledModel:
    defaults = {"name": "m", "cancel": CancelToken(), "emit": _ignore}
    return import_model(source, WEIGHTS, models, **{**defaults, **options})


def _verify(model: InstalledModel) -> dict[str, str]:
    return {check.name: check.problem for check in verify_model(model, cancel=CancelToken(), emit=_ignore)}


def _cached(source: Path, cache: Path, revision: str) -> Path:
    """Lay `source` out as the hub's cache does: links to files named by their hash."""
    repository = cache / "models--microsoft--bitnet-b1.58-2B-4T"
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for file in source.iterdir():
        blob = repository / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copyfile(file, blob)
        (snapshot / file.name).symlink_to(Path("..", "..", "blobs", blob.name))
    return snapshot


def test_a_copy_holds_what_is_read_and_no_code(source: Path, models: Path) -> None:
    events: list[object] = []
    model = _import(source, models, emit=events.append)
    assert sorted(path.name for path in model.path.iterdir()) == [
        "config.json", "model.safetensors", "receipt.json", "tokenizer.json",
    ]  # fmt: skip
    assert installed_models(models) == (model,)
    assert isinstance(events[-1], LoadProgress)
    assert events[-1].done_bytes == events[-1].total_bytes
    receipt = receipt_of(model)
    assert receipt is not None
    assert {file.name: file.sha256 for file in receipt.files} == {
        name: hashlib.sha256((source / name).read_bytes()).hexdigest()
        for name in ("config.json", "tokenizer.json", *WEIGHTS)
    }
    assert [path.name for path in models.iterdir() if path.name.startswith(".importing")] == []


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_copy_is_private(source: Path, models: Path) -> None:
    model = _import(source, models)
    assert {path.stat().st_mode & 0o077 for path in (model.path, *model.path.iterdir())} == {0}


def test_links_of_the_hubs_cache_become_files(source: Path, models: Path, tmp_path: Path) -> None:
    snapshot = _cached(source, tmp_path / "hub", "1" * 40)
    model = _import(snapshot, models, name=import_name(snapshot))
    assert model.name == "bitnet-b1.58-2B-4T"
    assert not any(path.is_symlink() for path in model.path.iterdir())
    receipt = receipt_of(model)
    assert receipt is not None
    assert (receipt.repository, receipt.revision) == ("microsoft/bitnet-b1.58-2B-4T", "1" * 40)
    assert set(_verify(model).values()) == {""}


def test_the_published_revision_must_have_the_published_bytes(source: Path, models: Path, tmp_path: Path) -> None:
    snapshot = _cached(source, tmp_path / "hub", default_model().revision or "")
    with pytest.raises(AppError) as caught:
        _import(snapshot, models)
    assert caught.value.code is ErrorCode.MODEL_DAMAGED
    assert "not the published file" in str(caught.value.facts["reason"])
    assert installed_models(models) == ()


@pytest.mark.parametrize("as_reference", [False, True])
def test_a_changed_or_missing_file_is_found(source: Path, models: Path, as_reference: bool) -> None:
    model = _import(source, models, as_reference=as_reference)
    assert set(_verify(model).values()) == {""}
    with (model.path / "model.safetensors").open("r+b") as file:
        file.write(b"M")
    (model.path / "tokenizer.json").unlink()
    found = _verify(model)
    assert found["tokenizer.json"] == "missing"
    assert "not the imported file" in found["model.safetensors"]
    assert found["config.json"] == ""


def test_a_model_put_there_by_hand_is_recognised_by_its_weights(
    source: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    files = (CatalogueFile("model.safetensors", None, digest), CatalogueFile("config.json", None, "0" * 64))
    published = SimpleNamespace(files=files)
    monkeypatch.setattr(manage, "by_hashes", lambda hashes: published if digest in hashes.values() else None)
    shutil.copytree(source, models / "mine")
    (model,) = installed_models(models)
    found = _verify(model)
    assert found["model.safetensors"] == ""
    assert "not the published file" in found["config.json"]


def test_there_may_be_nothing_to_compare_with(source: Path) -> None:
    assert _verify(InstalledModel("source", source, is_starter=False)) == {}


def test_removing_takes_the_copy_only(source: Path, models: Path) -> None:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    assert remove_model(_import(source, models), models) == ()
    assert installed_models(models) == ()
    assert not (models / "m").exists()
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_removing_leaves_files_that_were_added(source: Path, models: Path) -> None:
    model = _import(source, models)
    (model.path / "notes.txt").write_text("mine")
    assert remove_model(model, models) == ("notes.txt",)
    assert (model.path / "notes.txt").read_text() == "mine"


def test_removing_a_reference_leaves_the_model(source: Path, models: Path) -> None:
    model = _import(source, models, as_reference=True)
    assert installed_models(models) == (model,)
    remove_model(model, models)
    assert installed_models(models) == ()
    assert (source / "model.safetensors").exists()


@pytest.mark.parametrize("as_reference", [False, True])
def test_a_model_for_searching_is_known_as_one(source: Path, models: Path, as_reference: bool) -> None:
    model = _import(source, models, as_reference=as_reference, is_embedding=True)
    assert model.is_embedding
    assert installed_models(models) == (model,)


@pytest.mark.parametrize("how", ["put there", "linked", "elsewhere"])
def test_what_was_not_imported_is_never_removed(source: Path, models: Path, tmp_path: Path, how: str) -> None:
    imported = _import(source, models).path
    path = models / "other"
    if how == "put there":
        shutil.copytree(source, path)
    elif how == "linked":
        path.symlink_to(imported)
    else:
        path = tmp_path / "other"
        shutil.copytree(imported, path)
    with pytest.raises(AppError) as caught:
        remove_model(InstalledModel("other", path, is_starter=False), models)
    assert caught.value.code is ErrorCode.MODEL_NOT_OURS
    assert (path / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["M", "Other", "starter"])
def test_a_name_is_used_once_whatever_its_case(source: Path, models: Path, name: str) -> None:
    _import(source, models)
    _import(source, models, name="other", as_reference=True)
    with pytest.raises(AppError) as caught:
        _import(source, models, name=name)
    assert caught.value.code is ErrorCode.MODEL_NAME_TAKEN


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "con", "x" * 200])
def test_a_name_leads_nowhere(source: Path, models: Path, name: str) -> None:
    with pytest.raises(AppError) as caught:
        _import(source, models, name=name)
    assert caught.value.code is ErrorCode.MODEL_NAME_INVALID


@pytest.mark.parametrize("weights", [(), ("../x",), ("",)])
def test_weights_are_files_of_the_model(source: Path, models: Path, weights: tuple[str, ...]) -> None:
    with pytest.raises(AppError) as caught:
        import_model(source, weights, models, name="m", cancel=CancelToken(), emit=_ignore)
    assert caught.value.code is ErrorCode.MODEL_INCOMPLETE


@pytest.mark.parametrize("as_reference", [False, True])
def test_stopping_leaves_nothing(source: Path, models: Path, as_reference: bool) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        _import(source, models, cancel=cancel, as_reference=as_reference)
    assert [path.name for path in models.iterdir()] == [".import.lock"]


def test_a_full_disk_is_known_before_copying(source: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage.shutil, "disk_usage", lambda _path: SimpleNamespace(free=manage.SPARE_BYTES))
    with pytest.raises(AppError) as caught:
        _import(source, models)
    assert caught.value.code is ErrorCode.DISK_FULL
    assert [path.name for path in models.iterdir()] == [".import.lock"]


def test_what_a_killed_import_left_is_cleared(source: Path, models: Path) -> None:
    (models / ".importing-m").mkdir()
    (models / ".importing-m" / "model.safetensors").write_bytes(b"half")
    assert installed_models(models) == ()
    assert set(_verify(_import(source, models)).values()) == {""}
    assert not (models / ".importing-m").exists()


def test_a_file_that_grows_meanwhile_is_refused(source: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def grow(event: object) -> None:
        with (source / "config.json").open("ab") as file:
            file.write(b"x" * 10)

    monkeypatch.setattr(manage, "SLICE_BYTES", 10_000)
    with pytest.raises(AppError) as caught:
        _import(source, models, emit=_once(grow))
    assert caught.value.facts["reason"] == "changed while it was read"
    assert installed_models(models) == ()


def _once(work: Callable[[object], None]) -> Callable[[object], None]:
    done: list[object] = []

    def emit(event: object) -> None:
        if not done:
            done.append(event)
            work(event)

    return emit


def test_names_come_from_the_path(tmp_path: Path) -> None:
    file = tmp_path / "My model (1).GGUF"
    file.write_bytes(b"")
    assert import_name(file) == "My-model-1"
    assert import_name(tmp_path / ".hidden dir") == "hidden-dir"
