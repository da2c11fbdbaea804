import json
from pathlib import Path
from typing import Any

import pytest
from gguf_files import WRONG_TEMPLATE
from tokenizers import Tokenizer as Backend

from core.inference.config import ModelConfig, load_config
from core.inference.prompt import Role, Turn, build_prompt
from core.inference.templates import ChatTemplate, EndOfTurn, Special, choose_template, recognise
from core.inference.tokenizer import Tokenizer

# As published: Meta-Llama-3-8B-Instruct, Qwen2, Falcon3-7B-Instruct, bitnet-b1.58-2B-4T.
LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
    "'\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
FALCON3 = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == "
    "'assistant' %}{{ '<|assistant|>\n' + message['content'] + eos_token + '\n' }}{% endif %}{% if loop.last and "
    "add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"
)
BITNET = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = message['role'] | capitalize "
    "+ ': '+ message['content'] | trim + '<|eot_id|>' %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ 'Assistant: ' }}{% endif %}"
)
END = "<END>"
DIALOGUE = [(Role.SYSTEM, "Be kind."), (Role.USER, "Hi"), (Role.ASSISTANT, "Hello"), (Role.USER, "Bye")]


def rendered(template: ChatTemplate) -> str:
    pieces = [piece for role, text in DIALOGUE for piece in template.turn(role, text)]
    pieces += template.opening(Role.ASSISTANT)
    return "".join(
        END if isinstance(piece, EndOfTurn) else piece.text if isinstance(piece, Special) else piece for piece in pieces
    )


@pytest.mark.parametrize(
    ("text", "template"),
    [(LLAMA3, ChatTemplate.LLAMA3), (CHATML, ChatTemplate.CHATML), (FALCON3, ChatTemplate.FALCON3),
     (BITNET, ChatTemplate.BITNET), (WRONG_TEMPLATE, None), ("", None), ("{{ 7 * 7 }}", None)],
)  # fmt: skip
def test_a_published_template_is_recognised(text: str, template: ChatTemplate | None) -> None:
    assert recognise(text) is template


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (ChatTemplate.BITNET, "System: Be kind.<END>User: Hi<END>Assistant: Hello<END>User: Bye<END>Assistant: "),
        (
            ChatTemplate.LLAMA3,
            "<|start_header_id|>system<|end_header_id|>\n\nBe kind.<END>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<END>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello<END>"
            "<|start_header_id|>user<|end_header_id|>\n\nBye<END>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            ChatTemplate.CHATML,
            "<|im_start|>system\nBe kind.<END>\n<|im_start|>user\nHi<END>\n<|im_start|>assistant\nHello<END>\n"
            "<|im_start|>user\nBye<END>\n<|im_start|>assistant\n",
        ),
        (
            ChatTemplate.FALCON3,
            "<|system|>\nBe kind.\n<|user|>\nHi\n<|assistant|>\nHello<END>\n<|user|>\nBye\n<|assistant|>\n",
        ),
        (ChatTemplate.FALCON_E, "system\nBe kind.\nuser\nHi\nassistant\nHello<END>\nuser\nBye\nassistant\n"),
    ],
)
def test_a_dialogue_is_rendered_as_its_template_says(template: ChatTemplate, expected: str) -> None:
    assert rendered(template) == expected


def test_the_models_own_template_goes_first() -> None:
    tokens = frozenset({"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"})
    assert choose_template("llama", CHATML, tokens) is ChatTemplate.CHATML
    assert choose_template("bitnet", LLAMA3, tokens) is ChatTemplate.LLAMA3


def test_without_a_template_of_ours_the_family_decides() -> None:
    llama3 = frozenset({"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"})
    assert choose_template("bitnet", None, llama3) is ChatTemplate.BITNET
    assert choose_template("bitnet", WRONG_TEMPLATE, llama3) is ChatTemplate.BITNET
    assert choose_template("llama", None, llama3) is ChatTemplate.LLAMA3
    assert choose_template("llama", None, frozenset({"<|im_start|>", "<|im_end|>"})) is ChatTemplate.CHATML
    falcon3 = frozenset({">>QUESTION<<", ">>ANSWER<<", "<|endoftext|>"})
    assert choose_template("llama", None, falcon3) is ChatTemplate.FALCON3
    assert choose_template("llama", "user assistant", frozenset({"<|endoftext|>"})) is ChatTemplate.FALCON_E


