"""A prompt with the one answer that a model must give when it always takes the likeliest token.

Knows the file that packaging/pin_starter.py writes for the starter model; must not know where models lie. Equal bits on
every processor (ARCHITECTURE.md, "Determinism") make the answer the same everywhere.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference.config import TokenId
from core.inference.engine import Engine, Generation
from core.inference.prompt import Role, Turn, build_prompt
from core.inference.sampling import SamplingParams


@dataclass(frozen=True, slots=True)
class Golden:
    """What to ask and what must come; `token_ids` without the stop token."""

    system: str
    prompt: str
    max_tokens: int
    text: str
    token_ids: tuple[TokenId, ...]


def read_golden(path: Path) -> Golden:
    """Return what `path` holds.

    Raises:
        AppError: MODEL_INCOMPLETE, MODEL_DAMAGED.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        ids = tuple(TokenId(int(each)) for each in fields["token_ids"])
        return Golden(fields["system"], fields["prompt"], int(fields["max_tokens"]), fields["text"], ids)
    except OSError as exc:
        raise AppError(ErrorCode.MODEL_INCOMPLETE, path=path.parent, missing=path.name) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise AppError(ErrorCode.MODEL_DAMAGED, path=path.parent, part=path.name, reason=str(exc)) from exc


def ask_greedily(engine: Engine, golden: Golden) -> Generation:
    """Answer the prompt of `golden`, always taking the likeliest token."""
    params = SamplingParams(
        temperature=0.0, top_k=0, top_p=1.0, min_p=0.0, repeat_penalty=1.0, seed=0, max_tokens=golden.max_tokens
    )
    turns = [Turn(Role.SYSTEM, golden.system), Turn(Role.USER, golden.prompt)]
    prompt = build_prompt(turns, engine.tokenizer, context_length=engine.context_length, reserve=golden.max_tokens)
    return engine.generate(prompt.ids, params, CancelToken(), lambda _event: None)
