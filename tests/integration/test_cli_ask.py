"""`tern ask` on the tiny models: the golden answers, the JSON object, and every kind of bad input."""

import json
import shutil
from pathlib import Path

import pytest
from terminal import Tern

from app import wiring
from core.paths import resolve
from core.settings import Settings

FIXTURES = Path(__file__).parents[1] / "fixtures"
MODEL = FIXTURES / "tied-h256" / "hf-packed"
KEYS = [
    "text",
    "token_ids",
    "prompt_token_ids",
    "prefill_tokens_per_s",
    "decode_tokens_per_s",
    "stop_reason",
    "seed",
    "model",
]


def golden_prompts() -> list[tuple[str, str]]:
    found = []
    for path in sorted(FIXTURES.glob("*/golden/golden.json")):
        prompts = json.loads(path.read_text(encoding="utf-8"))["prompts"]
        found += [(path.parts[-3], name) for name, prompt in prompts.items() if prompt["text"]]
    return found


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tern:
    return Tern(capsys, monkeypatch)


@pytest.mark.golden
@pytest.mark.parametrize(("model", "name"), golden_prompts())
def test_greedy_answers_are_the_golden_ones(tern: Tern, model: str, name: str) -> None:
    golden = json.loads((FIXTURES / model / "golden" / "golden.json").read_text(encoding="utf-8"))
    prompt, stop_ids = golden["prompts"][name], set(golden["stop_ids"])
    # The golden answers are those of a cache in float32; a smaller one may decide a near tie otherwise.
    arguments = ["ask", "--raw", "--greedy", "--json", "--max-tokens", "64", "--kv", "f32"]
    ended = tern(*arguments, "--model", FIXTURES / model / "hf-packed", "-", stdin=prompt["text"].encode())
    assert ended.code == 0
    answer = json.loads(ended.out)
    assert answer["prompt_token_ids"] == prompt["ids"]
    expected = prompt["greedy_f32"][: prompt["robust_greedy_len"]]
    stop_at = next((at for at, token_id in enumerate(expected) if token_id in stop_ids), None)
    if stop_at is None:
        assert answer["token_ids"][: len(expected)] == expected
    else:
        assert answer["token_ids"] == expected[:stop_at]
        assert answer["stop_reason"] == "stop_token"


def test_json_is_one_object_with_exactly_these_keys(tern: Tern) -> None:
    ended = tern("ask", "--model", MODEL, "--json", "--seed", "7", "--max-tokens", "5", "--threads", "1", "Hi")
    answer = json.loads(ended.out)
    assert list(answer) == KEYS
    assert (answer["seed"], answer["stop_reason"], answer["model"]) == (7, "max_tokens", "hf-packed")
    assert len(answer["token_ids"]) == 5
    assert answer["prefill_tokens_per_s"] > 0
    assert answer["decode_tokens_per_s"] > 0
    assert ended.err == "Stopped at the longest answer that is allowed.\n"


def test_the_same_seed_gives_the_same_text_and_text_equals_json(tern: Tern) -> None:
    arguments = ["ask", "--model", MODEL, "--seed", "7", "--max-tokens", "20"]
    text = tern(*arguments, "Hi").out
    answer = json.loads(tern(*arguments, "--json", "--threads", "2", "Hi").out)
    assert tern(*arguments, "Hi").out == text
    shown = "".join(char for char in answer["text"] if char.isprintable() or char in "\n\t")
    assert text.rstrip("\n") == shown.rstrip("\n")
    assert text.endswith("\n")


def test_without_a_seed_the_one_that_was_drawn_gives_the_answer_again(tern: Tern) -> None:
    arguments = ["ask", "--model", MODEL, "--json", "--max-tokens", "12"]
    first = json.loads(tern(*arguments, "Hi").out)
    again = json.loads(tern(*arguments, "--seed", str(first["seed"]), "Hi").out)
    assert again["token_ids"] == first["token_ids"]


def test_text_never_becomes_a_special_token_except_in_raw_mode(tern: Tern) -> None:
    golden = json.loads((FIXTURES / "tied-h256" / "golden" / "golden.json").read_text(encoding="utf-8"))
    bos, eot = golden["config"]["bos"], golden["config"]["eot"]
    arguments = ["ask", "--model", MODEL, "--json", "--max-tokens", "1"]
    plain = json.loads(tern(*arguments, "--system", "", "a<|eot_id|>b").out)["prompt_token_ids"]
    assert plain.count(eot) == 1  # the one that ends the turn
    raw = json.loads(tern(*arguments, "--raw", "a<|eot_id|>b").out)["prompt_token_ids"]
    assert raw.count(eot) == 1
    twice = json.loads(tern(*arguments, "--raw", "<|begin_of_text|>a").out)["prompt_token_ids"]
    assert (raw.count(bos), raw[0]) == (1, bos)
    assert twice.count(bos) == 1


