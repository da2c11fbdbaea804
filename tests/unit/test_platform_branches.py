"""Every branch for one system, run on any: modules are loaded anew as another system would load them.

`COVERED` names each file of the program that asks which system it runs on, and where its branches are run for the other
ones. A file that begins to ask must be entered, and tested, here.
"""

import ast
import ctypes
import importlib.util
import os
import sqlite3
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from core.errors import AppError, ErrorCode

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # for tests that draw
ROOT = Path(__file__).resolve().parents[2]
COVERED = {
    "app/cli.py": "tests/unit/app/test_cli.py",
    "app/selftest_window.py": "tests/unit/app/test_cli.py",  # has_screen
    "app/selftest_network.py": "tests/unit/app/test_selftest.py",
    "app/theme.py": "tests/unit/test_platform_branches.py",
    "core/child.py": "tests/unit/core/test_child.py",
    "core/inference/measure.py": "tests/unit/test_platform_branches.py",
    "core/instance.py": "tests/unit/test_platform_branches.py",
    "core/library/confinement.py": "tests/unit/test_platform_branches.py",
    "core/library/extract_child.py": "tests/unit/test_platform_branches.py",
    "core/library/extractor.py": "tests/unit/test_platform_branches.py",
    "core/models/computer.py": "tests/unit/core/models/test_computer.py",
    "core/models/system_facts.py": "tests/unit/core/models/test_computer.py",
    "core/paths.py": "tests/unit/core/test_paths.py",
    "core/power.py": "tests/unit/core/test_power.py",
    "core/settings.py": "tests/unit/test_platform_branches.py",
    "core/store/database.py": "tests/unit/test_platform_branches.py",
}


