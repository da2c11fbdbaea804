"""Write model files of the full size of BitNet b1.58 2B4T with made-up weights, to measure loading.

    python tests/bench/make_full_size.py packed|masters|i2_s|tq1_0|tq2_0 DIRECTORY [--tokenizer TOKENIZER_JSON]

Names, shapes, types and headers are those of the published files: `packed` has 542 tensors and 1,178,623,988 bytes,
`masters` 4,825,679,400, and `i2_s` with the published tokenizer.json 1,187,801,280. Without --tokenizer the vocabulary
is made up as well: as many tokens, fewer merges. The weights are one block of random values over and over.
"""

import argparse
import json
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from gguf_files import STRING, TYPE_IDS, U32, GgufFiles, Stored, Typed, model_metadata, random_weights
from gguf_files import vocabulary_metadata as vocabulary_of

from core.inference.config import config_2b4t
from core.inference.weights import expected_tensors

BLOCK_BYTES = 66 * 54 * 1024  # a multiple of every block of values
LAYERS, VOCAB = 30, 128256
SIZES = {"hidden": 2560, "inner": 6912, "layers": LAYERS, "heads": 20, "kv_heads": 5, "head_dim": 128, "vocab": VOCAB}


class Repeated:
    """`length` bytes: a block over and over, then a tail."""

    def __init__(self, block: bytes, length: int, tail: bytes = b"") -> None:
        self.block, self.length, self.tail = block, length, tail

    def __len__(self) -> int:
        return self.length

    def parts(self) -> Iterator[bytes]:
        left = self.length - len(self.tail)
        while left > 0:
            yield self.block[:left]
            left -= len(self.block[:left])
        yield self.tail


def packed_codes(random: np.random.Generator) -> bytes:
    """Return bytes of four codes 0..2."""
    codes = random.integers(0, 3, (4, BLOCK_BYTES), np.uint8)
    return (codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6).tobytes()


def tq_blocks(random: np.random.Generator, block_bytes: int) -> bytes:
    blocks = np.frombuffer(packed_codes(random), np.uint8).reshape(-1, block_bytes).copy()
    blocks[:, -2:] = np.array([1.5], np.float16).view(np.uint8)
    return blocks.tobytes()


def bf16_values(random: np.random.Generator, *, as_f16: bool = False) -> bytes:
    values = random.normal(0, 0.5, BLOCK_BYTES // 2).astype(np.float32)
    cut = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    cut = np.where(np.abs(cut) < 2.0**-14, np.float32(0), cut)  # float16 would lose bits of smaller ones
    return cut.astype(np.float16).tobytes() if as_f16 else (cut.view(np.uint32) >> 16).astype(np.uint16).tobytes()


def write_safetensors(path: Path, *, masters: bool) -> None:
    """Write the container as the safetensors library does: by type, then by name."""
    config = config_2b4t()
    specs = expected_tensors(config if not masters else type(config)(**_fields(config) | {"is_packed": False}))
    entries = [(name, "U8" if spec.dtypes == ("U8",) else "BF16", spec.shape) for name, spec in specs.items()]
    entries.sort(key=lambda entry: (entry[1] == "U8", entry[0]))
    random = np.random.default_rng(1)
    blocks = {"U8": packed_codes(random), "BF16": bf16_values(random)}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data, end = [], 0
    for name, dtype, shape in entries:
        n_bytes = int(np.prod(shape)) * (1 if dtype == "U8" else 2)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + n_bytes]}
        end += n_bytes
        ones = name.endswith("_scale") or "norm" in name
        data.append(Repeated(struct.pack("<H", 0x3F80) * 4096 if ones else blocks[dtype], n_bytes))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    _write(path, struct.pack("<Q", len(text)) + text, data)


def write_gguf(path: Path, kind: str, tokenizer: Path | None) -> None:
    weights = random_weights(layers=1)
    weights.sizes = SIZES
    metadata = model_metadata(weights) | (made_up_vocabulary() if tokenizer is None else vocabulary_of(tokenizer))
    metadata["bitnet-b1.58.context_length"] = Typed(U32, 4096)
    metadata["general.name"] = Typed(STRING, "bitnet2b")
    metadata["general.file_type"] = Typed(U32, {"I2_S": 40, "TQ1_0": 36, "TQ2_0": 37}[kind])
    metadata["tokenizer.ggml.padding_token_id"] = Typed(U32, 128001)
    metadata["general.quantization_version"] = Typed(U32, 2)
    files = GgufFiles(metadata, _gguf_tensors(kind))  # type: ignore[arg-type]
    _write(path, files.header(), [tensor.data for tensor in files.tensors.values()], files.alignment)


