#!/usr/bin/env python3
"""Prove on Linux what can be proven of other systems.

usage: python3 packaging/cross_checks.py [neon] [windows] [macos]

  neon     the C kernels for 64-bit ARM, compiled by a cross compiler and run under qemu, bit for bit against scalar
  windows  the C kernels for 64-bit Windows, run under wine, bit for bit against scalar
  macos    the C kernels and the Cython extension for Apple silicon, compiled and linked into a Mach-O arm64 library

Without a name all three. What a proof needs and the system lacks is installed where that is allowed (root on Debian and
Ubuntu) or named; ziglang, the compiler for the other systems, goes into an environment of its own in build/.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dev

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "cython_kernels"
HARNESS = ROOT / "tests" / "kernels" / "compare_sets.c"
MADE = ROOT / "build" / ".work" / "cross"  # with a dot: see build.py
# As in pyproject.toml: equal bits need equal rules.
FLAGS = ("-std=gnu11", "-ffp-contract=off", "-fno-math-errno", f"-I{KERNELS / 'src'}")
MACH_O_64, CPU_ARM64, DYLIB = 0xFEEDFACF, 0x0100000C, {6, 8}  # mach-o/loader.h: MH_DYLIB, MH_BUNDLE
PE_X86_64 = 0x8664  # IMAGE_FILE_MACHINE_AMD64
LIMIT_S = 600


class CheckError(Exception):
    """A proof failed; the message says which step and what it said."""


def sources() -> list[str]:
    """Return the C sources of the kernels."""
    return [str(path) for path in sorted((KERNELS / "src").glob("*.c"))]


def run(command: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
    """Run one step and return what it printed.

    Raises:
        CheckError: it failed.
    """
    env = {**os.environ, **(environ or {})}
    done = subprocess.run(list(command), env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode:
        raise CheckError(f"{' '.join(command[:4])} … failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def provide(programs: Mapping[str, str], shell: dev.Shell) -> None:
    """Install the packages whose programs are missing. Keys: programs or paths; values: Debian packages.

    Raises:
        dev.SetupError: a person has to.
    """
    missing = [
        dev.Missing(Path(program).name, package, is_vital=True)
        for program, package in programs.items()
        if not (shutil.which(program) or Path(program).exists())
    ]
    dev.provide(missing, dev.look_around(), shell)


def zig(shell: dev.Shell) -> list[str]:
    """Return the command of the compiler that makes programs for the other systems.

    Raises:
        dev.SetupError: it could not be installed.
    """
    directory = MADE.parent / "zig"
    python = directory / "bin" / "python"
    if not (directory / "ready").exists():
        dev.say("Installing ziglang")
        wanted = ["ziglang>=0.15,<1", "cython>=3.1,<4"]
        install = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *wanted]
        if not shell.quiet([sys.executable, "-m", "venv", str(directory)]) or not shell.quiet(install):
            raise dev.SetupError("ziglang could not be installed; the lines above say why.")
        (directory / "ready").touch()
    return [str(python), "-m", "ziglang"]


def check_neon(shell: dev.Shell) -> str:
    """The NEON kernels, with and without the instructions for dot products, against scalar under qemu."""
    provide({"aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu", "qemu-aarch64": "qemu-user"}, shell)
    provide({"/usr/aarch64-linux-gnu/include/stdio.h": "libc6-dev-arm64-cross"}, shell)
    program = str(MADE / "compare_sets.arm64")
    compile_ = ["aarch64-linux-gnu-gcc", "-O2", "-static", *FLAGS]
    run([*compile_, str(HARNESS), *sources(), "-lm", "-lpthread", "-o", program])
    said = run(["qemu-aarch64", "-cpu", "max", program])
    if "neon scalar: equal bits" not in said:
        raise CheckError(f"the NEON kernels were not compared:\n{said}")
    without = run(["qemu-aarch64", "-cpu", "cortex-a72", program])  # has no dot products: must fall back, not crash
    if "scalar: equal bits" not in without:
        raise CheckError(f"on a processor without dot products:\n{without}")
    return "; ".join(line for line in said.splitlines() if "equal bits" in line)


def check_windows(shell: dev.Shell) -> str:
    """The kernels as a Windows program, compiled by zig (clang), run by wine."""
    provide({"/usr/lib/wine/wine64": "wine64"}, shell)
    compiler = zig(shell)
    program = MADE / "compare_sets.exe"
    run([*compiler, "cc", "-target", "x86_64-windows-gnu", "-O2", *FLAGS, str(HARNESS), *sources(), "-o", str(program)])
    _expect_pe(program)
    # Elsewhere than in the clone: in it lies a link to the root of this computer, which tools would follow.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as prefix:
        environ = {"WINEPREFIX": prefix, "WINEDEBUG": "-all", "DISPLAY": ""}
        said = run(["/usr/lib/wine/wine64", str(program)], environ)
    if "scalar: equal bits" not in said:
        raise CheckError(f"the kernels were not compared under wine:\n{said}")
    return "; ".join(line.strip() for line in said.splitlines() if "equal bits" in line)


def check_macos(shell: dev.Shell) -> str:
    """The kernels as a program and the extension as a library for Apple silicon; they cannot run here."""
    compiler = zig(shell)
    target = [*compiler, "cc", "-target", "aarch64-macos.13.0", "-O3", *FLAGS]
    run([*target, str(HARNESS), *sources(), "-o", str(MADE / "compare_sets.macos")])
    generated = MADE / "transformer.c"
    cython = [compiler[0], "-m", "cython", "-3", str(KERNELS / "transformer.pyx"), "-o", str(generated)]
    run(cython)
    headers = [f"-I{sysconfig.get_paths()['include']}"]
    library = MADE / "transformer.cpython-312-darwin.so"
    # The names of Python are found when Python loads the library, as the linker of macOS is told for every extension.
    link = ["-shared", "-fPIC", "-Wl,-undefined,dynamic_lookup", "-Wno-unused"]
    run([*target, *link, *headers, str(generated), *sources(), "-o", str(library)])
    header = struct.unpack_from("<IIII", library.read_bytes())
    if header[0] != MACH_O_64 or header[1] != CPU_ARM64 or header[3] not in DYLIB:
        raise CheckError(f"not a Mach-O arm64 library: {[hex(number) for number in header]}")
    if b"_PyInit_transformer" not in library.read_bytes():
        raise CheckError("the library has no PyInit_transformer")
    return f"{library.name} is a Mach-O arm64 library of {library.stat().st_size / 1e3:.0f} kB with PyInit_transformer"


def _expect_pe(program: Path) -> None:
    data = program.read_bytes()
    at = struct.unpack_from("<I", data, 0x3C)[0]
    if data[at : at + 4] != b"PE\0\0" or struct.unpack_from("<H", data, at + 4)[0] != PE_X86_64:
        raise CheckError("not a program for 64-bit Windows")


CHECKS: dict[str, Callable[[dev.Shell], str]] = {
    "neon": check_neon,
    "windows": check_windows,
    "macos": check_macos,
}


def main(arguments: Sequence[str]) -> int:
    """Run the proofs that are asked for and return the exit code."""
    unknown = [name for name in arguments if name not in CHECKS]
    if unknown or not sys.platform.startswith("linux"):
        dev.say(str(__doc__).strip())
        return 2
    MADE.mkdir(parents=True, exist_ok=True)
    shell = dev.Shell(ROOT, MADE / "setup.log")
    failed = []
    for name in arguments or CHECKS:
        try:
            print(f"ok     {name:<8} {CHECKS[name](shell)}", flush=True)
        except (CheckError, dev.SetupError, subprocess.TimeoutExpired) as exc:
            print(f"FAILED {name:<8} {exc}", flush=True)
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