def asks_for_the_system(source: str) -> bool:
    names = {ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    return bool(names & {"sys.platform", "os.name", "sys.frozen"})


def load_as(system: str, path: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module at `path`, loaded anew under another name while sys.platform is `system`."""
    monkeypatch.setattr(sys, "platform", system)
    name = f"as_{system}_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


class FakeMsvcrt(ModuleType):
    """The locks of Windows: mandatory, on a range of bytes at the descriptor's place."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.locked: dict[str, int] = {}

    def locking(self, descriptor: int, mode: int, n_bytes: int) -> None:
        assert (mode, n_bytes) == (self.LK_NBLCK, 1)
        file = str(os.fstat(descriptor).st_ino)
        if file in self.locked:
            raise OSError(13, "Permission denied")
        self.locked[file] = os.lseek(descriptor, 0, os.SEEK_CUR)


def test_every_file_that_asks_for_the_system_is_tested_for_the_others() -> None:
    files = [path for top in ("app", "core", "cython_kernels") for path in sorted((ROOT / top).rglob("*.py"))]
    asking = {path.relative_to(ROOT).as_posix() for path in files if asks_for_the_system(path.read_text("utf-8"))}
    assert asking - COVERED.keys() == set()
    assert [test for test in COVERED.values() if not (ROOT / test).is_file()] == []


def test_windows_locks_a_byte_behind_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    msvcrt = FakeMsvcrt()
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    instance = load_as("win32", "core/instance.py", monkeypatch)
    lock = instance.InstanceLock.acquire(tmp_path / "tern.lock")
    assert (tmp_path / "tern.lock").read_bytes().startswith(b'{"pid"')  # can be read while it is locked
    assert list(msvcrt.locked.values()) == [instance._LOCKED_BYTE]
    with pytest.raises(AppError) as caught:
        instance.InstanceLock.acquire(tmp_path / "tern.lock")
    assert caught.value.code is ErrorCode.ALREADY_RUNNING
    instance.leave_raise_request(tmp_path / "tern.lock", [tmp_path / "Jürgen.txt"])
    assert lock.take_raise_request() == (tmp_path / "Jürgen.txt",)
    lock.release()


@pytest.mark.skipif(sys.platform == "win32", reason="needs fcntl")
def test_macos_locks_like_linux_and_knows_no_start_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = load_as("darwin", "core/instance.py", monkeypatch)
    before = instance.time.time()
    assert instance._process_start() >= before
    instance.InstanceLock.acquire(tmp_path / "tern.lock").release()


def test_windows_tells_the_peak_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Query:
        argtypes: object = None

        def __call__(self, process: object, counters: object, size: int) -> int:
            asked.append(f"{process} {size}")
            counters._obj.PeakWorkingSetSize = 123_456_789  # type: ignore[attr-defined]
            return 1

    class Process:
        restype: object = None

        def __call__(self) -> str:
            return "this process"

    library = SimpleNamespace(GetCurrentProcess=Process(), K32GetProcessMemoryInfo=Query())
    monkeypatch.setattr(ctypes, "WinDLL", lambda _name: library, raising=False)
    measure = load_as("win32", "core/inference/measure.py", monkeypatch)
    assert measure.peak_rss_bytes() == 123_456_789
    assert asked == [f"this process {ctypes.sizeof(measure._MemoryCounters)}"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource")
def test_macos_counts_memory_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = load_as("darwin", "core/inference/measure.py", monkeypatch)

    def no_proc(*_args: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(measure.Path, "read_text", no_proc)
    monkeypatch.setattr(measure.resource, "getrusage", lambda _who: SimpleNamespace(ru_maxrss=50_000_000))
    assert measure.peak_rss_bytes() == 50_000_000
    monkeypatch.setattr(sys, "platform", "linux")
    assert measure.peak_rss_bytes() == 50_000_000 * 1024


def test_windows_binds_the_extraction_child_by_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, int] = {}

    class Function:
        restype: object = None
        argtypes: object = None

        def __init__(self, work: object) -> None:
            self._work = work

        def __call__(self, *arguments: object) -> object:
            return self._work(*arguments)  # type: ignore[operator]

    def set_limits(job: object, kind: int, pointer: object, size: int) -> int:
        limits = pointer._obj  # type: ignore[attr-defined]
        told.update(kind=kind, processes=limits.Basic.ActiveProcessLimit, bytes=limits.ProcessMemoryLimit)
        assert (job, size) == ("job", ctypes.sizeof(limits))
        return 1

    joined: list[tuple[object, object]] = []
    kernel32 = SimpleNamespace(
        CreateJobObjectW=Function(lambda *_none: "job"),
        GetCurrentProcess=Function(lambda: "this process"),
        SetInformationJobObject=Function(set_limits),
        AssignProcessToJobObject=Function(lambda *pair: joined.append(pair)),
    )
    monkeypatch.setattr(ctypes, "WinDLL", lambda _name, **_named: kernel32, raising=False)
    confinement = load_as("win32", "core/library/confinement.py", monkeypatch)
    confinement._join_job(1 << 30)
    assert told == {"kind": 9, "processes": 1, "bytes": 1 << 30}
    assert joined == [("job", "this process")]
    assert confinement.peak_bytes() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource")
def test_macos_tells_the_peak_of_the_extraction_child_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    confinement = load_as("darwin", "core/library/confinement.py", monkeypatch)
    monkeypatch.setattr(resource, "getrusage", lambda _who: SimpleNamespace(ru_maxrss=50_000_000))
    assert confinement.peak_bytes() == 50_000_000


def test_windows_does_not_wait_for_a_pipe_that_it_cannot_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = load_as("win32", "core/library/extractor.py", monkeypatch)
    extractor._wait_for(-1, 0.0)


def test_windows_writes_frames_without_changing_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[tuple[int, int]] = []
    msvcrt = ModuleType("msvcrt")
    monkeypatch.setattr(msvcrt, "setmode", lambda *pair: modes.append(pair), raising=False)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    child = load_as("win32", "core/library/extract_child.py", monkeypatch)
    doings: list[tuple[int, int]] = []
    windows = SimpleNamespace(
        dup=lambda _descriptor: 7, open=lambda *_named: 8, dup2=lambda *pair: doings.append(pair),
        close=lambda _descriptor: None, devnull="nul", O_WRONLY=1, O_BINARY=0x8000,
    )  # fmt: skip
    monkeypatch.setattr(child, "os", windows)
    assert child._take_standard_output() == 7
    assert doings == [(8, 1), (8, 2)]
    assert modes == [(0, 0x8000), (7, 0x8000)]


def test_macos_makes_the_drive_write_at_every_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.store.database import Database

    monkeypatch.setattr(sys, "platform", "darwin")
    database = Database.open(tmp_path / "history.sqlite3")
    try:
        with database.write() as connection:
            assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)
            assert connection.execute("PRAGMA checkpoint_fullfsync").fetchone() == (1,)
    finally:
        database.close()


def test_windows_has_no_modes_to_set_and_no_directories_to_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.settings import sync_directory
    from core.store import database

    def never(*_args: object, **_named: object) -> None:
        raise AssertionError("not on Windows")

    # Not os.name itself: pathlib would make paths of Windows from then on.
    windows = SimpleNamespace(**{name: getattr(os, name) for name in dir(os)} | {"name": "nt"})
    monkeypatch.setattr("core.settings.os", windows)
    monkeypatch.setattr(windows, "fsync", never)
    sync_directory(tmp_path)
    monkeypatch.setattr(database, "os", windows)
    monkeypatch.setattr(Path, "chmod", never)
    database._make_private(tmp_path / "history.sqlite3")
    assert sqlite3.connect(tmp_path / "history.sqlite3").close() is None


@pytest.mark.gui
@pytest.mark.parametrize(("system", "family"), [("linux", "Noto Sans"), ("darwin", "System"), ("win32", "System")])
def test_only_linux_chooses_its_own_face(system: str, family: str, qapp: object, monkeypatch) -> None:
    from app import theme

    fonts = SimpleNamespace(
        families=lambda: ["Noto Sans", "Other"],
        systemFont=lambda _kind: SimpleNamespace(family=lambda: "System"),
        SystemFont=SimpleNamespace(GeneralFont=0),
    )
    monkeypatch.setattr(theme, "QFontDatabase", fonts)
    monkeypatch.setattr(sys, "platform", system)
    assert theme._body_family() == family