def _gguf_tensors(kind: str) -> dict[str, Stored]:
    random = np.random.default_rng(1)
    hidden, inner, kv = SIZES["hidden"], SIZES["inner"], SIZES["kv_heads"] * SIZES["head_dim"]
    ones, embedding = np.ones(4096, "<f4").tobytes(), bf16_values(random, as_f16=True)
    codes = packed_codes(random) if kind == "I2_S" else tq_blocks(random, 54 if kind == "TQ1_0" else 66)

    def norm(size: int) -> Stored:
        return Stored(0, (size,), Repeated(ones, 4 * size))  # type: ignore[arg-type]

    def linear(cols: int, rows: int) -> Stored:
        n = rows * cols
        tail = struct.pack("<f", 1.5) + bytes(28) if kind == "I2_S" else b""
        n_bytes = {"I2_S": n // 4 + 32, "TQ2_0": n // 256 * 66, "TQ1_0": n // 256 * 54}[kind]
        return Stored(TYPE_IDS[kind], (cols, rows), Repeated(codes, n_bytes, tail))  # type: ignore[arg-type]

    matrix = Repeated(embedding, 2 * hidden * VOCAB)
    tensors = {"token_embd.weight": Stored(1, (hidden, VOCAB), matrix)}  # type: ignore[arg-type]
    for layer in range(LAYERS):
        block = {
            "attn_norm": norm(hidden), "ffn_norm": norm(hidden), "attn_sub_norm": norm(hidden),
            "ffn_sub_norm": norm(inner), "attn_q": linear(hidden, hidden), "attn_k": linear(hidden, kv),
            "attn_v": linear(hidden, kv), "attn_output": linear(hidden, hidden), "ffn_gate": linear(hidden, inner),
            "ffn_up": linear(hidden, inner), "ffn_down": linear(inner, hidden),
        }  # fmt: skip
        tensors |= {f"blk.{layer}.{name}.weight": tensor for name, tensor in block.items()}
    return tensors | {"output_norm.weight": norm(hidden)}


def made_up_vocabulary() -> dict[str, Typed]:
    """Return 128,000 tokens of one to three bytes, the merges that make them, and 256 special tokens."""
    from gguf_files import ARRAY, BOOL, F32, I32

    from core.inference.tokenizer import byte_alphabet

    letters = [chr(code) for code in byte_alphabet()]
    pairs = [(one, other) for one in letters for other in letters]
    triples = [(one + other, letters[i % 256]) for i, (one, other) in enumerate(pairs)][: 128_000 - 256 - len(pairs)]
    tokens = letters + [one + other for one, other in [*pairs, *triples]]
    special = ["<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{i}|>" for i in range(254))]
    special[9] = "<|eot_id|>"
    return {
        "tokenizer.ggml.add_bos_token": Typed(BOOL, True),
        "tokenizer.ggml.model": Typed(STRING, "gpt2"),
        "tokenizer.ggml.tokens": Typed(ARRAY, tokens + special, STRING),
        "tokenizer.ggml.scores": Typed(ARRAY, [0.0] * VOCAB, F32),
        "tokenizer.ggml.token_type": Typed(ARRAY, [1] * len(tokens) + [3] * 256, I32),
        "tokenizer.ggml.merges": Typed(ARRAY, [f"{one} {other}" for one, other in [*pairs, *triples]], STRING),
        "tokenizer.ggml.bos_token_id": Typed(U32, 128000),
        "tokenizer.ggml.eos_token_id": Typed(U32, 128001),
    }


def write_configuration(directory: Path, tokenizer: Path | None, *, masters: bool) -> None:
    """Write the small files of the published repository; the tokenizer only where there is one."""
    config = config_2b4t()
    keys = _fields(config)
    for name in ("architecture", "has_sub_norms", "scale_divides", "stop_ids", "is_packed", "head_dim"):
        del keys[name]
    keys |= {"architectures": [config.architecture], "eos_token_id": 128001, "torch_dtype": "bfloat16"}
    mode = "online" if masters else "offline"
    keys["quantization_config"] = {
        "quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": mode
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(keys))
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": [128001, 128009]}))
    if tokenizer is not None:
        shutil.copyfile(tokenizer, directory / "tokenizer.json")


def _fields(config: object) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__slots__}  # type: ignore[attr-defined]


def _write(path: Path, header: bytes, data: list[Any], alignment: int = 1) -> None:
    with path.open("wb") as file:
        file.write(header)
        for tensor in data:
            for part in tensor.parts():
                file.write(part)
            file.write(bytes(-len(tensor) % alignment))
    sys.stdout.write(f"{path}: {path.stat().st_size:,} bytes, header {len(header):,}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a full-size model with made-up weights.")
    parser.add_argument("kind", choices=["packed", "masters", "i2_s", "tq1_0", "tq2_0"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tokenizer", type=Path, default=None)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    if arguments.kind in ("packed", "masters"):
        masters = arguments.kind == "masters"
        write_configuration(arguments.directory, arguments.tokenizer, masters=masters)
        write_safetensors(arguments.directory / "model.safetensors", masters=masters)
    else:
        name = f"ggml-model-{arguments.kind}.gguf"
        write_gguf(arguments.directory / name, arguments.kind.upper(), arguments.tokenizer)


if __name__ == "__main__":
    main()
