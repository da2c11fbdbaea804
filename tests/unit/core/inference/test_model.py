import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference import model as model_module
from core.inference.config import TokenId, config_2b4t
from core.inference.model import (
    Interrupted,
    LanguageModel,
    TernaryModel,
    default_threads,
    load_model,
    physical_cores,
    score_ids,
)
from cython_kernels import kernel_sets

Make = Callable[..., Path]
IDS = [TokenId(i) for i in (496, 3, 99, 511, 0, 42)]


def ignore(event: object) -> None:
    """Nobody listens."""


def load(directory: Path, **options: object) -> TernaryModel:
    return load_model(directory, cancel=CancelToken(), emit=ignore, **options)  # type: ignore[arg-type]


@pytest.fixture
def model(tiny_model_dir: Make) -> TernaryModel:
    return load(tiny_model_dir(), n_threads=2)


def test_a_loaded_model_is_a_language_model(model: TernaryModel) -> None:
    seam: LanguageModel = model
    assert (seam.vocab_size, seam.context_length) == (512, 64)
    assert model.kernels in kernel_sets()
    assert model.n_threads == 2
    assert model.name == "tiny-1"


def test_read_gives_the_logits_of_the_last_id_or_nothing(model: TernaryModel) -> None:
    logits = model.read(IDS, 0, want_logits=True)
    assert logits is not None
    assert (logits.shape, logits.dtype) == ((512,), np.float32)
    assert (logits == model.read_all(IDS, 0)[-1]).all()
    assert model.read(IDS, 0, want_logits=False) is None


def test_positions_can_be_read_again_after_a_truncation(model: TernaryModel) -> None:
    first = model.read_all(IDS, 0)
    model.read_all([TokenId(7)] * 3, 3)
    assert (model.read_all(IDS[3:], 3) == first[3:]).all()


def test_interrupt_stops_reading_until_it_is_cleared(model: TernaryModel) -> None:
    wanted = model.read_all(IDS, 0)
    model.interrupt()
    with pytest.raises(Interrupted):
        model.read(IDS, 0, want_logits=True)
    model.clear_interrupt()
    assert (model.read_all(IDS, 0) == wanted).all()


def test_interrupt_comes_from_another_thread(model: TernaryModel) -> None:
    thread = threading.Thread(target=model.interrupt)
    thread.start()
    thread.join()
    with pytest.raises(Interrupted):
        model.read(IDS, 0, want_logits=False)


def test_interrupted_is_no_app_error() -> None:
    assert not issubclass(Interrupted, AppError)


def test_close_can_be_called_twice(model: TernaryModel) -> None:
    model.close()
    model.close()


@pytest.mark.parametrize(("asked", "given"), [(None, 64), (48, 48), (40, 32), (1, 16), (9999, 64)])
def test_context_length_is_clamped_to_the_model(tiny_model_dir: Make, asked: int | None, given: int) -> None:
    assert load(tiny_model_dir(), context_length=asked).context_length == given


def test_context_length_defaults_to_4096_for_long_models(tiny_model_dir: Make) -> None:
    directory = tiny_model_dir(lambda files: files.config.update(max_position_embeddings=32768))
    assert load(directory).context_length == 4096
    assert load(directory, context_length=8192).context_length == 8192


