import random
import sqlite3
from pathlib import Path

import pytest

from core.store.pages import PAGE_BYTES, read_rows

# Every serial type, one-byte to nine-byte varints, payloads around the overflow limits of a 4,096-byte page.
_VALUES = [None, 0, 1, -1, 127, -32768, 8_388_607, -(2**31), 2**47 - 1, -(2**63), 0.5, "", "héllo", b"", b"\0\1"]
_LENGTHS = [4050, 4057, 4058, 4061, 4062, 5000, 8150, 40_000]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, value)")
    for number, value in enumerate([*_VALUES, *("x" * n for n in _LENGTHS)], start=1):
        connection.execute("INSERT INTO t VALUES (?, ?)", (number, value))
    connection.execute("INSERT INTO t VALUES (?, ?)", (2**62, "last"))
    connection.close()
    return path


def test_reads_what_sqlite_wrote(database: Path) -> None:
    connection = sqlite3.connect(database)
    expected = dict(connection.execute("SELECT id, value FROM t"))
    connection.close()
    assert {rowid: values[1] for rowid, values in read_rows(database)} == expected


def test_reads_the_committed_part_of_the_log(database: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("UPDATE t SET value = 'new' WHERE id = 1")
    connection.execute("BEGIN")
    connection.execute("UPDATE t SET value = 'not committed'")
    copy = tmp_path / "b.sqlite3"
    copy.write_bytes(database.read_bytes())
    copy.with_name("b.sqlite3-wal").write_bytes(database.with_name("a.sqlite3-wal").read_bytes())
    connection.execute("ROLLBACK")
    connection.close()
    rows = dict(read_rows(copy))
    assert rows[1] == (None, "new")
    assert all(values[1] != "not committed" for values in rows.values())


def test_any_bytes_end_without_an_exception(database: Path) -> None:
    content = database.read_bytes()
    chance = random.Random(1)
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(40):
            damaged[chance.randrange(PAGE_BYTES, len(damaged))] = chance.randrange(256)
        database.write_bytes(damaged[: chance.randrange(len(damaged))])
        assert len(list(read_rows(database))) <= len(_VALUES) + len(_LENGTHS) + 60
