import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from gguf_files import (
    ARRAY,
    BOOL,
    I32,
    STRING,
    TOKENIZER,
    U32,
    GgufFiles,
    Stored,
    Typed,
    as_gguf,
    model_metadata,
    random_weights,
    vocabulary_metadata,
)

from core.errors import AppError, ErrorCode
from core.inference.config import config_2b4t, load_config
from core.inference.formats import read_tokenizer
from core.inference.gguf import GgufFile
from core.inference.gguf_model import gguf_config
from core.inference.gguf_tokenizer import gguf_tokenizer
from core.inference.templates import ChatTemplate
from core.inference.tokenizer import Tokenizer

LLAMA3_VARIABLE = "TERN_LLAMA3_TOKENIZER"  # as in conftest.py
N_STRINGS = 10_000
PIECES = (
    "the", " quick", "Brown", "naïve", "Größe", "ß", "ſ", "İ", "e\u0301", "日本語", "한국어", "ไทย", "العربية", "हिन्दी",
    "🚀", "👩‍👩‍👧", "🇩🇪", "\u200d", "\ufeff", "\u00a0", "\u2028", "\u3000", " ", "  ", "   ", "\t", "\n", "\r\n",
    "\n\n\n", " \n ", "0", "12345", "3.14", "1e-9", "½", "٣", "x86", "don't", "I'LL", "we've", "'s", "’s",
    "def f(x):\n    return x", "#include <a.h>", "SELECT *", "{}", "();", "=>", "!=", "...", "--", "___", "\\n", "https://a.b/c?d=e&f",
    "a@b.c", "<|eot_id|>", "<|begin_of_text|>", "<|start_header_id|>", "<|reserved_special_token_5|>", "<|", "|>",
    "<s>", "Ġ", "Ċ", "\x00", "\x1b[0m", "\x7f", "\ud7ff", "\U0010ffff", "\U00010348", "ﬁ", "Ⅷ", "²",
)  # fmt: skip


@cache
def corpus() -> tuple[str, ...]:
    """Return strings of one to twelve pieces, and some of random code points."""
    random = np.random.default_rng(11)
    made = ["".join(random.choice(PIECES, random.integers(1, 13))) for _ in range(N_STRINGS - 1000)]
    for _ in range(1000):
        points = random.integers(0, [0x250, 0x3000, 0x110000][random.integers(3)], random.integers(1, 20))
        made.append("".join(chr(point) for point in points if not 0xD800 <= point < 0xE000))
    return tuple(made)


def header_only(metadata: dict[str, Typed]) -> GgufFiles:
    return GgufFiles(metadata, {"none": Stored(0, (1,), bytes(4))})


def disagreements(one: Tokenizer, other: Tokenizer) -> Iterator[str]:
    for text in corpus():
        if one.encode_text(text) != other.encode_text(text) or one.encode_rendered(text) != other.encode_rendered(text):
            yield text


def test_the_corpus_is_varied() -> None:
    assert len(corpus()) == N_STRINGS
    assert len(set(corpus())) > 0.9 * N_STRINGS
    assert len({char for text in corpus() for char in text}) > 5000


@pytest.mark.parametrize("fixture", ["tied-h256/ggml-model-i2_s.gguf", "tied-h256/ggml-model-tq2_0.gguf"])
def test_fixtures_agree_with_tokenizer_json_token_for_token(fixtures_dir: Path, fixture: str) -> None:
    directory = fixtures_dir / "tied-h256" / "hf-packed"
    from_json = Tokenizer.from_directory(directory, load_config(directory))
    from_gguf = read_tokenizer(fixtures_dir / fixture)
    assert list(disagreements(from_json, from_gguf)) == []
    assert (from_gguf.bos_id, from_gguf.stop_ids, from_gguf.prefix_ids) == (496, {497, 505}, (496,))
    assert from_gguf.template is ChatTemplate.BITNET
    assert all(from_gguf.decode([i]) == from_json.decode([i]) for i in range(512))  # type: ignore[list-item]


