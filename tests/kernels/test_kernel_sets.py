"""Every kernel set against exact integer arithmetic and, bit for bit, against the scalar set."""

from dataclasses import replace

import numpy as np
import pytest

import cython_kernels as ck

pytestmark = pytest.mark.kernels

SETS = ck.kernel_sets()


def random_matrix(rng: np.random.Generator, rows: int, cols: int, scale: float = 0.05) -> ck.TernaryMatrix:
    matrix = ck.new_ternary(rows, cols)
    assert ck.pack(matrix, rng.integers(0, 3, (rows, cols), dtype=np.uint8), rows, scale)
    return matrix


def bf16(values: np.ndarray) -> np.ndarray:
    return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("n_tokens", [1, 2, 3, 4, 5, 6, 7, 8, 9])
@pytest.mark.parametrize(("rows", "cols"), [(64, 16), (1, 128), (100, 144), (192, 2560)])
def test_ternary_sums_are_exact(kernels: str, n_tokens: int, rows: int, cols: int) -> None:
    rng = np.random.default_rng(rows * cols + n_tokens)
    codes = rng.integers(0, 3, (rows, cols), dtype=np.uint8)
    x = rng.integers(-128, 128, (n_tokens, cols), dtype=np.int64).astype(np.int8)
    matrix = ck.new_ternary(rows, cols)
    assert ck.pack(matrix, codes, rows, 1.0)
    want = x.astype(np.int64) @ (codes.astype(np.int64) - 1).T
    got = ck.ternary_sums(matrix, x, kernels)
    assert np.array_equal(got[:, :rows], want)
    assert not got[:, rows:].any()


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("value", [-128, -127, 127])
@pytest.mark.parametrize("code", [0, 2])
@pytest.mark.parametrize("n_tokens", [1, 2, 4])
def test_extreme_sums_do_not_overflow(kernels: str, value: int, code: int, n_tokens: int) -> None:
    depth = 13824
    matrix = ck.new_ternary(64, depth)
    assert ck.pack(matrix, np.full((64, depth), code, np.uint8), 64, 1.0)
    got = ck.ternary_sums(matrix, np.full((n_tokens, depth), value, np.int8), kernels)
    assert np.array_equal(got, np.full((n_tokens, 64), (code - 1) * value * depth))


def test_packed_planes_are_read_like_plain_codes() -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 3, (256, 64), dtype=np.uint8)
    planes = codes[:64] | codes[64:128] << 2 | codes[128:192] << 4 | codes[192:] << 6
    plain, packed = ck.new_ternary(256, 64), ck.new_ternary(256, 64)
    assert ck.pack(plain, codes, 256, 1.0)
    assert ck.pack(packed, planes, 256, 1.0)
    assert np.array_equal(plain.lines, packed.lines)


@pytest.mark.parametrize(("row", "col"), [(0, 0), (63, 15), (64, 3)])
def test_code_three_is_refused_wherever_it_stands(row: int, col: int) -> None:
    codes = np.ones((65, 16), np.uint8)
    codes[row, col] = 3
    assert not ck.pack(ck.new_ternary(65, 16), codes, 65, 1.0)


