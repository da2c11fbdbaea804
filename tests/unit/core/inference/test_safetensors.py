import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import write_safetensors

from core.errors import AppError, ErrorCode
from core.inference.safetensors import HEADER_LIMIT_BYTES, TensorFiles

FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
A = np.arange(12, dtype=np.float32).reshape(3, 4)
B = np.arange(5, dtype=np.uint8)


def ignore(n_bytes: int) -> None:
    """Nobody counts."""


def raw_file(directory: Path, header: object, data: bytes = b"", *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (directory / FILE).write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return directory


def entry(dtype: object = "U8", shape: object = (4,), offsets: object = (0, 4)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def refusal(directory: Path) -> AppError:
    with pytest.raises(AppError) as caught:
        TensorFiles(directory)
    return caught.value


def test_reads_what_was_written(tmp_path: Path) -> None:
    write_safetensors(tmp_path / FILE, {"a": A, "b": B})
    with TensorFiles(tmp_path) as files:
        assert files.tensors.keys() == {"a", "b"}
        assert (files.total_bytes, files.files) == (A.nbytes + B.nbytes, (FILE,))
        a, b = np.empty_like(A), np.empty_like(B)
        files.read_into(files.tensors["b"], b, ignore)
        files.read_into(files.tensors["a"], a, ignore)
    assert (a == A).all()
    assert (b == B).all()


def test_reads_a_part_of_a_tensor(tmp_path: Path) -> None:
    write_safetensors(tmp_path / FILE, {"b": B, "a": A})
    with TensorFiles(tmp_path) as files:
        row = np.empty(4, np.float32)
        files.read_into(files.tensors["a"], row, ignore, offset=16)
    assert (row == A[1]).all()


def test_refuses_a_target_that_does_not_fit(tmp_path: Path) -> None:
    write_safetensors(tmp_path / FILE, {"a": A})
    with TensorFiles(tmp_path) as files:
        for target, offset in (
            (np.empty(13, np.float32), 0),
            (np.empty(12, np.float32), 4),
            (np.empty((12, 2))[::2], 0),
        ):
            with pytest.raises(ValueError, match="bytes"):
                files.read_into(files.tensors["a"], target, ignore, offset=offset)


def test_large_tensors_come_in_slices_and_can_be_stopped(tmp_path: Path) -> None:
    big = np.arange(9 << 20, dtype=np.uint8)
    write_safetensors(tmp_path / FILE, {"big": big})
    slices: list[int] = []
    with TensorFiles(tmp_path) as files:
        got = np.empty_like(big)
        files.read_into(files.tensors["big"], got, slices.append)
        assert (got == big).all()
        assert len(slices) >= 3
        assert sum(slices) == big.nbytes
        with pytest.raises(KeyboardInterrupt):
            files.read_into(files.tensors["big"], got, lambda n: (_ for _ in ()).throw(KeyboardInterrupt))


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": entry(offsets=(1, 5))}, bytes(5)),  # hole before
        ({"a": entry(), "b": entry(offsets=(3, 7))}, bytes(7)),  # overlap
        ({"a": entry(), "b": entry(offsets=(5, 9))}, bytes(9)),  # hole between
        ({"a": entry(), "b": entry()}, bytes(4)),  # the same bytes twice
        ({"a": entry()}, bytes(5)),  # bytes behind
        ({"a": entry()}, bytes(3)),  # truncated
        ({"a": entry(offsets=(4, 0))}, bytes(4)),
        ({"a": entry(offsets=(-4, 0))}, bytes(4)),
        ({"a": entry(offsets=(0, 3))}, bytes(3)),  # fewer than the shape says
        ({"a": entry(offsets=(0,))}, bytes(4)),
        ({"a": entry(offsets=(0, 4.0))}, bytes(4)),
        ({"a": entry(offsets=None)}, bytes(4)),
        ({"a": entry(shape=(-4,))}, bytes(4)),
        ({"a": entry(shape=(True,), offsets=(0, 1))}, bytes(1)),
        ({"a": entry(shape="4")}, bytes(4)),
        ({"a": entry(shape=[1] * 9, offsets=(0, 1))}, bytes(1)),
        ({"a": entry(shape=(2**62, 4), offsets=(0, 0))}, b""),  # overflows in 64 bits
        ({"a": entry(dtype="F33")}, bytes(4)),
        ({"a": entry(dtype=None)}, bytes(4)),
        ({"a": []}, b""),
        ({"a": {}}, b""),
        ([], b""),
        (b"{", b""),
        (b"", b""),
        (
            b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
            b"",
        ),
        (b'{"a":' * 50_000, b""),
        (b"\xff\xfe", b""),
    ],
)
def test_refuses_a_header_that_does_not_describe_the_file(tmp_path: Path, header: object, data: bytes) -> None:
    assert refusal(raw_file(tmp_path, header, data)).code is ErrorCode.MODEL_DAMAGED


@pytest.mark.parametrize("length", [3, 1 << 20, (1 << 63) + 1, (1 << 64) - 1])
def test_refuses_a_wrong_header_length(tmp_path: Path, length: int) -> None:
    assert refusal(raw_file(tmp_path, {"a": entry()}, bytes(4), length=length)).code is ErrorCode.MODEL_DAMAGED


