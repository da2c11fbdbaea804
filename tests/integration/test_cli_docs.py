"""`tern docs`: add, list, search, remove, eval; what is told and what is kept."""

import json
from pathlib import Path

import pytest
from terminal import Tern

LEASE = "The rent is 900 euros.\n\nThe notice period is three months.\n"


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tern:
    return Tern(capsys, monkeypatch)


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "lease.txt").write_text(LEASE, encoding="utf-8")
    (folder / "soup.md").write_text("# Soup\n\nBoil the onions in butter.\n", encoding="utf-8")
    (folder / "empty.txt").write_text("\n", encoding="utf-8")
    return folder


def test_add_tells_what_is_searchable_and_what_is_not(tern: Tern, papers: Path) -> None:
    ended = tern("docs", "add", papers)
    assert ended.code == 0
    assert ended.out.startswith("papers: 2 files read in ")
    assert "2 files searchable, 1 could not be read" in ended.out
    assert "empty.txt" in ended.err


def test_search_needs_no_model_and_gives_places(tern: Tern, papers: Path) -> None:
    tern("docs", "add", papers)
    found = json.loads(tern("docs", "search", "How long is the notice period?", "--limit", "1", "--json").out)
    assert found["words"] == ["notice", "period"]
    assert found["in_documents"] is True
    (hit,) = found["hits"]
    assert list(hit) == ["doc", "path", "page", "place", "headings", "start", "end", "score", "text"]
    assert hit["doc"] == "lease.txt"
    assert LEASE[hit["start"] : hit["end"]] == hit["text"]
    told = tern("docs", "search", "onions")
    assert "[1] soup.md, “Soup”" in told.out


def test_what_is_not_there_is_said(tern: Tern, papers: Path) -> None:
    tern("docs", "add", papers)
    assert "Nothing was found for: chromodynamics" in tern("docs", "search", "chromodynamics").err


def test_list_and_remove(tern: Tern, papers: Path) -> None:
    assert "no collections yet" in tern("docs", "list").out
    tern("docs", "add", papers, "--name", "Home")
    listed = json.loads(tern("docs", "list", "--json").out)["collections"]
    assert [(each["name"], each["indexed"], each["failed"]) for each in listed] == [("Home", 2, 1)]
    refused = tern("docs", "remove", "Home")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert tern("docs", "remove", "home", "--yes").code == 0
    assert json.loads(tern("docs", "list", "--json").out) == {"collections": []}
    assert (papers / "lease.txt").read_text(encoding="utf-8") == LEASE


def test_one_source_may_go(tern: Tern, papers: Path) -> None:
    tern("docs", "add", papers / "lease.txt", papers / "soup.md", "--name", "Home")
    assert tern("docs", "remove", "Home", papers / "soup.md").code == 0
    assert json.loads(tern("docs", "search", "onions", "--json").out)["hits"] == []
    assert tern("docs", "remove", "Home", papers / "soup.md").code == 2


def test_adding_again_takes_over_what_has_changed(tern: Tern, papers: Path) -> None:
    tern("docs", "add", papers)
    (papers / "new.txt").write_text("The cellar is damp.\n", encoding="utf-8")
    assert "1 file read" in tern("docs", "add", "--name", "papers").out
    assert "new.txt" in tern("docs", "search", "damp cellar").out


def test_a_dry_run_only_counts(tern: Tern, papers: Path) -> None:
    told = json.loads(tern("docs", "add", papers, "--dry-run", "--json", "--exclude", "*.md").out)
    assert (told["files"], told["other_kinds"]) == (2, 0)
    assert json.loads(tern("docs", "list", "--json").out) == {"collections": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "no-such-folder"),
        ("add",),
        ("search", " "),
        ("search", "x", "--name", "nothing"),
        ("search", "x", "--limit", "0"),
        ("remove", "nothing", "--yes"),
        ("eval", "no-such-file"),
    ],
)
def test_what_cannot_be_used_is_one_line(tern: Tern, arguments: tuple[str, ...]) -> None:
    ended = tern("docs", *arguments)
    assert ended.code == 2
    assert ended.is_one_line()


def test_eval_measures_documents_and_places(tern: Tern, papers: Path, tmp_path: Path) -> None:
    tern("docs", "add", papers)
    queries = tmp_path / "queries.jsonl"
    rows = [
        {"query": "notice period", "relevant": ["lease.txt"]},
        {"query": "boiled onion", "relevant": ["soup"]},
        {"query": "rent in euros", "relevant": [f"lease#{LEASE.index('rent')}-{LEASE.index('euros')}"]},
        {"query": "rent", "relevant": ["soup.md"]},
    ]
    queries.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    figures = json.loads(tern("docs", "eval", queries, "--json").out)
    assert figures["n_queries"] == 4
    assert figures["recall_at_1"] == figures["mrr_at_10"] == 0.75
    assert "recall@1: 0.7500" in tern("docs", "eval", queries).out.replace("recall at 1", "recall@1")
    queries.write_text('{"query": 3}\n', encoding="utf-8")
    assert "line 1" in tern("docs", "eval", queries).err


MODEL = Path(__file__).parents[1] / "fixtures" / "tied-h256" / "hf-packed"


def test_ask_reads_passages_of_collections_and_of_files_ranked_together(
    tern: Tern, papers: Path, tmp_path: Path
) -> None:
    tern("docs", "add", papers, "--name", "Home")
    other = tmp_path / "garage.txt"
    other.write_text("The notice period of the garage is one week.\n", encoding="utf-8")
    asked = ("ask", "--model", MODEL, "--json", "--greedy", "--max-tokens", "4", "--system", "", "--docs", "home")
    ended = tern(*asked, "--document", other, "What is the notice period of the garage?")
    assert ended.code == 0, ended.err
    answer = json.loads(ended.out)
    assert [each["doc"] for each in answer["passages"]] == ["garage.txt", "lease.txt"]
    assert list(answer["passages"][0]) == ["number", "doc", "page", "start", "end", "score", "text"]
    assert answer["in_documents"] is True
    assert answer["words"] == ["notice", "period", "garage"]
    assert answer["citations"] == []
    assert tern(*asked[:-1], "nothing", "x").code == 2
