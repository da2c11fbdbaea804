"""Decoders of the tensor types that GGUF files of ternary models use: bytes in, codes or bfloat16 bits out.

Knows the byte layouts and nothing of files, names or models. Ternary tensors become codes, a byte each, weight + 1
(0, 1, 2; a stored 3 stays 3 and is refused where codes are packed). Everything works on whole rows given in pieces, so
that temporaries stay small beside the tensor.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

I2S_BLOCK = 128  # values whose bits share 32 bytes
TQ_BLOCK = 256
_TQ2_BYTES, _TQ1_BYTES = 66, 54
_Q8_BLOCK, _Q8_BYTES = 32, 34
_Q6_BLOCK, _Q6_BYTES = 256, 210
_TERNARY_POWERS = (1, 3, 9, 27, 81)


@dataclass(frozen=True, slots=True)
class BitsOfFloats:
    """bfloat16 bits, uint16, and how many of the values were not exactly representable and were rounded."""

    bits: NDArray[np.uint16]
    n_rounded: int


def decode_i2s(packed: NDArray[np.uint8], codes: NDArray[np.uint8]) -> None:
    """Write the codes of i2_s, layout A, into `codes` (uint8, contiguous, a multiple of 128).

    128 values share 32 bytes: value j is in byte j % 32, its bits are the higher the lower j // 32 is
    (quantize_i2_s of microsoft/BitNet's ggml-bitnet-mad.cpp, x86).
    """
    blocks = packed.reshape(-1, 32)
    planes = codes.reshape(-1, 4, 32)
    for plane in range(4):
        np.right_shift(blocks, 6 - 2 * plane, out=planes[:, plane])
    np.bitwise_and(codes, 3, out=codes)


def i2s_scale(tail: NDArray[np.uint8]) -> float:
    """Return the factor in the 32 bytes behind the codes of an i2_s tensor."""
    return float(tail[:4].view(np.float32)[0])


def decode_tq2_0(packed: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Write the codes of TQ2_0 into `codes` and return the scale of each block of 256, float32.

    A block is 64 bytes and a float16: value j is in byte j // 128 * 32 + j % 32, its bits are the higher the higher
    j % 128 // 32 is (block_tq2_0 of ggml-quants.c).
    """
    blocks = packed.reshape(-1, _TQ2_BYTES)
    halves = blocks[:, :64].reshape(-1, 2, 32)
    planes = codes.reshape(-1, 2, 4, 32)
    for plane in range(4):
        np.right_shift(halves, 2 * plane, out=planes[:, :, plane])
    np.bitwise_and(codes, 3, out=codes)
    return _block_scales(blocks, codes)


def decode_tq1_0(packed: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Write the codes of TQ1_0 into `codes` and return the scale of each block of 256, float32.

    A block is 48 bytes of five values, 4 bytes of four and a float16 (block_tq1_0 of ggml-quants.c).
    """
    blocks = packed.reshape(-1, _TQ1_BYTES)
    target = codes.reshape(-1, TQ_BLOCK)
    for plane in range(5):
        target[:, plane * 32 : plane * 32 + 32] = _trit(blocks[:, :32], plane)
        target[:, 160 + plane * 16 : 176 + plane * 16] = _trit(blocks[:, 32:48], plane)
    for plane in range(4):
        target[:, 240 + plane * 4 : 244 + plane * 4] = _trit(blocks[:, 48:52], plane)
    return _block_scales(blocks, codes)


def common_scale(block_scales: NDArray[np.float32]) -> float | None:
    """Return the one scale of all blocks that have any weight; None when they differ, or when no block has one."""
    used = block_scales[block_scales != 0]
    if len(used) == 0 or not (used == used[0]).all():
        return None
    return float(used[0])


def _trit(packed: NDArray[np.uint8], plane: int) -> NDArray[np.uint8]:
    shifted = packed * np.uint8(_TERNARY_POWERS[plane])  # modulo 256, as in the C code
    trit: NDArray[np.uint8] = (shifted.astype(np.uint16) * 3 >> 8).astype(np.uint8)
    return trit


def _block_scales(blocks: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the float16 at the end of each block; a block with the scale 0 has weights 0 whatever its codes are."""
    scales = np.ascontiguousarray(blocks[:, -2:]).view(np.float16).astype(np.float32).reshape(-1)
    empty = scales == 0
    if empty.any():
        codes.reshape(-1, TQ_BLOCK)[empty] = 1
    return scales


def bf16_bits(values: NDArray[np.float32]) -> BitsOfFloats:
    """Return the nearest bfloat16 of finite values, ties to even; what is too large becomes infinity."""
    raw = values.view(np.uint32)
    low = raw & 0xFFFF
    n_rounded = int(np.count_nonzero(low))
    if n_rounded == 0:
        return BitsOfFloats((raw >> 16).astype(np.uint16), 0)
    rounded = (raw + (0x7FFF + (raw >> 16 & 1))) >> 16
    return BitsOfFloats(rounded.astype(np.uint16), n_rounded)


def _floats_f32(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    return packed.view(np.float32)


def _floats_f16(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    return packed.view(np.float16).astype(np.float32)


def _floats_bf16(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (packed.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _floats_q8_0(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """32 int8 behind a float16 scale (block_q8_0)."""
    blocks = packed.reshape(-1, _Q8_BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)  # (n, 1)
    return (np.ascontiguousarray(blocks[:, 2:]).view(np.int8) * scales).reshape(-1)


def _floats_q6_k(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """256 values of six bits: 128 bytes of low halves, 64 of high pairs, 16 int8 scales, a float16 (block_q6_K)."""
    blocks = packed.reshape(-1, _Q6_BYTES)
    low = blocks[:, :128].reshape(-1, 2, 1, 64) >> np.array([0, 4], np.uint8).reshape(1, 1, 2, 1) & 15
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8).reshape(1, 1, 4, 1) & 3
    quants = low.reshape(-1, 256).astype(np.int16) + (high.reshape(-1, 256).astype(np.int16) << 4) - 32
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8).astype(np.float32)
    factor = np.ascontiguousarray(blocks[:, 208:]).view(np.float16).astype(np.float32)  # (n, 1)
    spread = (factor * scales)[:, :, None]  # (n, 16, 1): one scale for 16 values
    values: NDArray[np.float32] = (spread * quants.reshape(-1, 16, 16)).astype(np.float32)
    return values.reshape(-1)


# Names of gguf.TENSOR_TYPES -> bytes of whole blocks to float32.
FLOAT_DECODERS: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.float32]]] = {
    "F32": _floats_f32,
    "F16": _floats_f16,
    "BF16": _floats_bf16,
    "Q8_0": _floats_q8_0,
    "Q6_K": _floats_q6_k,
}