@pytest.fixture(scope="session")
def llama3_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the header of the official one: 128,256 tokens and 280,147 merges."""
    source = os.environ.get(LLAMA3_VARIABLE)
    if not source:
        pytest.skip(f"{LLAMA3_VARIABLE} does not name the tokenizer.json of the 128,256-entry vocabulary")
    sizes = {"hidden": 2560, "inner": 6912, "layers": 30, "heads": 20, "kv_heads": 5, "head_dim": 128, "vocab": 128256}
    weights = random_weights(layers=1)
    weights.sizes = sizes
    metadata = model_metadata(weights) | vocabulary_metadata(Path(source))
    return header_only(metadata).write(tmp_path_factory.mktemp("llama3") / "header.gguf")


def test_the_real_vocabulary_agrees_token_for_token(llama3: Tokenizer, llama3_gguf: Path) -> None:
    from_gguf = read_tokenizer(llama3_gguf)
    assert list(disagreements(llama3, from_gguf)) == []
    assert from_gguf.stop_ids == config_2b4t().stop_ids
    text = "System: You are a helpful AI assistant.<|eot_id|>User: How are you?<|eot_id|>Assistant: "
    golden = "128000 2374 25 1472 527 264 11190 15592 18328 13 128009 1502 25 2650 527 499 30 128009 72803 25 220"
    assert from_gguf.encode_rendered(text) == [int(i) for i in golden.split()]


def test_the_official_header_is_read_in_two_seconds(llama3_gguf: Path) -> None:
    started = time.perf_counter()
    with GgufFile(llama3_gguf) as file:
        assert len(file.metadata["tokenizer.ggml.tokens"]) == 128_256  # type: ignore[arg-type]
        assert len(file.metadata["tokenizer.ggml.merges"]) == 280_147  # type: ignore[arg-type]
        gguf_config(file)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("pre", ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon_e"])
def test_names_of_the_same_pre_tokenizer(tmp_path: Path, tokenizer: Tokenizer, pre: str) -> None:
    files = as_gguf(random_weights(layers=1))
    files.metadata["tokenizer.ggml.pre"] = Typed(STRING, pre)
    rebuilt = read_tokenizer(files.write(tmp_path / "m.gguf"))
    assert rebuilt.encode_text("It's 12345 o'clock") == tokenizer.encode_text("It's 12345 o'clock")


def renumbered(ids: list[int], types: dict[int, int] | None = None) -> dict[str, Typed]:
    """Return the fixture's vocabulary with token i of the new one being token ids[i] of the old one."""
    metadata = vocabulary_metadata(TOKENIZER)
    place = {old: new for new, old in enumerate(ids)}
    for key in ("tokens", "token_type"):
        typed = metadata[f"tokenizer.ggml.{key}"]
        typed.value = [typed.value[old] for old in ids]
    for new, kind in (types or {}).items():
        metadata["tokenizer.ggml.token_type"].value[new] = kind
    for key in ("bos", "eos"):
        metadata[f"tokenizer.ggml.{key}_token_id"].value = place[metadata[f"tokenizer.ggml.{key}_token_id"].value]
    return metadata