@pytest.mark.parametrize("data", [b"", b"\0", bytes(7), bytes(8), b"PK\3\4" * 100, b"GGUF" * 100, b"<html></html>" * 9])
def test_refuses_files_of_another_kind(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    assert refusal(tmp_path).code is ErrorCode.MODEL_DAMAGED


def test_refuses_a_header_over_the_limit(tmp_path: Path) -> None:
    padding = "x" * HEADER_LIMIT_BYTES
    error = refusal(raw_file(tmp_path, {"__metadata__": {"padding": padding}}))
    assert error.facts["reason"] == "header length"


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    write_safetensors(tmp_path / FILE, {"a": A, "b": B})
    whole = (tmp_path / FILE).read_bytes()
    for n_bytes in range(len(whole)):
        (tmp_path / FILE).write_bytes(whole[:n_bytes])
        assert refusal(tmp_path).code is ErrorCode.MODEL_DAMAGED


def test_empty_tensors_and_scalars_are_fine(tmp_path: Path) -> None:
    raw_file(tmp_path, {"none": entry(shape=(0, 4), offsets=(0, 0)), "one": entry("F32", (), (0, 4))}, bytes(4))
    with TensorFiles(tmp_path) as files:
        assert files.tensors["none"].n_bytes == 0
        assert files.tensors["one"].shape == ()


def test_a_file_that_shrinks_while_read_is_an_error(tmp_path: Path) -> None:
    write_safetensors(tmp_path / FILE, {"a": A})
    with TensorFiles(tmp_path) as files:
        os.truncate(tmp_path / FILE, 60)
        with pytest.raises(AppError) as caught:
            files.read_into(files.tensors["a"], np.empty_like(A), ignore)
    assert caught.value.code is ErrorCode.MODEL_DAMAGED


def test_no_file_is_incomplete(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert (error.code, error.facts["missing"]) == (ErrorCode.MODEL_INCOMPLETE, FILE)
    (tmp_path / FILE).mkdir()
    assert refusal(tmp_path).code is ErrorCode.MODEL_INCOMPLETE


def write_shards(directory: Path, weight_map: dict[str, Any] | None = None) -> Path:
    write_safetensors(directory / "x.safetensors", {"a": A})
    write_safetensors(directory / "y.safetensors", {"b": B})
    index = {"weight_map": {"a": "x.safetensors", "b": "y.safetensors"} if weight_map is None else weight_map}
    (directory / INDEX).write_text(json.dumps(index))
    return directory


def test_shards_are_read_like_one_file(tmp_path: Path) -> None:
    with TensorFiles(write_shards(tmp_path)) as files:
        a, b = np.empty_like(A), np.empty_like(B)
        for _ in range(2):
            files.read_into(files.tensors["a"], a, ignore)
            files.read_into(files.tensors["b"], b, ignore)
    assert (a == A).all()
    assert (b == B).all()


def test_a_shard_replaced_between_reads_is_an_error(tmp_path: Path) -> None:
    with TensorFiles(write_shards(tmp_path)) as files:
        write_safetensors(tmp_path / "x.safetensors", {"a": A, "more": B})
        with pytest.raises(AppError, match="changed"):
            files.read_into(files.tensors["a"], np.empty_like(A), ignore)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    (write_shards(tmp_path) / "y.safetensors").unlink()
    error = refusal(tmp_path)
    assert (error.code, error.facts["missing"]) == (ErrorCode.MODEL_INCOMPLETE, "y.safetensors")


def test_a_tensor_of_the_index_that_no_shard_holds_is_named(tmp_path: Path) -> None:
    error = refusal(write_shards(tmp_path, {"a": "x.safetensors", "b": "y.safetensors", "c": "y.safetensors"}))
    assert (error.code, error.facts["missing"]) == (ErrorCode.MODEL_INCOMPLETE, "c")


@pytest.mark.parametrize(
    "weight_map",
    [
        {},
        {"a": "y.safetensors", "b": "x.safetensors"},
        {"a": "x.safetensors"} | {"z": "y.safetensors"},
        {"a": "../x.safetensors"},
        {"a": "/etc/passwd"},
        {"a": "sub/x.safetensors"},
        {"a": "sub\\x.safetensors"},
        {"a": ".safetensors"},
        {"a": "x.bin"},
        {"a": "x.safetensors\n"},
        {"a": 1},
        {"a": None},
    ],
)
def test_refuses_an_index_that_misleads(tmp_path: Path, weight_map: dict[str, Any]) -> None:
    error = refusal(write_shards(tmp_path, weight_map))
    assert (error.code, error.facts["part"]) == (ErrorCode.MODEL_DAMAGED, INDEX)


def test_a_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path)
    write_safetensors(tmp_path / "y.safetensors", {"a": A, "b": B})
    assert refusal(tmp_path).facts["reason"] == "in two files"


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    write_shards(tmp_path)
    with TensorFiles(tmp_path) as files:
        files.read_into(files.tensors["a"], np.empty_like(A), ignore)
    for name in ("x.safetensors", "y.safetensors", INDEX):
        (tmp_path / name).unlink()  # on Windows an open file cannot be removed; a leak warns elsewhere


def test_a_fixture_holds_the_published_tensors(fixtures_dir: Path) -> None:
    with TensorFiles(fixtures_dir / "tied-h256" / "hf-packed") as files:
        info = files.tensors["model.layers.0.self_attn.q_proj.weight"]
        assert (info.dtype, info.shape) == ("U8", (64, 256))
