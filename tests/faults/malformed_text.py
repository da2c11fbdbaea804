"""Malformed config.json, generation_config.json and tokenizer.json."""

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from malformed import Case, Make
from model_files import tiny_model

MISSING = object()
DEEP = b"[" * 200_000
LONG_NUMBER = "9" * 6000  # more digits than int() takes


def cases() -> Iterator[Case]:
    yield from _config_values()
    yield from _config_bytes("config.json")
    yield from _config_bytes("generation_config.json")
    yield from _tokenizers()
    yield from _tokenizer_values()
    yield Case("config-missing", _without("config.json"), "config.json")
    yield Case("config-directory", _replaced_by_directory("config.json"), "config.json")
    yield Case("tokenizer-missing", _without("tokenizer.json"), "tokenizer.json")
    yield Case("tokenizer-directory", _replaced_by_directory("tokenizer.json"), "tokenizer")
    yield Case("directory-empty", lambda directory: directory, "lacks config.json")
    if hasattr(os, "mkfifo"):
        yield Case("config-pipe", _replaced_by_pipe("config.json"), "config.json")
        yield Case("generation-pipe", _replaced_by_pipe("generation_config.json"), "generation_config.json")
        yield Case("tokenizer-pipe", _replaced_by_pipe("tokenizer.json"), "tokenizer")


def file_case(name: str, file: str, content: bytes | Callable[[bytes], bytes], says: str = "", **model: Any) -> Case:
    """Return a case of a good model in which one file has other bytes."""

    def make(directory: Path) -> Path:
        path = tiny_model(**model).write(directory / "model") / file
        path.write_bytes(content if isinstance(content, bytes) else content(path.read_bytes()))
        return path.parent

    return Case(name, make, says)


def _config_values() -> Iterator[Case]:
    sizes = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "vocab_size", "max_position_embeddings",
    )  # fmt: skip
    for key in (*sizes, "rms_norm_eps", "rope_theta", "tie_word_embeddings", "bos_token_id", "model_type"):
        yield _config(f"config-without-{key}", key, MISSING, key)
    for key in sizes:
        for shown, value in {"zero": 0, "negative": -1, "huge": 1 << 62, "text": "32", "fraction": 32.5}.items():
            yield _config(f"config-{key}-{shown}", key, value, key)
    others: dict[str, list[Any]] = {
        "hidden_size": [True, None, [], {}, 33, 1 << 16],
        "intermediate_size": [49, 1 << 16],
        "num_hidden_layers": [3, 1],
        "num_key_value_heads": [3],
        "vocab_size": [511, 513],
        "head_dim": [15, 0, -16, 1 << 20, "16", 1e300],
        "rms_norm_eps": [0, -1e-5, math.nan, math.inf, "1e-5", True, None],
        "rope_theta": [0, -1, math.nan, -math.inf, "x", [500000]],
        "tie_word_embeddings": ["true", 1, None, False],
        "model_type": ["evil", {}, None, ["bitnet"]],
        "architectures": [[], None, "BitNetForCausalLM", ["BitNetForCausalLM", "Other"]],
        "hidden_act": ["gelu", "", None, ["relu2"], "__import__('os')"],
        "eos_token_id": [512, -1, True, "497", [[497]], [497, 1 << 70], 1.5],
        "bos_token_id": [512, -1, True, None, "496", [496]],
        "attention_bias": [True, 1],
        "sliding_window": [4096],
        "partial_rotary_factor": [0.5],
        "rope_scaling": [{"type": "linear"}, {"rope_type": "yarn"}, "linear", [1]],
        "rope_parameters": [{"rope_theta": 1.0, "rope_type": "default"}, {"rope_type": "llama3"}, 7],
        "quantization_config": [None, [], "bitnet", {}, {"quant_method": "gptq"}, {"quant_method": ["bitnet"]}],
    }
    for key, values in others.items():
        for number, value in enumerate(values):
            yield _config(f"config-{key}-{number}", key, value)
    section = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}
    for change in ({"linear_class": "other"}, {"quantization_mode": "sideways"}, {"use_rms_norm": True}):
        yield _config(f"config-quantization-{next(iter(change))}", "quantization_config", section | change, "of a kind")
    for number, eos in enumerate([512, -1, [1 << 70], "497", [[]], [True]]):
        yield file_case(
            f"generation-eos-{number}", "generation_config.json", json.dumps({"eos_token_id": eos}).encode(), "eos"
        )


def _config(name: str, key: str, value: object, says: str = "") -> Case:
    def change(data: bytes) -> bytes:
        config = json.loads(data)
        config[key] = value
        if value is MISSING:
            del config[key]
        return json.dumps(config).encode()

    return file_case(name, "config.json", change, says)


