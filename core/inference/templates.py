"""Chat templates of the model families, rendered natively: how a turn begins, how it ends, how an answer opens.

Knows the texts around a message; must not know vocabularies (tokenizer.py) nor budgets (prompt.py). A template that
comes with a model is only ever looked at to tell which of these it is (`recognise`), and never executed.

Sources: BITNET, tokenizer_config.json of microsoft/bitnet-b1.58-2B-4T; LLAMA3, that of Meta-Llama-3-8B-Instruct;
CHATML, that of Qwen2 and many others; FALCON3, that of tiiuae/Falcon3-7B-Instruct; FALCON_E, the form that
microsoft/BitNet's llama.cpp uses for Falcon-E ("falcon_e" in llama_chat_apply_template), for files whose own template
is not one of the others.
"""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who speaks; the names of the templates."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Special:
    """A piece that is one token where the vocabulary has a token of that name, and plain text where it has none."""

    text: str


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """A piece that is the token with which the model ends an answer."""


Piece = str | Special | EndOfTurn


class ChatTemplate(StrEnum):
    """The templates that are implemented."""

    BITNET = "bitnet"
    LLAMA3 = "llama3"
    CHATML = "chatml"
    FALCON3 = "falcon3"
    FALCON_E = "falcon-e"

    @property
    def needs_bos(self) -> bool:
        """True where a prompt begins with BOS whatever the tokenizer adds by itself."""
        return self in (ChatTemplate.BITNET, ChatTemplate.LLAMA3)

    @property
    def end_token(self) -> str | None:
        """What ends a turn; None where that is whatever the model ends its answers with."""
        match self:
            case ChatTemplate.BITNET | ChatTemplate.LLAMA3:
                return "<|eot_id|>"
            case ChatTemplate.CHATML:
                return "<|im_end|>"
            case ChatTemplate.FALCON3 | ChatTemplate.FALCON_E:
                return None

    def turn(self, role: Role, text: str) -> tuple[Piece, ...]:
        """Return a whole turn. The text of the message is never a Special, whatever it spells."""
        return (*self.opening(role), self.shown(text), *self.closing(role))

    def shown(self, text: str) -> str:
        """Return the text of a message as the template shows it."""
        return text.strip() if self in (ChatTemplate.BITNET, ChatTemplate.LLAMA3) else text

    def opening(self, role: Role) -> tuple[Piece, ...]:
        """Return what stands before the text of a turn; for the assistant, what a prompt ends with."""
        match self:
            case ChatTemplate.BITNET:
                return (f"{role.capitalize()}: ",)
            case ChatTemplate.LLAMA3:
                return (Special("<|start_header_id|>"), role.value, Special("<|end_header_id|>"), "\n\n")
            case ChatTemplate.CHATML:
                return (Special("<|im_start|>"), f"{role}\n")
            case ChatTemplate.FALCON3:
                return (Special(f"<|{role}|>"), "\n")
            case ChatTemplate.FALCON_E:
                return (f"{role}\n",)

    def closing(self, role: Role) -> tuple[Piece, ...]:
        """Return what stands behind the text of a turn."""
        match self:
            case ChatTemplate.BITNET | ChatTemplate.LLAMA3:
                return (EndOfTurn(),)
            case ChatTemplate.CHATML:
                return (EndOfTurn(), "\n")
            case ChatTemplate.FALCON3 | ChatTemplate.FALCON_E:
                return (EndOfTurn(), "\n") if role is Role.ASSISTANT else ("\n",)


# What a template's text must hold to be taken for one of ours, in this order.
_MARKS: tuple[tuple[ChatTemplate, tuple[str, ...]], ...] = (
    (ChatTemplate.LLAMA3, ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    (ChatTemplate.CHATML, ("<|im_start|>", "<|im_end|>")),
    (ChatTemplate.FALCON3, ("<|user|>", "<|assistant|>")),
    (ChatTemplate.BITNET, ("capitalize", "': '", "<|eot_id|>")),
)
# Tokens that only vocabularies of a family have.
_TOKENS: tuple[tuple[ChatTemplate, tuple[str, ...]], ...] = (
    (ChatTemplate.LLAMA3, ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    (ChatTemplate.CHATML, ("<|im_start|>", "<|im_end|>")),
    (ChatTemplate.FALCON3, (">>QUESTION<<", ">>ANSWER<<", "<|endoftext|>")),
)


def recognise(text: str) -> ChatTemplate | None:
    """Return the template that `text` (Jinja) is an edition of; None when it is none of ours."""
    return next((template for template, marks in _MARKS if all(mark in text for mark in marks)), None)


def choose_template(model_type: str, text: str | None, tokens: frozenset[str]) -> ChatTemplate:
    """Return the template for a model: its own where that is one of ours, else that of its family.

    Args:
        model_type: of ModelConfig. The bitnet models share one template.
        text: the template that came with the model; None when there is none, or when it is known to be wrong.
        tokens: the special tokens of the vocabulary.
    """
    own = None if text is None else recognise(text)
    if own is not None:
        return own
    if model_type == "bitnet":
        return ChatTemplate.BITNET
    family = (template for template, names in _TOKENS if tokens.issuperset(names))
    return next(family, ChatTemplate.FALCON_E)
