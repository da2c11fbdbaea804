"""The extraction child for real: what it gives, what it may not do, and what happens when a file kills it."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.child import child_environ
from core.errors import AppError, ErrorCode
from core.events import CancelToken, DocumentProgress, Interrupted
from core.library import extractor as module
from core.library.extract_messages import Limits
from core.library.extracted import Extracted
from core.library.extractor import Extractor
from core.library.quarantine import Quarantine

# A child that does as it is told by the content of the file: the same messages, other deeds.
STAND_IN = """
import os, sys, time
import core.library.extract_child as child
from core.library.extract import formats
from core.library.extract.builder import Builder
real = formats.read
def read(name, content, tick):
    if content.startswith(b"die"): os._exit(7)
    if content.startswith(b"hang"):
        tick(1, 2)
        while True: time.sleep(1)
    if content.startswith(b"lie"):
        os.write(int(os.environ["OUT"]), b"X" * 100)
    if content.startswith(b"hog"): bytearray(8 << 30)
    if content.startswith(b"write"): open("evil", "w")
    if content.startswith(b"call"):
        import socket; socket.create_connection(("192.0.2.1", 9))
    if content.startswith(b"run"):
        import subprocess; subprocess.run(["true"])
    return real(name, content, tick)
formats.read = read
take = child._take_standard_output
def noted():
    output = take(); os.environ["OUT"] = str(output); return output
