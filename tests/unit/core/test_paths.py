import stat
import sys
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.paths import AppPaths, program_directory, resolve


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


def test_a_portable_program_keeps_everything_beside_it(tmp_path: Path) -> None:
    assert resolve(None, {}, tmp_path) == resolve(None, {})
    for marker in ("portable", "portable.txt"):
        (tmp_path / marker).touch()
        assert resolve(None, {}, tmp_path).data == tmp_path / "tern-data"
        assert resolve(None, {"TERN_DATA_DIR": str(tmp_path / "named")}, tmp_path).data == tmp_path / "named"
        (tmp_path / marker).unlink()
    (tmp_path / "portable").mkdir()
    assert resolve(None, {}, tmp_path) == resolve(None, {})


@pytest.mark.parametrize(
    ("platform", "program", "folder"),
    [
        ("linux", "Tern/tern", "Tern"),
        ("win32", "Tern/Tern.exe", "Tern"),
        ("darwin", "USB/Tern.app/Contents/MacOS/Tern", "USB"),
        ("darwin", "Tern/Tern", "Tern"),
    ],
)
def test_the_marker_lies_where_a_person_sees_the_program(
    platform: str, program: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys, "executable", str(tmp_path / program))
    assert program_directory() is None
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert program_directory() == tmp_path / folder
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "portable").touch()
    assert resolve(None, {}).data == tmp_path / folder / "tern-data"


def test_a_portable_program_on_a_medium_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "portable").touch()
    (tmp_path / "tern-data").write_text("")  # in the way, as a read-only medium is, also for an administrator
    with pytest.raises(AppError) as caught:
        resolve(None, {}, tmp_path).create()
    assert caught.value.code is ErrorCode.DATA_DIR_UNWRITABLE
