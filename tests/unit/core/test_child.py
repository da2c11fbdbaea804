import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.__main__ import main, main_gui
from core import child

DOWNLOAD = "core.models.download_child"


def test_from_source_a_child_is_a_module_of_the_same_python() -> None:
    assert child.child_command(DOWNLOAD, "a b") == [sys.executable, "-m", DOWNLOAD, "a b"]


def test_the_frozen_program_starts_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", r"D:\Jürgen\Tern\Tern.exe")
    assert child.child_command(DOWNLOAD) == [r"D:\Jürgen\Tern\Tern.exe", "--tern-child", DOWNLOAD]
    assert "PYTHONPATH" not in child.child_environ({})


def test_only_known_modules_are_started() -> None:
    with pytest.raises(ValueError, match="antigravity"):
        child.child_command("antigravity")
    assert child.run_child(["--tern-child", "antigravity"]) == 2
    assert child.run_child(["--tern-child"]) == 2


@pytest.mark.parametrize("entry", [main, main_gui])
def test_the_hidden_argument_runs_the_child_and_nothing_else(entry, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def fake_main(argv: list[str]) -> int:
        seen.append(argv)
        return 7

    monkeypatch.setitem(sys.modules, DOWNLOAD, SimpleNamespace(main=fake_main))
    assert entry(["--tern-child", DOWNLOAD, "--help"]) == 7
    assert seen == [["--help"]]


def test_no_other_arguments_are_taken_for_a_child() -> None:
    assert child.run_child([]) is None
    assert child.run_child(["ask", "--tern-child"]) is None


def test_a_child_finds_the_packages_from_any_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import core.child, sys; print(sys.stdout.encoding)"]
    environ = child.child_environ({k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().lower() == "utf-8"
