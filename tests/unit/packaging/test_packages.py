"""What the package scripts write and would run, on systems that exist only here."""

import os
import plistlib
import struct
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence
from email.message import Message
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging_scripts import PACKAGING, load

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # for tests that draw
build = load("build")
icons = load("icons")
linux_packages = load("linux_packages")
macos_packages = load("macos_packages")
third_party = load("third_party")
windows_packages = load("windows_packages")


def made_build(tmp_path: Path, system: str) -> "build.Build":
    machine = "arm64" if system == "darwin" else "x86_64"
    made = build.Build(system, machine, "1.2.3", tmp_path / "made", tmp_path / "out")
    made.made.mkdir()
    made.output.mkdir()
    (made.bundle / "_internal").mkdir(parents=True)
    (made.bundle / "_internal/b.txt").write_text("b", "utf-8")
    (made.bundle / "_internal/a.txt").write_text("a", "utf-8")
    for name in ("tern", "Tern.exe", "tern-cli.exe"):
        (made.bundle / name).write_bytes(b"program")
        (made.bundle / name).chmod(0o755)
    for size in linux_packages.ICON_SIZES:
        (made.made / f"tern-{size}.png").write_bytes(b"png")
    (made.made / "background.png").write_bytes(b"png")
    return made


@pytest.mark.parametrize(
    ("system", "name", "program"),
    [
        ("linux", "tern-1.2.3-linux-x86_64", "out/Tern/tern"),
        ("darwin", "tern-1.2.3-macos-arm64", "out/Tern.app/Contents/MacOS/Tern"),
        ("win32", "tern-1.2.3-windows-x86_64", "out/Tern/tern-cli.exe"),
    ],
)
def test_results_are_named_after_version_and_system(system: str, name: str, program: str, tmp_path: Path) -> None:
    made = made_build(tmp_path, system)
    assert made.name == name
    assert made.program == tmp_path / program


def test_the_list_of_files_is_sorted_and_tells_changes(tmp_path: Path) -> None:
    made = made_build(tmp_path, "linux")
    listed = build.file_list(made.bundle)
    assert listed == build.file_list(made.bundle)
    names = [line.split()[-1] for line in listed.splitlines()]
    assert names == sorted(names)
    (made.bundle / "_internal/a.txt").write_text("A", "utf-8")
    assert build.file_list(made.bundle) != listed


def test_the_archive_for_linux_is_the_same_however_the_files_were_written(tmp_path: Path) -> None:
    made = made_build(tmp_path, "linux")
    first = linux_packages.tar_gz(made, tmp_path / "one").read_bytes()
    for path in made.bundle.rglob("*"):
        if path.is_file():
            path.touch()
    assert linux_packages.tar_gz(made, tmp_path / "two").read_bytes() == first
    with tarfile.open(made.output / f"{made.name}.tar.gz") as archive:
        entries = {entry.name: entry for entry in archive.getmembers()}
    assert entries[f"{made.name}/tern"].mode == 0o755
    assert entries[f"{made.name}/install.sh"].mode == 0o755
    assert entries[f"{made.name}/_internal/a.txt"].mode == 0o644
    assert {entry.uid for entry in entries.values()} == {0}


def test_the_menu_entry_opens_documents_in_the_window() -> None:
    lines = (PACKAGING / "linux/tern.desktop").read_text("utf-8").splitlines()
    fields = dict(line.split("=", 1) for line in lines[1:])
    assert fields["Exec"] == "tern --open %F"
    assert "text/plain" in fields["MimeType"].split(";")
    assert fields["StartupWMClass"] == "tern"  # as app/window.py names the application
    for name in ("tern.xml", "chat.tern.Tern.metainfo.xml"):
        ET.parse(PACKAGING / "linux" / name)


