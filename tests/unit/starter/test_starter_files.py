"""The starter model as it is shipped: complete, unchanged, small, and in the layout that Tern loads. Needs no torch."""

import hashlib
import json
import re
import sys
from pathlib import Path

import pytest

STARTER = Path(__file__).parents[3] / "assets" / "starter"
TRAINING = STARTER / "training"
pytestmark = pytest.mark.skipif(not (STARTER / "SHA256SUMS").exists(), reason="this checkout has no starter model")


def _listed() -> dict[str, str]:
    lines = (STARTER / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def _held_out(name: str) -> list[dict[str, object]]:
    lines = (TRAINING / "held_out" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_every_file_has_its_sha256() -> None:
    listed = _listed()
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= listed.keys()
    for name, digest in listed.items():
        assert hashlib.sha256((STARTER / name).read_bytes()).hexdigest() == digest, name


def test_the_model_is_at_most_10_mb() -> None:
    assert sum(path.stat().st_size for path in STARTER.iterdir() if path.is_file()) <= 10_000_000


def test_config_and_tokenizer_agree() -> None:
    config = json.loads((STARTER / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((STARTER / "tokenizer.json").read_text(encoding="utf-8"))
    generation = json.loads((STARTER / "generation_config.json").read_text(encoding="utf-8"))
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    assert config["vocab_size"] == len(tokenizer["model"]["vocab"]) + len(special)
    assert config["bos_token_id"] == special["<|begin_of_text|>"]
    assert generation["eos_token_id"] == [special["<|end_of_text|>"], special["<|eot_id|>"]]
    assert tokenizer["model"]["ignore_merges"]


def test_held_out_questions_are_as_many_as_promised() -> None:
    assert [len(_held_out(name)) for name in ("tern", "documents", "beyond")] == [300, 300, 100]


def test_held_out_answers_hold_their_own_key_facts() -> None:
    for row in _held_out("tern"):
        answer, keys = row["answer"], row["keys"]
        assert isinstance(answer, str)
        assert isinstance(keys, list)
        assert all(any(spelling in answer.lower() for spelling in key) for key in keys), row["fact"]


def test_every_fact_is_asked_in_training_and_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    for name in ("generate", "beyond", "documents"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import generate  # type: ignore[import-not-found]

    for fact in generate.FACTS:
        assert fact.answer, fact.name
        assert fact.keys, fact.name
        assert len(fact.questions) >= 3, fact.name
        assert len(fact.held_out) == 2, fact.name
        assert not set(fact.questions) & set(fact.held_out), fact.name
    for name in ("generate", "beyond", "documents"):
        sys.modules.pop(name, None)


def test_the_model_card_names_the_shipped_weights() -> None:
    card = (STARTER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{_listed()['model.safetensors']}\b", card)
