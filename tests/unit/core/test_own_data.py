import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted
from core.own_data import PlaceKind, erase, export_all, measure
from core.paths import AppPaths
from core.settings import Settings
from core.store.chats import ChatStore
from core.store.database import Database


@pytest.fixture
def paths(tmp_path: Path) -> AppPaths:
    made = AppPaths(tmp_path / "data")
    made.create()
    (made.models / "m").mkdir()
    (made.models / "m" / "weights").write_bytes(b"x" * 1000)
    Settings().with_value("top_k", 3).save(made.settings)
    (made.data / "window.json").write_text("{}")
    return made


@pytest.fixture
def database(paths: AppPaths):
    made = Database.open(paths.database)
    yield made
    made.close()


def test_every_byte_is_counted_once(paths: AppPaths, database: Database) -> None:
    places = {place.kind: place for place in measure(paths, CancelToken())}
    assert places[PlaceKind.MODELS].n_bytes == 1000
    assert places[PlaceKind.SETTINGS].n_bytes == paths.settings.stat().st_size
    files = [path for path in paths.data.rglob("*") if path.is_file()]
    assert sum(place.n_bytes for place in places.values()) == sum(path.stat().st_size for path in files)


def test_measuring_can_be_stopped(paths: AppPaths) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        measure(paths, cancel)


def test_an_export_holds_everything(paths: AppPaths, database: Database, tmp_path: Path) -> None:
    store = ChatStore(database)
    chat = store.create_chat("Tides")
    store.add_prompt(chat, "Grüße 😀")
    store.add_document(chat, "a.txt", "0" * 64, "words")
    target = tmp_path / "all.zip"
    assert export_all(paths, database, target, CancelToken()) == 1
    with zipfile.ZipFile(target) as archive:
        assert sorted(archive.namelist()) == ["conversations.json", "history.sqlite3", "settings.json"]
        told = json.loads(archive.read("conversations.json"))["chats"][0]
        archive.extract("history.sqlite3", tmp_path)
    assert told["chat"]["title"] == "Tides"
    assert told["messages"][0]["text"] == "Grüße 😀"
    assert [(each["name"], each["text"]) for each in told["documents"]] == [("a.txt", "words")]
    copy = sqlite3.connect(tmp_path / "history.sqlite3")
    assert copy.execute("SELECT text FROM messages").fetchall() == [("Grüße 😀",)]
    copy.close()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_an_export_to_nowhere_is_said(paths: AppPaths, database: Database, tmp_path: Path) -> None:
    with pytest.raises(AppError) as caught:
        export_all(paths, database, tmp_path / "no" / "all.zip", CancelToken())
    assert caught.value.code is ErrorCode.OUTPUT_UNWRITABLE


@pytest.mark.parametrize("with_models", [True, False])
def test_nothing_is_left_but_the_lock(paths: AppPaths, with_models: bool) -> None:
    Database.open(paths.database).close()
    paths.lock.write_text("1")
    erase(paths, with_models=with_models)
    left = {path.name for path in paths.data.iterdir()}
    assert left == ({paths.lock.name} if with_models else {paths.lock.name, paths.models.name})


def test_a_model_that_only_lies_behind_a_link_stays(paths: AppPaths, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "weights").write_bytes(b"x")
    (paths.models / "linked").symlink_to(outside)
    erase(paths, with_models=True)
    assert (outside / "weights").exists()
