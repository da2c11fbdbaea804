from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.models.installed import InstalledModel, installed_models, is_model_directory, resolve_model


def _model(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "model-00001-of-00002.safetensors").write_bytes(b"")
    return path


def test_a_directory_counts_with_config_and_weights(tmp_path: Path) -> None:
    path = _model(tmp_path / "m")
    assert is_model_directory(path)
    (path / "config.json").unlink()
    assert not is_model_directory(path)
    assert not is_model_directory(tmp_path / "missing")
    assert not is_model_directory(Path(__file__))


def test_the_starter_comes_first_then_names_in_order(tmp_path: Path) -> None:
    starter = _model(tmp_path / "assets" / "starter")
    for name in ("b", "A", ".hidden"):
        _model(tmp_path / "models" / name)
    (tmp_path / "models" / "empty").mkdir()
    (tmp_path / "models" / "file").write_text("")
    found = installed_models(tmp_path / "models", starter=starter)
    assert [(model.name, model.is_starter) for model in found] == [("starter", True), ("A", False), ("b", False)]


def test_absent_places_are_passed_over(tmp_path: Path) -> None:
    assert installed_models(tmp_path / "no", starter=tmp_path / "nor", extra=tmp_path / "neither") == ()


def test_the_extra_directory_is_a_model_or_holds_some(tmp_path: Path) -> None:
    one = _model(tmp_path / "one")
    several = tmp_path / "several"
    two, three = _model(several / "two"), _model(several / "three")
    models = tmp_path / "models"
    assert [model.path for model in installed_models(models, extra=one)] == [one]
    assert [model.path for model in installed_models(models, extra=several)] == [three, two]


def test_files_in_the_folder_of_models_are_models(tmp_path: Path) -> None:
    models = tmp_path / "models"
    _model(models / "b")
    for name in ("a.gguf", "C.GGUF", ".hidden.gguf", "half.gguf.part", "notes.txt"):
        (models / name).write_bytes(b"GGUF")
    (models / "directory.gguf").mkdir()
    found = installed_models(models, is_embedding_file=lambda file: file.name == "C.GGUF")
    assert [(model.name, model.path.name, model.is_embedding) for model in found] == [
        ("a", "a.gguf", False), ("b", "b", False), ("C", "C.GGUF", True),
    ]  # fmt: skip
    assert all(not model.is_starter and model.reference is None for model in found)


def test_an_extra_directory_with_files_is_one_model_or_several(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "one.gguf").write_bytes(b"GGUF")
    assert [model.path for model in installed_models(tmp_path / "models", extra=extra)] == [extra]
    (extra / "two.gguf").write_bytes(b"GGUF")
    found = installed_models(tmp_path / "models", extra=extra)
    assert [model.path for model in found] == [extra / "one.gguf", extra / "two.gguf"]


def test_a_directory_that_nobody_imported_is_told_by_its_file(tmp_path: Path) -> None:
    for name in ("chat", "search"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / f"{name}.gguf").write_bytes(b"GGUF")
    found = installed_models(tmp_path / "models", is_embedding_file=lambda file: file.stem == "search")
    assert [(model.name, model.is_embedding) for model in found] == [("chat", False), ("search", True)]


def test_a_directory_is_listed_once(tmp_path: Path) -> None:
    models = tmp_path / "models"
    path = _model(models / "m")
    assert [model.path for model in installed_models(models, starter=path, extra=models)] == [path]


def test_the_chosen_model_goes_before_the_starter(tmp_path: Path) -> None:
    starter = InstalledModel("starter", _model(tmp_path / "starter"), is_starter=True)
    other = InstalledModel("other", _model(tmp_path / "other"), is_starter=False)
    installed = (starter, other)
    assert resolve_model("", installed) == starter
    assert resolve_model("other", installed) == other
    assert resolve_model(str(other.path), installed) == other
    elsewhere = _model(tmp_path / "elsewhere")
    assert resolve_model(str(elsewhere), installed) == InstalledModel("elsewhere", elsewhere, is_starter=False)


def test_no_model_at_all_is_said() -> None:
    with pytest.raises(AppError) as caught:
        resolve_model("", ())
    assert caught.value.code is ErrorCode.MODEL_NONE_CHOSEN


@pytest.mark.parametrize("setting", ["/no/such/model", "a\0b", "x" * 5_000, "~no_such_user_here/m"])
def test_a_chosen_model_that_is_gone_is_said_and_never_replaced(tmp_path: Path, setting: str) -> None:
    starter = InstalledModel("starter", _model(tmp_path / "starter"), is_starter=True)
    with pytest.raises(AppError) as caught:
        resolve_model(setting, (starter,))
    assert caught.value.code is ErrorCode.MODEL_NOT_FOUND
    assert caught.value.facts["path"] == setting
