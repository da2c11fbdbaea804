"""Malformed safetensors files, single and sharded, and values that no model has."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from malformed import Case
from malformed_text import DEEP, LONG_NUMBER, file_case
from model_files import ModelFiles, tiny_model

FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
Q = "model.layers.0.self_attn.q_proj.weight"
BF16 = {"nan": 0x7FC0, "infinite": 0x7F80, "minus-infinite": 0xFF80}
SCALES = {**BF16, "zero": 0, "minus-zero": 0x8000, "negative": 0xBF80}
Header = dict[str, Any]


def good() -> Iterator[Case]:
    yield Case("packed", lambda directory: tiny_model().write(directory / "model"))
    yield Case("masters", lambda directory: tiny_model(masters=True).write(directory / "model"))
    yield Case("llama", lambda directory: tiny_model("llama").write(directory / "model"))
    yield Case("sharded", lambda directory: _sharded().write(directory / "model"))


def cases() -> Iterator[Case]:
    yield from _cuts()
    yield from _lengths()
    yield from _headers()
    yield from _descriptions()
    yield from _tensors()
    yield from _values()
    yield from _shards()


def _split(data: bytes) -> tuple[Header, bytes]:
    n = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + n]), data[8 + n :]


def _joined(header: object, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _model(name: str, edit: Callable[[ModelFiles], object], says: str = "", **model: Any) -> Case:
    def make(directory: Path) -> Path:
        files = tiny_model(**model)
        edit(files)
        return files.write(directory / "model")

    return Case(name, make, says)


def _cuts() -> Iterator[Case]:
    """Cut at every structural boundary, and beside those of the header."""
    for n in (0, 1, 7, 8, 9):
        yield file_case(f"tensors-cut-{n}", FILE, lambda data, n=n: data[:n], "cannot be used")  # type: ignore[misc]
    for shown, extra in (("half-header", None), ("before-data", -1), ("at-data", 0), ("after-data", 1)):

        def cut(data: bytes, extra: int | None = extra) -> bytes:
            n = int.from_bytes(data[:8], "little")
            return data[: 8 + (n // 2 if extra is None else n + extra)]

        yield file_case(f"tensors-cut-{shown}", FILE, cut, "cannot be used")
    names = list(tiny_model().tensors)
    for number, name in enumerate(names[:-1]):

        def cut_behind(data: bytes, name: str = name) -> bytes:
            header, body = _split(data)
            return data[: len(data) - len(body) + header[name]["data_offsets"][1]]

        yield file_case(f"tensors-cut-behind-{number:02}", FILE, cut_behind, "bytes instead of")
    yield file_case("tensors-cut-last-byte", FILE, lambda data: data[:-1], "bytes instead of")
    yield file_case("tensors-byte-more", FILE, lambda data: data + b"\0", "bytes instead of")
    yield file_case("tensors-twice", FILE, lambda data: data + data, "bytes instead of")


def _lengths() -> Iterator[Case]:
    for n in (0, 1, 2, 1 << 20, (1 << 20) + 1, 100 << 20, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1):
        yield file_case(
            f"tensors-header-length-{n:x}", FILE, lambda data, n=n: n.to_bytes(8, "little") + data[8:], "cannot be used"
        )  # type: ignore[misc]
    for change in (-1, 1, 8):

        def shifted(data: bytes, change: int = change) -> bytes:
            return (int.from_bytes(data[:8], "little") + change).to_bytes(8, "little") + data[8:]

        yield file_case(f"tensors-header-length-off-{change}", FILE, shifted, "cannot be used")


def _headers() -> Iterator[Case]:
    for shown, text in {
        "list": b"[]",
        "text": b'"x"',
        "deep": DEEP,
        "deep-objects": b'{"a":' * 100_000,
        "no-utf8": b'{"\xff": 1}',
        "spaces": b" " * 5000,
        "nul": b"\0" * 64,
        "nothing": b"{}",
        "long-number": b'{"a": ' + LONG_NUMBER.encode() + b"}",
        "nan": b'{"a": NaN}',
        "metadata-only": b'{"__metadata__": {"format": "pt"}}',
        "too-large": b" " * (1 << 20) + b"{}",
        "many-tensors": json.dumps(
            {f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(15_000)}
        ).encode(),
    }.items():
        yield file_case(f"tensors-header-{shown}", FILE, lambda data, text=text: _joined(text, b""))  # type: ignore[misc]

    def key_twice(data: bytes) -> bytes:
        header, body = _split(data)
        text = json.dumps(header)
        return _joined((text[:-1] + f', "{Q}": ' + json.dumps(header[Q]) + "}").encode(), body)

    yield file_case("tensors-header-key-twice", FILE, key_twice, "no valid JSON")


def _descriptions() -> Iterator[Case]:
    at = "q_proj"
    changes: dict[str, list[Any]] = {
        "dtype": ["U9", "", None, 7, ["U8"], "I8", "F32", "BF16"],
        "shape": [
            None, "8", 8, {}, [8], [8.0, 32], [True, 256], ["8", 32], [-8, -32], [0, 32], [1 << 63, 2], [1 << 48] * 8,
            [1 << 32, 1 << 32], [1] * 9 + [256], [32, 8], [[8], 32], [256], [1, 256],
        ],
        "data_offsets": [
            None, [], [0], [0, 256, 512], "0", [0.0, 256.0], [-256, 0], [256, 0], [0, 256], [1 << 62, (1 << 62) + 256],
            [1 << 70, (1 << 70) + 256], [True, False], [0, 1 << 48], [None, None],
        ],
    }  # fmt: skip
    for key, values in changes.items():
        for number, value in enumerate(values):
            yield _model(
                f"tensors-{key}-{number}",
                lambda files, key=key, value=value: files.header_edits.update({Q: {key: value}}),  # type: ignore[misc]
                f"{at}|hole or overlap",
            )
    for key in ("dtype", "shape", "data_offsets"):

        def without(data: bytes, key: str = key) -> bytes:
            header, body = _split(data)
            del header[Q][key]
            return _joined(header, body)

        yield file_case(f"tensors-without-{key}", FILE, without, at)
    for number, value in enumerate([None, 7, [], "x"]):

        def replaced(data: bytes, value: object = value) -> bytes:
            header, body = _split(data)
            return _joined(header | {Q: value}, body)

        yield file_case(f"tensors-description-{number}", FILE, replaced, at)

    def shared(data: bytes) -> bytes:  # two tensors of one size in the same place
        header, body = _split(data)
        header["model.norm.weight"]["data_offsets"] = header["model.layers.0.input_layernorm.weight"]["data_offsets"]
        return _joined(header, body)

    yield file_case("tensors-overlap", FILE, shared, "hole or overlap")

    def apart(data: bytes) -> bytes:
        header, body = _split(data)
        end = header["model.norm.weight"]["data_offsets"]
        header["model.norm.weight"]["data_offsets"] = [end[0] + 8, end[1] + 8]
        return _joined(header, body + bytes(8))

    yield file_case("tensors-hole", FILE, apart, "hole or overlap")


def _tensors() -> Iterator[Case]:
    for name in (
        "model.embed_tokens.weight", "model.norm.weight", Q, f"{Q}_scale", "model.layers.1.mlp.down_proj.weight",
        "model.layers.1.mlp.ffn_sub_norm.weight", "model.layers.0.self_attn.attn_sub_norm.weight",
    ):  # fmt: skip
        shown = name.removeprefix("model.").removesuffix(".weight").replace(".", "-")
        yield _model(f"tensors-lacks-{shown}", lambda files, name=name: files.tensors.pop(name), "lacks model")  # type: ignore[misc]
        yield _model(
            f"tensors-longer-{shown}",
            lambda files, name=name: files.tensors.update(  # type: ignore[misc]
                {name: np.concatenate([files.tensors[name], files.tensors[name]])}
            ),
            "shape",
        )
    one = np.zeros(1, np.uint8)
    for number, name in enumerate(["evil", "lm_head.weight", "model.layers.2.mlp.up_proj.weight", "a\x1b[2J\n\0", ""]):
        yield _model(f"tensors-extra-{number}", lambda files, name=name: files.tensors.update({name: one}), "unknown")  # type: ignore[misc]
    yield _model(
        "tensors-untied-without-head", lambda files: files.tensors.pop("lm_head.weight"), "lm_head", family="llama"
    )
    yield _model(
        "tensors-masters-for-packed",
        lambda files: files.tensors.update(tiny_model(masters=True).tensors),
        "shape|is BF16",
    )

    def as_directory(directory: Path) -> Path:
        path = tiny_model().write(directory / "model")
        (path / FILE).unlink()
        (path / FILE).mkdir()
        return path

    yield Case("tensors-directory", as_directory, FILE)
    if hasattr(os, "mkfifo"):

        def as_pipe(directory: Path) -> Path:
            path = tiny_model().write(directory / "model")
            (path / FILE).unlink()
            os.mkfifo(path / FILE)
            return path

        yield Case("tensors-pipe", as_pipe, FILE)


def _put(name: str, bits: int, at: tuple[int, ...]) -> Callable[[ModelFiles], object]:
    def edit(files: ModelFiles) -> None:
        files.tensors[name] = files.tensors[name].copy()
        files.tensors[name][at] = bits

    return edit


def _values() -> Iterator[Case]:
    for shown, bits in SCALES.items():
        yield _model(f"values-scale-{shown}", _put(f"{Q}_scale", bits, (0,)), "NaN or infinity|no scale")
        yield _model(f"values-divisor-{shown}", _put(f"{Q}_scale", bits, (0,)), "NaN or inf|no scale", family="llama")
    yield _model("values-divisor-tiny", _put(f"{Q}_scale", 1, (0,)), "no scale", family="llama")
    for shown, bits in BF16.items():
        yield _model(f"values-embedding-{shown}", _put("model.embed_tokens.weight", bits, (511, 31)), "NaN or inf")
        yield _model(f"values-norm-{shown}", _put("model.norm.weight", bits, (31,)), "NaN or infinity")
        yield _model(f"values-sub-norm-{shown}", _put("model.layers.1.mlp.ffn_sub_norm.weight", bits, (0,)), "NaN or")
        yield _model(f"values-head-{shown}", _put("lm_head.weight", bits, (0, 0)), "NaN or infinity", family="llama")
        yield _model(f"values-masters-{shown}", _put(Q, bits, (31, 31)), "NaN or infinity", masters=True)
    for plane in range(4):
        for layer in (0, 1):
            name = f"model.layers.{layer}.mlp.down_proj.weight"
            yield _model(
                f"values-code-3-{layer}-{plane}",
                lambda files, name=name, plane=plane: np.bitwise_or.at(files.tensors[name], (7, 47), 3 << 2 * plane),  # type: ignore[misc]
                "code 3",
            )


def _sharded() -> ModelFiles:
    files = tiny_model()
    files.n_shards = 3
    return files


def _shards() -> Iterator[Case]:
    def index(name: str, change: Callable[[Header], object] | bytes, says: str = "") -> Case:
        def make(directory: Path) -> Path:
            path = _sharded().write(directory / "model")
            if isinstance(change, bytes):
                (path / INDEX).write_bytes(change)
            else:
                parsed = json.loads((path / INDEX).read_bytes())
                change(parsed)
                (path / INDEX).write_text(json.dumps(parsed))
            return path

        return Case(f"index-{name}", make, says)

    def mapped(file: object) -> Callable[[Header], object]:
        return lambda parsed: parsed["weight_map"].update({Q: file})

    for number, file in enumerate([
        "../model.safetensors", "/etc/passwd", "/etc/passwd.safetensors", "..\\x.safetensors", "a/b.safetensors",
        "C:\\x.safetensors", "\\\\host\\x.safetensors", "x.safetensors\0", "", ".", "..", ".safetensors",
        "file:///x.safetensors", "a\n.safetensors", "../" * 50 + "x.safetensors", "x.bin", "x.pt",
    ]):  # fmt: skip
        yield index(f"path-{number}", mapped(file), "may not be used")
    for number, file in enumerate([None, 7, ["x"], {"a": 1}, True]):
        yield index(f"file-type-{number}", mapped(file), "may not be used")
    yield index("file-missing", mapped("gone.safetensors"), "gone.safetensors")
    yield index("other-file", mapped("model-00002-of-00003.safetensors"), "another file")
    yield index("lacks-tensor", lambda parsed: parsed["weight_map"].pop(Q), "another file")
    yield index(
        "extra-tensor", lambda parsed: parsed["weight_map"].update(x="model-00001-of-00003.safetensors"), "lacks x"
    )
    yield index("map-list", lambda parsed: parsed.update(weight_map=[]), "weight_map")
    yield index("map-empty", lambda parsed: parsed.update(weight_map={}), "weight_map")
    yield index("map-missing", lambda parsed: parsed.pop("weight_map"), "weight_map")
    yield index(
        "many-files",
        lambda parsed: parsed.update(weight_map={f"t{i}": f"s{i}.safetensors" for i in range(600)}),
        "many",
    )
    for shown, data in {"empty": b"", "deep": DEEP, "no-utf8": b"\xff", "too-large": b" " * (4 << 20) + b"{}"}.items():
        yield index(shown, data, INDEX)

    def shard(name: str, change: Callable[[Path], object], says: str = "") -> Case:
        def make(directory: Path) -> Path:
            path = _sharded().write(directory / "model")
            change(path / "model-00002-of-00003.safetensors")
            return path

        return Case(f"shard-{name}", make, says)

    yield shard("missing", Path.unlink, "lacks model-00002")
    yield shard("cut", lambda path: os.truncate(path, path.stat().st_size - 1), "bytes instead of")
    yield shard("empty", lambda path: os.truncate(path, 0), "model-00002")
    yield shard("copy-of-first", lambda path: path.write_bytes(
        path.with_name("model-00001-of-00003.safetensors").read_bytes()), "in two files")  # fmt: skip
    yield shard("directory", lambda path: (path.unlink(), path.mkdir()), "lacks model-00002")
