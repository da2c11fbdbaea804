#!/usr/bin/env python3
"""Build the program that people install, on the system that this runs on: macOS arm64, Windows x64 or Linux.

usage: python3 packaging/build.py [--bundle-only] [--any-python] [--output DIRECTORY]

  --bundle-only  the folder (on macOS the application) alone, without archives and installers
  --any-python   where there is no Python 3.12 or newer, use this one
  --output       where the results go (default: dist)

Set-up, freezing, notices, packages, checksums and the self-test of the result are all done by this one command; what
it makes on the way is in build/.work. Signing: see packaging/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dev
import linux_packages
import macos_packages
import windows_packages

ROOT = Path(__file__).resolve().parent.parent
# With a dot, as setuptools walks through all other folders of the clone when it looks for packages.
WORK = ROOT / "build" / ".work"
LEAST_PYTHON = (3, 12)
PYINSTALLER = "pyinstaller>=6.22,<7"
EPOCH = "1735689600"  # 2025-01-01; one date for all files, so that equal contents give equal archives


@dataclass(frozen=True)
class Build:
    """Where things are while a bundle is made, and for what."""

    system: str  # sys.platform
    machine: str
    version: str
    made: Path  # icons, version information, what the spec tells about the bundle
    output: Path

    @property
    def name(self) -> str:
        """The stem of all results."""
        system = {"darwin": "macos", "win32": "windows"}.get(self.system, "linux")
        return f"tern-{self.version}-{system}-{self.machine}"

    @property
    def bundle(self) -> Path:
        """The folder or the application."""
        return self.output / ("Tern.app" if self.system == "darwin" else "Tern")

    @property
    def program(self) -> Path:
        """The program that can be started from a terminal."""
        inside = {"darwin": "Contents/MacOS/Tern", "win32": "tern-cli.exe"}
        return self.bundle / inside.get(self.system, "tern")


def version() -> str:
    """Return Tern's version."""
    fields: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return fields


def machine_name(machine: str) -> str:
    """Return one name for what systems call differently."""
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(machine.lower(), machine.lower())


def find_python(*, takes_any: bool) -> str:
    """Return a Python that is new enough: this one, or one on PATH or of pyenv; with `takes_any` at the worst this one.

    Raises:
        dev.SetupError: there is none.
    """
    this = getattr(sys, "_base_executable", None) or sys.executable
    if sys.version_info >= LEAST_PYTHON:
        return this
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [shutil.which(f"python3.{minor}") for minor in (13, 12)]
    candidates += [str(path) for minor in (13, 12) for path in sorted(pyenv.glob(f"3.{minor}.*/bin/python3"))]
    check = f"import sys, venv, ensurepip; sys.exit(sys.version_info < {LEAST_PYTHON!r})"
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-c", check], capture_output=True, check=False).returncode == 0:
            return candidate
    if takes_any:
        return this
    raise dev.SetupError("A bundle is built with Python 3.12 or newer; none was found (--any-python takes this one).")


def prepare_system(shell: dev.Shell) -> None:
    """Bring the libraries that a window needs: a library that is missing here would be missing in the bundle.

    Raises:
        dev.SetupError: a person has to bring something first.
    """
    computer = dev.look_around()
    missing = dev.missing_to_show(computer, with_virtual_screen=False)
    if computer.platform.startswith("linux") and not computer.has_program("objdump"):
        missing.append(dev.Missing("objdump and strip", "binutils", is_vital=True))
    dev.provide(missing, computer, shell)