@pytest.mark.skipif(sys.platform == "win32", reason="runs a shell script")
def test_install_sh_quotes_any_folder_and_uninstall_sh_keeps_the_data_unless_asked(tmp_path: Path) -> None:
    made = made_build(tmp_path, "linux")
    folder = tmp_path / 'odd "folder" $HOME & 50 % ü'
    linux_packages.tar_gz(made, tmp_path / "tree")
    with tarfile.open(made.output / f"{made.name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    home = tmp_path / "home"
    (home / ".local/share/Tern").mkdir(parents=True)
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    top = folder / made.name
    subprocess.run([str(top / "install.sh")], env=environ, check=True, capture_output=True)
    entry = (home / ".local/share/applications/tern.desktop").read_text("utf-8")
    written = next(line for line in entry.splitlines() if line.startswith("Exec="))
    # A quote and a dollar get a backslash (Exec key), which string values double (Desktop Entry Specification).
    program = str(top / "tern").replace("%", "%%").replace('"', r'\\"').replace("$", r"\\$")
    assert written == f'Exec="{program}" --open %F'
    assert (home / ".local/bin/tern").resolve() == top / "tern"
    assert (home / ".local/share/icons/hicolor/48x48/apps/tern.png").is_file()
    for answer, is_kept in (("", True), ("n\n", True), ("y\n", False)):
        done = subprocess.run([str(top / "uninstall.sh")], env=environ, input=answer.encode(), capture_output=True)
        assert done.returncode == 0
        assert (home / ".local/share/Tern").exists() is is_kept
    assert not (home / ".local/share/applications/tern.desktop").exists()
    assert not list(home.rglob("tern.png"))


class Steps:
    """Records the commands that would be run; `missing` are programs that are not there."""

    def __init__(self, *missing: str) -> None:
        self.ran: list[list[str]] = []
        self.missing = missing

    def __call__(self, command: Sequence[str]) -> None:
        self.ran.append(list(command))
        if command[0] in self.missing:
            raise FileNotFoundError(command[0])
        if command[0] == "hdiutil" and command[1] in ("create", "convert"):
            Path(command[-1]).write_bytes(b"image")


def words(steps: Steps) -> list[str]:
    return [" ".join(command[:2]) for command in steps.ran]


def test_without_an_identity_the_application_is_signed_ad_hoc_and_not_sent_to_apple(tmp_path: Path) -> None:
    steps = Steps("osascript")  # no Finder: the image is made all the same
    (image,) = macos_packages.make_packages(made_build(tmp_path, "darwin"), steps, {"TERN_NOTARY_PROFILE": "p"})
    assert image.name == "tern-1.2.3-macos-arm64.dmg"
    assert steps.ran[0][:4] == ["codesign", "--force", "--sign", "-"]
    assert "xcrun notarytool" not in words(steps)
    assert words(steps)[-2:] == ["hdiutil detach", "hdiutil convert"]
    staged = tmp_path / "made/image"
    assert (staged / "Applications").readlink() == Path("/Applications")
    assert (staged / ".background/background.png").is_file()


def test_with_an_identity_and_a_profile_application_and_image_are_signed_and_notarized(tmp_path: Path) -> None:
    steps = Steps()
    environ = {"TERN_CODESIGN_IDENTITY": "Developer ID Application: X", "TERN_NOTARY_PROFILE": "tern"}
    macos_packages.make_packages(made_build(tmp_path, "darwin"), steps, environ)
    assert {"--options", "runtime", "--timestamp", "--entitlements"} <= set(steps.ran[0])
    assert words(steps).count("xcrun notarytool") == 2
    assert words(steps).count("xcrun stapler") == 2
    assert words(steps).index("ditto -c") < words(steps).index("xcrun notarytool")


def test_the_entitlements_are_a_property_list() -> None:
    entitlements = plistlib.loads((PACKAGING / "macos/entitlements.plist").read_bytes())
    assert entitlements == {"com.apple.security.cs.disable-library-validation": True}


def test_windows_programs_and_installer_are_signed_where_a_command_is_given(tmp_path: Path) -> None:
    steps = Steps()
    environ = {"TERN_ISCC": "iscc.exe", "TERN_SIGN_COMMAND": "sign.cmd"}
    results = windows_packages.make_packages(made_build(tmp_path, "win32"), steps, environ)
    assert [path.suffix for path in results] == [".zip", ".exe"]
    assert [command[0] for command in steps.ran] == ["sign.cmd", "sign.cmd", "iscc.exe", "sign.cmd"]
    assert "/DVersion=1.2.3" in steps.ran[2]
    with zipfile.ZipFile(results[0]) as archive:
        assert "tern-1.2.3-windows-x86_64/Tern.exe" in archive.namelist()


def test_without_inno_setup_there_is_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_packages.shutil, "which", lambda _name: None)
    steps = Steps()
    results = windows_packages.make_packages(made_build(tmp_path, "win32"), steps, {})
    assert [path.suffix for path in results] == [".zip"]
    assert steps.ran == []


def test_the_installer_is_for_one_person_and_asks_about_the_data() -> None:
    script = (PACKAGING / "windows/tern.iss").read_text("utf-8")
    assert "PrivilegesRequired=lowest" in script
    assert "SuppressibleMsgBox" in script
    assert "DelTree(Data" in script
    assert "IDNO) = IDYES" in script  # silent: nothing is deleted
    for extension in (".pdf", ".docx", ".txt"):
        assert f'#emit Supported("{extension}")' in script