def test_special_tokens_may_come_first(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """Falcon3 begins its vocabulary with them."""
    ids = [*range(496, 512), *range(496)]
    files = header_only(model_metadata(random_weights(layers=1)) | renumbered(ids))
    rebuilt = read_tokenizer(files.write(tmp_path / "m.gguf"))
    for text in corpus()[:2000]:
        assert [ids[i] for i in rebuilt.encode_text(text)] == tokenizer.encode_text(text)
    assert rebuilt.special("<|begin_of_text|>") == 0


def test_unused_tokens_leave_gaps(tmp_path: Path, tokenizer: Tokenizer) -> None:
    files = header_only(model_metadata(random_weights(layers=1)) | renumbered(list(range(512)), {498: 5, 510: 5}))
    rebuilt = read_tokenizer(files.write(tmp_path / "m.gguf"))
    assert rebuilt.special("<|reserved_special_token_0|>") is None
    assert rebuilt.special("<|eot_id|>") == 505
    assert rebuilt.encode_text("The quick fox") == tokenizer.encode_text("The quick fox")


def test_user_defined_tokens_stand_for_text(tmp_path: Path) -> None:
    metadata = renumbered(list(range(512)), {511: 4})
    metadata["tokenizer.ggml.tokens"].value[511] = ">>ANSWER<<"
    rebuilt = read_tokenizer(
        header_only(model_metadata(random_weights(layers=1)) | metadata).write(tmp_path / "m.gguf")
    )
    assert rebuilt.encode_rendered("a>>ANSWER<<")[-1] == 511
    assert 511 not in rebuilt.encode_text("a>>ANSWER<<")
    assert rebuilt.decode(rebuilt.encode_rendered("a>>ANSWER<<")) == "a>>ANSWER<<"


@pytest.mark.parametrize(("said", "prefix"), [(True, (496,)), (False, ()), (None, ())])
def test_bos_is_added_as_the_file_says(tmp_path: Path, said: bool | None, prefix: tuple[int, ...]) -> None:
    files = as_gguf(random_weights("llama", layers=1))
    falcon3 = "'<|user|>' '<|assistant|>'"
    files.metadata |= {"tokenizer.chat_template": Typed(STRING, falcon3)}
    del files.metadata["tokenizer.ggml.add_bos_token"]
    if said is not None:
        files.metadata["tokenizer.ggml.add_bos_token"] = Typed(BOOL, said)
    rebuilt = read_tokenizer(files.write(tmp_path / "m.gguf"))
    assert rebuilt.template is ChatTemplate.FALCON3
    assert rebuilt.prefix_ids == prefix


def test_a_vocabulary_may_have_no_bos(tmp_path: Path) -> None:
    files = as_gguf(random_weights("llama", layers=1))
    del files.metadata["tokenizer.ggml.bos_token_id"]
    assert read_tokenizer(files.write(tmp_path / "m.gguf")).prefix_ids == ()


def test_too_many_added_tokens_are_refused_at_once(tmp_path: Path) -> None:
    metadata, n = vocabulary_metadata(TOKENIZER), 50_000
    metadata["tokenizer.ggml.tokens"].value += [f"<{i}>" for i in range(512, n)]
    metadata["tokenizer.ggml.token_type"].value += [3] * (n - 512)
    weights = random_weights(layers=1)
    weights.sizes["vocab"] = n
    path = header_only(model_metadata(weights) | metadata).write(tmp_path / "m.gguf")
    started = time.perf_counter()
    with pytest.raises(AppError, match="added tokens"):
        read_tokenizer(path)
    assert time.perf_counter() - started < 2


def edit(key: str, change: Callable[[list[str]], object]) -> Callable[[dict[str, Typed]], object]:
    return lambda metadata: change(metadata[f"tokenizer.ggml.{key}"].value)


def put(key: str, typed: Typed) -> Callable[[dict[str, Typed]], object]:
    return lambda metadata: metadata.update({f"tokenizer.ggml.{key}": typed})


def without_a_byte(metadata: dict[str, Typed]) -> None:
    metadata["tokenizer.ggml.token_type"].value[33] = 5
    metadata["tokenizer.ggml.merges"].value = []


REFUSED = {
    "another kind": (put("model", Typed(STRING, "llama")), ErrorCode.MODEL_UNSUPPORTED),
    "no kind": (lambda metadata: metadata.pop("tokenizer.ggml.model"), ErrorCode.TOKENIZER_MISSING),
    "another pre-tokenizer": (put("pre", Typed(STRING, "qwen2")), ErrorCode.MODEL_UNSUPPORTED),
    "a pre-tokenizer that is no text": (put("pre", Typed(U32, 1)), ErrorCode.MODEL_UNSUPPORTED),
    "no merges": (lambda metadata: metadata.pop("tokenizer.ggml.merges"), ErrorCode.TOKENIZER_DAMAGED),
    "merges that are numbers": (put("merges", Typed(ARRAY, [1, 2], I32)), ErrorCode.TOKENIZER_DAMAGED),
    "a merge of one": (edit("merges", lambda merges: merges.append("abc")), ErrorCode.TOKENIZER_DAMAGED),
    "a merge of strangers": (edit("merges", lambda merges: merges.append("qq zz")), ErrorCode.TOKENIZER_DAMAGED),
    "two of a token": (edit("tokens", lambda tokens: tokens.__setitem__(5, tokens[6])), ErrorCode.TOKENIZER_DAMAGED),
    "a byte that is missing": (without_a_byte, ErrorCode.TOKENIZER_DAMAGED),
    "an unknown type": (edit("token_type", lambda types: types.__setitem__(5, 77)), ErrorCode.TOKENIZER_DAMAGED),
    "an added token of ''": (edit("tokens", lambda tokens: tokens.__setitem__(509, "")), ErrorCode.TOKENIZER_DAMAGED),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "code"), REFUSED.values(), ids=REFUSED)
def test_a_vocabulary_that_cannot_serve_is_refused(
    tmp_path: Path, spoil: Callable[[dict[str, Typed]], object], code: ErrorCode
) -> None:
    files = as_gguf(random_weights(layers=1))
    spoil(files.metadata)
    path = files.write(tmp_path / "m.gguf")
    with GgufFile(path) as file, pytest.raises(AppError) as caught:
        gguf_tokenizer(file, gguf_config(file))
    assert caught.value.code is code
    assert caught.value.facts["path"] == path