def make_environment(python: str, directory: Path, shell: dev.Shell) -> Path:
    """Return the Python of a virtual environment with Tern, as pyproject.toml wants it, and PyInstaller.

    Raises:
        dev.SetupError: it could not be made.
    """
    inside = directory / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    constraints = ROOT / "packaging" / "constraints.txt"
    own = dev.Environment(ROOT, sys.version_info[:2]).key()
    key = hashlib.sha256(f"{own} {python} {PYINSTALLER}".encode() + constraints.read_bytes()).hexdigest()
    stamp = directory / "key"
    if stamp.is_file() and stamp.read_text("utf-8") == key and inside.exists():
        return inside
    dev.say("Installing what a bundle is made with (a minute or so)")
    if directory.exists():
        shutil.rmtree(directory)
    if not shell.quiet([python, "-m", "venv", str(directory)]):
        raise dev.SetupError("Python could not make a virtual environment; the lines above say why.")
    command = [str(inside), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    # Built from source on Windows: programs with the ready-made bootloader are taken for viruses by some scanners.
    source = ["--no-binary", "pyinstaller"] if os.environ.get("TERN_OWN_BOOTLOADER") else []
    packages = ["-c", str(constraints), *source, "-e", ".", PYINSTALLER]
    if not shell.quiet([*command, *packages], {"PIP_USER": "0"}):
        raise dev.SetupError("The packages could not be installed; the lines above say why. Is the network there?")
    stamp.write_text(key, "utf-8")
    return inside


def freeze(build: Build, python: Path) -> None:
    """Make the icons, then the bundle.

    Raises:
        dev.SetupError: PyInstaller failed.
    """
    shutil.rmtree(build.made, ignore_errors=True)
    build.made.mkdir(parents=True)
    scripts = ROOT / "packaging"
    environ = {
        **os.environ,
        "TERN_BUILD_DIR": str(build.made),
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": EPOCH,
        "QT_QPA_PLATFORM": "offscreen",
    }
    subprocess.run([str(python), str(scripts / "icons.py"), str(build.made)], env=environ, check=True)
    (build.made / "version_info.txt").write_text(windows_packages.version_information(build.version), "utf-8")
    dev.say("Freezing")
    command = [str(python), "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "WARN"]
    places = ["--distpath", str(build.made / "dist"), "--workpath", str(build.made / "work")]
    log = build.made / "pyinstaller.log"
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [*command, *places, str(scripts / "app.spec")],
            cwd=build.made, env=environ, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if done.returncode:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-25:])
        raise dev.SetupError(f"{tail}\n\nPyInstaller failed.")
    build.output.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(build.bundle, ignore_errors=True)
    shutil.move(str(build.made / "dist" / build.bundle.name), str(build.bundle))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_list(bundle: Path) -> str:
    """Return one line a file or link of the bundle, by name: SHA-256 or the link's target, size, path."""
    lines = []
    for path in sorted(bundle.rglob("*"), key=lambda each: each.relative_to(bundle).as_posix()):
        name = path.relative_to(bundle).as_posix()
        if path.is_symlink():
            lines.append(f"{f'-> {path.readlink()}':<64} {0:>10} {name}")
        elif path.is_file():
            lines.append(f"{digest(path)} {path.stat().st_size:>10} {name}")
    return "\n".join(lines) + "\n"


def self_test(build: Build) -> None:
    """Let the finished program test itself.

    Raises:
        dev.SetupError: it failed.
    """
    if subprocess.run([str(build.program), "--self-test"], check=False).returncode:
        raise dev.SetupError("The finished program failed its own test.")


def packages(build: Build) -> list[Path]:
    """Make the archives and installers of this system and return them."""
    make: dict[str, Callable[[Build], list[Path]]] = {
        "darwin": macos_packages.make_packages,
        "win32": windows_packages.make_packages,
    }
    return make.get(build.system, linux_packages.make_packages)(build)


def write_results(build: Build, results: Sequence[Path]) -> None:
    """Write the list of files and the checksums of all results, and say how large they are."""
    listed = build.output / f"{build.name}.files.txt"
    listed.write_text(file_list(build.bundle), "utf-8")
    shutil.copy2(build.made / "components.json", build.output / f"{build.name}.components.json")
    lines = [f"{digest(path)}  {path.name}" for path in [*results, listed]]
    (build.output / f"{build.name}.sha256").write_text("\n".join(lines) + "\n", "utf-8")
    n_bytes = sum(path.lstat().st_size for path in build.bundle.rglob("*") if path.is_file() and not path.is_symlink())
    dev.say(f"{build.bundle}: {n_bytes / 1e6:.0f} MB")
    for path in results:
        dev.say(f"{path}: {path.stat().st_size / 1e6:.0f} MB")


def main(arguments: Sequence[str]) -> int:
    """Build and return the exit code."""
    parser = argparse.ArgumentParser(description="Build the program that people install.")
    parser.add_argument("--bundle-only", action="store_true", help="no archives and installers")
    parser.add_argument("--any-python", action="store_true", help="where there is no Python 3.12, use this one")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where the results go (default: dist)")
    asked = parser.parse_args(arguments)
    made = WORK / "made"
    build = Build(sys.platform, machine_name(platform.machine()), version(), made, asked.output.resolve())
    made.parent.mkdir(parents=True, exist_ok=True)
    log = made.parent / "setup.log"
    log.write_text("", "utf-8")
    shell = dev.Shell(ROOT, log)
    try:
        prepare_system(shell)
        python = make_environment(find_python(takes_any=asked.any_python), made.parent / "frozen", shell)
        freeze(build, python)
        self_test(build)
        write_results(build, [] if asked.bundle_only else packages(build))
    except dev.SetupError as exc:
        dev.say(f"{dev._log_tail(log)}\n\n{exc}".strip())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
