import numpy as np
import pytest
from gguf_files import pack_i2s, pack_q8_0, pack_tq1_0, pack_tq2_0, unpack_q6_k
from numpy.typing import NDArray

from core.inference.i2s_layout import decode_a, decode_b, decode_c
from core.inference.ternary_formats import (
    FLOAT_DECODERS,
    bf16_bits,
    common_scale,
    decode_i2s,
    decode_tq1_0,
    decode_tq2_0,
    i2s_scale,
)


def random_codes(rows: int = 8, cols: int = 512, high: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, high, (rows, cols), np.uint8)


def raw(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def test_i2s_is_undone_with_its_scale() -> None:
    codes = random_codes(high=4)  # 3 as well: it is kept, to be refused where codes are packed
    data = raw(pack_i2s(codes, 1.75))
    decoded = np.empty(codes.size, np.uint8)
    decode_i2s(data[:-32], decoded)
    assert np.array_equal(decoded.reshape(codes.shape), codes)
    assert i2s_scale(data[-32:]) == 1.75


def test_i2s_byte_by_byte() -> None:
    """Values 0, 32, 64, 96 of a block share its first byte, the first in the top bits."""
    codes = np.ones(128, np.uint8)
    codes[[0, 32, 64, 96]] = [2, 0, 1, 2]
    assert pack_i2s(codes.reshape(1, -1), 1.0)[0] == 0b10_00_01_10
    decoded = np.empty(128, np.uint8)
    decode_i2s(np.array([0b10_00_01_10] + [0b01_01_01_01] * 31, np.uint8), decoded)
    assert np.array_equal(decoded, codes)


@pytest.mark.parametrize(("layout", "decode"), [("A", decode_a), ("B", decode_b), ("C", decode_c)])
def test_each_order_is_undone_by_its_own_decoder(layout: str, decode: object) -> None:
    codes = random_codes()
    data = raw(pack_i2s(codes, 1.0, layout))[:-32]
    matches = {
        order.__name__: np.array_equal(order(data, codes.shape), codes) for order in (decode_a, decode_b, decode_c)
    }
    assert [name for name, same in matches.items() if same] == [f"decode_{layout.lower()}"]
    assert decode.__name__ == f"decode_{layout.lower()}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("pack", "decode"), [(pack_tq1_0, decode_tq1_0), (pack_tq2_0, decode_tq2_0)])
def test_tq_is_undone_with_a_scale_for_each_block(pack: object, decode: object) -> None:
    codes = random_codes()
    scales = np.arange(1, 17).astype(np.float16) / 8
    decoded = np.empty(codes.size, np.uint8)
    found = decode(raw(pack(codes, scales)), decoded)  # type: ignore[operator]
    assert np.array_equal(decoded.reshape(codes.shape), codes)
    assert np.array_equal(found, scales.astype(np.float32))


@pytest.mark.parametrize(("pack", "decode"), [(pack_tq1_0, decode_tq1_0), (pack_tq2_0, decode_tq2_0)])
def test_blocks_without_a_scale_are_zero_whatever_their_codes(pack: object, decode: object) -> None:
    codes = random_codes(1, 512)
    decoded = np.empty(codes.size, np.uint8)
    scales = decode(raw(pack(codes, np.array([0, 1.5], np.float16))), decoded)  # type: ignore[operator]
    assert (decoded[:256] == 1).all()
    assert np.array_equal(decoded[256:], codes[0, 256:])
    assert common_scale(scales) == 1.5


def test_every_byte_of_tq1_0_is_a_code() -> None:
    blocks = np.zeros((256, 54), np.uint8)
    blocks[:, :52] = np.arange(256)[:, None]
    blocks[:, 52:] = np.array([1.0], np.float16).view(np.uint8)
    decoded = np.empty(256 * 256, np.uint8)
    decode_tq1_0(blocks.reshape(-1), decoded)
    assert decoded.max() <= 2


def test_scales_that_differ_are_not_one() -> None:
    assert common_scale(np.array([1, 1, 0, 1], np.float32)) == 1
    assert common_scale(np.array([1, 1, 0, 1.5], np.float32)) is None
    assert common_scale(np.zeros(4, np.float32)) is None


def test_plain_floats_are_read() -> None:
    values = np.array([1.5, -0.25, 65504], np.float32)
    assert np.array_equal(FLOAT_DECODERS["F32"](raw(values.tobytes())), values)
    assert np.array_equal(FLOAT_DECODERS["F16"](raw(values.astype(np.float16).tobytes())), values)
    bits = (values[:2].view(np.uint32) >> 16).astype(np.uint16)
    assert np.array_equal(FLOAT_DECODERS["BF16"](raw(bits.tobytes())), values[:2])


def test_q8_0_multiplies_by_the_block_scale() -> None:
    values = np.random.default_rng(1).normal(0, 1, (4, 64)).astype(np.float32)
    data = raw(pack_q8_0(values))
    decoded = FLOAT_DECODERS["Q8_0"](data)
    blocks = data.reshape(-1, 34)
    expected = [
        float(np.float32(block[:2].view(np.float16)[0]) * np.float32(block[2:].view(np.int8)[7])) for block in blocks
    ]
    assert decoded.reshape(-1, 32)[:, 7].tolist() == expected
    assert np.abs(decoded.reshape(values.shape) - values).max() < 0.02


def test_q6_k_agrees_with_a_walk_over_its_bits() -> None:
    blocks = np.random.default_rng(2).integers(0, 256, (3, 210), np.uint8)
    blocks[:, 208:] = np.array([0.013], np.float16).view(np.uint8)
    assert np.array_equal(FLOAT_DECODERS["Q6_K"](blocks.reshape(-1)), unpack_q6_k(blocks.tobytes()))


def test_bf16_rounds_to_nearest_even_and_counts() -> None:
    exact = np.array([0.0, -1.5, 2.0**-130], np.float32)
    assert bf16_bits(exact).n_rounded == 0
    bits = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0xBF807FFF, 0x7F7FFFFF], np.uint32)
    converted = bf16_bits(bits.view(np.float32))
    assert converted.n_rounded == 5
    assert converted.bits.tolist() == [0x3F80, 0x3F82, 0x3F81, 0xBF80, 0x7F80]


def test_values_of_bfloat16_masters_come_back_exactly_from_float16() -> None:
    """Every bfloat16 between 2^-14 and 65504 is a float16; smaller ones lose bits in the file, not here."""
    every = (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32)
    fit = every[(np.abs(every) >= 2.0**-14) & (np.abs(every) <= 65504)]
    packed = raw(fit.astype(np.float16).tobytes())
    converted = bf16_bits(FLOAT_DECODERS["F16"](packed))
    assert converted.n_rounded == 0
    assert np.array_equal(converted.bits, (fit.view(np.uint32) >> 16).astype(np.uint16))