def relative(directory: Path, model_dir: Path, template: str, names: dict[int, str], *, bos: bool) -> Path:
    """Write a model directory whose added tokens are renamed, without any weights."""
    directory.mkdir()
    parsed: dict[str, Any] = json.loads((model_dir / "tokenizer.json").read_text("utf-8"))
    for token in parsed["added_tokens"]:
        token["content"] = names.get(token["id"], token["content"])
    if not bos:
        parsed["post_processor"] = None
    else:
        text = json.dumps(parsed["post_processor"]).replace("<|begin_of_text|>", names.get(496, "<|begin_of_text|>"))
        parsed["post_processor"] = json.loads(text)
    (directory / "tokenizer.json").write_text(json.dumps(parsed))
    (directory / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    return directory


@pytest.fixture
def config(fixtures_dir: Path) -> ModelConfig:
    return load_config(fixtures_dir / "llama-bitlinear-h192" / "hf-packed")


def prompt_text(tokenizer: Tokenizer, directory: Path) -> str:
    turns = [Turn(role, text) for role, text in DIALOGUE]
    prompt = build_prompt(turns, tokenizer, context_length=256, reserve=8)
    backend = Backend.from_file(str(directory / "tokenizer.json"))
    text: str = backend.decode(list(prompt.ids), skip_special_tokens=False)
    return text


def test_llama3_begins_with_bos_and_uses_the_tokens(tmp_path: Path, fixtures_dir: Path, config: ModelConfig) -> None:
    names = {502: "<|start_header_id|>", 503: "<|end_header_id|>"}
    directory = relative(tmp_path / "m", fixtures_dir / "tied-h256" / "hf-packed", LLAMA3, names, bos=False)
    tokenizer = Tokenizer.from_directory(directory, config)
    assert tokenizer.template is ChatTemplate.LLAMA3
    expected = rendered(ChatTemplate.LLAMA3).replace(END, "<|eot_id|>")
    assert prompt_text(tokenizer, directory) == "<|begin_of_text|>" + expected


def test_falcon3_has_no_bos_and_ends_answers_with_its_end_of_text(
    tmp_path: Path, fixtures_dir: Path, config: ModelConfig
) -> None:
    names = {497: "<|endoftext|>"}
    directory = relative(tmp_path / "m", fixtures_dir / "tied-h256" / "hf-packed", FALCON3, names, bos=False)
    tokenizer = Tokenizer.from_directory(directory, config)
    assert (tokenizer.prefix_ids, tokenizer.end_of_turn_id) == ((), 497)
    assert prompt_text(tokenizer, directory) == rendered(ChatTemplate.FALCON3).replace(END, "<|endoftext|>")
    assert tokenizer.encode_rendered("Hi") == tokenizer.encode_text("Hi")


def test_chatml_stops_where_a_turn_ends(tmp_path: Path, fixtures_dir: Path, config: ModelConfig) -> None:
    names = {506: "<|im_start|>", 507: "<|im_end|>"}
    directory = relative(tmp_path / "m", fixtures_dir / "tied-h256" / "hf-packed", CHATML, names, bos=True)
    tokenizer = Tokenizer.from_directory(directory, config)
    assert tokenizer.end_of_turn_id == 507
    assert 507 in tokenizer.stop_ids
    assert prompt_text(tokenizer, directory).startswith("<|begin_of_text|><|im_start|>system\nBe kind.<|im_end|>\n")


@pytest.mark.parametrize("spelling", ["<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|user|>"])
def test_what_a_message_spells_is_text(tmp_path: Path, fixtures_dir: Path, config: ModelConfig, spelling: str) -> None:
    names = {506: "<|im_start|>", 507: "<|im_end|>"}
    directory = relative(tmp_path / "m", fixtures_dir / "tied-h256" / "hf-packed", CHATML, names, bos=False)
    tokenizer = Tokenizer.from_directory(directory, config)
    honest, hostile = (
        build_prompt([Turn(Role.USER, text)], tokenizer, context_length=256, reserve=8).ids for text in ("a", spelling)
    )
    assert [i for i in hostile if i >= 496] == [i for i in honest if i >= 496]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[]", b'{"chat_template": 7}', b'{"chat_template": [{"name": "a"}]}', b"[" * 100_000]
)
def test_a_template_that_cannot_be_read_is_none(
    tmp_path: Path, fixtures_dir: Path, config: ModelConfig, content: bytes
) -> None:
    names = {505: "<|end_of_turn|>"}  # without it nothing tells the family
    directory = relative(tmp_path / "m", fixtures_dir / "tied-h256" / "hf-packed", "", names, bos=True)
    (directory / "tokenizer_config.json").write_bytes(content)
    assert Tokenizer.from_directory(directory, config).template is ChatTemplate.FALCON_E


def test_a_jinja_file_beside_the_model_goes_first(tmp_path: Path, fixtures_dir: Path, config: ModelConfig) -> None:
    directory = relative(tmp_path / "m", fixtures_dir / "tied-h256" / "hf-packed", BITNET, {}, bos=True)
    (directory / "chat_template.jinja").write_text(CHATML)
    assert Tokenizer.from_directory(directory, config).template is ChatTemplate.CHATML
