"""`tern models`: from a folder, a file or the hub's cache to a model that answers, and away again."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from terminal import Tern, run_tern

FIXTURES = Path(__file__).parents[1] / "fixtures"
PACKED = FIXTURES / "tied-h128" / "hf-packed"
GGUF = FIXTURES / "tied-h256" / "ggml-model-i2_s.gguf"


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tern:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return Tern(capsys, monkeypatch)


def _cached(tmp_path: Path, repository: str = "tiiuae/Falcon-E-1B-Instruct") -> Path:
    path = tmp_path / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / ("1" * 40)
    shutil.copytree(PACKED, path)
    return path


def _installed(tern: Tern) -> dict[str, str]:
    listed = json.loads(tern("models", "list", "--json").out)
    return {model["name"]: model["kind"] for model in listed["installed"] if model["name"] != "starter"}


def test_what_is_got_first_is_pinned(tern: Tern, tmp_path: Path) -> None:
    def entry() -> dict[str, Any]:
        listed = json.loads(tern("models", "list", "--json").out)["catalogue"]
        (found,) = [model for model in listed if model["repository"] == "tiiuae/Falcon-E-1B-Instruct"]
        return found

    assert (entry()["verified_on_first_download"], entry()["revision"]) == (True, None)
    assert "verified on first download" in tern("models", "list").out
    assert tern("models", "import", _cached(tmp_path)).code == 0
    assert (entry()["verified_on_first_download"], entry()["revision"]) == (False, "1" * 40)
    hashes = {file["name"]: file["sha256"] for file in entry()["files"]}
    assert hashes["model.safetensors"] == hashlib.sha256((PACKED / "model.safetensors").read_bytes()).hexdigest()
    assert tern("models", "remove", "Falcon-E-1B-Instruct", "--yes").code == 0
    assert entry()["revision"] is None


def test_an_imported_model_answers_is_verified_and_goes(tern: Tern) -> None:
    assert tern("models", "import", PACKED, "--name", "mine").code == 0
    assert _installed(tern) == {"mine": "imported"}
    answer = tern("ask", "--model", "mine", "--max-tokens", "3", "--json", "hi")
    assert answer.code == 0
    verified = tern("models", "verify", "mine")
    assert (verified.code, verified.err) == (0, "")
    assert verified.out.count("ok ") == 6
    asked = tern("models", "remove", "mine")
    assert asked.code == 2
    assert asked.is_one_line()
    assert "--yes" in asked.err
    assert tern("models", "remove", "mine", "--yes").code == 0
    assert _installed(tern) == {}
    assert PACKED.is_dir()


def test_a_reference_to_a_file_answers_too(tern: Tern, tmp_path: Path) -> None:
    file = tmp_path / "some.gguf"
    shutil.copyfile(GGUF, file)
    assert tern("models", "import", "--reference", file).code == 0
    assert _installed(tern) == {"some": "reference"}
    assert tern("ask", "--model", "some", "--max-tokens", "3", "--json", "hi").code == 0
    file.rename(tmp_path / "moved.gguf")
    assert _installed(tern) == {"some": "reference to a model that is gone"}
    lost = tern("models", "verify", "some")
    assert lost.code == 2
    assert lost.is_one_line()
    assert tern("models", "remove", "some", "--yes").code == 0
    assert (tmp_path / "moved.gguf").exists()


def test_a_gguf_file_is_copied_into_a_directory_of_its_own(tern: Tern) -> None:
    assert tern("models", "import", GGUF).code == 0
    assert _installed(tern) == {"ggml-model-i2_s": "imported"}
    assert tern("models", "verify", "ggml-model-i2_s").code == 0


@pytest.mark.parametrize("family", ["gemma3", "qwen3"])
def test_a_model_for_searching_is_imported_and_does_not_answer(tern: Tern, family: str) -> None:
    file = FIXTURES / f"embedding-{family}" / "model-i2_s.gguf"
    assert tern("models", "import", file, "--name", "search").code == 0
    assert _installed(tern) == {"search": "for searching documents"}
    assert tern("models", "verify", "search").code == 0
    ended = tern("ask", "--model", "search", "hi")
    assert ended.code == 2
    assert ended.is_one_line()
    assert tern("models", "remove", "search", "--yes").code == 0


def test_files_that_were_put_into_the_folder_are_listed(tern: Tern, tmp_path: Path) -> None:
    assert tern("models", "import", GGUF, "--name", "imported").code == 0
    (models,) = {
        Path(model["path"]).parent
        for model in json.loads(tern("models", "list", "--json").out)["installed"]
        if model["name"] == "imported"
    }
    shutil.copyfile(GGUF, models / "bare.gguf")
    shutil.copyfile(FIXTURES / "embedding-qwen3" / "model-i2_s.gguf", models / "finder.gguf")
    assert _installed(tern) == {"bare": "found", "finder": "for searching documents", "imported": "imported"}
    assert "finder" in tern("models", "list").out
    assert tern("ask", "--model", "bare", "--max-tokens", "2", "hi").code == 0
    refused = tern("ask", "--model", "finder", "hi")
    assert refused.code == 2
    assert refused.is_one_line()
    taken = tern("models", "import", GGUF, "--name", "Bare")
    assert taken.code == 2
    kept = tern("models", "remove", "bare", "--yes")
    assert kept.code == 2
    assert (models / "bare.gguf").exists()


@pytest.mark.parametrize("n_bytes", [100, 20_000, 200_000])
def test_a_damaged_model_for_searching_is_not_imported(tern: Tern, tmp_path: Path, n_bytes: int) -> None:
    data = (FIXTURES / "embedding-qwen3" / "model-i2_s.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(data[:n_bytes])
    ended = tern("models", "import", tmp_path / "cut.gguf")
    assert ended.code == 2
    assert ended.is_one_line()
    assert _installed(tern) == {}


def test_what_must_not_be_loaded_is_not_imported(tern: Tern, tmp_path: Path) -> None:
    shutil.copytree(PACKED, tmp_path / "bad")
    (tmp_path / "bad" / "tokenizer.json").write_text("{}")
    for path in (tmp_path / "bad", tmp_path / "none", tmp_path):
        ended = tern("models", "import", path, "--name", "x")
        assert ended.code == 2
        assert ended.is_one_line()
    assert _installed(tern) == {}


def test_the_hubs_cache_is_searched(tern: Tern, tmp_path: Path) -> None:
    nothing = tern("models", "import")
    assert nothing.code == 2
    assert nothing.is_one_line()
    _cached(tmp_path)
    assert tern("models", "import").code == 0
    assert _installed(tern) == {"Falcon-E-1B-Instruct": "imported"}
    _cached(tmp_path, "tiiuae/Falcon-E-3B-Instruct")
    _cached(tmp_path, "HF1BitLLM/Llama3-8B-1.58-100B-tokens")
    several = tern("models", "import")
    assert several.code == 2
    assert several.is_one_line()
    repository = tmp_path / "hub" / "models--tiiuae--Falcon-E-3B-Instruct"
    assert tern("models", "import", repository).code == 0
    assert set(_installed(tern)) == {"Falcon-E-1B-Instruct", "Falcon-E-3B-Instruct"}


def test_the_list_names_the_published_models(tern: Tern) -> None:
    ended = tern("models", "list")
    assert ended.code == 0
    assert "microsoft/bitnet-b1.58-2B-4T (recommended)" in ended.out
    (default,) = [model for model in json.loads(tern("models", "list", "--json").out)["catalogue"] if model["default"]]
    assert len(default["revision"]) == 40


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "none"),
        ("remove", "none", "--yes"),
        ("remove", "../../x", "--yes"),
        ("import", PACKED, "--name", "../x"),
        ("import", PACKED, "--name", ""),
        (),
        ("sell",),
    ],
)
def test_what_cannot_be_done_is_one_line(tern: Tern, arguments: tuple[object, ...]) -> None:
    ended = tern("models", *arguments)
    assert ended.code == 2
    assert ended.is_one_line()


def test_a_model_put_there_by_hand_stays(tern: Tern, tmp_path: Path) -> None:
    path = tmp_path / "tern-data" / "models" / "own"
    shutil.copytree(PACKED, path)
    assert _installed(tern) == {"own": "found"}
    assert tern("models", "verify", "own").code == 2
    ended = tern("models", "remove", "own", "--yes")
    assert ended.code == 2
    assert ended.is_one_line()
    assert (path / "config.json").exists()


def test_removing_asks_a_person(tern: Tern, monkeypatch: pytest.MonkeyPatch) -> None:
    tern("models", "import", PACKED, "--name", "mine")
    monkeypatch.setattr("app.commands.standard_input.is_terminal", lambda: True)
    monkeypatch.setattr("app.commands.output.Output.is_terminal", property(lambda _self: True))
    assert tern("models", "remove", "mine", stdin=b"n\n").code == 2
    assert tern("models", "remove", "mine", stdin=b"").code == 2
    assert _installed(tern) == {"mine": "imported"}
    assert tern("models", "remove", "mine", stdin=b"y\n").code == 0
    assert _installed(tern) == {}


@pytest.mark.parametrize("action", ["list", "import", "verify", "remove"])
def test_help_explains_every_action(tern: Tern, action: str) -> None:
    ended = tern("models", action, "--help")
    assert ended.code == 0
    assert f"usage: tern models {action}" in ended.out


def test_the_process_works_as_a_whole(tmp_path: Path, tiny_model_dir: Callable[..., Path]) -> None:
    where = {"TERN_DATA_DIR": str(tmp_path / "process")}
    assert run_tern("models", "import", tiny_model_dir(), "--name", "tiny", env=where).code == 0
    assert run_tern("models", "verify", "tiny", env=where).code == 0


def test_what_to_fetch_elsewhere_is_told_without_a_connection(tern: Tern) -> None:
    told = tern("models", "offline", "bitnet-b1.58-2b-4t")
    assert told.code == 0
    assert "resolve/04c3b9ad9361b824064a1f25ea60a8be9599b127/model.safetensors" in told.out
    assert "8143ae115ed6babe5e5ada8fb8c5b769d8f417802b2db042ad98b4f7ed73975b" in told.out
    listed = json.loads(tern("models", "offline", "microsoft/bitnet-b1.58-2B-4T", "--json").out)
    assert {file["name"] for file in listed["files"]} >= {"config.json", "tokenizer.json", "model.safetensors"}
    unknown = tern("models", "download", "nothing-of-the-kind")
    assert (unknown.code, unknown.is_one_line()) == (2, True)
