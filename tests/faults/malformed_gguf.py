"""Malformed GGUF files: the fixtures cut at every boundary, and headers and values that lie."""

import math
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from gguf_files import (
    ARRAY,
    BOOL,
    F32,
    F64,
    FORMS,
    I32,
    STRING,
    U32,
    U64,
    GgufFiles,
    Stored,
    Typed,
    as_gguf,
    bf16,
    pack_i2s,
    pack_tq1_0,
    pack_tq2_0,
    packed_text,
    random_weights,
)  # fmt: skip
from malformed import ROOT, Case

FIXTURES = {
    "i2_s": ROOT / "tests" / "fixtures" / "tied-h128" / "ggml-model-i2_s.gguf",
    "tq1_0": ROOT / "tests" / "fixtures" / "tied-h256" / "ggml-model-tq1_0.gguf",
    "tq2_0": ROOT / "tests" / "fixtures" / "tied-h256" / "ggml-model-tq2_0.gguf",
}
Q, EMBEDDING, NORM = "blk.0.attn_q.weight", "token_embd.weight", "output_norm.weight"
TOKENS, TYPES, MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges"
ARCH = "bitnet-b1.58"
Edit = Callable[[GgufFiles], object]
BIG = (1 << 63, (1 << 64) - 1, 1 << 40, 1 << 32)


@cache
def _small(kind: str, family: str = "bitnet") -> GgufFiles:
    return as_gguf(random_weights(family, layers=1, inner=256), kind)


def good() -> Iterator[Case]:
    for shown, path in FIXTURES.items():
        yield Case(shown, lambda directory, path=path: path)  # type: ignore[misc]
    for kind in ("I2_S", "TQ1_0", "TQ2_0"):
        yield Case(f"gguf-{kind}", lambda directory, kind=kind: _small(kind).write(directory / "m.gguf"))  # type: ignore[misc]
    yield Case("gguf-llama", lambda directory: _small("I2_S", "llama").write(directory / "m.gguf"))


def cases() -> Iterator[Case]:
    yield from _cuts()
    yield from _starts()
    yield from _keys()
    yield from _key_values()
    yield from _vocabulary()
    yield from _descriptions()
    yield from _tensors()
    yield from _values()
    yield from _files()


def _edited(name: str, edit: Edit, says: str = "", kind: str = "I2_S") -> Case:
    def make(directory: Path) -> Path:
        base = _small(kind)
        files = replace(base, metadata=dict(base.metadata), tensors=dict(base.tensors), offsets={})
        edit(files)
        return files.write(directory / "model.gguf")

    return Case(f"gguf-{name}", make, says)


def _bytes(name: str, change: Callable[[bytes], bytes], says: str = "", fixture: str = "i2_s") -> Case:
    def make(directory: Path) -> Path:
        path = directory / "model.gguf"
        path.write_bytes(change(FIXTURES[fixture].read_bytes()))
        return path

    return Case(f"gguf-{name}", make, says)


