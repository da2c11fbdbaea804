from pathlib import Path

import pytest

from core.models.catalogue import catalogue, default_model
from core.models.hub_cache import cache_directories, cached_models, newest_snapshot, snapshot_at

ONE, TWO = "1" * 40, "2" * 40


def _cached(cache: Path, repository: str, *revisions: str, main: str | None = None) -> Path:
    directory = cache / f"models--{repository.replace('/', '--')}"
    for revision in revisions:
        (directory / "snapshots" / revision).mkdir(parents=True)
    if main is not None:
        (directory / "refs").mkdir()
        (directory / "refs" / "main").write_text(main)
    return directory


def test_a_snapshot_its_files_and_its_repository_are_recognised(tmp_path: Path) -> None:
    directory = _cached(tmp_path, "a/b.c-D", ONE)
    snapshot = directory / "snapshots" / ONE
    for path in (snapshot, snapshot / "model.gguf", directory):
        found = snapshot_at(path)
        assert found is not None
        assert (found.repository, found.revision) == ("a/b.c-D", ONE)
    assert snapshot_at(tmp_path) is None
    assert snapshot_at(snapshot.parent) is None


def test_main_is_taken_where_there_are_several(tmp_path: Path) -> None:
    directory = _cached(tmp_path, "a/b", ONE, TWO, main=f"{TWO}\n")
    assert newest_snapshot(directory).revision == TWO
    assert newest_snapshot(directory, ONE).revision == ONE


@pytest.mark.parametrize("main", [None, "../../../etc", "3" * 40, ""])
def test_main_leads_nowhere_else(tmp_path: Path, main: str | None) -> None:
    assert newest_snapshot(_cached(tmp_path, "a/b", ONE, TWO, main=main)) is None


def test_the_published_revision_goes_before_main(tmp_path: Path) -> None:
    model = default_model()
    _cached(tmp_path, model.repository, model.revision, TWO, main=TWO)
    (found,) = cached_models(catalogue(), [tmp_path])
    assert (found.repository, found.revision) == (model.repository, model.revision)


def test_the_cache_is_where_its_tools_say(tmp_path: Path) -> None:
    assert cache_directories({}, tmp_path) == (tmp_path / ".cache" / "huggingface" / "hub",)
    assert cache_directories({"HF_HOME": "/h"}, tmp_path) == (Path("/h/hub"),)
    assert cache_directories({"HF_HOME": "/h", "HF_HUB_CACHE": "/c"}, tmp_path) == (Path("/c"),)
    assert cache_directories({"XDG_CACHE_HOME": "/x"}, tmp_path) == (Path("/x/huggingface/hub"),)
