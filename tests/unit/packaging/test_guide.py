"""The guide's words about installing: names, folders and messages are those of the program."""

import re
from pathlib import Path

import pytest
from packaging_scripts import PACKAGING, load

from app.commands.options import build_parser
from app.notices import notice_for
from core.errors import AppError, ErrorCode
from core.paths import PORTABLE_DATA, PORTABLE_MARKERS

ROOT = PACKAGING.parent
GUIDE = ROOT / "assets" / "guide"
INSTALL = (GUIDE / "install.md").read_text("utf-8")
TROUBLE = (GUIDE / "troubleshooting.md").read_text("utf-8")
build = load("build")


@pytest.mark.parametrize(
    ("system", "machine", "ending"),
    [
        ("darwin", "arm64", ".dmg"),
        ("win32", "x86_64", "-setup.exe"),
        ("win32", "x86_64", ".zip"),
        ("linux", "x86_64", ".tar.gz"),
    ],
)
def test_files_are_called_as_the_build_calls_them(system: str, machine: str, ending: str) -> None:
    assert build.Build(system, machine, "VERSION", Path(), Path()).name + ending in INSTALL


def test_the_portable_marker_is_the_programs_own() -> None:
    assert all(f"`{name}`" in INSTALL for name in (*PORTABLE_MARKERS, PORTABLE_DATA))


def test_system_versions_are_those_of_the_packages() -> None:
    script = (PACKAGING / "windows/tern.iss").read_text("utf-8")
    assert "MinVersion=10.0.17763" in script  # 1809
    assert "1809" in INSTALL
    assert "libc6 (>= 2.35)" in load("linux_packages").DEPENDS
    assert "glibc 2.35" in INSTALL
    assert '"LSMinimumSystemVersion": "13.0"' in (PACKAGING / "app.spec").read_text("utf-8")
    assert "macOS (13 or newer" in INSTALL
    assert r"{autopf}\Tern" in script  # with the lowest rights: below %LOCALAPPDATA%\Programs
    assert r"%LOCALAPPDATA%\Programs\Tern" in INSTALL


@pytest.mark.parametrize("code", [ErrorCode.DATA_DIR_UNWRITABLE, ErrorCode.DATABASE_NEWER, ErrorCode.DATABASE_DAMAGED])
def test_messages_are_quoted_as_they_are_shown(code: ErrorCode) -> None:
    facts = {"path": "x", "reason": "x", "found": 2, "supported": 1, "kept_as": "x"}
    assert f"*{notice_for(AppError(code, **facts)).title}*" in TROUBLE


def test_commands_exist() -> None:
    options = build_parser().format_help()
    for text in (INSTALL, TROUBLE):
        for option in re.findall(r"`(?:tern|tern-cli\.exe)?\s*(--[a-z-]+)", text):
            assert option in options, option
    assert (PACKAGING / "linux/install.sh").is_file()
    assert (PACKAGING / "linux/uninstall.sh").is_file()


def test_every_page_is_in_the_contents() -> None:
    contents = (GUIDE / "README.md").read_text("utf-8")
    assert [
        path.name for path in GUIDE.glob("*.md") if path.name != "README.md" and f"({path.name})" not in contents
    ] == []
