"""packaging/app.spec run for each system with a made-up PyInstaller: it must say the right thing everywhere."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SPEC = ROOT / "packaging" / "app.spec"
SYSTEMS = ("linux", "darwin", "win32")
LIBRARY = "libQt6Core.so.6"


class FakePyInstaller:
    """Records what the spec asks for; `imports` are the libraries that each file needs."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.binaries = [
            ("PySide6/QtCore.abi3.so", "/x/QtCore.abi3.so", "EXTENSION"),
            ("PySide6/QtNetwork.abi3.so", "/x/QtNetwork.abi3.so", "EXTENSION"),
            (f"PySide6/Qt/lib/{LIBRARY}", f"/x/{LIBRARY}", "BINARY"),
            ("libkrb5.so.3", "/x/libkrb5.so.3", "BINARY"),
            ("libGL.so.1", "/x/libGL.so.1", "BINARY"),
            ("PySide6/Qt/plugins/platforms/libqxcb.so", "/x/libqxcb.so", "BINARY"),
            ("PySide6/Qt/plugins/tls/libqopensslbackend.so", "/x/libqopensslbackend.so", "BINARY"),
            ("PySide6\\plugins\\platforms\\qwindows.dll", "/x/qwindows.dll", "BINARY"),
            ("PySide6\\opengl32sw.dll", "/x/opengl32sw.dll", "BINARY"),
        ]
        self.imports = {"/x/QtCore.abi3.so": [LIBRARY], "/x/QtNetwork.abi3.so": ["libkrb5.so.3"]}

    def __getitem__(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(arguments, options) for called, arguments, options in self.calls if called == name]

    def namespace(self) -> dict[str, Any]:
        def record(name: str) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                self.calls.append((name, arguments, options))
                return SimpleNamespace(
                    binaries=list(self.binaries),
                    datas=[("PySide6/Qt/translations/qt_de.qm", "/x/qt_de.qm", "DATA"), *_entries(options)],
                    pure=[("app.cli", "/x/cli.py", "PYMODULE")],
                    scripts=[],
                )

            return call

        names = ("Analysis", "PYZ", "EXE", "COLLECT", "BUNDLE")
        return {"SPECPATH": str(SPEC.parent), **{name: record(name) for name in names}}


def _entries(options: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(f"{folder}/{Path(path).name}", path, "DATA") for path, folder in options.get("datas", [])]


