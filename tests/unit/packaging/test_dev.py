"""The decisions of packaging/dev.py, taken on computers that exist only here."""

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = sys.version_info[:2]


def _load_dev() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tern_dev_script", ROOT / "packaging" / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


dev = _load_dev()


class FakeShell:
    """Records what would be run; `failing` holds the words that make a command fail, `breaks` one that is cut off."""

    def __init__(self, root: Path, *failing: str, breaks: str = "") -> None:
        self.root = root
        self.failing = failing
        self.breaks = breaks
        self.ran: list[str] = []

    def quiet(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> bool:
        line = " ".join(command)
        self.ran.append(line)
        if self.breaks and self.breaks in line:
            raise KeyboardInterrupt
        if any(word in line for word in self.failing):
            return False
        if "-m venv" in line:
            python = dev.Environment(self.root, PYTHON).program("python")
            python.parent.mkdir(parents=True)
            python.touch()
        if "-e ." in line:
            suffix = sysconfig.get_config_var("EXT_SUFFIX")
            for source in (self.root / "cython_kernels").glob("*.pyx"):
                source.with_suffix(suffix).touch()
        return True

    def shown(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
        line = " ".join(command)
        self.ran.append(line)
        return int(any(word in line for word in self.failing))

    def commands_with(self, words: str) -> list[str]:
        return [line for line in self.ran if words in line]


COMPLETE = dev.Computer(
    platform="linux",
    python=PYTHON,
    is_root=True,
    has_apt=True,
    has_screen=True,
    has_ensurepip=True,
    has_python_header=True,
    has_fonts=True,
    python_is_from_apt=True,
    compiler="gcc",
    has_program=lambda name: True,
    has_library=lambda soname: True,
)
BARE = replace(
    COMPLETE,
    has_screen=False,
    has_ensurepip=False,
    has_python_header=False,
    has_fonts=False,
    has_program=lambda name: False,
    has_library=lambda soname: False,
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    source = tmp_path / "cython_kernels" / "src"
    source.mkdir(parents=True)
    (source / "forward.c").write_text("int one;\n")
    (source / "kernels.h").write_text("\n")
    (source.parent / "transformer.pyx").write_text("x = 1\n")
    return tmp_path


@pytest.fixture
def environment(clone: Path):
    return dev.Environment(clone, PYTHON)


def _prepare(environment, shell: FakeShell, *extras: str, computer=COMPLETE, window=()) -> None:
    dev.prepare(environment, computer, shell, extras, window)


def test_old_pythons_can_read_the_script() -> None:
    ast.parse((ROOT / "packaging" / "dev.py").read_text(encoding="utf-8"), feature_version=(3, 8))


def test_first_set_up_makes_and_installs(environment) -> None:
    shell = FakeShell(environment.root)
    _prepare(environment, shell)
    assert len(shell.commands_with("-m venv")) == 1
    assert len(shell.commands_with("-e .")) == 1
    assert environment.is_ready(())


def test_nothing_is_done_twice(environment) -> None:
    _prepare(environment, FakeShell(environment.root), "test")
    shell = FakeShell(environment.root)
    _prepare(environment, shell, "test")
    _prepare(environment, shell)  # fewer extras than installed
    assert shell.ran == []


def test_more_extras_keep_the_environment_and_the_earlier_extras(environment) -> None:
    _prepare(environment, FakeShell(environment.root), "dev")
    shell = FakeShell(environment.root)
    _prepare(environment, shell, "test")
    assert shell.commands_with("-m venv") == []
    assert shell.commands_with("-e .[dev,test]")


@pytest.mark.parametrize("changed", ["pyproject.toml", "cython_kernels/src/forward.c", "cython_kernels/src/kernels.h"])
def test_a_changed_source_is_built_again(environment, changed: str) -> None:
    _prepare(environment, FakeShell(environment.root))
    (environment.root / changed).write_text("changed\n")
    shell = FakeShell(environment.root)
    _prepare(environment, shell)
    assert shell.commands_with("-m venv") == []
    assert len(shell.commands_with("-e .")) == 1


def test_a_rebuild_never_reuses_old_output(environment) -> None:
    _prepare(environment, FakeShell(environment.root))
    generated = environment.root / "cython_kernels" / "transformer.c"
    generated.touch()
    environment.forget_built_extension()
    assert not generated.exists()
    assert not environment.is_ready(())


def test_generated_c_does_not_change_the_key(environment) -> None:
    before = environment.key()
    (environment.root / "cython_kernels" / "transformer.c").write_text("generated\n")
    assert environment.key() == before


def test_a_half_made_environment_is_remade(environment) -> None:
    with pytest.raises(KeyboardInterrupt):
        _prepare(environment, FakeShell(environment.root, breaks="-m venv"))
    leftover = environment.directory / "lib" / "half"
    leftover.mkdir(parents=True)
    _prepare(environment, FakeShell(environment.root))
    assert not leftover.exists()
    assert environment.is_ready(())


def test_an_interrupted_installation_is_remade(environment) -> None:
    with pytest.raises(KeyboardInterrupt):
        _prepare(environment, FakeShell(environment.root, "uv", breaks="-m pip"))
    assert environment.load() is None
    shell = FakeShell(environment.root)
    _prepare(environment, shell)
    assert len(shell.commands_with("-m venv")) == 1


def test_a_failed_installation_is_tried_again_in_the_same_environment(environment) -> None:
    with pytest.raises(dev.SetupError):
        _prepare(environment, FakeShell(environment.root, "-e ."))
    shell = FakeShell(environment.root)
    _prepare(environment, shell)
    assert shell.commands_with("-m venv") == []
    assert environment.is_ready(())


def test_a_moved_clone_gets_a_new_environment(environment, tmp_path_factory: pytest.TempPathFactory) -> None:
    _prepare(environment, FakeShell(environment.root))
    moved = environment.root.rename(tmp_path_factory.mktemp("elsewhere") / "tern")
    assert dev.Environment(moved, PYTHON).load() is None


def test_another_python_gets_a_new_environment(environment) -> None:
    _prepare(environment, FakeShell(environment.root))
    assert dev.Environment(environment.root, (3, 99)).load() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"root": 1}'])
def test_a_damaged_state_counts_as_none(environment, content: str) -> None:
    _prepare(environment, FakeShell(environment.root))
    (environment.directory / "setup.json").write_text(content)
    assert environment.load() is None


def test_uv_is_used_where_it_works(environment) -> None:
    shell = FakeShell(environment.root)
    _prepare(environment, shell)
    assert shell.commands_with("uv pip install")
    assert shell.commands_with("-m pip") == []


@pytest.mark.parametrize("broken", ["uv --version", "uv pip install"])
def test_pip_takes_over_from_uv(environment, broken: str) -> None:
    shell = FakeShell(environment.root, broken)
    _prepare(environment, shell)
    assert shell.commands_with("-m pip install")
    assert environment.is_ready(())


def test_a_bare_debian_gets_all_packages_in_one_go(environment) -> None:
    shell = FakeShell(environment.root)
    window = dev.missing_to_show(BARE, with_virtual_screen=True)
    _prepare(environment, shell, computer=BARE, window=window)
    assert shell.ran[0] == "apt-get update"
    (line,) = shell.commands_with("apt-get install")
    version = "python{}.{}".format(*PYTHON)
    wanted = {"gcc", "libc6-dev", version + "-dev", version + "-venv", "xvfb", "fonts-dejavu-core", "libegl1"}
    assert wanted <= set(line.split())


def test_a_complete_system_runs_no_apt(environment) -> None:
    shell = FakeShell(environment.root)
    _prepare(environment, shell, window=dev.missing_to_show(COMPLETE, with_virtual_screen=True))
    assert shell.commands_with("apt-get") == []


def test_without_root_one_line_says_what_to_run(environment) -> None:
    shell = FakeShell(environment.root)
    with pytest.raises(dev.SetupError) as caught:
        _prepare(environment, shell, computer=replace(BARE, is_root=False))
    assert shell.ran == []
    (line,) = [line for line in str(caught.value).splitlines() if line.startswith("sudo ")]
    assert "gcc" in line.split()


def test_a_failed_apt_stops_with_a_sentence(environment) -> None:
    with pytest.raises(dev.SetupError, match="apt-get"):
        _prepare(environment, FakeShell(environment.root, "apt-get install"), computer=BARE)


def test_elsewhere_a_missing_compiler_stops_and_a_missing_library_does_not(environment) -> None:
    fedora = replace(COMPLETE, has_apt=False, has_library=lambda soname: soname != "libxcb-cursor.so.0")
    _prepare(environment, FakeShell(environment.root), window=dev.missing_to_show(fedora, with_virtual_screen=False))
    (environment.directory / "setup.json").unlink()
    with pytest.raises(dev.SetupError, match="compiler"):
        _prepare(environment, FakeShell(environment.root), computer=replace(fedora, has_program=lambda name: False))


def test_apt_is_not_asked_for_headers_of_a_foreign_python(environment) -> None:
    foreign = replace(COMPLETE, python_is_from_apt=False, has_python_header=False)
    with pytest.raises(dev.SetupError, match=r"Python\.h"):
        _prepare(environment, FakeShell(environment.root), computer=foreign)


def test_macos_names_its_own_compiler_command(environment) -> None:
    mac = replace(COMPLETE, platform="darwin", has_apt=False, has_program=lambda name: False)
    with pytest.raises(dev.SetupError, match="xcode-select"):
        _prepare(environment, FakeShell(environment.root), computer=mac)


def test_windows_has_its_own_places(clone: Path) -> None:
    assert dev.Environment(clone, PYTHON, "win32").program("tern") == clone / ".venv" / "Scripts" / "tern.exe"
    assert dev.Environment(clone, PYTHON, "darwin").program("tern") == clone / ".venv" / "bin" / "tern"


def test_a_terminal_command_needs_no_window_libraries() -> None:
    assert dev.opens_window([], COMPLETE)
    assert not dev.opens_window(["chat"], COMPLETE)
    assert not dev.opens_window([], BARE)


def test_test_runs_every_check_and_fails_when_one_does(environment) -> None:
    shell = FakeShell(environment.root, "mypy")
    assert dev.test(environment, COMPLETE, shell, []) == 1
    for words in ("ruff check", "ruff format", "mypy", "lint-imports"):
        assert shell.commands_with(words)
    assert "pytest" in shell.ran[-1]


def test_test_with_arguments_runs_pytest_alone(environment) -> None:
    shell = FakeShell(environment.root, "mypy")
    assert dev.test(environment, COMPLETE, shell, ["-k", "sampling"]) == 0
    assert shell.ran[-1].endswith("-m pytest -k sampling")


@pytest.mark.parametrize("arguments", [["brew"], ["lint", "now"]])
def test_an_unknown_command_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(arguments) == 2
    assert "--help" in capsys.readouterr().err


def test_help_names_both_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "run [ARGUMENTS]" in shown
    assert "test [ARGUMENTS]" in shown


def test_a_failing_program_is_false_and_logged(tmp_path: Path) -> None:
    shell = dev.Shell(tmp_path, tmp_path / ".venv" / "setup.log")
    assert not shell.quiet(["tern-no-such-program"])
    assert not shell.quiet([sys.executable, "-c", "print('the reason'); raise SystemExit(3)"])
    assert "the reason" in (tmp_path / ".venv" / "setup.log").read_text()
