"""Parts: resumed at the block where they are right, never renamed when wrong."""

import errno
import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ErrorCode
from core.events import RestartReason
from core.models.part_file import BLOCK_BYTES, CHUNK_BYTES, Identity, PartFile, disk_error, file_hashes

DATA = random.Random(3).randbytes(3 * BLOCK_BYTES + 1234)


def identity(data: bytes = DATA, **changed: object) -> Identity:
    values = {"repository": "o/n", "revision": "r", "name": "f", "n_bytes": len(data)}
    return Identity(**{**values, "sha256": hashlib.sha256(data).hexdigest(), **changed})  # type: ignore[arg-type]


def begun(path: Path, n_bytes: int, data: bytes = DATA) -> None:
    part = PartFile(path, identity(data))
    part.write(data[:n_bytes])
    part.close()


def part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def test_a_whole_file_gets_its_name_and_leaves_nothing_else(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "f", identity())
    for at in range(0, len(DATA), 50_000):
        part.write(DATA[at : at + 50_000])
    assert part.is_complete
    assert part.matches()
    part.commit()
    assert (tmp_path / "f").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, len(DATA)))
def test_less_than_a_chunk_is_lost_wherever_it_is_cut(tmp_path: Path, cut: int) -> None:
    path = tmp_path / f"cut-{cut}"
    begun(path, cut)
    part = PartFile(path, identity())
    assert cut - CHUNK_BYTES < part.n_bytes <= cut
    assert part.dropped is None
    part.write(DATA[part.n_bytes :])
    assert part.matches()
    part.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, 2 * BLOCK_BYTES - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_its_block_and_what_follows(tmp_path: Path, at: int, bit: int) -> None:
    path = tmp_path / f"flip-{at}-{bit}"
    begun(path, 2 * BLOCK_BYTES)
    stored = bytearray(part_of(path).read_bytes())
    stored[at] ^= 1 << bit
    part_of(path).write_bytes(stored)
    part = PartFile(path, identity())
    kept = at // BLOCK_BYTES * BLOCK_BYTES
    assert part.n_bytes == kept
    assert part.dropped is not None
    assert (part.dropped.reason, part.dropped.kept_bytes) == (RestartReason.BLOCK_DAMAGED, kept)
    part.write(DATA[kept:])
    assert part.matches()
    part.close()


def test_a_part_of_another_revision_is_not_continued(tmp_path: Path) -> None:
    begun(tmp_path / "f", 2 * BLOCK_BYTES)
    part = PartFile(tmp_path / "f", identity(revision="other"))
    assert part.n_bytes == 0
    assert part.dropped is not None
    assert part.dropped.reason is RestartReason.PUBLISHED_CHANGED
    part.close()


@pytest.mark.parametrize("sums", [None, b"", b"\xff" * 300, b'{"a": 1}\n'])
def test_without_its_record_a_part_is_not_trusted(tmp_path: Path, sums: bytes | None) -> None:
    begun(tmp_path / "f", 2 * BLOCK_BYTES)
    record = tmp_path / "f.part.sums"
    record.unlink() if sums is None else record.write_bytes(sums)
    part = PartFile(tmp_path / "f", identity())
    assert part.n_bytes == 0
    assert part.dropped is not None
    assert (part.dropped.reason, part.dropped.lost_bytes) == (RestartReason.RECORD_LOST, 2 * BLOCK_BYTES)
    part.close()


def test_zeros_after_a_power_cut_are_found(tmp_path: Path) -> None:
    begun(tmp_path / "f", 3 * BLOCK_BYTES)
    with part_of(tmp_path / "f").open("r+b") as file:
        file.truncate(BLOCK_BYTES)
        file.truncate(3 * BLOCK_BYTES)
    part = PartFile(tmp_path / "f", identity())
    assert part.n_bytes == BLOCK_BYTES
    assert part.dropped is not None
    part.close()


def test_wrong_bytes_never_match_and_too_many_are_refused(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "f", identity())
    with pytest.raises(ValueError, match="more bytes"):
        part.write(DATA + b"x")
    part.write(DATA[:-1] + b"\0")
    assert part.is_complete
    assert not part.matches()
    part.close()


def test_a_small_file_is_checked_by_what_git_calls_it(tmp_path: Path) -> None:
    # echo -n "hello" | git hash-object --stdin
    published = identity(b"hello", sha256=None, git_sha1="b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0")
    for text, is_right in ((b"hello", True), (b"hallo", False)):
        part = PartFile(tmp_path / text.decode(), published)
        part.write(text)
        assert part.matches() is is_right
        part.commit()
        assert file_hashes(tmp_path / text.decode(), published, lambda _n: None)[1] is is_right


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, ErrorCode.DOWNLOAD_NO_SPACE),
        (errno.EDQUOT, ErrorCode.DOWNLOAD_NO_SPACE),
        (errno.EROFS, ErrorCode.DOWNLOAD_READ_ONLY),
        (errno.EACCES, ErrorCode.DOWNLOAD_FORBIDDEN),
        (errno.EPERM, ErrorCode.DOWNLOAD_FORBIDDEN),
        (errno.EIO, ErrorCode.DOWNLOAD_UNWRITABLE),
    ],
)
def test_each_failure_of_the_disk_has_its_own_code(number: int, code: ErrorCode) -> None:
    error = disk_error(OSError(number, "because"), Path("/there"), 7, 5)
    assert error.code is code
    assert error.facts["path"] == Path("/there")
