import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf_files import ARRAY, BOOL, F32, F64, I8, I64, STRING, U8, U32, U64, GgufFiles, Stored, Typed, packed_text
from model_files import FIXTURES

from core.errors import AppError, ErrorCode
from core.inference import gguf as gguf_module
from core.inference.gguf import HEADER_LIMIT_BYTES, GgufFile


def small() -> GgufFiles:
    data = np.arange(64, dtype="<f4").tobytes()
    return GgufFiles({"a.key": Typed(U32, 7)}, {"one": Stored(0, (64,), data), "two": Stored(1, (3, 4), bytes(24))})


def refusal(path: Path) -> AppError:
    started = time.perf_counter()
    with pytest.raises(AppError) as caught:
        GgufFile(path)
    assert time.perf_counter() - started < 2
    return caught.value


def test_every_type_of_value_is_read(tmp_path: Path) -> None:
    files = small()
    files.metadata |= {
        "u8": Typed(U8, 255), "i8": Typed(I8, -1), "u64": Typed(U64, 2**64 - 1), "i64": Typed(I64, -(2**63)),
        "f32": Typed(F32, 0.5), "f64": Typed(F64, 1e300), "yes": Typed(BOOL, 1), "text": Typed(STRING, "größe"),
        "texts": Typed(ARRAY, ["", "a", "日本"], STRING), "numbers": Typed(ARRAY, [1, -2], I64),
        "none": Typed(ARRAY, [], U8), "flags": Typed(ARRAY, [1, 0], BOOL),
    }  # fmt: skip
    with GgufFile(files.write(tmp_path / "m.gguf")) as file:
        read = dict(file.metadata)
    assert read.pop("texts") == ["", "a", "日本"]
    assert np.array_equal(read.pop("numbers"), [1, -2])
    assert len(read.pop("none")) == 0
    assert np.array_equal(read.pop("flags"), [1, 0])
    assert read == {
        "a.key": 7, "u8": 255, "i8": -1, "u64": 2**64 - 1, "i64": -(2**63), "f32": 0.5, "f64": 1e300, "yes": True,
        "text": "größe",
    }  # fmt: skip


def test_tensors_are_placed_and_read_in_slices(tmp_path: Path) -> None:
    heard: list[int] = []
    with GgufFile(small().write(tmp_path / "m.gguf")) as file:
        one, two = file.tensors["one"], file.tensors["two"]
        assert (one.shape, two.shape, two.kind.name) == ((64,), (4, 3), "F16")
        assert two.start - one.start == 256
        assert one.start % 32 == 0
        values = np.empty(4, "<f4")
        file.read_into(one, values, heard.append, offset=8)
        assert values.tolist() == [2, 3, 4, 5]
        assert sum(heard) == 16
        with pytest.raises(ValueError, match="one has 256 bytes"):
            file.read_into(one, np.empty(65, "<f4"), heard.append)


@pytest.mark.parametrize("alignment", [1, 8, 64, 65536])
def test_other_alignments_are_read(tmp_path: Path, alignment: int) -> None:
    files = small()
    files.metadata["general.alignment"] = Typed(U32, alignment)
    files.alignment = alignment
    with GgufFile(files.write(tmp_path / "m.gguf")) as file:
        assert file.tensors["two"].start - file.tensors["one"].start == max(256, alignment)


def test_version_2_is_read(tmp_path: Path) -> None:
    files = small()
    files.version = 2
    GgufFile(files.write(tmp_path / "m.gguf")).close()


def test_the_padding_behind_the_last_tensor_may_be_missing(tmp_path: Path) -> None:
    path = small().write(tmp_path / "m.gguf")
    path.write_bytes(path.read_bytes()[:-8])
    GgufFile(path).close()


def set_key(key: str, typed: Typed) -> Callable[[GgufFiles], None]:
    return lambda files: files.metadata.update({key: typed})


def set_tensor(tensor: Stored) -> Callable[[GgufFiles], None]:
    return lambda files: files.tensors.update({"three": tensor})


def set_attribute(name: str, value: object) -> Callable[[GgufFiles], None]:
    return lambda files: setattr(files, name, value)


class Raw(Typed):
    """A value whose bytes are given as they are."""

    def pack(self) -> bytes:
        return bytes(self.value)


