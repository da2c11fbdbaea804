"""The installer and the archive for Windows, the version resource, and signing where a command for it is given.

Knows Inno Setup's compiler and the layout of VERSIONINFO; must not know how the bundle is made. packaging/README.md
says which variables turn signing on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from build import Build

FILES = Path(__file__).resolve().parent / "windows"
SIGN_VARIABLE = "TERN_SIGN_COMMAND"  # a program that gets the file as its last argument
COMPILER_VARIABLE = "TERN_ISCC"
_ZIP_DATE = (2025, 1, 1, 0, 0, 0)
Run = Callable[[Sequence[str]], None]


def run(command: Sequence[str]) -> None:
    """Run one step; its failure ends the build."""
    subprocess.run(list(command), check=True)


def make_packages(build: Build, run: Run = run, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Sign the programs and return the archive, and the installer where Inno Setup is installed."""
    for name in ("Tern.exe", "tern-cli.exe"):
        sign(build.bundle / name, run, environ)
    results = [zip_archive(build)]
    compiler = find_compiler(environ)
    if compiler is None:
        print("Inno Setup was not found: no installer was made")
        return results
    installer = build.output / f"{build.name}-setup.exe"
    defines = [f"/DVersion={build.version}", f"/DBundle={build.bundle}", f"/DIcon={build.made / 'tern.ico'}"]
    defines += [f"/DLicence={FILES.parent.parent / 'LICENSE'}"]
    run([compiler, "/Q", *defines, f"/O{build.output}", f"/F{installer.stem}", str(FILES / "tern.iss")])
    sign(installer, run, environ)
    return [*results, installer]


def sign(path: Path, run: Run, environ: Mapping[str, str]) -> None:
    """Sign a program (Authenticode) where a command is given; else do nothing."""
    command = environ.get(SIGN_VARIABLE)
    if command:
        run([command, str(path)])


def find_compiler(environ: Mapping[str, str]) -> str | None:
    """Return Inno Setup's command line compiler, or None where there is none."""
    named = environ.get(COMPILER_VARIABLE) or shutil.which("ISCC")
    if named:
        return named
    for root in (environ.get("ProgramFiles(x86)"), environ.get("ProgramFiles")):
        if root and (Path(root) / "Inno Setup 6/ISCC.exe").is_file():
            return str(Path(root) / "Inno Setup 6/ISCC.exe")
    return None


def zip_archive(build: Build) -> Path:
    """Return the bundle as an archive that runs from any folder; equal contents give equal bytes."""
    path = build.output / f"{build.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(build.bundle.rglob("*"), key=lambda each: each.relative_to(build.bundle).as_posix()):
            if file.is_file():
                entry = zipfile.ZipInfo(f"{build.name}/{file.relative_to(build.bundle).as_posix()}", _ZIP_DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, file.read_bytes(), compresslevel=9)
    return path


def version_information(version: str) -> str:
    """Return the VERSIONINFO resource as PyInstaller reads it.

    https://learn.microsoft.com/windows/win32/menurc/versioninfo-resource; 0409 04B0 is American English in Unicode.
    """
    numbers = (*(int(part) for part in version.split(".")[:3]), 0)
    strings = {
        "CompanyName": "Tern",
        "FileDescription": "Tern",
        "FileVersion": version,
        "InternalName": "Tern",
        "LegalCopyright": "MIT licence",
        "OriginalFilename": "Tern.exe",
        "ProductName": "Tern",
        "ProductVersion": version,
    }
    structs = ", ".join(f"StringStruct({key!r}, {value!r})" for key, value in strings.items())
    return (
        f"VSVersionInfo(ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3F, flags=0, OS=0x40004, "
        f"fileType=1, subtype=0, date=(0, 0)), kids=[StringFileInfo([StringTable('040904B0', [{structs}])]), "
        "VarFileInfo([VarStruct('Translation', [0x0409, 1200])])])\n"
    )
