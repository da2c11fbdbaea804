"""The numpy twin of the facade: the same model in straightforward arithmetic, the truth that tests compare with.

Written from the definition (transformers/models/bitnet/modeling_bitnet.py), not from the C code. Ternary sums are
exact; other sums are in numpy's order, so it agrees with the kernels within a tolerance and not bit for bit.
"""

import numpy as np
from numpy.typing import NDArray

from cython_kernels import KV_BLOCK, KVArrays, LayerWeights, ModelWeights, Shape, TernaryMatrix

Floats = NDArray[np.float32]

ACTIVATION_FLOOR = np.float32(1e-5)  # AutoBitLinear's ActQuant clamps max|x| to it


def unpack(matrix: TernaryMatrix) -> NDArray[np.int8]:
    """Return the weights -1, 0, 1 as int8 (64 * n_blocks, cols), rows of padding included."""
    lines = matrix.lines.reshape(matrix.n_blocks, -1, 16, 4)  # (block, line, r, j)
    planes = [(lines >> (2 * plane)) & 3 for plane in range(4)]
    codes = np.stack(planes, axis=1)  # (block, plane, line, r, j)
    rows = codes.transpose(0, 1, 3, 2, 4).reshape(matrix.n_blocks * 64, matrix.cols)  # row = 16 plane + r
    return (rows.astype(np.int8) - 1).astype(np.int8)