def test_kernels_are_forced_by_argument_or_environment(tiny_model_dir: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tiny_model_dir()
    monkeypatch.setenv("TERN_KERNELS", "scalar")
    assert load(directory).kernels == "scalar"
    assert load(directory, kernels=kernel_sets()[0]).kernels == kernel_sets()[0]
    monkeypatch.setenv("TERN_KERNELS", "")
    assert load(directory).kernels == kernel_sets()[0]


def test_unknown_kernels_are_named(tiny_model_dir: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERN_KERNELS", "sse9")
    with pytest.raises(AppError) as caught:
        load(tiny_model_dir())
    assert caught.value.code is ErrorCode.KERNELS_UNKNOWN
    assert caught.value.facts == {"name": "sse9", "known": ", ".join(kernel_sets())}


@pytest.mark.parametrize("threads", [0, -1, 100_000])
def test_impossible_thread_counts_are_refused(tiny_model_dir: Make, threads: int) -> None:
    with pytest.raises(AppError) as caught:
        load(tiny_model_dir(), n_threads=threads)
    assert (caught.value.code, caught.value.facts["key"]) == (ErrorCode.SETTING_INVALID, "threads")


@pytest.mark.parametrize("failure", [MemoryError(), OSError(12, "Cannot allocate memory")])
def test_too_little_memory_says_how_much_is_needed(
    tiny_model_dir: Make, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(shape: object, kv: object) -> None:
        raise failure

    monkeypatch.setattr(model_module, "new_kv", fail)
    with pytest.raises(AppError) as caught:
        load(tiny_model_dir())
    assert caught.value.code is ErrorCode.OUT_OF_MEMORY
    assert isinstance(caught.value.facts["needed_bytes"], int)
    assert caught.value.facts["needed_bytes"] > 0


def test_cancel_while_loading_is_no_error(tiny_model_dir: Make) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        load_model(tiny_model_dir(), cancel=cancel, emit=ignore)


@pytest.mark.parametrize("chunk", [None, 1, 4, 100])
def test_scores_are_the_same_for_every_chunk(model: TernaryModel, chunk: int | None) -> None:
    scores = score_ids(model, IDS, chunk)
    assert (scores.shape, scores.dtype) == ((len(IDS), 512), np.float32)
    assert (scores == model.read_all(IDS, 0)).all()


@pytest.mark.parametrize(
    ("ids", "chunk", "code"),
    [
        ([], None, ErrorCode.PROMPT_EMPTY),
        ([0] * 65, None, ErrorCode.PROMPT_TOO_LONG),
        ([512], None, ErrorCode.TOKEN_OUT_OF_RANGE),
        ([0, -1], None, ErrorCode.TOKEN_OUT_OF_RANGE),
        ([2**70], None, ErrorCode.TOKEN_OUT_OF_RANGE),
        ([0], 0, ErrorCode.SETTING_INVALID),
        ([0], -3, ErrorCode.SETTING_INVALID),
    ],
)
def test_scores_refuse_bad_requests(model: TernaryModel, ids: list[int], chunk: int | None, code: ErrorCode) -> None:
    with pytest.raises(AppError) as caught:
        score_ids(model, [TokenId(i) for i in ids], chunk)
    assert caught.value.code is code


def test_the_whole_context_can_be_scored(model: TernaryModel) -> None:
    assert np.isfinite(score_ids(model, [TokenId(i * 7 % 512) for i in range(64)], None)).all()


def test_a_synthetic_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    small = config_2b4t()
    small = model_module.ModelConfig(
        **{field: getattr(small, field) for field in small.__slots__}
        | {"hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 1}
        | {"num_key_value_heads": 1, "vocab_size": 64}
    )
    monkeypatch.setattr(model_module, "config_2b4t", lambda: small)
    runs = [
        model_module.synthetic_model(context_length=32, n_threads=1, kernels=None, seed=seed).read_all([1, 2, 3], 0)
        for seed in (5, 5, 6)
    ]
    assert np.isfinite(runs[0]).all()
    assert (runs[0] == runs[1]).all()
    assert not (runs[0] == runs[2]).all()


def write_topology(root: Path, cores: list[tuple[int, int]]) -> Path:
    for cpu, (package, core) in enumerate(cores):
        directory = root / f"cpu{cpu}" / "topology"
        directory.mkdir(parents=True)
        (directory / "physical_package_id").write_text(f"{package}\n")
        (directory / "core_id").write_text(f"{core}\n")
    return root


def test_two_threads_of_a_core_count_once(tmp_path: Path) -> None:
    root = write_topology(tmp_path / "cpu", [(0, 0), (0, 1), (0, 0), (0, 1), (1, 0), (1, 0)])
    assert physical_cores(range(6), root) == 3
    assert physical_cores([0, 2], root) == 1


def test_without_topology_each_logical_cpu_counts(tmp_path: Path) -> None:
    assert physical_cores(range(4), tmp_path) == 4
    assert physical_cores([], tmp_path) == 1


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (4, 4), (6, 5), (16, 15)])
def test_large_machines_keep_one_core_free(monkeypatch: pytest.MonkeyPatch, cores: int, threads: int) -> None:
    monkeypatch.setattr(model_module, "physical_cores", lambda cpus, topology: cores)
    assert default_threads() == threads
