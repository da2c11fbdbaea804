"""One short task on one text: rewrite, shorten, correct, explain, translate; without a conversation and not stored.

Knows what the model is asked; must not know where the text comes from or goes to. The text stands after the task as
something to work on; special tokens in it are plain text, as everywhere.
"""

import difflib
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit
from core.inference.prompt import Role, Turn, build_prompt, reply_reserve
from core.inference.sampling import SamplingParams

if TYPE_CHECKING:
    from core.inference.engine import Engine, Generation

LANGUAGES: Final = (
    "English", "German", "Spanish", "French", "Italian", "Portuguese", "Dutch", "Polish", "Chinese", "Japanese",
)  # fmt: skip
_CALM: Final = 0.3  # the highest temperature: these tasks have little room for invention
_MAX_WORDS_COMPARED: Final = 4_000  # above that by lines; SequenceMatcher takes quadratic time
_PARTS: Final = re.compile(r"\s+|\w+|[^\w\s]")


class Task(StrEnum):
    """What is done to the text."""

    REWRITE = "rewrite"
    SHORTEN = "shorten"
    CORRECT = "correct"
    EXPLAIN = "explain"
    TRANSLATE = "translate"


# Those whose result stands in the place of the text, word beside word.
COMPARABLE: Final = frozenset({Task.REWRITE, Task.SHORTEN, Task.CORRECT})
_ASKED: Final = {
    Task.REWRITE: "Rewrite the following text so that it is clear and friendly. Keep its meaning and its language.",
    Task.SHORTEN: "Shorten the following text to about half. Keep what matters and its language.",
    Task.CORRECT: "Correct spelling and grammar of the following text. Change nothing else.",
    Task.EXPLAIN: "Explain the following text in simple words, for somebody who does not know the subject.",
    Task.TRANSLATE: "Translate the following text into {language}.",
}
_ONLY: Final = " Answer with the text alone.\n\n"


class PieceKind(StrEnum):
    """What became of a piece of text."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the old or the new text; SAME and REMOVED together are the old one, SAME and ADDED the new one."""

    kind: PieceKind
    text: str


def prompt_text(task: Task, text: str, language: str = LANGUAGES[0]) -> str:
    """Return what the model is asked."""
    asked = _ASKED[task].format(language=language)
    return asked + ("\n\n" if task is Task.EXPLAIN else _ONLY) + text.strip()


def carry_out(
    engine: "Engine",
    task: Task,
    text: str,
    params: SamplingParams,
    cancel: CancelToken,
    emit: Emit,
    language: str = LANGUAGES[0],
) -> "Generation":
    """Generate the result (engine lane); emits the engine's events. Cancelled, it ends with what is there.

    Raises:
        AppError: PROMPT_EMPTY; PROMPT_TOO_LONG when text and result do not fit together.
    """
    if not text.strip():
        raise AppError(ErrorCode.PROMPT_EMPTY)
    calm = replace(params, temperature=min(params.temperature, _CALM))
    turns = [Turn(Role.USER, prompt_text(task, text, language))]
    length = engine.context_length
    reserve = reply_reserve(length, calm.max_tokens)
    prompt = build_prompt(turns, engine.tokenizer, context_length=length, reserve=reserve)
    return engine.generate(prompt.ids, calm, cancel, emit)


def differences(old: str, new: str) -> tuple[Piece, ...]:
    """Return what was kept, taken out and put in, word by word; line by line in long texts."""
    before, after = _PARTS.findall(old), _PARTS.findall(new)
    if len(before) + len(after) > _MAX_WORDS_COMPARED:
        before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    pieces: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        removed, added = "".join(before[i1:i2]), "".join(after[j1:j2])
        if what == "equal":
            pieces.append(Piece(PieceKind.SAME, removed))
            continue
        pieces += [Piece(PieceKind.REMOVED, removed)] if removed else []
        pieces += [Piece(PieceKind.ADDED, added)] if added else []
    return tuple(pieces)
