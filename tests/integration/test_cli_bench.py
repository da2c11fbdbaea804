"""`tern bench`: the figures are all there, are about the right thing, and are said in words."""

import json
from pathlib import Path

import pytest
from terminal import Tern, run_tern

from app.commands.bench import meaning
from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference import measure
from core.inference.measure import Plan, Speed
from core.inference.model import Interrupted, TernaryModel, load_model

MODEL = Path(__file__).parents[1] / "fixtures" / "tied-h256" / "hf-packed"


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tern:
    # A plain read of 256 MiB takes a second and says nothing here.
    monkeypatch.setattr(measure, "sequential_read_gb_per_s", lambda _threads, _data: 30.0)
    return Tern(capsys, monkeypatch)


def open_model(context_length: int, n_threads: int) -> TernaryModel:
    return load_model(
        MODEL, context_length=context_length, n_threads=n_threads, cancel=CancelToken(), emit=lambda _: None
    )


def test_json_has_exactly_these_keys(tern: Tern) -> None:
    ended = tern(
        "bench", "--model", MODEL, "--threads", "1,2", "--prompt", "32", "--generate", "8", "--depth", "9", "--json"
    )
    assert (ended.code, ended.err) == (0, "")
    figures = json.loads(ended.out)
    assert list(figures) == ["machine", "kernels", "kv", "load_s", "first_token_s", "peak_rss_bytes", "results"]
    rows = figures["results"]
    for row in rows:
        assert list(row) == [
            "phase", "threads", "tokens", "depth", "tokens_per_s", "read_gb_per_s", "whole_heads", "rows_per_token",
        ]  # fmt: skip
        assert row["tokens_per_s"] > 0
    assert [(row["phase"], row["threads"], row["tokens"], row["depth"]) for row in rows] == [
        ("prefill", 1, 32, 9),
        ("decode", 1, 8, 9),
        ("prefill", 2, 32, 9),
        ("decode", 2, 8, 9),
    ]
    assert figures["first_token_s"] > 0
    assert figures["load_s"] > 0
    assert 10_000_000 < figures["peak_rss_bytes"] < 4_000_000_000


def test_a_real_run_measures_the_memory_too() -> None:
    ended = run_tern("bench", "--model", MODEL, "--threads", "1", "--prompt", "16", "--generate", "4", "--json")
    figures = json.loads(ended.out)
    assert 0.5 < figures["results"][1]["read_gb_per_s"] < 2000
    assert 10_000_000 < figures["peak_rss_bytes"] < 200_000_000  # of that process alone, without the plain read


def test_the_table_ends_with_what_it_means(tern: Tern) -> None:
    ended = tern("bench", "--model", MODEL, "--threads", "2", "--prompt", "16", "--generate", "4")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[-1].startswith("This computer writes about ")
    assert [line.split()[0] for line in lines[3:6]] == ["phase", "prefill", "decode"]


@pytest.mark.parametrize(
    ("decode", "verdict"), [(2.0, "slower than people read"), (5.0, "about as fast"), (20.0, "faster than most")]
)
def test_speed_is_compared_with_reading(decode: float, verdict: str) -> None:
    rows = [Speed("prefill", 1, 10, 0, 100.0, 30.0), Speed("decode", 1, 10, 0, decode, 30.0)]
    assert verdict in meaning(rows)
    assert "reads about 75 words" in meaning(rows)


def test_the_cache_is_just_as_large_as_needed() -> None:
    assert Plan((1,), 512, 64, 0).context_length == 512
    assert Plan((1,), 1, 64, 2048).context_length == 2112
    assert Plan((1,), 1, 1, 0).context_length == 16


def test_a_context_that_is_too_short_is_refused(tern: Tern) -> None:
    ended = tern("bench", "--model", MODEL, "--depth", "250")
    assert (ended.code, ended.out) == (2, "")
    assert ended.is_one_line()
    assert "at most 256" in ended.err


@pytest.mark.parametrize("phase", ["fill", "prompt"])
def test_a_cancelled_run_stops(monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        measure.measure(open_model, Plan((1,), 8, 8, 16 if phase == "fill" else 0), cancel)


def test_a_model_with_other_threads_uses_the_same_weights_and_cache() -> None:
    model = open_model(64, 1)
    other = model.with_threads(2)
    assert (model.n_threads, other.n_threads) == (1, 2)
    assert other.weights is model.weights
    ids = [3, 1, 4, 1, 5, 9, 2, 6]
    model.read(ids[:5], 0, want_logits=False)  # type: ignore[arg-type]
    went_on = other.read(ids[5:], 5, want_logits=True)  # type: ignore[arg-type]
    assert went_on is not None
    expected = went_on.copy()
    other.close()
    alone = model.read(ids, 0, want_logits=True)  # type: ignore[arg-type]
    assert alone is not None
    assert (alone == expected).all()
    model.close()
    with pytest.raises(ValueError):
        model.with_threads(1)


def test_errors_of_opening_pass_through() -> None:
    def refuse(_context_length: int, _n_threads: int) -> TernaryModel:
        raise AppError(ErrorCode.MODEL_NOT_FOUND, path="x")

    with pytest.raises(AppError):
        measure.measure(refuse, Plan((1,), 1, 1, 0), CancelToken())


@pytest.mark.slow
def test_the_exact_shapes_of_2b4t_fit_their_memory() -> None:
    ended = run_tern(*["bench", "--synthetic", "2b4t", "--threads", "2", "--prompt", "64", "--generate", "8", "--json"])
    figures = json.loads(ended.out)
    assert figures["peak_rss_bytes"] < 1_400_000_000  # 1.3 GB and the interpreter