def _config_bytes(file: str) -> Iterator[Case]:
    stem = file.removesuffix(".json")
    for shown, content in {
        "empty": b"",
        "no-object": b"[]",
        "number": b"7",
        "deep": DEEP,
        "deep-objects": b'{"a":' * 100_000,
        "no-utf8": b'{"a": "\xff\xfe"}',
        "nul": b"\0" * 100,
        "too-large": b" " * ((1 << 20) + 1) + b"{}",
        "long-number": b'{"a": ' + LONG_NUMBER.encode() + b"}",
        "pickle": b"\x80\x04\x95c__builtin__\neval\n.",
    }.items():
        yield file_case(f"{stem}-{shown}", file, content, file)
    yield file_case(f"{stem}-key-twice", file, lambda data: data.rstrip()[:-1] + b', "bos_token_id": 1}', file)
    for part in (1, 3, 5, 7):
        yield file_case(f"{stem}-cut-{part}", file, lambda data, part=part: data[: len(data) * part // 8], file)  # type: ignore[misc]


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return `data`, in which `old` must be, with `new` in its first place."""
    assert old in data
    return data.replace(old, new, 1)


def _tokenizers() -> Iterator[Case]:
    file = "tokenizer.json"
    for shown, content in {
        "empty": b"",
        "object": b"{}",
        "list": b"[]",
        "deep": DEEP,
        "no-utf8": b"\xff" * 100,
        "nul": b"\0" * 100,
        "pickle": b"\x80\x04\x95c__builtin__\neval\n.",
    }.items():
        yield file_case(f"tokenizer-{shown}", file, content, "tokenizer")
    for part in range(1, 8):
        yield file_case(
            f"tokenizer-cut-{part}", file, lambda data, part=part: data[: len(data) * part // 8], "tokenizer"
        )  # type: ignore[misc]

    name = b'"added_tokens"'
    for shown, changed in {
        "hidden": (name, b'"added\\u005ftokens"'),
        "listed-twice": (name, b'"added_tokens": [], "added_tokens"'),
        "brackets": (name + b": [", name + b": [" + b"[" * (3 << 20)),
        "spaces": (name + b": [", name + b": [" + b" " * (3 << 20)),
    }.items():
        yield file_case(
            f"tokenizer-added-{shown}", file, lambda data, changed=changed: replaced(data, *changed), "tokenizer"
        )  # type: ignore[misc]

    def too_large(directory: Path) -> Path:
        path = tiny_model().write(directory / "model") / file
        os.truncate(path, (64 << 20) + 1)  # sparse
        return path.parent

    yield Case("tokenizer-too-large", too_large, "larger than")


def _tokenizer_values() -> Iterator[Case]:
    def model(**changes: object) -> Callable[[dict[str, Any]], object]:
        return lambda parsed: parsed["model"].update(changes)

    def vocabulary(change: Callable[[dict[str, int]], object]) -> Callable[[dict[str, Any]], object]:
        return lambda parsed: change(parsed["model"]["vocab"])

    def added(token_id: int, text: str) -> dict[str, Any]:
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        return {"id": token_id, "content": text, "special": True, **flags}

    def nested(depth: int) -> list[Any]:
        return [nested(depth - 1)] if depth else []

    edits: dict[str, Callable[[dict[str, Any]], object]] = {
        "wordpiece": model(type="WordPiece", unk_token="[UNK]"),
        "unigram": model(type="Unigram", vocab=[["a", 0.0]]),
        "unknown-kind": model(type="Code"),
        "vocabulary-empty": model(vocab={}),
        "vocabulary-list": model(vocab=[]),
        "vocabulary-text-ids": vocabulary(lambda vocab: vocab.update(a="x")),
        "id-negative": vocabulary(lambda vocab: vocab.update(a=-1)),
        "id-beyond": vocabulary(lambda vocab: vocab.update(a=512)),
        "id-huge": vocabulary(lambda vocab: vocab.update(a=(1 << 32) - 1)),
        "id-overflow": vocabulary(lambda vocab: vocab.update(a=1 << 64)),
        "id-fraction": vocabulary(lambda vocab: vocab.update(a=1.5)),
        "byte-missing": vocabulary(lambda vocab: vocab.pop("A")),
        "merges-unknown": model(merges=["zzzz yyyy"]),
        "merges-one-part": model(merges=["a"]),
        "merges-numbers": model(merges=[[1, 2]]),
        "prefix-too-long": model(continuing_subword_prefix="longer than any token"),
        "merges-text": model(merges="a b"),
        "no-bytes": lambda parsed: parsed.update(pre_tokenizer=None),
        "bad-expression": lambda parsed: parsed.update(
            pre_tokenizer={"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}
        ),
        "unknown-step": lambda parsed: parsed.update(pre_tokenizer={"type": "Exec"}),
        "eats-text": lambda parsed: parsed.update(
            normalizer={"type": "Replace", "pattern": {"Regex": "."}, "content": ""}
        ),
        "multiplies-text": lambda parsed: parsed.update(
            normalizer={"type": "Replace", "pattern": {"Regex": "."}, "content": "A" * 1000}
        ),
        "bad-charsmap": lambda parsed: parsed.update(
            normalizer={"type": "Precompiled", "precompiled_charsmap": "////"}
        ),
        "two-texts-of-one-id": vocabulary(lambda vocab: vocab.update(A=vocab["B"])),
        "id-missing-below-added": vocabulary(lambda vocab: vocab.pop(max(vocab, key=lambda text: vocab[text]))),
        "vocabulary-huge": vocabulary(lambda vocab: vocab.update({f"<{i}>": 496 + i for i in range(200_000)})),
        "text-huge": vocabulary(lambda vocab: vocab.update({"A" * (8 << 20): 495})),
        "added-overflow": lambda parsed: parsed["added_tokens"][-1].update(id=1 << 32),
        "added-negative": lambda parsed: parsed["added_tokens"][-1].update(id=-1),
        "added-huge": lambda parsed: parsed["added_tokens"][-1].update(id=(1 << 32) - 1),
        "added-endless": lambda parsed: parsed["added_tokens"][-1].update(id=10**400),
        "added-beyond": lambda parsed: parsed["added_tokens"][-1].update(id=512),
        "added-fraction": lambda parsed: parsed["added_tokens"][-1].update(id=511.0),
        "added-true": lambda parsed: parsed["added_tokens"][1].update(id=True),
        "added-text-id": lambda parsed: parsed["added_tokens"][-1].update(id="511"),
        "added-no-id": lambda parsed: parsed["added_tokens"][0].pop("id"),
        "added-same-id": lambda parsed: parsed["added_tokens"][-1].update(id=510),
        "added-id-of-a-word": lambda parsed: parsed["added_tokens"][-1].update(id=7),
        "added-same-text": lambda parsed: parsed["added_tokens"][-1].update(
            content=parsed["added_tokens"][-2]["content"]
        ),
        "added-gap": lambda parsed: parsed["added_tokens"].pop(3),
        "added-reversed": lambda parsed: parsed["added_tokens"].reverse(),
        "added-once-more": lambda parsed: parsed["added_tokens"].append(added(512, "<more>")),
        "added-far-away": lambda parsed: parsed["added_tokens"].append(added(1 << 31, "<far>")),
        "added-many": lambda parsed: parsed["added_tokens"].extend(added(511, f"<{i}>") for i in range(20_000)),
        "added-empty": lambda parsed: parsed["added_tokens"][0].update(content=""),
        "added-long": lambda parsed: parsed["added_tokens"][0].update(content="<" * 300),
        "added-huge-text": lambda parsed: parsed["added_tokens"][0].update(content="<" * (8 << 20)),
        "added-numbers": lambda parsed: parsed.update(added_tokens=list(range(496, 512))),
        "added-deep": lambda parsed: parsed["added_tokens"].append(nested(900)),
        "added-no-text": lambda parsed: parsed["added_tokens"][0].pop("content"),
        "added-not-list": lambda parsed: parsed.update(added_tokens={"a": 1}),
        "no-specials": lambda parsed: parsed.update(added_tokens=[]),
    }
    for name, edit in edits.items():

        def change(data: bytes, edit: Callable[[dict[str, Any]], object] = edit) -> bytes:
            parsed = json.loads(data)
            edit(parsed)
            return json.dumps(parsed).encode()

        yield file_case(f"tokenizer-{name}", "tokenizer.json", change, "tokenizer")


def _without(file: str) -> Make:
    def make(directory: Path) -> Path:
        path = tiny_model().write(directory / "model")
        (path / file).unlink()
        return path

    return make


def _replaced_by_directory(file: str) -> Make:
    def make(directory: Path) -> Path:
        path = _without(file)(directory)
        (path / file).mkdir()
        return path

    return make


def _replaced_by_pipe(file: str) -> Make:
    def make(directory: Path) -> Path:
        path = _without(file)(directory)
        os.mkfifo(path / file)
        return path

    return make
