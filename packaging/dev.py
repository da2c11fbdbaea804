#!/usr/bin/env python3
"""Set Tern up in a clone and start it, its tests or its checks.

usage: python3 packaging/dev.py COMMAND [ARGUMENTS]

  run [ARGUMENTS]   start Tern; ARGUMENTS go to `tern` as they are (try: run --help)
  test [ARGUMENTS]  lint, types, import contracts and all tests; with ARGUMENTS pytest alone, with them
  lint              ruff, formatting, types and import contracts

Each command first does the set-up that is missing: .venv, Python packages, the compiled extension and, on Debian and
Ubuntu, system packages (as root; else it prints the one line to run). What is done is not done again.
"""

# Knows virtual environments, installers and system packages; must not know the program itself. The standard library
# alone, and syntax that Python 3.8 can read, so that an old Python says what is wrong instead of a SyntaxError.

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MINIMUM_PYTHON = (3, 11)
LOG_TAIL_LINES = 40
TERMINAL_COMMANDS = frozenset({"ask", "chat", "score", "inspect", "bench"})

# Found with ldd on the offscreen and xcb plugins of PySide6-Essentials, plus what Qt opens by name. soname -> package
WINDOW_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


class SetupError(Exception):
    """The set-up cannot go on; the message is a sentence for the person at the terminal."""


@dataclass(frozen=True)
class Computer:
    """What this computer offers, as far as the set-up asks."""

    platform: str
    python: tuple[int, int]
    is_root: bool
    has_apt: bool
    has_screen: bool
    has_ensurepip: bool
    has_python_header: bool
    has_fonts: bool
    python_is_from_apt: bool
    compiler: str
    has_program: Callable[[str], bool]
    has_library: Callable[[str], bool]


@dataclass(frozen=True)
class Missing:
    """Something that the system lacks; `package` is None where no Debian package brings it."""

    what: str
    package: str | None
    is_vital: bool


@dataclass(frozen=True)
class State:
    """What `.venv/setup.json` remembers; `key` is empty until an installation has succeeded."""

    root: str
    python: str
    key: str = ""
    extras: tuple[str, ...] = ()
    is_installing: bool = False


