"""No malformed model can hurt: each is refused in one line, at once and with little memory."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from terminal import ROOT, run_tern

HERE = Path(__file__).parent
MAX_SECONDS = 2.0
EXTRA_BYTES = 200_000_000
FEWEST_CASES = 150


def _module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(HERE))
    return importlib.import_module(name)


def _inspected(paths: list[Path], tmp_path: Path) -> tuple[dict[int, dict[str, object]], str]:
    """Return how `tern inspect` ended for each path, in one process, and what that wrote to standard error."""
    listed = tmp_path / "paths"
    listed.write_text("\n".join(map(str, paths)))
    process = subprocess.run(
        [sys.executable, HERE / "inspect_all.py", listed, str(EXTRA_BYTES)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    results: dict[int, dict[str, object]] = {}
    last = -1
    for line in process.stdout.splitlines():
        result = json.loads(line)
        last = result["number"]
        if "code" in result:
            results[last] = result
    assert process.returncode == 0, f"{paths[last]} ended the process: {process.returncode}, {process.stderr[-2000:]}"
    return results, process.stderr


def _faults(result: dict[str, object], says: str) -> list[str]:
    """Return what is wrong with a refusal."""
    code, err, seconds = result["code"], str(result["err"]), float(str(result["seconds"]))
    found = []
    if code != 2:
        found.append(f"exit code {code}")
    if not (err.startswith("tern: ") and err.count("\n") == 1 and err.endswith("\n") and err[:-1].isprintable()):
        found.append(f"not one line: {err!r}")
    if not re.search(says, err):
        found.append(f"refused for another reason than {says!r}: {err!r}")
    if result["loading"] != "refused":
        found.append(f"loading it: {result['loading']}")
    if "Traceback" in err or "Traceback" in str(result["out"]):
        found.append("traceback")
    if seconds > MAX_SECONDS:
        found.append(f"{seconds:.1f} s")
    return found


def test_every_malformed_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    malformed = _module("malformed", monkeypatch)
    sound = [(case.name, case.make(tmp_path / "good" / case.name)) for case in malformed.good()]
    built = malformed.build(tmp_path / "bad")
    assert len({case.name for case, _ in built}) == len(built) >= FEWEST_CASES
    results, err = _inspected([*(path for _, path in sound), *(path for _, path in built)], tmp_path)
    ends = {name: (results[number]["code"], results[number]["loading"]) for number, (name, _) in enumerate(sound)}
    assert ends == dict.fromkeys(dict(sound), (0, "opened"))
    wrong = {
        case.name: faults
        for number, (case, _) in enumerate(built, len(sound))
        if (faults := _faults(results[number], case.says))
    }
    assert wrong == {}
    assert err == ""


@pytest.mark.parametrize(
    "name",
    [
        "config-deep", "tokenizer-deep", "tokenizer-too-large", "tokenizer-bad-charsmap", "tensors-header-deep",
        "tensors-header-length-ffffffffffffffff", "gguf-tensors-8000000000000000", "gguf-array-8-10000000000",
    ],
)  # fmt: skip
def test_a_process_of_its_own_ends_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = [case for case in _module("malformed", monkeypatch).cases() if case.name == name]
    ended = run_tern("inspect", case.make(tmp_path), env={"RUST_BACKTRACE": "1"})
    assert ended.code == 2
    assert ended.is_one_line(), ended.err


def test_mutated_headers_are_read_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """2,000 mutants; `python tests/faults/fuzz_headers.py` runs a million."""
    tally = _module("fuzz_headers", monkeypatch).run(2000, 20, tmp_path)
    assert sum(tally.n_refused.values()) > 1500
    assert sum(tally.n_read.values()) > 50
    assert capfd.readouterr().err == ""


def test_the_same_seed_gives_the_same_mutants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _module("fuzz_headers", monkeypatch).run
    one, two = run(200, 3, tmp_path / "one"), run(200, 3, tmp_path / "two")
    assert (one.n_read, one.n_refused) == (two.n_read, two.n_refused)


def test_a_mutant_that_breaks_a_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz = _module("fuzz_headers", monkeypatch)

    def broken(_directory: Path) -> None:
        raise IndexError("off by one")

    monkeypatch.setattr(fuzz, "TensorFiles", broken)
    with pytest.raises(fuzz.MutantError, match=r"mutant [0-9]+ of (tensors|index): IndexError"):
        fuzz.run(100, 1, tmp_path)