def build(shape: ck.Shape, seed: int, *, sub_norms: bool) -> ck.ModelWeights:
    rng = np.random.default_rng(seed)
    s = shape

    def norm(n: int) -> np.ndarray:
        return rng.uniform(0.5, 1.5, n).astype(np.float32)

    layers = tuple(
        ck.LayerWeights(
            qkv=random_matrix(rng, s.q_rows + 2 * s.kv_rows, s.hidden),
            o=random_matrix(rng, s.hidden, s.n_heads * s.head_dim),
            gate_up=random_matrix(rng, 2 * ck.padded_rows(s.intermediate), s.hidden),
            down=random_matrix(rng, s.hidden, s.intermediate),
            input_norm=norm(s.hidden),
            post_attention_norm=norm(s.hidden),
            attn_sub_norm=norm(s.n_heads * s.head_dim) if sub_norms else None,
            ffn_sub_norm=norm(s.intermediate) if sub_norms else None,
        )
        for _ in range(s.n_layers)
    )
    angles = np.outer(np.arange(s.max_context), 10000.0 ** -(np.arange(s.head_dim // 2) / (s.head_dim // 2)))
    embedding = bf16(rng.standard_normal((s.vocab, s.hidden)))
    return ck.ModelWeights(
        embedding=embedding,
        head=embedding,
        final_norm=norm(s.hidden),
        layers=layers,
        rope_cos=np.cos(angles).astype(np.float32),
        rope_sin=np.sin(angles).astype(np.float32),
    )


def run(
    shape: ck.Shape, weights: ck.ModelWeights, ids: np.ndarray, *, kernels: str, n_threads: int, chunk: int
) -> bytes:
    """Logits of all positions and the whole cache, as bytes."""
    kv = ck.new_kv(shape)
    model = ck.Transformer(shape, weights, kv, n_threads=n_threads, kernels=kernels)
    logits = np.empty((len(ids), shape.vocab), np.float32)
    for at in range(0, len(ids), chunk):
        part = ids[at : at + chunk]
        assert model.forward(part, at, logits[at : at + len(part)])
    model.close()
    assert np.isfinite(logits).all()
    return logits.tobytes() + kv.keys.tobytes() + kv.values.tobytes()


ODD = ck.Shape(
    hidden=48, intermediate=80, n_layers=2, n_heads=6, n_kv_heads=2, head_dim=16, vocab=97, rms_eps=1e-5,
    activation="relu2", max_context=160,
)  # fmt: skip
WIDE = replace(ODD, hidden=192, intermediate=320, n_heads=5, n_kv_heads=1, head_dim=80, activation="silu")


@pytest.mark.parametrize(("shape", "sub_norms"), [(ODD, True), (WIDE, False)])
def test_logits_and_cache_have_the_same_bits_however_they_are_made(shape: ck.Shape, sub_norms: bool) -> None:
    weights = build(shape, 7, sub_norms=sub_norms)
    ids = np.random.default_rng(1).integers(0, shape.vocab, 137, dtype=np.int32)
    want = run(shape, weights, ids, kernels="scalar", n_threads=1, chunk=1)
    for kernels in SETS:
        for n_threads, chunk in [(1, 137), (2, 1), (2, 7), (3, 64), (4, 137), (1, 5)]:
            assert run(shape, weights, ids, kernels=kernels, n_threads=n_threads, chunk=chunk) == want, (
                kernels,
                n_threads,
                chunk,
            )


def test_interrupt_stops_before_the_next_layer_and_can_be_cleared() -> None:
    weights = build(ODD, 3, sub_norms=True)
    model = ck.Transformer(ODD, weights, ck.new_kv(ODD), n_threads=2, kernels=SETS[0])
    ids, logits = np.arange(8, dtype=np.int32), np.zeros((1, ODD.vocab), np.float32)
    model.interrupt()
    assert not model.forward(ids, 0, logits)
    assert not logits.any()
    model.clear_interrupt()
    assert model.forward(ids, 0, logits)
    assert logits.any()


def test_a_closed_model_refuses_to_run() -> None:
    model = ck.Transformer(ODD, build(ODD, 3, sub_norms=True), ck.new_kv(ODD), n_threads=2, kernels="scalar")
    model.close()
    model.interrupt()
    with pytest.raises(ValueError, match="closed"):
        model.forward(np.zeros(1, np.int32), 0, None)


def test_the_facade_refuses_what_c_would_take_for_granted() -> None:
    weights = build(ODD, 3, sub_norms=True)
    kv = ck.new_kv(ODD)
    model = ck.Transformer(ODD, weights, kv, n_threads=1, kernels="scalar")
    good = np.zeros(4, np.int32)
    for ids, start in [(good.astype(np.int64), 0), (good[:0], 0), (good + ODD.vocab, 0), (good - 1, 0), (good, 157)]:
        with pytest.raises(ValueError):
            model.forward(ids, start, None)
    for logits in [np.zeros((2, ODD.vocab), np.float32), np.zeros((4, ODD.vocab)), np.zeros((4, 3), np.float32)]:
        with pytest.raises(ValueError):
            model.forward(good, 0, logits)
    for broken in [
        replace(weights, embedding=weights.embedding[:, :16].copy()),
        replace(weights, final_norm=weights.final_norm.astype(np.float64)),
        replace(weights, layers=weights.layers[:1]),
        replace(weights, rope_cos=weights.rope_cos[:8]),
    ]:
        with pytest.raises(ValueError):
            ck.Transformer(ODD, broken, kv, n_threads=1, kernels="scalar")
    with pytest.raises(ValueError):
        ck.Transformer(replace(ODD, hidden=50), weights, kv, n_threads=1, kernels="scalar")
    with pytest.raises(ValueError):
        ck.Transformer(ODD, weights, kv, n_threads=1, kernels="nonsense")


def test_unknown_kernels_are_refused_and_none_means_the_best() -> None:
    assert ck.choose_kernels(None) == ck.choose_kernels("") == SETS[0]
    assert ck.choose_kernels("scalar") == "scalar"
    with pytest.raises(ValueError, match="sse9"):
        ck.choose_kernels("sse9")


def test_sequential_read_measures_something() -> None:
    assert ck.sequential_read_gb_per_s(2, np.ones(1 << 22, np.uint8)) > 0.1


def test_threads_sleep_between_steps_and_come_back() -> None:
    """Runs far apart and many threads: no run may hang or miss a wake-up."""
    weights = build(ODD, 3, sub_norms=True)
    model = ck.Transformer(ODD, weights, ck.new_kv(ODD), n_threads=4, kernels=SETS[0])
    first, logits = np.zeros((1, ODD.vocab), np.float32), np.zeros((1, ODD.vocab), np.float32)
    assert model.forward(np.zeros(1, np.int32), 0, first)
    for _ in range(300):
        assert model.forward(np.zeros(1, np.int32), 0, logits)
        assert np.array_equal(first, logits)
        sum(range(2000))  # long enough for some workers to fall asleep