child._take_standard_output = noted
sys.exit(child.main(sys.argv[1:]))
"""


@pytest.fixture
def extractor(tmp_path: Path) -> Iterator[Extractor]:
    made = Extractor(tmp_path / "quarantine.json", Limits(wall_s=10))
    yield made
    made.close()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "child_command", lambda _module, *rest: [sys.executable, "-c", STAND_IN, *rest])


def written(directory: Path, content: bytes, name: str = "notes.txt") -> Path:
    path = directory / name
    path.write_bytes(content)
    return path


def extract(extractor: Extractor, path: Path) -> Extracted:
    return extractor.extract(path, CancelToken(), lambda _event: None)


def refusal(extractor: Extractor, path: Path) -> AppError:
    with pytest.raises(AppError) as caught:
        extract(extractor, path)
    assert caught.value.facts["path"] == path
    return caught.value


def test_one_child_reads_many_files(extractor: Extractor, tmp_path: Path) -> None:
    content = "Grüße, 世界.\n\nMore.".encode()
    found = extract(extractor, written(tmp_path, content))
    assert (found.name, found.text, found.format) == ("notes.txt", content.decode(), "text")
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert [(block.start, block.end) for block in found.blocks] == [(0, 10), (12, 17)]
    child = extractor._child
    assert refusal(extractor, written(tmp_path, b"\x89PNG\r\n", "a.png")).code is ErrorCode.DOCUMENT_UNKNOWN
    extract(extractor, written(tmp_path, b"other"))
    assert extractor._child is child


def test_a_child_that_ended_while_idle_is_replaced(extractor: Extractor, tmp_path: Path) -> None:
    path = written(tmp_path, b"text")
    extract(extractor, path)
    assert extractor._child is not None
    extractor._child.process.kill()
    extractor._child.process.wait()
    assert extract(extractor, path).text == "text"
    assert Quarantine(tmp_path / "quarantine.json").is_empty


def test_an_idle_child_ends_by_itself(tmp_path: Path) -> None:
    extractor = Extractor(limits=Limits(idle_s=0.2))
    path = written(tmp_path, b"text")
    extract(extractor, path)
    assert extractor._child is not None
    extractor._child.process.wait(timeout=30)
    assert extract(extractor, path).text == "text"
    extractor.close()


def test_the_child_loads_neither_qt_nor_the_network_nor_the_model(tmp_path: Path) -> None:
    source = (
        "import sys, pathlib, importlib, core.library.extract_child\n"
        "import core.library.extract as package\n"
        "for path in pathlib.Path(package.__path__[0]).glob('*.py'):\n"
        "    importlib.import_module('core.library.extract.' + path.stem)\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, env=child_environ(), capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "pypdfium2" in loaded
    assert not loaded & {"PySide6", "shiboken6", "numpy", "app", "cython_kernels", "tokenizers", "huggingface_hub"}


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("deed", [b"write", b"call", b"run"])
def test_the_child_writes_nothing_runs_nothing_and_calls_nobody(
    extractor: Extractor, tmp_path: Path, deed: bytes
) -> None:
    error = refusal(extractor, written(tmp_path, deed))
    assert error.code is ErrorCode.DOCUMENT_DAMAGED
    assert "PermissionError" in str(error.facts["reason"]) or "NetworkBlocked" in str(error.facts["reason"])
    assert not (tmp_path / "evil").exists()


@pytest.mark.usefixtures("stand_in")
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit address space")
def test_a_hog_of_memory_costs_its_file_alone(extractor: Extractor, tmp_path: Path) -> None:
    assert refusal(extractor, written(tmp_path, b"hog")).code is ErrorCode.DOCUMENT_TOO_HEAVY
    assert extract(extractor, written(tmp_path, b"good")).text == "good"


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("deed", [b"die", b"lie"])
def test_a_file_that_kills_the_child_twice_is_left_alone(extractor: Extractor, tmp_path: Path, deed: bytes) -> None:
    path = written(tmp_path, deed)
    assert refusal(extractor, path).code is ErrorCode.DOCUMENT_CRASHED
    stored = json.loads((tmp_path / "quarantine.json").read_text(encoding="utf-8"))
    assert stored["files"][hashlib.sha256(deed).hexdigest()][0] == 2
    again = Extractor(tmp_path / "quarantine.json")
    assert refusal(again, path.rename(tmp_path / "other.txt")).code is ErrorCode.DOCUMENT_QUARANTINED
    assert again._child is None
    assert extract(extractor, written(tmp_path, b"good")).text == "good"


@pytest.mark.usefixtures("stand_in")
def test_a_file_that_takes_too_long_is_given_up_and_left_alone_the_second_time(tmp_path: Path) -> None:
    extractor = Extractor(tmp_path / "quarantine.json", Limits(wall_s=1))
    path = written(tmp_path, b"hang")
    assert refusal(extractor, path).code is ErrorCode.DOCUMENT_TOO_SLOW
    assert refusal(extractor, path).code is ErrorCode.DOCUMENT_TOO_SLOW
    assert refusal(extractor, path).code is ErrorCode.DOCUMENT_QUARANTINED
    extractor.close()


@pytest.mark.usefixtures("stand_in")
def test_cancelling_kills_the_child_at_once(extractor: Extractor, tmp_path: Path) -> None:
    cancel, began = CancelToken(), threading.Event()
    seen: list[object] = []

    def emit(event: object) -> None:
        seen.append(event)
        began.set()

    canceller = threading.Thread(target=lambda: (began.wait(10), cancel.cancel()))
    canceller.start()
    with pytest.raises(Interrupted):
        extractor.extract(written(tmp_path, b"hang"), cancel, emit)
    canceller.join()
    assert seen == [DocumentProgress("notes.txt", 1, 2)]
    assert extract(extractor, written(tmp_path, b"good")).text == "good"
    with pytest.raises(Interrupted):
        extractor.extract(written(tmp_path, b"good"), cancel, emit)


@pytest.mark.skipif(sys.platform == "win32", reason="the job object counts there")
def test_the_memory_of_a_large_parent_is_not_the_childs() -> None:
    large = b"x" * 200_000_000
    source = "from core.library.confinement import peak_bytes; print(peak_bytes())"
    done = subprocess.run(
        [sys.executable, "-c", source], env=child_environ(), capture_output=True, text=True, check=True
    )
    assert 0 < int(done.stdout) < len(large)


def test_what_is_no_file_is_refused_without_a_child(extractor: Extractor, tmp_path: Path) -> None:
    assert "folder" in str(refusal(extractor, tmp_path).facts["reason"])
    assert refusal(extractor, tmp_path / "gone.txt").code is ErrorCode.DOCUMENT_UNREADABLE
    assert refusal(extractor, Path("a\0b")).code is ErrorCode.DOCUMENT_UNREADABLE
    assert refusal(extractor, written(tmp_path, b"")).code is ErrorCode.DOCUMENT_EMPTY
    small = Extractor(limits=Limits(file_bytes=3))
    error = refusal(small, written(tmp_path, b"four"))
    assert (error.code, error.facts["found_bytes"]) == (ErrorCode.DOCUMENT_TOO_LARGE, 4)
    assert extractor._child is small._child is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in the file system")
def test_a_pipe_is_refused_and_never_waited_for(extractor: Extractor, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "not a file" in str(refusal(extractor, tmp_path / "pipe.txt").facts["reason"])


def test_a_child_that_cannot_be_started_is_told(
    extractor: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, b"text")
    for command in ([str(tmp_path / "none")], [sys.executable, "-c", "pass"]):
        monkeypatch.setattr(module, "child_command", lambda _module, *_rest, command=command: command)
        with pytest.raises(AppError) as caught:
            extract(extractor, path)
        assert caught.value.code is ErrorCode.EXTRACTOR_FAILED
    assert Quarantine(tmp_path / "quarantine.json").is_empty


@pytest.mark.parametrize("content", ["", "[]", '{"extractor": 1, "files": 7}', '{"extractor": 0, "files": {}}', "\0"])
def test_a_damaged_quarantine_begins_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "quarantine.json"
    path.write_text(content, encoding="utf-8")
    quarantine = Quarantine(path)
    assert quarantine.is_empty
    quarantine.note("a" * 64, "signal 6")
    assert quarantine.reason("a" * 64) is None
    quarantine.note("a" * 64, "signal 6")
    assert Quarantine(path).reason("a" * 64) == "signal 6"
