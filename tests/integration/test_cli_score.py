"""`tern score`: golden logits, the same bits however they are computed, and a file that is whole or not there."""

import json
from pathlib import Path

import numpy as np
import pytest
from terminal import Tern

from app.commands import score
from core.inference.model import Interrupted

FIXTURES = Path(__file__).parents[1] / "fixtures"
MODEL = FIXTURES / "tied-h256" / "hf-packed"


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tern:
    return Tern(capsys, monkeypatch)


def scored(tern: Tern, path: Path, model: Path, *options: object) -> np.ndarray:
    ended = tern("score", "--model", model, *options, "--out", path)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    return np.load(path, allow_pickle=False)


@pytest.mark.golden
@pytest.mark.parametrize("model", ["tied-h256", "tied-h128", "llama-bitlinear-h192"])
@pytest.mark.parametrize("name", ["plain", "chat_multi"])
def test_logits_agree_with_the_golden_ones(tern: Tern, tmp_path: Path, model: str, name: str) -> None:
    golden = json.loads((FIXTURES / model / "golden" / "golden.json").read_text(encoding="utf-8"))["prompts"][name]
    ids = ",".join(map(str, golden["ids"]))
    logits = scored(tern, tmp_path / "x.npy", FIXTURES / model / "hf-packed", "--ids", ids)
    assert (logits.dtype, logits.shape) == (np.float32, (len(golden["ids"]), 512))
    expected = np.load(FIXTURES / model / "golden" / f"logits_{name}.npy")
    difference = np.abs(logits[golden["logits_from"] :] - expected).max(axis=1)
    stable = np.isin(np.arange(golden["logits_from"], len(ids.split(","))), golden["stable_positions"])
    assert difference[stable].max(initial=0) <= 2e-3
    assert difference.max() <= 0.25 * golden["logit_std"]


def test_the_bits_depend_on_neither_chunk_nor_threads(tern: Tern, tmp_path: Path) -> None:
    ids = ["--ids", ",".join(str(n % 490) for n in range(3, 200, 5))]
    variants = [[], ["--chunk", "1"], ["--chunk", "7"], ["--chunk", "99999"], ["--threads", "1"], ["--threads", "3"]]
    files = []
    for number, options in enumerate(variants):
        scored(tern, tmp_path / f"{number}.npy", MODEL, *ids, *options)
        files.append((tmp_path / f"{number}.npy").read_bytes())
    assert len(set(files)) == 1


def test_text_is_read_with_the_start_token_and_without_special_ones(tern: Tern, tmp_path: Path) -> None:
    golden = json.loads((FIXTURES / "tied-h256" / "golden" / "golden.json").read_text(encoding="utf-8"))
    plain = golden["prompts"]["plain"]
    by_text = scored(tern, tmp_path / "a.npy", MODEL, "--text", plain["text"])
    by_ids = scored(tern, tmp_path / "b.npy", MODEL, "--ids", ",".join(map(str, plain["ids"])))
    assert np.array_equal(by_text, by_ids)
    assert len(scored(tern, tmp_path / "c.npy", MODEL, "--text", "<|eot_id|>")) > 2


def test_the_whole_context_can_be_scored(tern: Tern, tmp_path: Path) -> None:
    assert len(scored(tern, tmp_path / "a.npy", MODEL, "--ids", ",".join(["1"] * 256))) == 256


@pytest.mark.parametrize(
    "options",
    [
        ["--ids", "1,x"],
        ["--ids", "1,,2"],
        ["--ids", ""],
        ["--ids=-1"],
        ["--ids", "512"],
        ["--ids", "99999999999999999999"],
        ["--ids", ",".join(["1"] * 257)],
        ["--text", ""],
    ],
)
def test_bad_tokens_are_refused_in_one_line(tern: Tern, tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "x.npy"
    ended = tern("score", "--model", MODEL, *options, "--out", path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.is_one_line()
    assert not path.exists()


@pytest.mark.parametrize("target", ["no/x.npy", "file/x.npy", ".", "/dev/null", "x" * 300, "loop"])
def test_a_place_that_cannot_be_written_is_refused_early(tern: Tern, tmp_path: Path, target: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    ended = tern("score", "--model", tmp_path / "never loaded", "--ids", "1", "--out", tmp_path / target)
    assert ended.code == 2
    assert ended.is_one_line()
    assert "cannot be written" in ended.err


def test_an_interrupted_run_leaves_the_file_as_it_was(
    tern: Tern, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"old")

    def interrupted(*_args: object) -> object:
        raise Interrupted

    monkeypatch.setattr("core.inference.model.score_ids", interrupted)
    ended = tern("score", "--model", MODEL, "--ids", "1", "--out", path)
    assert (ended.code, ended.out, ended.err) == (130, "", "")
    assert path.read_bytes() == b"old"


def test_a_failed_write_leaves_the_file_as_it_was_and_nothing_beside_it(
    tern: Tern, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(score.os, "fsync", full)
    ended = tern("score", "--model", MODEL, "--ids", "1", "--out", path)
    assert ended.code == 2
    assert "No space left" in ended.err
    assert path.read_bytes() == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.is_file()) == ["x.npy"]


def test_a_link_is_followed(tern: Tern, tmp_path: Path) -> None:
    (tmp_path / "real.npy").write_bytes(b"old")
    (tmp_path / "link.npy").symlink_to(tmp_path / "real.npy")
    assert len(scored(tern, tmp_path / "link.npy", MODEL, "--ids", "1,2")) == 2
    assert (tmp_path / "link.npy").is_symlink()
    assert len(np.load(tmp_path / "real.npy")) == 2