class Shell:
    """Runs other programs, quietly into the log or for everybody to see."""

    def __init__(self, root: Path, log: Path) -> None:
        self._root = root
        self._log = log

    def quiet(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> bool:
        """Run `command` in the clone with its output in the log; False when it fails or does not exist."""
        self._log.parent.mkdir(exist_ok=True)
        with self._log.open("a", encoding="utf-8") as log:
            log.write("\n$ " + " ".join(command) + "\n")
            log.flush()
            try:
                done = subprocess.run(
                    list(command),
                    cwd=str(self._root),
                    env={**os.environ, **(environ or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
            except OSError as exc:
                log.write(str(exc) + "\n")
                return False
        return done.returncode == 0

    def shown(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
        """Run `command` in the clone on this terminal and return its exit code."""
        env = {**os.environ, **(environ or {})}
        return subprocess.run(list(command), cwd=str(self._root), env=env, check=False).returncode


class Environment:
    """The clone's `.venv` and what is known of it."""

    def __init__(self, root: Path, python: tuple[int, int], platform: str = sys.platform) -> None:
        self.root = root
        self.directory = root / ".venv"
        self.log = self.directory / "setup.log"
        self._state_file = self.directory / "setup.json"
        self._python = "{}.{}".format(*python)
        self._is_windows = platform == "win32"

    def program(self, name: str) -> Path:
        """Return where a program of the environment is."""
        return self.directory / ("Scripts/" + name + ".exe" if self._is_windows else "bin/" + name)

    def load(self) -> State | None:
        """Return the state, or None where `.venv` is absent, half made, moved here or of another Python."""
        try:
            fields = json.loads(self._state_file.read_text(encoding="utf-8"))
            fields["extras"] = tuple(fields["extras"])
            state = State(**fields)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        is_ours = state.root == str(self.root) and state.python == self._python and not state.is_installing
        return state if is_ours and self.program("python").exists() else None

    def save(self, *, key: str = "", extras: Sequence[str] = (), is_installing: bool = False) -> None:
        """Write the state so that a crash leaves the old one or the new one."""
        state = State(str(self.root), self._python, key, tuple(extras), is_installing)
        fresh = self._state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state.__dict__), encoding="utf-8")
        fresh.replace(self._state_file)

    def clear(self) -> None:
        """Remove all of `.venv` but the log that is being written."""
        for entry in self.directory.iterdir() if self.directory.exists() else ():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(str(entry))
            elif entry != self.log:
                entry.unlink()

    def key(self) -> str:
        """Return a digest of all that decides whether the installed packages and the extension are up to date."""
        digest = hashlib.sha256(self._python.encode())
        for path in [self.root / "pyproject.toml", *self._extension_sources()]:
            digest.update(str(path.relative_to(self.root)).encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()

    def is_ready(self, extras: Sequence[str]) -> bool:
        """Tell whether nothing is left to do for a command that needs `extras`."""
        state = self.load()
        if state is None or state.key != self.key() or not set(extras) <= set(state.extras):
            return False
        return all(path.exists() for path in self._built_extensions())

    def forget_built_extension(self) -> None:
        """Remove what was compiled: setuptools sees newer sources, but neither new flags nor a new Cython."""
        for built in self._built_extensions():
            built.unlink(missing_ok=True)
        for source in (self.root / "cython_kernels").glob("*.pyx"):
            source.with_suffix(".c").unlink(missing_ok=True)

    def _extension_sources(self) -> list[Path]:
        kernels = self.root / "cython_kernels"
        patterns = ("*.pyx", "*.pxd", "src/*.c", "src/*.h")
        return sorted(path for pattern in patterns for path in kernels.glob(pattern))

    def _built_extensions(self) -> list[Path]:
        suffix = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
        return [source.with_suffix(suffix) for source in sorted((self.root / "cython_kernels").glob("*.pyx"))]


def say(line: str) -> None:
    """Tell the person; on stderr, so that the output of `tern` alone can be piped."""
    print(line, file=sys.stderr, flush=True)


def has_library(soname: str) -> bool:
    """Tell whether the dynamic linker finds a library."""
    try:
        import ctypes

        ctypes.CDLL(soname)
    except ImportError:
        return True  # a Python built without libffi cannot look; Qt itself will say what it lacks
    except OSError:
        return False
    return True


def has_fonts() -> bool:
    """Tell whether there is any font at all; without one Qt draws boxes."""
    places = ("/usr/share/fonts", "/usr/local/share/fonts")
    files = (name for place in places for _, _, names in os.walk(place) for name in names)
    return any(name.endswith((".ttf", ".otf", ".ttc")) for name in files)


def look_around(environ: Mapping[str, str] = os.environ) -> Computer:
    """Describe the computer that this runs on."""
    is_linux = sys.platform.startswith("linux")
    configured = environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    return Computer(
        platform=sys.platform,
        python=sys.version_info[:2],
        is_root=hasattr(os, "geteuid") and os.geteuid() == 0,
        has_apt=is_linux and shutil.which("apt-get") is not None,
        has_screen=not is_linux or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")),
        has_ensurepip=importlib.util.find_spec("ensurepip") is not None,
        has_python_header=(Path(sysconfig.get_paths()["include"]) / "Python.h").exists(),
        has_fonts=has_fonts(),
        python_is_from_apt=is_linux and sys.base_prefix == "/usr",
        compiler=configured.split()[0],
        has_program=lambda name: shutil.which(name) is not None,
        has_library=has_library,
    )


def missing_to_build(computer: Computer) -> list[Missing]:
    """Return what the virtual environment and the compiled extension still need from the system."""
    missing = []
    python = "python{}.{}".format(*computer.python)
    if not computer.has_ensurepip:
        package = python + "-venv" if computer.python_is_from_apt else None
        missing.append(Missing("Python's ensurepip module", package, is_vital=True))
    if computer.platform == "win32":
        return missing  # setuptools finds Visual C++ by itself and says so where there is none
    if not computer.has_program(computer.compiler):
        name = "clang" if "clang" in computer.compiler else "gcc"
        missing.append(Missing("a C compiler (" + computer.compiler + ")", name, is_vital=True))
        missing.append(Missing("the C library's headers", "libc6-dev", is_vital=True))
    if not computer.has_python_header:
        package = python + "-dev" if computer.python_is_from_apt else None
        missing.append(Missing("Python's headers (Python.h)", package, is_vital=True))
    return missing


def missing_to_show(computer: Computer, *, with_virtual_screen: bool) -> list[Missing]:
    """Return what a window, or a test of one, still needs from a Linux system."""
    if not computer.platform.startswith("linux"):
        return []
    missing = [
        Missing(soname, package, is_vital=False)
        for soname, package in WINDOW_LIBRARIES.items()
        if not computer.has_library(soname)
    ]
    if not computer.has_fonts:
        missing.append(Missing("a font", "fonts-dejavu-core", is_vital=False))
    if with_virtual_screen and not computer.has_program("Xvfb"):
        missing.append(Missing("Xvfb", "xvfb", is_vital=False))
    return missing


def provide(missing: Sequence[Missing], computer: Computer, shell: Shell) -> None:
    """Install what the system lacks where that is allowed.

    Raises:
        SetupError: Something is missing that only the person can bring.
    """
    if not missing:
        return
    if not computer.has_apt:
        _ask_for(missing, computer)
        return
    hopeless = [item.what for item in missing if item.package is None]
    if hopeless:
        raise SetupError(f"This Python ({sys.executable}) lacks {', '.join(hopeless)}; use a complete Python 3.11+.")
    packages = [item.package for item in missing if item.package is not None]
    if not computer.is_root:
        line = "sudo apt-get update && sudo apt-get install -y --no-install-recommends " + " ".join(packages)
        raise SetupError("System packages are missing. Run this line once, then the same command again:\n" + line)
    say("Installing system packages: " + " ".join(packages))
    environ = {"DEBIAN_FRONTEND": "noninteractive"}
    shell.quiet(["apt-get", "update"], environ)  # where it fails, the lists on disk may still do
    install = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *packages]
    if not shell.quiet(install, environ):
        raise SetupError("apt-get could not install the system packages; the lines above say why.")


def _ask_for(missing: Sequence[Missing], computer: Computer) -> None:
    names = ", ".join(item.what for item in missing)
    if not any(item.is_vital for item in missing):
        say("Not found, so a window may not open: " + names)
        return
    hint = "run: xcode-select --install" if computer.platform == "darwin" else "install it with your package manager"
    raise SetupError("Not found: " + names + "; " + hint + ", then run the same command again.")


def make_environment(environment: Environment, shell: Shell) -> State:
    """Return the state of a usable `.venv`, remade unless one is there.

    Raises:
        SetupError: Python could not make one.
    """
    state = environment.load()
    if state is not None:
        return state
    is_remade = environment.program("python").exists()
    say("Making .venv anew" if is_remade else "Making .venv")
    environment.clear()
    # the Python below a virtual environment: its own copy may be the one that was just removed
    python = getattr(sys, "_base_executable", None) or sys.executable
    if not shell.quiet([python, "-m", "venv", str(environment.directory)]):
        raise SetupError("Python could not make .venv; the lines above say why.")
    environment.save()
    return State(str(environment.root), "")


def install(environment: Environment, state: State, extras: Sequence[str], shell: Shell) -> None:
    """Install Tern editable with `extras`, with uv where it works, else with pip.

    Raises:
        SetupError: Neither could; the environment stays usable.
    """
    wanted = sorted(set(state.extras) | set(extras))
    target = ".[" + ",".join(wanted) + "]" if wanted else "."
    key = environment.key()
    is_first = not environment.program("tern").exists()
    say("Installing Tern and its packages" + (" (a minute or so the first time)" if is_first else ""))
    environment.forget_built_extension()
    environment.save(extras=wanted, is_installing=True)
    python = str(environment.program("python"))
    # PIP_USER in a person's settings would refuse every virtual environment
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-e", target]
    uv = ["uv", "pip", "install", "--python", python, "-e", target]
    is_done = shell.quiet(["uv", "--version"]) and shell.quiet(uv)
    if not is_done and not shell.quiet(pip, {"PIP_USER": "0"}):
        environment.save(extras=state.extras)
        raise SetupError("Tern's packages could not be installed; the lines above say why. Is the network there?")
    environment.save(key=key, extras=wanted)


@contextmanager
def one_at_a_time(log: Path) -> Iterator[None]:
    """Empty the log and hold a lock on it, so that two set-ups at once in one clone follow each other."""
    with log.open("a", encoding="utf-8") as held:
        try:
            import fcntl
        except ImportError:
            yield  # Windows: files in use are locked there anyway, and the second set-up fails with a sentence
            return
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Waiting for another set-up in this clone")
            fcntl.flock(held, fcntl.LOCK_EX)
        held.truncate(0)
        yield


def prepare(
    environment: Environment, computer: Computer, shell: Shell, extras: Sequence[str], window: Sequence[Missing]
) -> None:
    """Do all the set-up that a command needs and that is not done yet; `window` is what its window lacks.

    Raises:
        SetupError: A person has to do something first.
    """
    if environment.is_ready(extras) and not window:
        return
    started = time.monotonic()
    environment.directory.mkdir(exist_ok=True)
    with one_at_a_time(environment.log):
        is_ready = environment.is_ready(extras)  # again: whoever held the lock may have done it
        provide([*([] if is_ready else missing_to_build(computer)), *window], computer, shell)
        if not is_ready:
            install(environment, make_environment(environment, shell), extras, shell)
    say(f"Ready after {time.monotonic() - started:.0f} s")


def opens_window(arguments: Sequence[str], computer: Computer) -> bool:
    """Tell whether `tern` with these arguments will want a window."""
    return computer.has_screen and not TERMINAL_COMMANDS & set(arguments)


def run(environment: Environment, computer: Computer, shell: Shell, arguments: Sequence[str]) -> int:
    """Start Tern in the person's own directory, so that paths among `arguments` mean what they say."""
    needs_window = opens_window(arguments, computer)
    window = missing_to_show(computer, with_virtual_screen=False) if needs_window else []
    prepare(environment, computer, shell, (), window)
    command = [str(environment.program("tern")), *arguments]
    if computer.platform != "win32":
        os.execv(command[0], command)  # signals and the exit code are then the program's own
    return subprocess.run(command, check=False).returncode


def test(environment: Environment, computer: Computer, shell: Shell, arguments: Sequence[str]) -> int:
    """Run all checks and tests, or pytest alone with `arguments`."""
    prepare(environment, computer, shell, ("test",), missing_to_show(computer, with_virtual_screen=True))
    checks = [] if arguments else _lint_commands(environment)
    tests = ("tests", [str(environment.program("python")), "-m", "pytest", *arguments])
    return _run_all([*checks, tests], shell)


def lint(environment: Environment, computer: Computer, shell: Shell) -> int:
    """Run the checks that start no test."""
    prepare(environment, computer, shell, ("test",), [])
    return _run_all(_lint_commands(environment), shell)


def _lint_commands(environment: Environment) -> list[tuple[str, list[str]]]:
    python = str(environment.program("python"))
    return [
        ("lint", [python, "-m", "ruff", "check", "."]),
        ("formatting", [python, "-m", "ruff", "format", "--check", "."]),
        ("types", [python, "-m", "mypy"]),
        ("import contracts", [str(environment.program("lint-imports")), "--no-logo"]),
    ]


def _run_all(commands: Sequence[tuple[str, list[str]]], shell: Shell) -> int:
    """Run every command, also after one failed, and return 0 when all passed."""
    failed = []
    # windows that come and go would disturb whoever works here, and the run is the same with and without a screen
    environ = {"QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
    for name, command in commands:
        say("== " + name)
        if shell.shown(command, environ) != 0:
            failed.append(name)
    if failed:
        say("Failed: " + ", ".join(failed))
    return 1 if failed else 0


def _log_tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:])
    except OSError:
        return ""


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code: 0 ok, 1 failed, 2 bad command, 130 interrupted."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in ("-h", "--help", "help"):
        print(str(__doc__).strip())
        return 0
    if command not in ("run", "test", "lint") or (command == "lint" and rest):
        say("Unknown command: " + " ".join(arguments) + " (try: python3 packaging/dev.py --help)")
        return 2
    root = Path(__file__).resolve().parent.parent
    environment = Environment(root, sys.version_info[:2])
    shell = Shell(root, environment.log)
    try:
        computer = look_around()
        if command == "lint":
            return lint(environment, computer, shell)
        return (run if command == "run" else test)(environment, computer, shell, rest)
    except SetupError as exc:
        tail = _log_tail(environment.log)
        say((tail + "\n\n" if tail else "") + str(exc))
    except OSError as exc:
        say(f"The set-up could not go on: {exc}")
    except KeyboardInterrupt:
        say("Interrupted; the same command goes on from here.")
        return 130
    return 1


if __name__ == "__main__":
    if sys.version_info < MINIMUM_PYTHON:
        sys.exit("Tern needs Python {}.{} or newer; this is {}.{}.".format(*MINIMUM_PYTHON, *sys.version_info[:2]))
    sys.exit(main(sys.argv[1:]))
