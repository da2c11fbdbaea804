"""What is bundled and under which licences: the notices are made from the files that really lie in the bundle.

Knows Python distributions, the libraries of the Linux system that a bundle takes along, and Qt's duties under the LGPL;
must not know how a bundle is made. A file that belongs to nobody known is an error, never left out.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path

OWN = "tern-chat"
LGPL_NOTE = """\
Qt and PySide6 are used under the GNU Lesser General Public License, version 3. Their libraries lie beside the program
as files of their own and may be replaced by compatible versions that you have changed: exchange the files in the folder
`PySide6` (on macOS in Tern.app/Contents/Frameworks/PySide6) and, on macOS, sign the program again with
`codesign --force --deep --sign - Tern.app`. Nothing in Tern's licence forbids to study or debug the program for that.
The exact sources: Qt {qt} at https://download.qt.io/official_releases/qt/{qt_series}/{qt}/single/ and PySide6 {pyside}
at https://download.qt.io/official_releases/QtForPython/pyside6/PySide6-{pyside}-src/
"""
# A wheel's licence texts are in its metadata; some projects ship none, so the texts lie in packaging/licences.
LGPL_TEXTS = ("LGPL-3.0.txt", "GPL-3.0.txt", "LGPL-2.1.txt")  # the last one is of GLib and others
_TEXT_NAMES = re.compile(r"(LICEN[SC]E|COPYING|NOTICE|AUTHORS|COPYRIGHT)[^/]*$", re.IGNORECASE)
TEXTS = Path(__file__).resolve().parent / "licences"


@dataclass(frozen=True)
class Component:
    """One work of others in the bundle; `texts` are its licence texts by file name."""

    name: str
    version: str
    licence: str
    where: str
    texts: Mapping[str, str] = field(default_factory=dict)


class UnknownOriginError(Exception):
    """Files in the bundle whose licence nobody knows; the message lists them."""


def bundled_components(
    files: Iterable[Path],
    modules: Iterable[str],
    *,
    origin_of: Callable[[Path], Path | None],
    system_package: Callable[[Path], Component | None],
    installed: Iterable[Distribution] | None = None,
) -> list[Component]:
    """Return the components that `files` (sources of bundled binaries and data) and Python `modules` belong to.

    `origin_of` maps a file to its installed place (symbolic links followed); `system_package` knows what a library of
    the system is.

    Raises:
        UnknownOriginError: some file belongs to nothing that is known.
    """
    known = list(distributions() if installed is None else installed)
    owner_of_file = {str(place): each for each in known for place in _places(each)}
    owner_of_module = {name: each for each in known for name in _top_level(each)}
    found: dict[str, Component] = {}
    unknown = []
    for path in files:
        place = origin_of(path)
        if place is None:
            continue
        owner = owner_of_file.get(str(place))
        component = _component(owner) if owner is not None else system_package(place)
        if component is None:
            unknown.append(str(place))
        elif component.name != OWN:
            found[component.name.casefold()] = component
    for name in modules:
        owner = owner_of_module.get(name.partition(".")[0])
        if owner is not None and owner.name != OWN:
            found[owner.name.casefold()] = _component(owner)
    if unknown:
        raise UnknownOriginError("\n".join(sorted(unknown)))
    return [found[name] for name in sorted(found)]


def _places(distribution: Distribution) -> Iterable[Path]:
    for path in distribution.files or ():
        yield Path(str(distribution.locate_file(path))).resolve()


def _top_level(distribution: Distribution) -> set[str]:
    return {path.parts[0].removesuffix(".py") for path in distribution.files or () if path.suffix == ".py"}


def _component(distribution: Distribution) -> Component:
    metadata = distribution.metadata
    classifiers = [each for each in metadata.get_all("Classifier", []) if each.startswith("License ::")]
    named = metadata.get("License-Expression") or (metadata.get("License") or "").strip().splitlines()[:1]
    licence = named if isinstance(named, str) else (named[0] if named else "")
    if not licence or len(licence) > 100:
        licence = ", ".join(each.rpartition(":: ")[2] for each in classifiers) or licence[:100]
    texts = {}
    for path in distribution.files or ():
        if _TEXT_NAMES.search(str(path)) and ".dist-info/" in str(path).replace("\\", "/"):
            texts[Path(str(path)).name] = Path(str(distribution.locate_file(path))).read_text("utf-8", "replace")
    urls = [each.partition(", ")[2] for each in metadata.get_all("Project-URL", [])]
    where = metadata.get("Home-page") or (urls[0] if urls else "")
    return Component(distribution.name, distribution.version, licence, where, texts)


def debian_package(place: Path) -> Component | None:
    """Return the Debian or Ubuntu package that the library at `place` is part of, with its copyright file."""
    for candidate in {place, Path(re.sub(r"^/usr/lib", "/lib", str(place))), Path("/usr" + str(place))}:
        done = subprocess.run(["dpkg", "-S", str(candidate)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
    else:
        return None
    package = done.stdout.splitlines()[0].partition(": ")[0].partition(",")[0]
    query = ["dpkg-query", "-W", "-f", "${source:Package}\t${Version}\t${Homepage}", package]
    source, version, where = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\t")
    folder = Path("/usr/share/doc") / package.partition(":")[0] / "copyright"
    text = folder.read_text("utf-8", "replace") if folder.is_file() else ""
    licences = sorted(set(re.findall(r"^License: *(\S+)", text, re.MULTILINE)))
    return Component(f"{source} (system library)", version, " ".join(licences), where, {"copyright": text})


def python_component() -> Component:
    """Return the Python that is bundled."""
    places = [Path(sys.base_prefix) / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE"]
    places += sorted(Path(sys.base_prefix).glob("lib/python3.*/LICENSE.txt"))
    text = next((path.read_text("utf-8", "replace") for path in places if path.is_file()), "")
    version = ".".join(map(str, sys.version_info[:3]))
    return Component("Python", version, "PSF-2.0", "https://www.python.org", {"LICENSE.txt": text})


def bootloader_component(distribution: Distribution) -> Component:
    """Return PyInstaller, whose bootloader is the program's first code: GPL with an exception for what it starts."""
    component = _component(distribution)
    licence = "GPL-2.0-or-later with the bootloader exception, which lets programs of any licence be bundled"
    return Component("PyInstaller bootloader", component.version, licence, component.where, component.texts)


