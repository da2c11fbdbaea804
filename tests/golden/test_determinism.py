"""Equal bits, no tolerance: for any thread count, any split of the prompt, any kernel set, any file layout."""

import itertools
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from model_files import FIXTURES, write_safetensors
from numpy.typing import NDArray

from core.events import CancelToken
from core.inference.config import TokenId
from core.inference.model import TernaryModel, load_model, score_ids
from core.inference.safetensors import TensorFiles
from cython_kernels import kernel_sets

pytestmark = [pytest.mark.golden, pytest.mark.kernels]

MODELS = ("tied-h128", "tied-h256", "llama-bitlinear-h192")
PROMPTS = ("unicode", "chat_multi")


def ignore(event: object) -> None:
    """Nobody listens."""


def load(directory: Path, n_threads: int = 1, kernels: str | None = None) -> TernaryModel:
    return load_model(directory, n_threads=n_threads, kernels=kernels, cancel=CancelToken(), emit=ignore)


@cache
def ids_of(model: str, prompt: str) -> list[TokenId]:
    prompts = json.loads((FIXTURES / model / "golden" / "golden.json").read_text("utf-8"))["prompts"]
    return [TokenId(i) for i in prompts[prompt]["ids"]]


@cache
def wanted(model: str, prompt: str) -> NDArray[np.float32]:
    """Return the scores of the plainest run: scalar kernels, one thread, all at once."""
    return score_ids(load(FIXTURES / model / "hf-packed", 1, "scalar"), ids_of(model, prompt), None)


def assert_same_bits(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    assert (found.view(np.uint32) == expected.view(np.uint32)).all()


@pytest.mark.parametrize("kernels", kernel_sets())
@pytest.mark.parametrize("n_threads", [1, 2, 3, 4])
@pytest.mark.parametrize("model", MODELS)
def test_threads_splits_and_kernels_do_not_change_a_bit(model: str, n_threads: int, kernels: str) -> None:
    ternary = load(FIXTURES / model / "hf-packed", n_threads, kernels)
    for prompt in PROMPTS:
        for chunk in (1, 7, None):
            assert_same_bits(score_ids(ternary, ids_of(model, prompt), chunk), wanted(model, prompt))
    ternary.close()


@pytest.mark.parametrize("model", MODELS)
def test_uneven_splits_do_not_change_a_bit(model: str) -> None:
    ternary, ids = load(FIXTURES / model / "hf-packed", 2), ids_of(model, "chat_multi")
    random = np.random.default_rng(3)
    for _ in range(20):
        cuts = sorted(set(random.integers(1, len(ids), random.integers(1, 9)).tolist()))
        edges = [0, *cuts, len(ids)]
        rows = [ternary.read_all(ids[a:b], a) for a, b in itertools.pairwise(edges)]
        assert_same_bits(np.concatenate(rows), wanted(model, "chat_multi"))


@pytest.mark.parametrize("model", MODELS)
def test_what_the_cache_held_before_does_not_change_a_bit(model: str) -> None:
    ternary, ids = load(FIXTURES / model / "hf-packed", 2), ids_of(model, "chat_multi")
    ternary.read([TokenId(i) for i in range(200)], 0, want_logits=False)
    half = len(ids) // 2
    ternary.read(ids[:half], 0, want_logits=False)
    ternary.read([TokenId(9)] * 40, half, want_logits=False)
    assert_same_bits(ternary.read_all(ids[half:], half), wanted(model, "chat_multi")[half:])


def test_a_long_context_does_not_depend_on_threads_or_splits() -> None:
    ids = [TokenId(i * 37 % 512) for i in range(256)]
    runs = []
    for n_threads, kernels, chunk in ((1, "scalar", None), (4, kernel_sets()[0], 17), (3, kernel_sets()[0], 100)):
        runs.append(score_ids(load(FIXTURES / "tied-h256" / "hf-packed", n_threads, kernels), ids, chunk))
    assert_same_bits(runs[1], runs[0])
    assert_same_bits(runs[2], runs[0])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_masters_give_the_bits_of_the_packed_model(prompt: str) -> None:
    masters = load(FIXTURES / "tied-h128" / "hf-bf16", 2)
    assert_same_bits(score_ids(masters, ids_of("tied-h128", prompt), None), wanted("tied-h128", prompt))


def test_shards_give_the_bits_of_one_file(tmp_path: Path) -> None:
    source, target = FIXTURES / "tied-h256" / "hf-packed", tmp_path / "sharded"
    shutil.copytree(source, target)
    split_into_shards(target)
    sharded = load(target, 2)
    assert_same_bits(score_ids(sharded, ids_of("tied-h256", "chat_multi"), None), wanted("tied-h256", "chat_multi"))


def test_other_models_exist_for_every_activation_and_scale_rule(tiny_model_dir: Callable[..., Path]) -> None:
    """Sizes that fill no block of 64 rows, unlike those of the fixtures."""
    ids = [TokenId(i) for i in (496, 5, 77, 300, 2, 9)]
    for family in ("bitnet", "llama"):
        directory = tiny_model_dir(family=family)
        expected = score_ids(load(directory, 1, "scalar"), ids, None)
        assert np.isfinite(expected).all()
        for kernels in kernel_sets():
            assert_same_bits(score_ids(load(directory, 3, kernels), ids, 2), expected)


def split_into_shards(directory: Path) -> None:
    """Replace model.safetensors by two files and an index."""
    dtypes = {"BF16": np.uint16, "U8": np.uint8}
    tensors = {}
    with TensorFiles(directory) as files:
        for name, info in files.tensors.items():
            tensors[name] = np.empty(info.shape, dtypes[info.dtype])
            files.read_into(info, tensors[name], ignore)
    (directory / "model.safetensors").unlink()
    weight_map = {}
    for shard in (0, 1):
        file = f"model-0000{shard + 1}-of-00002.safetensors"
        names = list(tensors)[shard::2]
        weight_map.update(dict.fromkeys(names, file))
        write_safetensors(directory / file, {name: tensors[name] for name in names})
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
