import os
from pathlib import Path

import numpy as np
import pytest

from core.errors import AppError, ErrorCode
from core.inference.rows import FileRows, MemoryRows, RowSource
from core.inference.ternary_formats import FLOAT_DECODERS, bf16_bits
from core.inference.weight_file import WeightFile

BITS = np.random.default_rng(0).integers(0, 1 << 15, (50, 16), dtype=np.uint16)
IDS = ([0], [49], [3, 4, 5, 9, 10, 2, 2], list(range(50)), [49, 0])


def file_rows(path: Path, offset: int = 7) -> FileRows:
    path.write_bytes(b"\xff" * offset + BITS.tobytes())
    return FileRows(WeightFile(path), "embed", offset, 50, 32)


def read(rows: RowSource, ids: list[int]) -> np.ndarray:
    target = np.zeros((len(ids), 16), np.uint16)
    rows.read(np.array(ids, np.int64), target)
    return target


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("has_preadv", [True, False])
def test_rows_are_read_in_the_order_asked_for(
    ids: list[int], has_preadv: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_preadv:  # as on Windows
        monkeypatch.delattr(os, "preadv", raising=False)
    rows = file_rows(tmp_path / "m")
    assert np.array_equal(read(rows, ids), BITS[ids])
    assert np.array_equal(read(MemoryRows(BITS, "m"), ids), BITS[ids])
    rows.close()


def test_other_forms_are_converted(tmp_path: Path) -> None:
    values = np.random.default_rng(1).standard_normal((50, 16)).astype(np.float32)
    (tmp_path / "m").write_bytes(values.tobytes())
    rows = FileRows(
        WeightFile(tmp_path / "m"), "embed", 0, 50, 64, lambda raw: bf16_bits(FLOAT_DECODERS["F32"](raw)).bits
    )
    assert np.array_equal(read(rows, [7, 8, 1]), bf16_bits(values[[7, 8, 1]].reshape(-1)).bits.reshape(3, 16))
    rows.close()


@pytest.mark.parametrize("ids", [[], [50], [-1]])
def test_rows_that_are_not_there_are_refused(ids: list[int], tmp_path: Path) -> None:
    rows = file_rows(tmp_path / "m")
    with pytest.raises(ValueError):
        read(rows, ids)
    rows.close()


@pytest.mark.parametrize("change", ["shorter", "rewritten", "closed"])
def test_a_file_that_can_no_longer_be_read_is_an_error_with_its_name(change: str, tmp_path: Path) -> None:
    path = tmp_path / "m"
    rows = file_rows(path)
    if change == "shorter":
        os.truncate(path, 100)
    elif change == "rewritten":
        path.write_bytes(b"\x01" * path.stat().st_size)
        os.utime(path, ns=(1, 1))
    else:
        rows.close()
    with pytest.raises(AppError) as caught:
        read(rows, [40])
    assert caught.value.code is ErrorCode.MODEL_DAMAGED
    assert caught.value.facts["path"] == path
    rows.close()


def test_reads_that_come_up_short_are_continued_and_an_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = file_rows(tmp_path / "m")
    real = WeightFile._read_at
    monkeypatch.setattr(WeightFile, "_read_at", lambda self, start, view: real(self, start, view[:5]))
    assert np.array_equal(read(rows, [3, 4, 1]), BITS[[3, 4, 1]])
    monkeypatch.setattr(WeightFile, "_read_at", lambda self, start, view: 0)
    with pytest.raises(AppError):
        read(rows, [3])
    rows.close()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
def test_a_file_that_was_replaced_is_read_on(tmp_path: Path) -> None:
    rows = file_rows(tmp_path / "m")
    (tmp_path / "other").write_bytes(b"new")
    (tmp_path / "other").replace(tmp_path / "m")
    assert np.array_equal(read(rows, [7]), BITS[[7]])
    rows.close()