def notices(components: Iterable[Component], *, qt: str, pyside: str, texts_in: Path) -> str:
    """Return THIRD-PARTY-NOTICES.txt: a table, Qt's conditions, then every licence text once.

    Raises:
        UnknownOriginError: a component has no licence at all.
    """
    listed = list(components)
    nameless = [each.name for each in listed if not each.licence and not any(each.texts.values())]
    if nameless:
        raise UnknownOriginError("without a licence: " + ", ".join(nameless))
    lines = ["Tern is under the MIT licence (LICENSE). It brings along the works of others:", ""]
    lines += [f"  {each.name} {each.version}: {each.licence or 'see its text below'}; {each.where}" for each in listed]
    series = qt.rpartition(".")[0]
    lines += ["", LGPL_NOTE.format(qt=qt, qt_series=series, pyside=pyside)]
    seen: dict[str, str] = {}
    for each in listed:
        for name, text in sorted(each.texts.items()):
            digest = hashlib.sha256(text.encode()).hexdigest()
            lines += ["=" * 100, f"{each.name} {each.version}: {name}", ""]
            lines += [f"The same text as of {seen[digest]}." if digest in seen else text.rstrip(), ""]
            seen.setdefault(digest, f"{each.name}: {name}")
    for name in LGPL_TEXTS:
        lines += ["=" * 100, f"Qt and PySide6: {name}", "", (texts_in / name).read_text("utf-8").rstrip(), ""]
    return "\n".join(lines) + "\n"


def write_notices(sources: Iterable[Path], modules: Iterable[str], *, root: Path, made: Path) -> list[Path]:
    """Write the notices and the list of components of a bundle into `made`; return the files that belong into it.

    `sources` are the bundled files at their places on this computer, `modules` the bundled Python modules, `root` the
    clone, `made` the folder of intermediate results.

    Raises:
        UnknownOriginError: some file belongs to nothing that is known.
    """
    python, own = python_component(), (root / "build", made)

    def origin_of(path: Path) -> Path | None:
        place = path.resolve()
        is_installed = "site-packages" in place.parts
        is_ours = place.is_relative_to(root) and not is_installed
        return None if is_ours or any(place.is_relative_to(folder) and not is_installed for folder in own) else place

    def system_package(place: Path) -> Component | None:
        if place.is_relative_to(Path(sys.base_prefix).resolve()) or place.name.startswith(("libpython", "python3")):
            return python
        if sys.platform == "win32" and re.match(r"(vcruntime|msvcp|concrt|ucrtbase|api-ms-win)", place.name.lower()):
            return Component("Microsoft C and C++ runtime", "", "redistributable with programs that use it", "")
        return debian_package(place) if sys.platform.startswith("linux") else None

    found = bundled_components(sources, modules, origin_of=origin_of, system_package=system_package)
    versions = {each.name.casefold().replace("-", "_"): each.version for each in found}
    bootloader = next(bootloader_component(each) for each in distributions() if each.name.lower() == "pyinstaller")
    listed = [each for each in found if each.name != python.name]
    listed = sorted([*listed, python, bootloader], key=lambda each: each.name.casefold())
    pyside = versions.get("pyside6_essentials", "")
    text = notices(listed, qt=pyside, pyside=pyside, texts_in=TEXTS)
    made.mkdir(parents=True, exist_ok=True)
    facts = [{"name": each.name, "version": each.version, "licence": each.licence} for each in listed]
    (made / "components.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    path = made / "THIRD-PARTY-NOTICES.txt"
    path.write_text(text, "utf-8")
    return [path, *(TEXTS / name for name in LGPL_TEXTS)]