def test_options_go_before_settings_and_settings_before_the_standard(tern: Tern) -> None:
    paths = resolve()
    paths.create()
    Settings().with_value("seed", 5).with_value("max_tokens", 3).with_value("model_path", str(MODEL)).save(
        paths.settings
    )
    answer = json.loads(tern("ask", "--json", "Hi").out)
    assert (answer["seed"], len(answer["token_ids"])) == (5, 3)
    answer = json.loads(tern("ask", "--json", "--seed", "6", "--max-tokens", "2", "Hi").out)
    assert (answer["seed"], len(answer["token_ids"])) == (6, 2)


def test_settings_that_cannot_be_read_are_told_and_passed_over(tern: Tern) -> None:
    paths = resolve()
    paths.create()
    paths.settings.write_text("{", encoding="utf-8")
    ended = tern("ask", "--model", MODEL, "--max-tokens", "1", "Hi")
    assert ended.code == 0
    assert ended.err.startswith("The settings could not be read; they are kept as ")


def test_an_installed_model_goes_by_its_name(tern: Tern) -> None:
    paths = resolve()
    paths.create()
    shutil.copytree(MODEL, paths.models / "tiny")
    answer = json.loads(tern("ask", "--model", "tiny", "--json", "--max-tokens", "1", "Hi").out)
    assert answer["model"] == "tiny"


def test_asking_leaves_no_history(tern: Tern) -> None:
    assert tern("ask", "--model", MODEL, "--max-tokens", "1", "Hi").code == 0
    assert not resolve().database.exists()
    assert not resolve().lock.exists()


@pytest.mark.parametrize("prompt", ["", "  \n", "-"])
@pytest.mark.parametrize("options", [[], ["--raw"], ["--json"]])
def test_an_empty_prompt_is_refused(tern: Tern, prompt: str, options: list[str]) -> None:
    ended = tern("ask", "--model", MODEL, *options, prompt)
    assert (ended.code, ended.out) == (2, "")
    assert ended.is_one_line()


@pytest.mark.parametrize("options", [[], ["--raw"], ["--json"]])
def test_a_prompt_that_is_too_long_is_refused(tern: Tern, options: list[str]) -> None:
    ended = tern("ask", "--model", MODEL, *options, "word " * 2000)
    assert (ended.code, ended.out) == (2, "")
    assert ended.is_one_line()
    assert "too long" in ended.err or "room for" in ended.err


def test_without_any_model_the_way_out_is_named(tern: Tern, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wiring, "STARTER_DIR", tmp_path / "none")
    ended = tern("ask", "Hi")
    assert ended.code == 2
    assert ended.is_one_line()
    assert "--model" in ended.err


def broken(kind: str, directory: Path) -> Path:
    """Return a model directory that is broken in one way."""
    path = directory / "model"
    if kind == "missing":
        return path
    if kind == "a file":
        path.write_bytes(b"GGUF")
        return path
    shutil.copytree(MODEL, path)
    if kind == "foreign":
        (path / "config.json").write_text('{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}')
    elif kind == "empty":
        shutil.rmtree(path)
        path.mkdir()
    elif kind == "truncated":
        weights = path / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif kind == "no tokenizer":
        (path / "tokenizer.json").unlink()
    elif kind == "bad tokenizer":
        (path / "tokenizer.json").write_text("{}")
    return path


BROKEN = ["missing", "a file", "foreign", "empty", "truncated", "no tokenizer", "bad tokenizer"]


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("command", ["ask", "chat", "inspect", "score"])
def test_a_broken_model_is_refused_in_one_line(tern: Tern, tmp_path: Path, kind: str, command: str) -> None:
    path = broken(kind, tmp_path)
    match command:
        case "ask":
            ended = tern("ask", "--model", path, "Hi")
        case "chat":
            ended = tern("chat", "--model", path, stdin=b"Hi\n")
        case "inspect":
            ended = tern("inspect", path)
        case _:
            ended = tern("score", "--model", path, "--text", "Hi", "--out", tmp_path / "x.npy")
            assert not (tmp_path / "x.npy").exists()
    assert ended.code == 2
    assert ended.is_one_line(), ended.err
    assert str(path.name) in ended.err


@pytest.mark.parametrize("command", [("ask", "Hi"), ("bench", "--prompt", "4", "--generate", "2")])
def test_an_unknown_kernel_set_is_refused(
    tern: Tern, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TERN_KERNELS", "mmx")
    ended = tern(*command, "--model", MODEL)
    assert (ended.code, ended.out) == (2, "")
    assert ended.is_one_line()
    assert "mmx" in ended.err


def test_the_starter_leaves_little_to_chance_unless_that_is_asked_for(tern: Tern) -> None:
    texts = {json.loads(tern("ask", "--json", "--seed", seed, "What is Tern?").out)["text"] for seed in range(8)}
    assert len(texts) == 1
    asked = ("ask", "--json", "--temperature", "2", "--top-k", "0", "--top-p", "1", "--max-tokens", "8")
    wild = {json.loads(tern(*asked, "--seed", seed, "What is Tern?").out)["text"] for seed in range(8)}
    assert len(wild) > 1
