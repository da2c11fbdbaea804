"""The archives for Linux: a .tar.gz for every distribution and a .deb for Debian and Ubuntu.

Knows where a desktop looks for programs, icons and file types; must not know how the bundle is made. Archives of equal
contents are equal byte for byte: names sorted, one date, no owner.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from build import Build

EPOCH = 1_735_689_600  # as in build.py
FILES = Path(__file__).resolve().parent / "linux"
ICONS = FILES.parent.parent / "assets" / "icons"
ICON_SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)
# What Qt loads from the system, for the bundle leaves it out: graphics, fonts, the C++ library.
DEPENDS = "libc6 (>= 2.35), libstdc++6, libgcc-s1, libgl1, libegl1, libx11-6, libxcb1, libfontconfig1, libfreetype6"


def make_packages(build: Build) -> list[Path]:
    """Return the archives, made beside the bundle."""
    tree = build.made / "linux"
    shutil.rmtree(tree, ignore_errors=True)
    return [tar_gz(build, tree / "tar"), deb(build, tree / "deb")]


def tar_gz(build: Build, tree: Path) -> Path:
    """Return an archive that runs from any folder; install.sh in it adds menu entry and icons for one person."""
    top = tree / build.name
    shutil.copytree(build.bundle, top, symlinks=True)
    desktop_files(top / "share", build.made)
    for name in ("install.sh", "uninstall.sh"):
        shutil.copy(FILES / name, top / name)
        (top / name).chmod(0o755)
    path = build.output / f"{build.name}.tar.gz"
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, EPOCH) as packed:
        packed.write(archive(tree))
    return path


def deb(build: Build, tree: Path) -> Path:
    """Return a Debian package: the program in /usr/lib/tern, the command in /usr/bin."""
    library = tree / "usr/lib/tern"
    shutil.copytree(build.bundle, library, symlinks=True)
    desktop_files(tree / "usr/share", build.made)
    (tree / "usr/bin").mkdir()
    (tree / "usr/bin/tern").symlink_to("../lib/tern/tern")
    documents = tree / "usr/share/doc/tern"
    documents.mkdir(parents=True)
    shutil.copy(library / "_internal/licences/THIRD-PARTY-NOTICES.txt", documents)
    shutil.copy(library / "_internal/LICENSE", documents / "copyright")
    _write_control(build, tree)
    _set_modes(tree)
    path = build.output / f"tern_{build.version}_{_debian_machine(build.machine)}.deb"
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z3", "--build", str(tree), str(path)]
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True)
    return path


def desktop_files(share: Path, made: Path) -> None:
    """Put menu entry, file types, description and icons where a desktop looks for them below `share`."""
    for name, folder in (
        ("tern.desktop", "applications"),
        ("tern.xml", "mime/packages"),
        ("chat.tern.Tern.metainfo.xml", "metainfo"),
    ):
        (share / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES / name, share / folder / name)
    for size in ICON_SIZES:
        folder = share / f"icons/hicolor/{size}x{size}/apps"
        folder.mkdir(parents=True)
        shutil.copy(made / f"tern-{size}.png", folder / "tern.png")
    scalable = share / "icons/hicolor/scalable/apps"
    scalable.mkdir(parents=True)
    shutil.copy(ICONS / "tern.svg", scalable)


def archive(tree: Path) -> bytes:
    """Return an uncompressed tar of all below `tree`, equal for equal contents."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _sorted(tree.rglob("*"), tree):
            entry = tar.gettarinfo(path, path.relative_to(tree).as_posix())
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = EPOCH
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            if entry.isreg():
                with path.open("rb") as file:
                    tar.addfile(entry, file)
            else:
                tar.addfile(entry)
    return buffer.getvalue()


def _sorted(paths: Iterable[Path], tree: Path) -> list[Path]:
    return sorted(paths, key=lambda path: path.relative_to(tree).as_posix())


def _write_control(build: Build, tree: Path) -> None:
    n_kib = sum(path.lstat().st_size for path in tree.rglob("*") if not path.is_dir()) // 1024
    control = (FILES / "control").read_text("utf-8")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        control.format(version=build.version, machine=_debian_machine(build.machine), size=n_kib, depends=DEPENDS),
        "utf-8",
    )


def _set_modes(tree: Path) -> None:
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            os.utime(path, (EPOCH, EPOCH))


def _debian_machine(machine: str) -> str:
    return {"x86_64": "amd64"}.get(machine, machine)
