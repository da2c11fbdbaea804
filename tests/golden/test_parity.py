"""Agreement with the committed outputs of the reference implementation (tests/fixtures/README.md gives the rules)."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from model_files import FIXTURES
from numpy.typing import NDArray

from core.events import CancelToken
from core.inference.config import TokenId, load_config
from core.inference.model import TernaryModel, load_model, score_ids
from core.inference.weights import load_weights, shape_for
from cython_kernels import KVArrays, ModelWeights, Shape, Transformer, kernel_sets, new_kv
from cython_kernels.reference import Linear, ReferenceTransformer, quantize

pytestmark = pytest.mark.golden

MODELS = ("tied-h128", "tied-h256", "llama-bitlinear-h192")
PROMPTS = ("plain", "code", "unicode", "chat", "chat_multi", "bos_only")
CASES = [(model, prompt) for model in MODELS for prompt in PROMPTS]
N_GREEDY = 64
Score = Callable[[str, list[int]], NDArray[np.float32]]


def ignore(event: object) -> None:
    """Nobody listens."""


@cache
def golden(model: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / model / "golden" / "golden.json").read_text("utf-8"))
    return found


@cache
def parts(model: str) -> tuple[Shape, ModelWeights]:
    directory = FIXTURES / model / "hf-packed"
    config = load_config(directory)
    shape = shape_for(config, 256)
    return shape, load_weights(directory, config, shape, CancelToken(), ignore).weights


@cache
def compiled(model: str) -> TernaryModel:
    return load_model(FIXTURES / model / "hf-packed", n_threads=2, cancel=CancelToken(), emit=ignore)


def score_compiled(model: str, ids: list[int]) -> NDArray[np.float32]:
    return score_ids(compiled(model), [TokenId(i) for i in ids], None)


def score_reference(model: str, ids: list[int]) -> NDArray[np.float32]:
    shape, weights = parts(model)
    logits = np.empty((len(ids), shape.vocab), np.float32)
    ReferenceTransformer(shape, weights, new_kv(shape)).forward(np.array(ids, np.int32), 0, logits)
    return logits


SCORES = pytest.mark.parametrize("score", [score_compiled, score_reference])


@SCORES
@pytest.mark.parametrize(("model", "prompt"), CASES)
def test_logits_agree_where_no_rounding_tie_can_flip(score: Score, model: str, prompt: str) -> None:
    facts = golden(model)["prompts"][prompt]
    first = facts["logits_from"]
    wanted = np.load(FIXTURES / model / "golden" / f"logits_{prompt}.npy")
    error = np.abs(score(model, facts["ids"])[first:] - wanted).max(axis=1)
    stable = [position - first for position in facts["stable_positions"] if position >= first]
    assert (error[stable] <= 2e-3).all()
    assert (error <= 0.25 * facts["logit_std"]).all()


@SCORES
def test_most_rows_agree_closely(score: Score) -> None:
    """Two good float32 implementations agree within 1e-3 on 82-86 % of all rows."""
    close = []
    for model, prompt in CASES:
        facts = golden(model)["prompts"][prompt]
        wanted = np.load(FIXTURES / model / "golden" / f"logits_{prompt}.npy")
        rows = score(model, facts["ids"])[facts["logits_from"] :]
        close.extend(np.abs(rows - wanted).max(axis=1) <= 1e-3)
    assert np.mean(close) >= 0.8


@cache
def greedy(model: str, prompt: str) -> list[int]:
    """Return 64 greedy tokens with the KV cache, stop ids ignored."""
    ternary = compiled(model)
    ids = [TokenId(i) for i in golden(model)["prompts"][prompt]["ids"]]
    start, pending, found = 0, ids, []
    for _ in range(N_GREEDY):
        logits = ternary.read(pending, start, want_logits=True)
        assert logits is not None
        start += len(pending)
        pending = [TokenId(int(logits.argmax()))]
        found += pending
    return [int(token) for token in found]


@pytest.mark.parametrize(("model", "prompt"), CASES)
def test_greedy_tokens_agree_on_the_robust_length(model: str, prompt: str) -> None:
    facts = golden(model)["prompts"][prompt]
    n_robust = facts["robust_greedy_len"]
    assert greedy(model, prompt)[:n_robust] == facts["greedy_f32"][:n_robust]


@pytest.mark.parametrize("model", MODELS)
def test_three_quarters_of_the_prompts_agree_on_all_greedy_tokens(model: str) -> None:
    equal = [greedy(model, prompt) == golden(model)["prompts"][prompt]["greedy_f32"] for prompt in PROMPTS]
    assert np.mean(equal) >= 0.75


@pytest.mark.parametrize("model", MODELS)
def test_one_linear_from_given_int8_is_exact(model: str) -> None:
    """No rounding step lies between the int8 inputs of the trace and its q, k and v."""
    shape, weights = parts(model)
    trace = np.load(FIXTURES / model / "golden" / "trace_code.npz")
    qkv = Linear(weights.layers[0].qkv).apply(trace["l0_input_int8"], trace["l0_input_scale"])
    starts = {"l0_q": 0, "l0_k": shape.q_rows, "l0_v": shape.q_rows + shape.kv_rows}
    for name, start in starts.items():
        wanted = trace[name]
        assert relative_error(qkv[:, start : start + wanted.shape[1]], wanted) <= 1e-5


@pytest.mark.parametrize("model", MODELS)
def test_activations_are_quantised_to_the_same_bits(model: str) -> None:
    trace = np.load(FIXTURES / model / "golden" / "trace_code.npz")
    x, scale = quantize(trace["l0_input_layernorm"])
    assert (scale == trace["l0_input_scale"]).all()
    assert (x == trace["l0_input_int8"]).all()


@pytest.mark.parametrize("kernels", kernel_sets())
@pytest.mark.parametrize("model", MODELS)
def test_keys_and_values_of_the_first_layer_are_exact(model: str, kernels: str) -> None:
    """The compiled kernels show their first linear in the KV cache: values as they are, keys after RoPE."""
    shape, weights = parts(model)
    kv = new_kv(shape)
    trace = np.load(FIXTURES / model / "golden" / "trace_code.npz")
    ids = np.array(golden(model)["prompts"]["code"]["ids"], np.int32)
    transformer = Transformer(shape, weights, kv, n_threads=1, kernels=kernels)
    assert transformer.forward(ids, 0, None)
    transformer.close()
    keys, values = first_layer(shape, kv, len(ids))
    assert relative_error(values, trace["l0_v"]) <= 1e-5
    assert relative_error(keys, rotated(trace["l0_k"], weights, shape)) <= 1e-5


def first_layer(shape: Shape, kv: KVArrays, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return keys and values (n, kv_heads * head_dim)."""
    keys = kv.keys[0].transpose(0, 1, 3, 2).reshape(shape.n_kv_heads, -1, shape.head_dim)[:, :n]
    values = kv.values[0, :, :n]
    return keys.transpose(1, 0, 2).reshape(n, -1), values.transpose(1, 0, 2).reshape(n, -1)


def rotated(k: NDArray[np.float32], weights: ModelWeights, shape: Shape) -> NDArray[np.float32]:
    heads = k.reshape(len(k), shape.n_kv_heads, 2, -1).astype(np.float64)  # (n, KV, half, D / 2)
    turn = (weights.rope_cos + 1j * weights.rope_sin.astype(np.complex128))[: len(k), None]
    turned = (heads[:, :, 0] + 1j * heads[:, :, 1]) * turn
    return np.concatenate((turned.real, turned.imag), axis=-1).reshape(len(k), -1).astype(np.float32)


def relative_error(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
