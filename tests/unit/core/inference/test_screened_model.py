"""Models whose head is screened and whose rows stay in the file: the same bits as with everything in memory."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_files import FIXTURES

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference import model as model_module
from core.inference.config import TokenId, config_2b4t
from core.inference.engine import Engine
from core.inference.formats import read_tokenizer
from core.inference.model import Head, Interrupted, TernaryModel, load_model, score_ids
from core.inference.sampling import SamplingParams
from core.inference.weights import is_screened, memory_bytes, shape_for
from cython_kernels import kernel_sets

Make = Callable[..., Path]
MODELS = ("tied-h128/hf-packed", "tied-h128/i2s.gguf", "llama-bitlinear-h192/hf-packed")
IDS = [TokenId(i) for i in (5, 3, 99, 511, 0, 42, 7, 8, 300)]
SETTINGS = (
    SamplingParams(seed=3, max_tokens=24),
    SamplingParams.greedy(max_tokens=24),
    SamplingParams(seed=4, max_tokens=24, top_k=0, top_p=0.7, min_p=0.0, temperature=1.5),
    SamplingParams(seed=5, max_tokens=24, top_k=0, top_p=1.0, min_p=0.2),
)


def load(path: Path, head: Head, n_threads: int = 2, kernels: str | None = None) -> TernaryModel:
    return load_model(
        path, n_threads=n_threads, kernels=kernels, head=head, cancel=CancelToken(), emit=lambda event: None
    )


def existing(name: str) -> Path:
    path = FIXTURES / name
    if not path.exists():
        found = sorted((FIXTURES / name.split("/")[0]).rglob("*.gguf"))
        assert found, name
        return found[0]
    return path


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_text_are_those_of_the_plain_head(name: str) -> None:
    path = existing(name)
    plain, screened = load(path, "plain"), load(path, "screened")
    assert plain.weights.head is not None
    assert (screened.weights.head, screened.weights.embedding) == (None, None)
    for chunk in (1, 4, None):
        assert score_ids(screened, IDS, chunk).tobytes() == score_ids(plain, IDS, chunk).tobytes()
    logits = screened.read(IDS, 0, want_logits=True)
    assert logits is not None
    assert logits.tobytes() == score_ids(plain, IDS, None)[-1].tobytes()
    tokenizer = read_tokenizer(path)
    engines = [Engine(model, tokenizer, "m") for model in (plain, screened)]
    for params in SETTINGS:
        said = [engine.generate(IDS, params, CancelToken(), lambda event: None) for engine in engines]
        assert said[0].token_ids == said[1].token_ids
        assert said[0].stats.full_head_tokens == 0
    assert screened.head_counts is not None
    assert screened.head_counts.n_queries > 0
    for engine in engines:
        engine.close()


@pytest.mark.parametrize("kernels", kernel_sets())
def test_threads_and_splits_do_not_change_what_is_said(kernels: str) -> None:
    path = existing("tied-h256/hf-packed")
    tokenizer, params = read_tokenizer(path), SamplingParams(seed=9, max_tokens=16)
    prompt = [TokenId(i * 31 % 500) for i in range(150)]
    said = set()
    for n_threads in (1, 2, 3, 4):
        for head in ("plain", "screened"):
            engine = Engine(load(path, head, n_threads, kernels), tokenizer, "m")
            for n_cached in (0, 70):
                engine.generate(
                    prompt[: n_cached + 1], replace(params, max_tokens=1), CancelToken(), lambda event: None
                )
                said.add(engine.generate(prompt, params, CancelToken(), lambda event: None).token_ids)
            engine.close()
    assert len(said) == 1


def test_whole_heads_are_counted() -> None:
    path = existing("tied-h256/hf-packed")
    engine = Engine(load(path, "screened"), read_tokenizer(path), "m")
    flat = SamplingParams(seed=1, max_tokens=8, temperature=5.0, top_k=0, top_p=0.99, min_p=0.0)
    stats = engine.generate(IDS, flat, CancelToken(), lambda event: None).stats
    assert 0 < stats.full_head_tokens <= 9
    again = engine.generate(IDS, SamplingParams(seed=1, max_tokens=8), CancelToken(), lambda event: None)
    assert again.stats.full_head_tokens == 0
    engine.close()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be shortened there")
def test_a_file_that_becomes_unreadable_in_use_is_a_designed_error(tiny_model_dir: Make) -> None:
    directory = tiny_model_dir()
    model = load(directory, "screened")
    os.truncate(directory / "model.safetensors", 1000)
    for use in (
        lambda: model.read(IDS, 0, want_logits=True),
        lambda: model.read_all(IDS, 0),
        lambda: score_ids(model, IDS, None),
    ):
        with pytest.raises(AppError) as caught:
            use()
        assert caught.value.code is ErrorCode.MODEL_DAMAGED
    model.close()


def test_interrupts_and_closing_work_as_with_a_plain_head(tiny_model_dir: Make) -> None:
    model = load(tiny_model_dir(), "screened")
    other = model.with_threads(1)
    other.close()  # closes nothing that the first one needs
    former, model = model, model.with_threads(1)
    former.close()
    wanted = model.read_all(IDS, 0)
    model.interrupt()
    with pytest.raises(Interrupted):
        model.read_all(IDS, 0)
    model.clear_interrupt()
    assert model.read_all(IDS, 0).tobytes() == wanted.tobytes()
    model.close()
    model.close()
    with pytest.raises(ValueError):
        model.read(IDS, 0, want_logits=False)


def test_large_heads_are_screened_and_small_ones_are_not() -> None:
    large = config_2b4t()
    small = replace(large, vocab_size=2560, hidden_size=256)
    assert is_screened(large)
    assert not is_screened(small)
    shape = shape_for(large, 2048)
    assert memory_bytes(large, replace(shape, max_context=0)) < 855_000_000


@pytest.mark.parametrize("is_full", [False, True])
def test_a_synthetic_model_keeps_its_rows_in_a_file_or_in_memory(
    monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    small = replace(
        config_2b4t(), hidden_size=128, intermediate_size=128, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, vocab_size=9000,
    )  # fmt: skip
    monkeypatch.setattr(model_module, "config_2b4t", lambda: small)
    if is_full:
        import core.inference.weights as weights_module

        class FullDisk:
            def __init__(self, descriptor: int, mode: str) -> None:
                self._file = open(descriptor, mode)  # noqa: SIM115
                self._left = 1

            def __enter__(self) -> "FullDisk":
                return self

            def __exit__(self, *_: object) -> None:
                self._file.close()

            def write(self, data: memoryview) -> None:
                if not self._left:
                    raise OSError(28, "No space left on device")
                self._left -= 1
                self._file.write(data)

            def flush(self) -> None:
                self._file.flush()

        monkeypatch.setattr(weights_module.os, "fdopen", FullDisk)
    options = {"context_length": 32, "n_threads": 1, "kernels": None, "seed": 5}
    one = model_module.synthetic_model(**options, head="screened")  # type: ignore[arg-type]
    other = model_module.synthetic_model(**options, head="plain")  # type: ignore[arg-type]
    assert (
        one.read_all([TokenId(1), TokenId(8999)], 0).tobytes()
        == other.read_all([TokenId(1), TokenId(8999)], 0).tobytes()
    )
    assert np.isfinite(one.read_all([TokenId(0)], 0)).all()
    one.close()
    other.close()