HUGE = 2**63
DAMAGED = {
    "counts of tensors": set_attribute("counts", (HUGE, 1)),
    "counts of keys": set_attribute("counts", (2, HUGE)),
    "one key too many": set_attribute("counts", (2, 2)),
    "one tensor too many": set_attribute("counts", (3, 1)),
    "string past the end": set_key("text", Raw(STRING, struct.pack("<Q", 1 << 19) + b"x")),
    "string of exabytes": set_key("text", Raw(STRING, struct.pack("<Q", 2**64 - 1))),
    "string that is no text": set_key("text", Raw(STRING, packed_text(b"\xff\xfe"))),
    "array of exabytes": set_key("list", Raw(ARRAY, struct.pack("<IQ", F32, 2**62))),
    "array past the end": set_key("list", Raw(ARRAY, struct.pack("<IQ", F32, 1 << 18))),
    "strings past the end": set_key("list", Raw(ARRAY, struct.pack("<IQ", STRING, 1 << 20))),
    "a long element": set_key("list", Typed(ARRAY, ["x" * 5000], STRING)),
    "an array in an array": set_key("list", Raw(ARRAY, struct.pack("<IQ", ARRAY, 1) * 1000)),
    "an unknown type": set_key("odd", Raw(13, b"")),
    "an unknown element type": set_key("odd", Raw(ARRAY, struct.pack("<IQ", 99, 1))),
    "a boolean of 2": set_key("flag", Raw(BOOL, b"\x02")),
    "no key": set_key("", Typed(U8, 1)),
    "a long key": set_key("k" * 300, Typed(U8, 1)),
    "alignment 0": set_key("general.alignment", Typed(U32, 0)),
    "alignment 24": set_key("general.alignment", Typed(U32, 24)),
    "alignment of a GB": set_key("general.alignment", Typed(U32, 1 << 30)),
    "alignment as text": set_key("general.alignment", Typed(STRING, "32")),
    "no dimensions": set_tensor(Stored(0, (), b"")),
    "five dimensions": set_tensor(Stored(0, (1, 1, 1, 1, 1), bytes(4))),
    "a size of 0": set_tensor(Stored(0, (0,), b"")),
    "exabytes of values": set_tensor(Stored(0, (2**40, 2**40), bytes(4))),
    "a product that wraps to 0": set_tensor(Stored(0, (2**32, 2**32), bytes(4))),
    "rows that fill no block": set_tensor(Stored(35, (128,), bytes(66))),
    "data that is not there": set_tensor(Stored(0, (16,), bytes(32))),
    "an overlap": set_attribute("offsets", {"two": 0}),
    "a hole": set_attribute("offsets", {"two": 512}),
    "an offset off the alignment": set_attribute("offsets", {"two": 257}),
    "an offset past the end": set_attribute("offsets", {"two": 2**63}),
}


@pytest.mark.parametrize("spoil", DAMAGED.values(), ids=DAMAGED)
def test_a_lying_header_is_damaged(tmp_path: Path, spoil: Callable[[GgufFiles], None]) -> None:
    files = small()
    spoil(files)
    error = refusal(files.write(tmp_path / "m.gguf"))
    assert error.code is ErrorCode.MODEL_DAMAGED
    assert error.facts["path"] == tmp_path / "m.gguf"
    assert error.facts["reason"]


def test_string_arrays_share_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_module, "MAX_STRINGS", 10)
    files = small()
    files.metadata |= {name: Typed(ARRAY, ["a"] * 5, STRING) for name in ("one", "two")}
    GgufFile(files.write(tmp_path / "m.gguf")).close()
    files.metadata["three"] = Typed(ARRAY, ["a"], STRING)
    assert refusal(files.write(tmp_path / "m.gguf")).facts["part"] == "three"