def boundaries(data: bytes) -> tuple[list[int], list[int]]:
    """Return where the header's parts begin (one for each key and tensor), and where the tensors' data begins."""
    n_tensors, n_keys = struct.unpack_from("<QQ", data, 8)
    at, parts, starts = 24, [0, 4, 8, 16, 24], []

    def text(at: int) -> int:
        return at + 8 + int.from_bytes(data[at : at + 8], "little")

    for _ in range(n_keys):
        at = text(at)
        kind = int.from_bytes(data[at : at + 4], "little")
        at += 4
        if kind == STRING:
            at = text(at)
        elif kind != ARRAY:
            at += struct.calcsize(FORMS[kind])
        else:
            items, n = struct.unpack_from("<IQ", data, at)
            at += 12
            if items != STRING:
                at += n * struct.calcsize(FORMS[items])
            for _ in range(n if items == STRING else 0):
                at = text(at)
        parts.append(at)
    for _ in range(n_tensors):
        at = text(at)
        n = int.from_bytes(data[at : at + 4], "little")
        at += 4 + 8 * n + 12
        starts.append(int.from_bytes(data[at - 8 : at], "little"))
        parts.append(at)
    aligned = -(-at // 32) * 32
    return parts, [aligned + start for start in starts]


def _cuts() -> Iterator[Case]:
    for shown, path in FIXTURES.items():
        parts, starts = boundaries(path.read_bytes())
        for n in parts if shown == "i2_s" else parts[::6]:
            yield _bytes(f"{shown}-cut-header-{n:05}", lambda data, n=n: data[:n], "cannot be used", shown)  # type: ignore[misc]
        for n in starts:
            yield _bytes(f"{shown}-cut-data-{n:06}", lambda data, n=n: data[:n], "past the end|bytes instead", shown)  # type: ignore[misc]
        yield _bytes(f"{shown}-cut-last", lambda data: data[:-33], "past the end|bytes instead", shown)
    for number, n in enumerate(boundaries(FIXTURES["i2_s"].read_bytes())[0][5:29:3]):
        yield _bytes(f"cut-inside-{number}", lambda data, n=n: data[: n - 1], "ends inside")  # type: ignore[misc]


def _starts() -> Iterator[Case]:
    yield _bytes("empty", lambda data: b"", "cannot be used")
    yield _bytes("magic", lambda data: b"GGML" + data[4:], "begin with GGUF")
    yield _bytes("zeros", lambda data: bytes(len(data)), "begin with GGUF")
    yield _bytes("pickle", lambda data: b"\x80\x04\x95c__builtin__\neval\n.", "begin with GGUF")
    yield _bytes("safetensors", lambda data: (2).to_bytes(8, "little") + b"{}", "begin with GGUF")
    yield _bytes("more", lambda data: data + bytes(64), "bytes instead of")
    yield _bytes("twice", lambda data: data + data, "bytes instead of")
    for version in (0, 1, 4, 1 << 31):
        yield _edited(f"version-{version}", lambda files, v=version: setattr(files, "version", v), "version")  # type: ignore[misc]
    yield _bytes("big-endian", lambda data: data[:4] + (3).to_bytes(4, "big") + data[8:], "big endian")
    for n in (*BIG, 1 << 31, 8193, 25, 0):
        yield _bytes(f"tensors-{n:x}", lambda data, n=n: data[:8] + struct.pack("<Q", n) + data[16:])  # type: ignore[misc]
    for n in (*BIG, 1 << 31, 1025, 25, 0):
        yield _bytes(f"keys-{n:x}", lambda data, n=n: data[:16] + struct.pack("<Q", n) + data[24:])  # type: ignore[misc]


class Raw(Typed):
    """A value whose bytes are given as they are."""

    def pack(self) -> bytes:
        data: bytes = self.value
        return data


def _keys() -> Iterator[Case]:
    """Keys and values whose form is wrong."""

    def key(name: str, typed: Typed, says: str = "", key: str = "x") -> Case:
        return _edited(name, lambda files: files.metadata.update({key: typed}), says)

    for kind in (13, 14, 255, (1 << 32) - 1):
        yield key(f"value-type-{kind}", Raw(kind, bytes(8)), "unknown type")
        yield key(f"array-type-{kind}", Raw(ARRAY, struct.pack("<IQ", kind, 1) + bytes(8)), "unknown type")
    nested = struct.pack("<IQ", ARRAY, 1) * 1000
    yield key("array-in-array", Raw(ARRAY, nested), "array inside an array")
    for n in BIG:
        yield key(f"string-{n:x}", Raw(STRING, struct.pack("<Q", n) + b"abc"), "is possible|ends inside")
        for items in (STRING, F64, 0):
            yield key(f"array-{items}-{n:x}", Raw(ARRAY, struct.pack("<IQ", items, n)), "is possible|ends inside")
        yield key(
            f"array-string-{n:x}", Raw(ARRAY, struct.pack("<IQQ", STRING, 1, n) + b"abc"), "string of|ends inside"
        )
    yield key("string-too-long", Typed(STRING, "x" * ((1 << 20) + 1)), "is possible")
    yield key("element-too-long", Typed(ARRAY, ["x" * 5000], STRING), "a string of 5000")
    yield key("array-claims-file", Raw(ARRAY, struct.pack("<IQ", F64, 1 << 20) + bytes(8)), "ends inside")
    yield key("bool-two", Raw(BOOL, b"\2"), "is possible")
    yield key("no-utf8", Typed(STRING, b"\xff\xfe"), "UTF-8")  # type: ignore[arg-type]
    yield key("name-empty", Typed(U32, 1), "without a name", key="")
    yield key("name-long", Typed(U32, 1), "is possible", key="x" * 257)
    yield _edited(
        "keys-many", lambda files: files.metadata.update({f"k{i}": Typed(U32, i) for i in range(1100)}), "is possible"
    )

    def twice(data: bytes) -> bytes:
        extra = packed_text("general.architecture") + struct.pack("<I", STRING) + packed_text("llama")
        return data[:16] + struct.pack("<Q", 25) + extra + data[24:]

    yield _bytes("key-twice", twice, "twice in the header")
    for number, typed in enumerate((
        Typed(U32, 0), Typed(U32, 3), Typed(U32, 1 << 31), Typed(U32, 1 << 17), Typed(STRING, "32"), Typed(I32, -32),
        Typed(F32, 32.0), Typed(BOOL, True), Typed(ARRAY, [32], U32), Typed(U32, 64),
    )):  # fmt: skip
        yield key(f"alignment-{number}", typed, "alignment|hole|bytes instead|past the end", key="general.alignment")


def _key_values() -> Iterator[Case]:
    sizes = (
        "context_length", "embedding_length", "block_count", "feed_forward_length", "rope.dimension_count",
        "attention.head_count", "attention.head_count_kv",
    )  # fmt: skip
    for key in (*sizes[:4], "attention.head_count", "attention.layer_norm_rms_epsilon", "rope.freq_base"):
        yield _edited(f"without-{key}", lambda files, key=key: files.metadata.pop(f"{ARCH}.{key}"), key)  # type: ignore[misc]
    for key in ("general.architecture", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.model", TOKENS, TYPES, MERGES):
        yield _edited(f"without-{key}", lambda files, key=key: files.metadata.pop(key))  # type: ignore[misc]
    wrong = {
        "zero": Typed(U32, 0),
        "negative": Typed(I32, -1),
        "huge": Typed(U64, (1 << 64) - 1),
        "text": Typed(STRING, "256"),
        "fraction": Typed(F32, 256.5),
        "list": Typed(ARRAY, [256, 256], U32),
    }
    for key in sizes:
        for shown, typed in wrong.items():
            yield _value(f"{key}-{shown}", f"{ARCH}.{key}", typed)
    for key in ("attention.layer_norm_rms_epsilon", "rope.freq_base"):
        for number, value in enumerate((math.nan, math.inf, -math.inf, 0.0, -1.0)):
            yield _value(f"{key}-{number}", f"{ARCH}.{key}", Typed(F32, value), key)
    for key, value in {
        "vocab_size": Typed(U32, 511), "rope.scaling.type": Typed(STRING, "yarn"),
        "rope.scaling.factor": Typed(F32, 2.0), "expert_count": Typed(U32, 8),
        "attention.sliding_window": Typed(U32, 512), "attention.scale": Typed(F32, 1.0),
        "attention.key_length": Typed(U32, 128), "attention.value_length": Typed(U32, 32),
    }.items():  # fmt: skip
        yield _value(f"variant-{key}", f"{ARCH}.{key}", value)
    yield _value("split", "split.count", Typed(U32, 2), "split")
    for number, typed in enumerate((
        Typed(STRING, "gpt2"), Typed(STRING, "bitnet"), Typed(STRING, ""), Typed(U32, 1), Typed(STRING, "x" * 10_000),
        Typed(STRING, "a\x1b[2J\n"), Typed(ARRAY, ["bitnet-b1.58"], STRING),
    )):  # fmt: skip
        yield _value(f"architecture-{number}", "general.architecture", typed, "architecture")


def _value(name: str, key: str, typed: Typed, says: str = "") -> Case:
    return _edited(f"key-{name}", lambda files: files.metadata.update({key: typed}), says)


def _vocabulary() -> Iterator[Case]:
    for key in ("bos", "eos", "eot"):
        for number, typed in enumerate((Typed(U32, 512), Typed(I32, -1), Typed(STRING, "497"), Typed(F32, 497.0))):
            yield _value(f"{key}-{number}", f"tokenizer.ggml.{key}_token_id", typed, f"{key}_token_id")
    for number, (key, typed) in enumerate((
        ("model", Typed(STRING, "llama")), ("model", Typed(U32, 1)), ("model", Typed(ARRAY, ["gpt2"], STRING)),
        ("pre", Typed(STRING, "qwen2")), ("pre", Typed(ARRAY, ["llama-bpe"], STRING)), ("pre", Typed(U32, 0)),
        ("tokens", Typed(STRING, "abc")), ("tokens", Typed(ARRAY, [1, 2], U32)), ("tokens", Typed(ARRAY, [], STRING)),
        ("token_type", Typed(STRING, "abc")), ("token_type", Typed(ARRAY, [1.0] * 512, F32)),
        ("token_type", Typed(ARRAY, [1] * 511, I32)), ("token_type", Typed(ARRAY, [6] * 512, I32)),
        ("token_type", Typed(ARRAY, [-1] * 512, I32)), ("token_type", Typed(ARRAY, ["1"] * 512, STRING)),
        ("merges", Typed(ARRAY, [1], U32)), ("merges", Typed(STRING, "a b")), ("merges", Typed(ARRAY, ["a"], STRING)),
        ("merges", Typed(ARRAY, ["zz yy"], STRING)), ("merges", Typed(ARRAY, [" "], STRING)),
    )):  # fmt: skip
        yield _value(f"vocabulary-{number}", f"tokenizer.ggml.{key}", typed)

    def tokens(name: str, change: Callable[[list[str]], object], says: str = "") -> Case:
        def edit(files: GgufFiles) -> None:
            texts = list(files.metadata[TOKENS].value)
            change(texts)
            files.metadata[TOKENS] = Typed(ARRAY, texts, STRING)

        return _edited(f"tokens-{name}", edit, says)

    yield tokens("twice", lambda texts: texts.__setitem__(300, texts[301]))
    yield tokens("one-missing", lambda texts: texts.pop())
    yield tokens("byte-missing", lambda texts: texts.__setitem__(texts.index("A"), "Azz"))
    yield tokens("special-empty", lambda texts: texts.__setitem__(496, ""))
    yield tokens("all-the-same", lambda texts: texts.__setitem__(slice(None), ["a"] * len(texts)))
    yield tokens("stop-in-text", lambda texts: texts.__setitem__(497, texts[498]))


def _descriptions() -> Iterator[Case]:
    def stored(name: str, change: Callable[[Stored], Stored], says: str = "", tensor: str = Q) -> Case:
        def edit(files: GgufFiles) -> None:
            files.tensors[tensor] = change(files.tensors[tensor])

        return _edited(f"tensor-{name}", edit, says)

    for number, sizes in enumerate((
        (), (1,) * 5, (0, 256), (256, 0), (1 << 63, 2), ((1 << 64) - 1,), (1 << 32, 1 << 32), (1 << 40, 1 << 40),
        (1 << 20,) * 4, (255, 256), (256, 255), (256,), (256, 256, 2), (65536,), (512, 128), (128, 512), (254, 258),
    )):  # fmt: skip
        yield stored(f"sizes-{number}", lambda old, sizes=sizes: replace(old, sizes=sizes))  # type: ignore[misc]
    for kind in (2, 3, 10, 29, 31, 37, 38, 39, 41, 999, (1 << 32) - 1):
        yield stored(f"type-{kind}", lambda old, kind=kind: replace(old, type_id=kind), "tensor type")  # type: ignore[misc]
    for kind in (0, 1, 8, 30, 34, 35):
        yield stored(f"other-type-{kind}", lambda old, kind=kind: replace(old, type_id=kind))  # type: ignore[misc]
    for number, offset in enumerate((*BIG, 1, 31, 32, 33, 1 << 20)):
        yield _edited(f"offset-{number}", lambda files, offset=offset: files.offsets.update({Q: offset}))  # type: ignore[misc]

    def renamed(name: str, new: str, says: str) -> Case:
        def edit(files: GgufFiles) -> None:
            files.tensors = {new if key == Q else key: value for key, value in files.tensors.items()}

        return _edited(f"tensor-name-{name}", edit, says)

    yield renamed("empty", "", "without a name")
    yield renamed("long", "x" * 300, "is possible")
    yield renamed("other", "blk.7.attn_q.weight", "lacks blk.0")
    yield renamed("escape", "a\x1b[2J\n\0", "lacks blk.0")

    def twice(data: bytes) -> bytes:  # the second norm of a layer takes the name of the first
        return data.replace(packed_text("blk.0.attn_k.weight"), packed_text("blk.0.attn_v.weight"), 1)

    yield _bytes("tensor-twice", twice, "twice in the file")


def _tensors() -> Iterator[Case]:
    for name in (EMBEDDING, NORM, Q, "blk.0.ffn_down.weight", "blk.0.attn_sub_norm.weight", "blk.0.ffn_norm.weight"):
        yield _edited(f"lacks-{name}", lambda files, name=name: files.tensors.pop(name), "lacks")  # type: ignore[misc]
    one = Stored(0, (1,), bytes(4))
    for number, name in enumerate(
        ("rope_freqs.weight", "blk.1.attn_q.weight", "output.weight", "blk.0.attn_q.bias", "x")
    ):
        yield _edited(f"extra-{number}", lambda files, name=name: files.tensors.update({name: one}))  # type: ignore[misc]
    yield _edited("norm-ternary", lambda files: files.tensors.update({NORM: Stored(36, (256,), bytes(96))}), "I2_S")
    floats = Stored(0, (256, 256), bytes(4 * 65536))
    yield _edited("linear-floats", lambda files: files.tensors.update({Q: floats}), "F32")
    yield _edited("embedding-ternary", lambda files: files.tensors.update(
        {EMBEDDING: Stored(35, (256, 512), bytes(66 * 512))}), "TQ2_0")  # fmt: skip


def _values() -> Iterator[Case]:
    codes = np.ones((256, 256), np.uint8)
    ones = codes.copy()
    scales = {"nan": math.nan, "infinite": math.inf, "minus-infinite": -math.inf, "negative": -1.0, "zero": 0.0}
    for shown, scale in scales.items():
        data = Stored(36, (256, 256), pack_i2s(codes, scale))
        yield _edited(
            f"values-i2_s-scale-{shown}", lambda files, data=data: files.tensors.update({Q: data}), "no scale"
        )  # type: ignore[misc]
        for kind, type_id, pack in (("TQ1_0", 34, pack_tq1_0), ("TQ2_0", 35, pack_tq2_0)):
            data = Stored(type_id, (256, 256), pack(codes, scale))
            yield _edited(
                f"values-{kind}-scale-{shown}", lambda files, data=data: files.tensors.update({Q: data}), "scale", kind
            )  # type: ignore[misc]
    mixed = np.array([[1.0], [2.0], [math.nan], *[[2.0]] * 253], np.float16)
    ones[0, 0] = 3
    three = {"I2_S": (36, pack_i2s(ones, 1.0)), "TQ2_0": (35, pack_tq2_0(ones, 1.0))}
    for kind, (type_id, packed) in three.items():
        data = Stored(type_id, (256, 256), packed)
        yield _edited(f"values-code-3-{kind}", lambda files, data=data: files.tensors.update({Q: data}), "code 3", kind)  # type: ignore[misc]
    for kind, type_id, pack in (("TQ1_0", 34, pack_tq1_0), ("TQ2_0", 35, pack_tq2_0)):
        data = Stored(type_id, (256, 256), pack(codes * 2, mixed[:, 0]))
        yield _edited(f"values-{kind}-mixed", lambda files, data=data: files.tensors.update({Q: data}), "scale", kind)  # type: ignore[misc]
    for shown, value in {"nan": math.nan, "infinite": math.inf, "minus-infinite": -math.inf}.items():
        vector = np.ones(256, np.float32)
        vector[255] = value
        data = Stored(0, (256,), vector.tobytes())
        yield _edited(f"values-norm-{shown}", lambda files, data=data: files.tensors.update({NORM: data}), "NaN or")  # type: ignore[misc]
        matrix = np.ones((512, 256), np.float32)
        matrix[511, 255] = value
        for type_id, packed in (
            (0, matrix.tobytes()),
            (1, matrix.astype(np.float16).tobytes()),
            (30, bf16(matrix).tobytes()),
        ):
            data = Stored(type_id, (256, 512), packed)
            yield _edited(
                f"values-embedding-{type_id}-{shown}",
                lambda files, data=data: files.tensors.update({EMBEDDING: data}),  # type: ignore[misc]
                "NaN or infinity",
            )


def _files() -> Iterator[Case]:
    def two(directory: Path) -> Path:
        for name in ("a.gguf", "b.gguf"):
            (directory / name).write_bytes(FIXTURES["i2_s"].read_bytes())
        return directory

    def folder(directory: Path) -> Path:
        (directory / "m.gguf").mkdir()
        return directory / "m.gguf"

    def pipe(directory: Path) -> Path:
        os.mkfifo(directory / "m.gguf")
        return directory / "m.gguf"

    def dangling(directory: Path) -> Path:
        (directory / "m.gguf").symlink_to("gone.gguf")
        return directory / "m.gguf"

    yield Case("gguf-two", two, "2 .gguf files")
    yield Case("gguf-directory", folder)
    yield Case("gguf-missing", lambda directory: directory / "none.gguf", "no model")
    if hasattr(os, "mkfifo"):
        yield Case("gguf-pipe", pipe, "not a file")
        yield Case("gguf-device", lambda directory: Path(os.devnull))
        yield Case("gguf-dangling", dangling, "no model")