@pytest.fixture
def run_spec(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def run(system: str) -> tuple[FakePyInstaller, dict[str, Any]]:
        fake = FakePyInstaller()
        hooks = SimpleNamespace(copy_metadata=lambda name: [(f"/x/{name}.dist-info/METADATA", f"{name}.dist-info")])
        depend = SimpleNamespace(get_imports=lambda path: [(each, f"/x/{each}") for each in fake.imports.get(path, [])])
        notices = SimpleNamespace(write_notices=lambda *_given, **_named: [tmp_path / "THIRD-PARTY-NOTICES.txt"])
        for name, module in (
            ("PyInstaller", SimpleNamespace()),
            ("PyInstaller.utils", SimpleNamespace()),
            ("PyInstaller.utils.hooks", hooks),
            ("PyInstaller.depend", SimpleNamespace()),
            ("PyInstaller.depend.bindepend", depend),
            ("third_party", notices),
        ):
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setenv("TERN_BUILD_DIR", str(tmp_path))
        monkeypatch.delenv("TERN_CODESIGN_IDENTITY", raising=False)
        code = compile(SPEC.read_text("utf-8"), str(SPEC), "exec")
        namespace = fake.namespace()
        monkeypatch.setattr(sys, "platform", system)
        exec(code, namespace)
        monkeypatch.undo()
        return fake, namespace

    return run


def collected(fake: FakePyInstaller) -> set[str]:
    ((arguments, _options),) = fake["COLLECT"]
    lists = [each for each in arguments if isinstance(each, list)]
    return {entry[0].replace("\\", "/") for each in lists for entry in each}


@pytest.mark.parametrize("system", SYSTEMS)
def test_everything_that_tern_reads_is_inside_and_nothing_for_developers(run_spec, system: str) -> None:
    fake, _namespace = run_spec(system)
    inside = collected(fake)
    assert {
        "./LICENSE",
        "assets/starter/model.safetensors",
        "assets/starter/tokenizer.json",
        "assets/selftest.json",
        "assets/guide/getting-started.md",
        "assets/icons/tern.svg",
        "core/models/catalogue.json",
        "licences/THIRD-PARTY-NOTICES.txt",
    } <= inside
    assert not [name for name in inside if "training" in name or "screenshots" in name or name.endswith((".py", ".qm"))]
    ((_arguments, analysis),) = fake["Analysis"]
    modules = set(analysis["hiddenimports"])
    assert {
        "app.cli",
        "app.commands.ask",
        "app.window",
        "app.selftest",
        "core",
        "cython_kernels.transformer",
    } <= modules
    assert {"hf_xet", "readline", "tkinter"} <= set(analysis["excludes"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_only_what_a_desktop_window_needs_of_qt_is_inside(run_spec, system: str) -> None:
    inside = collected(run_spec(system)[0])
    assert {"PySide6/Qt/plugins/platforms/libqxcb.so", "PySide6/plugins/platforms/qwindows.dll"} <= inside
    assert not inside & {
        "PySide6/QtNetwork.abi3.so", "PySide6/Qt/plugins/tls/libqopensslbackend.so", "PySide6/opengl32sw.dll",
    }  # fmt: skip


def test_on_linux_libraries_that_nothing_needs_and_those_of_the_graphics_driver_stay_out(run_spec) -> None:
    inside = collected(run_spec("linux")[0])
    assert f"PySide6/Qt/lib/{LIBRARY}" in inside
    assert not inside & {"libkrb5.so.3", "libGL.so.1"}


def test_linux_has_one_program(run_spec) -> None:
    fake, _namespace = run_spec("linux")
    ((_arguments, options),) = fake["EXE"]
    assert (options["name"], options["console"], options["strip"]) == ("tern", True, True)
    assert fake["BUNDLE"] == []


def test_windows_has_a_program_without_a_console_and_one_for_the_terminal(run_spec) -> None:
    fake, _namespace = run_spec("win32")
    programs = {options["name"]: options for _arguments, options in fake["EXE"]}
    assert {name: options["console"] for name, options in programs.items()} == {"Tern": False, "tern-cli": True}
    for options in programs.values():
        assert options["icon"].endswith("tern.ico")
        assert options["version"].endswith("version_info.txt")
        assert "longPathAware" in options["manifest"]
        assert "UTF-8</activeCodePage>" in options["manifest"]
        assert not options["upx"]
    assert fake["BUNDLE"] == []


def test_macos_has_an_application_for_arm64(run_spec) -> None:
    fake, namespace = run_spec("darwin")
    ((_arguments, program),) = fake["EXE"]
    assert program["target_arch"] == "arm64"
    assert program["codesign_identity"] is None
    assert Path(program["entitlements_file"]).is_file()
    assert not program["argv_emulation"]
    ((_arguments, bundle),) = fake["BUNDLE"]
    info = bundle["info_plist"]
    assert bundle["name"] == "Tern.app"
    assert bundle["icon"].endswith("tern.icns")
    assert info["LSMinimumSystemVersion"] == "13.0"
    assert info["NSHighResolutionCapable"] is True
    assert info["LSApplicationCategoryType"].startswith("public.app-category.")
    assert info["CFBundleShortVersionString"] == namespace["VERSION"]
    types = [kind for document in info["CFBundleDocumentTypes"] for kind in document["LSItemContentTypes"]]
    assert {"public.plain-text", "com.adobe.pdf"} <= set(types)