def test_keys_and_tensors_may_not_be_twice(tmp_path: Path) -> None:
    path = small().write(tmp_path / "m.gguf")
    data = path.read_bytes()
    pair = packed_text("a.key") + struct.pack("<II", U32, 7)
    twice = data.replace(struct.pack("<QQ", 2, 1), struct.pack("<QQ", 2, 2), 1).replace(pair, pair * 2, 1)
    path.write_bytes(twice)
    assert "twice" in str(refusal(path))
    path.write_bytes(data.replace(packed_text("two"), packed_text("one")))
    assert refusal(path).facts["reason"] == "twice in the file"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [(set_attribute("version", 1), "GGUF version 1"), (set_attribute("version", 4), "GGUF version 4"),
     (set_attribute("version", 3 << 24), "GGUF version 50331648 (big endian)"),
     (set_tensor(Stored(2, (32,), bytes(18))), "three has the tensor type 2")],
)  # fmt: skip
def test_what_is_not_implemented_is_named(tmp_path: Path, edit: Callable[[GgufFiles], None], reason: str) -> None:
    files = small()
    edit(files)
    error = refusal(files.write(tmp_path / "m.gguf"))
    assert (error.code, error.facts["reason"]) == (ErrorCode.MODEL_UNSUPPORTED, reason)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    files = small()
    files.metadata |= {"texts": Typed(ARRAY, ["ab", "c"], STRING), "text": Typed(STRING, "abc")}
    data = files.write(tmp_path / "whole.gguf").read_bytes()
    path = tmp_path / "cut.gguf"
    for length in range(len(data) - 8):  # the last 8 bytes are padding
        path.write_bytes(data[:length])
        assert refusal(path).code is ErrorCode.MODEL_DAMAGED


def test_bytes_behind_the_last_tensor_are_refused(tmp_path: Path) -> None:
    path = small().write(tmp_path / "m.gguf")
    path.write_bytes(path.read_bytes() + bytes(32))
    assert "bytes instead of" in str(refusal(path))


def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    files = small()
    files.metadata |= {"texts": Typed(ARRAY, ["ab", "c"], STRING), "list": Typed(ARRAY, [1.0], F32)}
    path = files.write(tmp_path / "m.gguf")
    data, random = path.read_bytes(), np.random.default_rng(1)
    header = len(files.header())
    for _ in range(3000):
        spoilt = bytearray(data)
        for at in random.integers(0, header, random.integers(1, 4)):
            spoilt[at] = random.choice([0, 1, 127, 128, 255, random.integers(256)])
        path.write_bytes(spoilt)
        try:
            GgufFile(path).close()
        except AppError as error:
            assert error.code in (ErrorCode.MODEL_DAMAGED, ErrorCode.MODEL_UNSUPPORTED)  # noqa: PT017


def test_a_huge_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    n = 1 << 20
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 9) + packed_text("a") + struct.pack("<IIQ", ARRAY, F64, n)
    with path.open("wb") as file:
        file.write(head)
        for i in range(8):
            file.seek(8 * n, os.SEEK_CUR)
            file.write(packed_text(f"b{i}") + struct.pack("<IIQ", ARRAY, F64, n))
        file.truncate(8 * n * 10)
    assert path.stat().st_size > HEADER_LIMIT_BYTES
    assert "the header is larger than 32 MiB" in str(refusal(path))


def test_a_file_that_changes_is_an_error(tmp_path: Path) -> None:
    path = small().write(tmp_path / "m.gguf")
    with GgufFile(path) as file:
        with path.open("r+b") as other:
            other.truncate(100)
        with pytest.raises(AppError, match="changed while it was read"):
            file.read_into(file.tensors["one"], np.empty(64, "<f4"), lambda n: None)


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "empty", "text"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "m.gguf"
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "empty":
            path.touch()
        case "text":
            path.write_text("GG, this is no model at all, whatever its name says")
    codes = {"missing": ErrorCode.MODEL_NOT_FOUND, "directory": ErrorCode.MODEL_UNSUPPORTED}
    codes["fifo"] = ErrorCode.MODEL_UNSUPPORTED
    assert refusal(path).code is codes.get(kind, ErrorCode.MODEL_DAMAGED)


def test_the_descriptor_is_closed_after_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    original = gguf_module.WeightFile.close
    monkeypatch.setattr(gguf_module.WeightFile, "close", lambda self: (closed.append(True), original(self)))
    files = small()
    files.version = 9
    refusal(files.write(tmp_path / "m.gguf"))
    assert closed


def test_fixtures_have_the_official_keys() -> None:
    with GgufFile(FIXTURES / "tied-h256" / "ggml-model-i2_s.gguf") as file:
        assert len(file.metadata) == 24
        assert len(file.tensors) == 24
        assert "tokenizer.ggml.pre" not in file.metadata
        assert file.tensors["blk.0.ffn_down.weight"].shape == (256, 512)
