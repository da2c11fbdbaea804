"""Words to passages: languages, beginnings of words, tables, hostile queries, follow-ups, meaning."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_files import OpenIndex
from numpy.typing import NDArray

from core.events import CancelToken
from core.library.index.searcher import Searcher
from core.library.index.vectors import fill_vectors

TEXTS = {
    "lease.txt": "The notice period is three months. The landlord must be told in writing.\n",
    "haus.txt": "Die Kündigungsfristen der Häuser betragen drei Monate, und sie gelten nicht für die Garage.\n",
    "maison.txt": "Les chevaux mangent de l'herbe dans la prairie, et ils ne sont pas dans la maison.\n",
    "日本.txt": "東京都の図書館は月曜日に休みます。本は二週間借りられます。\n",
    "prices.csv": "fruit,price,country\napple,1.20,Chile\npear,2.10,Italy\ncherry,9.00,Turkey\n",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIndex]:
    folder = tmp_path_factory.mktemp("papers")
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    opened = OpenIndex(tmp_path_factory.mktemp("data") / "index.db")
    opened.add("Papers", folder)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("noticed periods", "lease.txt"),
        ("Welche Kündigungsfrist hat das Haus?", "haus.txt"),
        ("kundigungsfrist", "haus.txt"),
        ("un cheval dans les prairies", "maison.txt"),
        ("図書館", "日本.txt"),
        ("Italy pear", "prices.csv"),
    ],
)
def test_words_are_found_in_every_form_and_language(index: OpenIndex, question: str, name: str) -> None:
    assert index.found(question)[0] == name


@pytest.mark.parametrize("typed", ["kün", "kündig", "the kündigungsfr", "Kündigungsfristen"])
def test_the_last_word_may_be_a_beginning_while_it_is_typed(index: OpenIndex, typed: str) -> None:
    assert "haus.txt" in index.found(typed, as_typed=True)


def test_nothing_is_found_where_no_word_stands(index: OpenIndex) -> None:
    found = index.search("quantum chromodynamics")
    assert found.hits == ()
    assert not found.is_likely


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_query_is_a_command(index: OpenIndex, text: str) -> None:
    index.search(text)
    index.search(text, as_typed=True)


@pytest.mark.parametrize(
    "text", ['"', "notice* OR", "NEAR(notice period)", "body:notice", "-notice", "^notice", "''", "("]
)
def test_marks_of_the_index_s_own_language_mean_nothing(index: OpenIndex, text: str) -> None:
    assert index.found(text) in ([], ["lease.txt"])


def test_only_the_chosen_collections_are_searched(index: OpenIndex) -> None:
    empty = index.collections.create("Empty")
    full = index.collections.find("Papers").id
    assert index.found("notice", collections=[empty]) == []
    assert index.found("notice", collections=[full, empty]) == ["lease.txt"]
    assert index.found("notice", collections=[]) == []


def test_words_that_say_nothing_are_not_searched_and_a_follow_up_takes_the_ones_before(index: OpenIndex) -> None:
    first = index.searcher.words_for("What is the notice period of the lease?")
    assert first == ("notice", "period", "lease")
    assert index.searcher.words_for("And when does it end?", first) == ("end", "notice", "period", "lease")
    assert index.searcher.words_for("How many apples grow in Chile every year?", first) == (
        "apples", "grow", "Chile", "every", "year",
    )  # fmt: skip


def test_edited_words_are_searched_as_they_are(index: OpenIndex) -> None:
    assert index.searcher.search(["landlord", "the"], cancel=CancelToken()).words == ("landlord", "the")


class Embedder:
    """Meaning as a count of letters: "e" for one direction, all else for the other."""

    dim = 8

    def embed(self, texts: Sequence[str], *, is_query: bool = False, cancel: CancelToken) -> NDArray[np.float32]:
        rows = [[text.count(char) + 0.01 for char in "東aeiouxq"] for text in texts]
        found = np.asarray(rows, np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_vectors_find_what_has_no_word_in_common(index: OpenIndex) -> None:
    embedder = Embedder()
    events: list[object] = []
    with index.database.read() as connection:
        n_chunks = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    assert fill_vectors(index.database, embedder, "letters", CancelToken(), events.append) == n_chunks
    assert fill_vectors(index.database, embedder, "letters", CancelToken(), events.append) == 0
    searcher = Searcher(index.database, embedder)
    found = searcher.search("東", cancel=CancelToken())
    assert found.hits[0].document == "日本.txt"
    assert fill_vectors(index.database, embedder, "other letters", CancelToken(), events.append) == n_chunks


def test_a_hit_grows_to_its_chunk_and_section(index: OpenIndex) -> None:
    hit = index.search("landlord").hits[0]
    assert index.searcher.expanded(hit, 1000).text == TEXTS["lease.txt"].strip()
    assert index.searcher.expanded(hit, 5).text == hit.text
