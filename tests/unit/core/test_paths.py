import stat
import sys
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.paths import AppPaths, resolve


def test_the_override_goes_first_then_the_variable_then_the_platform(tmp_path: Path) -> None:
    environ = {"TERN_DATA_DIR": str(tmp_path / "variable")}
    assert resolve(tmp_path / "override", environ).data == tmp_path / "override"
    assert resolve(None, environ).data == tmp_path / "variable"
    assert resolve(None, {"TERN_DATA_DIR": ""}) == resolve(None, {})
    assert resolve(None, {}).data.is_absolute()


def test_the_platforms_directory_is_not_a_cache() -> None:
    assert "cache" not in str(resolve(None, {}).data).casefold()


def test_relative_and_home_paths_become_absolute() -> None:
    assert resolve(Path("here"), {}).data == Path.cwd() / "here"
    assert resolve(Path("~/tern"), {}).data == Path.home() / "tern"


def test_create_makes_private_directories(tmp_path: Path) -> None:
    paths = AppPaths(tmp_path / "a" / "tern")
    paths.create()
    paths.create()
    assert sorted(entry.name for entry in paths.data.iterdir()) == ["logs", "models"]
    if sys.platform != "win32":
        assert stat.S_IMODE(paths.data.stat().st_mode) == 0o700


def test_an_unwritable_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError) as caught:
        AppPaths(tmp_path / "file" / "tern").create()
    assert caught.value.code is ErrorCode.DATA_DIR_UNWRITABLE
    assert caught.value.facts["path"] == tmp_path / "file" / "tern"


def test_everything_lies_in_the_data_directory(tmp_path: Path) -> None:
    paths = AppPaths(tmp_path)
    for path in (paths.database, paths.settings, paths.models, paths.logs, paths.lock):
        assert path.parent == tmp_path
