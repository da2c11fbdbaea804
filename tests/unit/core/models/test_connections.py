"""What was connected to and received is read back; lines of others are passed over."""

from datetime import UTC, datetime
from pathlib import Path

from core.events import Connected
from core.models.connections import (
    Transferred,
    append_connection,
    append_transfer,
    read_connections,
    read_transfers,
)

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def test_both_kinds_are_read_back_from_one_file(tmp_path: Path) -> None:
    path = tmp_path / "connections.jsonl"
    append_connection(path, Connected(AT, "host.example", 443))
    append_transfer(path, Transferred(AT, "model", 1234))
    path.write_bytes(
        path.read_bytes() + b'{"at": 1}\nnonsense\n{"at": "2026-05-04T03:02:01", "model": 1, "n_bytes": 2}\n'
    )
    assert read_connections(path) == (Connected(AT, "host.example", 443),)
    assert read_transfers(path) == (Transferred(AT, "model", 1234),)


def test_a_file_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert read_connections(tmp_path / "absent") == ()
    assert read_transfers(tmp_path / "absent") == ()
