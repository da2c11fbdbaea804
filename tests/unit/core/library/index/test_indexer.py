"""From files to the index: what is read, what is not read again, what is kept and what goes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_files import OpenIndex

from core.errors import AppError, ErrorCode
from core.events import CancelToken, IndexProgress, IndexStage, Interrupted
from core.library.index.collections import FileState
from core.library.index.database import manifest_path

LEASE = "The rent is 900 euros.\n\nThe notice period is three months.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "papers"
    path.mkdir()
    return path


@pytest.fixture
def index(tmp_path: Path) -> Iterator[OpenIndex]:
    opened = OpenIndex(tmp_path / "data" / "index.db")
    yield opened
    opened.close()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def states(index: OpenIndex, collection: object) -> dict[str, FileState]:
    return {each.path.name: each.state for each in index.collections.files(collection)}


def test_a_folder_becomes_searchable(index: OpenIndex, folder: Path) -> None:
    write(folder / "lease.txt", LEASE)
    write(folder / "deep" / "er" / "recipe.md", "# Soup\n\nBoil the onions.\n")
    index.add("Papers", folder)
    assert index.found("How do I boil onions?") == ["recipe.md"]
    hit = index.search("notice periods").hits[0]
    assert hit.document == "lease.txt"
    assert "notice period is three months" in hit.text
    assert index.collections.text(hit.text_id, hit.start, hit.end) == hit.text


def test_what_is_unchanged_is_not_read_again(index: OpenIndex, folder: Path) -> None:
    write(folder / "lease.txt", LEASE)
    index.add("Papers", folder)
    assert index.update().n_new == 0
    assert index.read == ["lease.txt"]


def test_a_new_name_is_no_work_and_leaves_one_file(index: OpenIndex, folder: Path) -> None:
    path = write(folder / "lease.txt", LEASE)
    collection = index.add("Papers", folder)
    path.rename(folder / "contract.txt")
    index.update()
    assert index.read == ["lease.txt"]
    assert states(index, collection) == {"contract.txt": FileState.INDEXED}
    assert index.found("notice") == ["contract.txt"]


def test_copies_are_stored_and_found_once(index: OpenIndex, folder: Path) -> None:
    write(folder / "a.txt", LEASE)
    write(folder / "b.txt", LEASE)
    index.add("Papers", folder)
    assert index.read == ["a.txt"]
    assert index.found("notice") == ["a.txt"]


def test_a_changed_file_replaces_what_was_read_of_it(index: OpenIndex, folder: Path) -> None:
    path = write(folder / "lease.txt", LEASE)
    index.add("Papers", folder)
    write(path, "Only parking is mentioned here now, at length.\n")
    os.utime(path, ns=(1, 1))
    assert index.update().n_changed == 1
    assert index.found("notice") == []
    assert index.found("parking") == ["lease.txt"]
    with index.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM texts").fetchone()[0] == 1


def test_a_deleted_file_goes_and_a_missing_folder_stays(index: OpenIndex, folder: Path) -> None:
    path = write(folder / "lease.txt", LEASE)
    write(folder / "other.txt", "About bread.\n")
    index.add("Papers", folder)
    path.unlink()
    assert index.update().n_gone == 1
    assert index.found("notice") == []
    folder.rename(folder.with_name("away"))
    assert index.update().missing == (folder,)
    assert index.found("bread") == ["other.txt"]


def test_a_file_that_cannot_be_read_is_listed_with_its_reason_and_the_others_go_on(
    index: OpenIndex, folder: Path
) -> None:
    write(folder / "empty.txt", " \n")
    write(folder / "lease.txt", LEASE)
    collection = index.add("Papers", folder)
    problem = index.collections.files(collection, FileState.FAILED)[0].problem
    assert problem is not None
    assert problem.code is ErrorCode.DOCUMENT_EMPTY
    assert index.found("notice") == ["lease.txt"]
    assert index.collections.requeue(collection, FileState.FAILED) == 1


def test_hidden_files_loops_and_other_kinds_are_left_out(index: OpenIndex, folder: Path) -> None:
    write(folder / ".secret.txt", LEASE)
    write(folder / ".git" / "x.txt", LEASE)
    write(folder / "picture.png", "x")
    write(folder / "lease.txt", LEASE)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    preview = index.indexer.preview([folder], CancelToken(), index.events.append)
    assert (preview.n_files, preview.n_bytes, preview.n_other_kinds) == (1, len(LEASE), 1)


def test_patterns_choose_files(index: OpenIndex, folder: Path) -> None:
    for name in ("a.txt", "b.md", "drafts/c.txt"):
        write(folder / name, f"{name} {LEASE}")
    collection = index.add("Papers", folder, include=["*.TXT"], exclude=["drafts"])
    assert list(states(index, collection)) == ["a.txt"]
    source = index.collections.all()[0].sources[0]
    index.collections.set_patterns(source.id, [], [])
    index.update()
    assert list(states(index, collection)) == ["a.txt", "b.md", "c.txt"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may open everything")
def test_what_lies_in_a_folder_that_cannot_be_opened_is_kept(index: OpenIndex, folder: Path) -> None:
    write(folder / "shut" / "lease.txt", LEASE)
    index.add("Papers", folder)
    (folder / "shut").chmod(0)
    try:
        changes = index.update()
    finally:
        (folder / "shut").chmod(0o700)
    assert changes.unreadable == ("shut",)
    assert index.found("notice") == ["lease.txt"]


def test_cancelling_keeps_what_was_read_and_the_next_run_goes_on(index: OpenIndex, folder: Path) -> None:
    for number in range(6):
        write(folder / f"{number}.txt", f"Page number {number}.\n")
    collection = index.collections.create("Papers")
    index.collections.add(collection, [folder])
    index.rescan()
    cancel = CancelToken()
    index.before_read = lambda path: cancel.cancel() if path.name == "3.txt" else None
    with pytest.raises(Interrupted):
        index.indexer.run(cancel, index.events.append)
    assert list(states(index, collection).values()) == [FileState.INDEXED] * 4 + [FileState.QUEUED] * 2
    index.run()
    assert index.read == [f"{number}.txt" for number in range(6)]


def test_a_paused_collection_waits_and_a_cancelled_one_leaves_out(index: OpenIndex, folder: Path) -> None:
    write(folder / "lease.txt", LEASE)
    collection = index.collections.create("Papers")
    index.collections.add(collection, [folder])
    index.collections.set_paused(collection, is_paused=True)
    index.update()
    assert states(index, collection) == {"lease.txt": FileState.QUEUED}
    assert index.collections.cancel_queued(collection) == 1
    index.collections.set_paused(collection, is_paused=False)
    index.update()
    assert states(index, collection) == {"lease.txt": FileState.LEFT_OUT}
    index.collections.requeue(collection)
    index.run()
    assert states(index, collection) == {"lease.txt": FileState.INDEXED}


def test_progress_counts_up_to_all(index: OpenIndex, folder: Path) -> None:
    for number in range(5):
        write(folder / f"{number}.txt", f"Page number {number}.\n")
    index.add("Papers", folder)
    last = [event for event in index.events if isinstance(event, IndexProgress)][-1]
    assert (last.stage, last.done_files, last.total_files) == (IndexStage.READING, 5, 5)


def test_forgetting_says_what_goes_and_leaves_no_word_of_it_on_the_disk(index: OpenIndex, folder: Path) -> None:
    write(folder / "secret.txt", "The password is xylophagous-zebra.\n" * 20)
    write(folder / "shared.txt", LEASE)
    secret = index.add("Secret", folder)
    index.add("Lease", folder / "shared.txt")
    forgetting = index.collections.forgetting(secret)
    assert (forgetting.n_files, forgetting.n_texts, forgetting.n_shared) == (2, 1, 1)
    index.collections.forget(secret, CancelToken())
    assert [each.name for each in index.collections.all()] == ["Lease"]
    assert index.found("password") == []
    assert index.found("notice") == ["shared.txt"]
    with index.database.write() as connection:
        connection.execute("INSERT INTO words(words) VALUES('integrity-check')")
        assert connection.execute("SELECT count(*) FROM terms WHERE term LIKE 'xyloph%'").fetchone()[0] == 0
    on_disk = b"".join(path.read_bytes() for path in index.path.parent.iterdir())
    assert b"xyloph" not in on_disk
    assert b"secret.txt" not in on_disk


def test_other_versions_make_the_index_again_with_the_collections_kept(index: OpenIndex, folder: Path) -> None:
    write(folder / "lease.txt", LEASE)
    index.add("Papers", folder)
    before = index.state()
    index.close()
    again = OpenIndex(index.path, {**index.versions, "extractor": "2"})
    assert again.database.was_remade
    assert again.found("notice") == []
    again.run()
    assert again.state() == before
    again.close()


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100, None])
def test_a_damaged_index_is_made_again_from_the_manifest(index: OpenIndex, folder: Path, damage: bytes | None) -> None:
    write(folder / "lease.txt", LEASE)
    index.add("Papers", folder, exclude=["x"])
    index.close()
    if damage is None:
        index.path.unlink()
    else:
        index.path.write_bytes(damage)
    again = OpenIndex(index.path)
    assert [each.exclude for each in again.collections.find("papers").sources] == [("x",)]
    again.update()
    assert again.found("notice") == ["lease.txt"]
    again.close()


def test_a_damaged_manifest_is_as_none(index: OpenIndex, folder: Path) -> None:
    index.add("Papers", folder)
    index.close()
    index.path.unlink()
    manifest_path(index.path).write_text('{"collections": [[1]], "sources": 3}', encoding="utf-8")
    again = OpenIndex(index.path)
    assert again.collections.all() == []
    again.close()


def test_names_are_unique_and_sane(index: OpenIndex) -> None:
    index.collections.create("Papers")
    for name, code in (
        ("papers ", ErrorCode.COLLECTION_NAME_TAKEN),
        (" ", ErrorCode.COLLECTION_NAME_INVALID),
        ("x" * 101, ErrorCode.COLLECTION_NAME_INVALID),
    ):
        with pytest.raises(AppError) as raised:
            index.collections.create(name)
        assert raised.value.code is code


def test_a_path_that_is_not_there_adds_nothing(index: OpenIndex, folder: Path) -> None:
    collection = index.collections.create("Papers")
    with pytest.raises(AppError) as raised:
        index.collections.add(collection, [folder, folder / "nothing"])
    assert raised.value.code is ErrorCode.PATH_NOT_FOUND
    assert index.collections.all()[0].sources == ()