def test_the_version_resource_is_what_pyinstaller_evaluates() -> None:
    names = ("VSVersionInfo", "FixedFileInfo", "StringFileInfo", "StringTable", "StringStruct", "VarFileInfo")
    made: dict[str, object] = {}

    def struct_of(name: str):
        return lambda *given, **named: made.setdefault(name, (given, named)) and (name, given, named)

    namespace = {name: struct_of(name) for name in (*names, "VarStruct")}
    eval(windows_packages.version_information("0.10.2"), namespace)
    assert made["FixedFileInfo"][1]["filevers"] == (0, 10, 2, 0)


def test_icons_hold_every_size(tmp_path: Path, qapp: object) -> None:
    icons.make_icons(tmp_path)
    ico = (tmp_path / "tern.ico").read_bytes()
    n_pictures = struct.unpack_from("<H", ico, 4)[0]
    entries = [struct.unpack_from("<BBBBHHII", ico, 6 + 16 * i) for i in range(n_pictures)]
    assert tuple((entry[0] or 256) for entry in entries) == icons.ICO_SIZES
    for entry in entries:
        picture = ico[entry[7] : entry[7] + entry[6]]
        assert picture.startswith(b"\x89PNG")
        assert struct.unpack_from(">I", picture, 16)[0] == (entry[0] or 256)
    icns = (tmp_path / "tern.icns").read_bytes()
    assert icns[:4] == b"icns"
    assert struct.unpack_from(">I", icns, 4)[0] == len(icns)
    assert all((tmp_path / f"tern-{size}.png").read_bytes().startswith(b"\x89PNG") for size in icons.PNG_SIZES)


class FakeDistribution:
    """An installed distribution with the given files and a licence text."""

    def __init__(self, root: Path, name: str, files: Sequence[str], licence: str) -> None:
        self.name, self.version, self._root = name, "1.0", root
        self.metadata = Message()
        self.metadata["License-Expression"] = licence
        info = f"{name}-1.0.dist-info/licenses/LICENSE"
        (root / info).parent.mkdir(parents=True)
        (root / info).write_text(f"The licence of {licence}.", "utf-8")
        self.files = [SimplePath(each) for each in (*files, info)]

    def locate_file(self, path: object) -> Path:
        return self._root / str(path)


class SimplePath(str):
    @property
    def parts(self) -> tuple[str, ...]:
        return Path(self).parts

    @property
    def suffix(self) -> str:
        return Path(self).suffix


def components(tmp_path: Path, files: Sequence[str], modules: Sequence[str] = ()) -> list[object]:
    installed = [
        FakeDistribution(tmp_path, "bird", ["bird/__init__.py", "bird/wing.so"], "MIT"),
        FakeDistribution(tmp_path, "unused", ["unused/__init__.py"], "GPL-3.0"),
        FakeDistribution(tmp_path, "tern-chat", ["app/__init__.py"], "MIT"),
    ]
    return third_party.bundled_components(
        [tmp_path / each for each in files], modules, origin_of=lambda path: path,
        system_package=lambda _place: None, installed=installed,
    )  # fmt: skip


def test_notices_name_what_is_bundled_and_nothing_else(tmp_path: Path) -> None:
    found = components(tmp_path, ["bird/wing.so"], ["bird.song", "app.cli", "json"])
    assert [each.name for each in found] == ["bird"]
    for name in third_party.LGPL_TEXTS:
        (tmp_path / name).write_text(f"text of {name}", "utf-8")
    text = third_party.notices(found, qt="6.11.3", pyside="6.11.3", texts_in=tmp_path)
    assert "bird 1.0: MIT" in text
    assert "The licence of MIT." in text
    assert "qt/6.11/6.11.3/single" in text
    assert "text of LGPL-3.0.txt" in text


def test_a_file_of_unknown_origin_ends_the_build(tmp_path: Path) -> None:
    with pytest.raises(third_party.UnknownOriginError, match=r"stray\.so"):
        components(tmp_path, ["stray.so"])


def test_a_component_without_any_licence_ends_the_build(tmp_path: Path) -> None:
    nameless = third_party.Component("mystery", "1", "", "")
    with pytest.raises(third_party.UnknownOriginError, match="mystery"):
        third_party.notices([nameless], qt="6.1.1", pyside="6.1.1", texts_in=tmp_path)


def test_the_start_gives_a_windowed_program_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    start = load("start")
    seen = SimpleNamespace(streams=())

    def tern() -> int:
        seen.streams = (sys.stdout, sys.stderr)
        sys.stdout.write("heard by nobody")
        return 5

    monkeypatch.setattr("app.__main__.main", tern)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    code = start.main()
    for stream in seen.streams:
        stream.close()
    assert code == 5