def quantize(x: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return int8 activations (n, cols) and their scales (n, 1), half to even.

    torch computes `127 / tensor` as reciprocal() * 127 (Tensor.__rtruediv__), rounded twice; the scales of the golden
    traces equal that in every row, and one division in about two rows of three.
    """
    most = np.maximum(np.abs(x).max(axis=-1, keepdims=True), ACTIVATION_FLOOR)
    scale: Floats = (np.float32(127) * (np.float32(1) / most)).astype(np.float32)
    return np.clip(np.rint(x * scale), -128, 127).astype(np.int8), scale


def rms_norm(x: Floats, weight: Floats, eps: float) -> Floats:
    """Return weight * x / sqrt(mean(x^2) + eps) over the last axis."""
    mean: Floats = np.mean(x * x, axis=-1, keepdims=True, dtype=np.float32)
    normal: Floats = (x / np.sqrt(mean + np.float32(eps))).astype(np.float32)
    return weight * normal


class Linear:
    """One fused ternary matrix, unpacked."""

    def __init__(self, matrix: TernaryMatrix) -> None:
        # exact in float32: |sum| <= 128 * 65536 < 2^24
        self._weights = unpack(matrix).astype(np.float32)
        self._scales = np.repeat(matrix.block_scales, 64)
        self._group_cols = matrix.group_cols
        self._group_scales = None  # (groups, rows); 0 for rows that have one factor alone
        if matrix.group_scales is not None:
            own = matrix.group_scales.swapaxes(0, 1).reshape(-1, len(self._scales))
            self._group_scales = np.where(self._scales == 0, own, np.float32(0))

    def apply(self, x: NDArray[np.int8], scale: Floats) -> Floats:
        """Return float32 (n, rows) for int8 inputs (n, cols) with scales (n, 1)."""
        y: Floats = (x.astype(np.float32) @ self._weights.T) * (self._scales / scale)
        return y if self._group_scales is None else y + self._of_groups(x) / scale

    def _of_groups(self, x: NDArray[np.int8]) -> Floats:
        """Return the sum over groups of columns, in their order, of an exact sum times its factors."""
        assert self._group_scales is not None
        y = np.zeros((len(x), len(self._scales)), np.float32)
        for group, factors in enumerate(self._group_scales):
            cols = slice(group * self._group_cols, (group + 1) * self._group_cols)
            y = y + (x[:, cols].astype(np.float32) @ self._weights[:, cols].T) * factors
        return y

    def __call__(self, x: Floats) -> Floats:
        """Quantise float32 inputs (n, cols), then apply()."""
        return self.apply(*quantize(x))


class ReferenceTransformer:
    """The forward pass in numpy; the same arguments as Transformer, without threads and kernels."""

    def __init__(self, shape: Shape, weights: ModelWeights, kv: KVArrays) -> None:
        self.shape = shape
        self._weights = weights
        self._kv = kv
        self._linears = [
            {name: Linear(getattr(layer, name)) for name in ("qkv", "o", "gate_up", "down")} for layer in weights.layers
        ]

    def forward(self, ids: NDArray[np.int32], start: int, logits: Floats | None) -> bool:
        """Run `ids` at positions start, start + 1, ...; logits None, (1, vocab) or (n, vocab) as in Transformer."""
        assert self._weights.embedding is not None
        assert self._weights.head is not None
        x = _bf16(self._weights.embedding[ids])  # (n, hidden)
        for index, layer in enumerate(self._weights.layers):
            x = self._layer(index, layer, x, start)
        if logits is not None:
            h = rms_norm(x, self._weights.final_norm, self.shape.rms_eps)[-len(logits) :]
            logits[:] = h @ _bf16(self._weights.head).T
        return True

    def _layer(self, index: int, layer: LayerWeights, x: Floats, start: int) -> Floats:
        s, linears = self.shape, self._linears[index]
        qkv = linears["qkv"](rms_norm(x, layer.input_norm, s.rms_eps))
        a = self._attention(index, qkv, start)
        if layer.attn_sub_norm is not None:
            a = rms_norm(a, layer.attn_sub_norm, s.rms_eps)
        x = x + linears["o"](a)[:, : s.hidden]
        gate_up = linears["gate_up"](rms_norm(x, layer.post_attention_norm, s.rms_eps))
        blocks = gate_up.reshape(len(x), -1, 2, 64)  # gate and up alternate by blocks
        gate, up = (blocks[:, :, i].reshape(len(x), -1)[:, : s.intermediate] for i in (0, 1))
        m = self._activation(gate) * up
        if layer.ffn_sub_norm is not None:
            m = rms_norm(m, layer.ffn_sub_norm, s.rms_eps)
        return x + linears["down"](m)[:, : s.hidden]

    def _activation(self, gate: Floats) -> Floats:
        if self.shape.activation == "relu2":
            positive: Floats = np.maximum(gate, 0)
            return positive * positive
        with np.errstate(over="ignore"):  # exp of a very negative gate: silu is then -0.0
            silu: Floats = gate / (1 + np.exp(-gate))
        return silu

    def _attention(self, index: int, qkv: Floats, start: int) -> Floats:
        s, n = self.shape, len(qkv)
        end = start + n
        k_from, v_from = s.q_rows, s.q_rows + s.kv_rows
        kv_width = s.n_kv_heads * s.head_dim
        q = self._rotate(qkv[:, : s.n_heads * s.head_dim].reshape(n, s.n_heads, -1), start)
        k = self._rotate(qkv[:, k_from : k_from + kv_width].reshape(n, s.n_kv_heads, -1), start)
        v = qkv[:, v_from : v_from + kv_width].reshape(n, s.n_kv_heads, -1)
        for i, position in enumerate(range(start, end)):
            self._kv.keys[index, :, position // KV_BLOCK, :, position % KV_BLOCK] = k[i]
        self._kv.values[index, :, start:end] = v.transpose(1, 0, 2)
        keys = self._kv.keys[index].transpose(0, 1, 3, 2).reshape(s.n_kv_heads, -1, s.head_dim)[:, :end]
        values = self._kv.values[index, :, :end].astype(np.float32)  # (KV, end, D)
        grouped = q.reshape(n, s.n_kv_heads, -1, s.head_dim)  # query head i reads kv head i // (H / KV)
        scores = np.einsum("ngqd,gpd->ngqp", grouped, keys) / np.sqrt(np.float32(s.head_dim))
        future = np.arange(end) > np.arange(start, end)[:, None]  # (n, end)
        scores[np.broadcast_to(future[:, None, None], scores.shape)] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed: Floats = np.einsum("ngqp,gpd->ngqd", weights, values).reshape(n, -1)  # (n, H * D)
        return mixed

    def _rotate(self, heads: Floats, start: int) -> Floats:
        """Apply RoPE in the rotate-half pairing to (n, heads, head_dim)."""
        positions = slice(start, start + len(heads))
        cos, sin = self._weights.rope_cos[positions, None], self._weights.rope_sin[positions, None]
        a, b = np.split(heads, 2, axis=-1)
        return np.concatenate((a * cos - b * sin, b * cos + a * sin), axis=-1)


def _bf16(bits: NDArray[np.uint16]) -> Floats:
    return (bits.astype(np.uint32) << 16).view(np.float32)
