"""Turns of a conversation to the token ids that the model reads: the model's chat template, rendered natively.

templates.py has the templates; that of microsoft/bitnet-b1.58-2B-4T is, for every turn, `{Role}: {text,
trimmed}<|eot_id|>` and at the end `Assistant: `; the model card tokenises the rendered text with one BOS in front. A
template in a model directory is never executed. Text between two special tokens is encoded together, as there ("User:
How" is 1502 25 2650), but with special tokens disabled; BOS and the template's tokens are put in by id. Knows tokens
and turns, not where they are stored.

When a conversation outgrows its budget the oldest exchanges are dropped: not just enough, but until only
`KEEP_FRACTION` of the budget is used. Each drop moves everything after it and so costs reading the whole prompt
again; dropping in bulk makes that rare. What is dropped is worked out by replaying the conversation from its start,
so the same turns always give the same answer and the next prompt begins with the one before it until the budget is
full again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.errors import AppError, ErrorCode
from core.inference.config import TokenId
from core.inference.templates import Piece, Role, Special
from core.inference.tokenizer import Tokenizer

__all__ = ["Prompt", "PromptParts", "Role", "Turn", "build_prompt", "count_parts", "reply_reserve"]

KEEP_FRACTION = 0.75


@dataclass(frozen=True, slots=True)
class Turn:
    """One message.

    `token_ids` are those of an answer as it was generated, so that re-reading it never breaks the cached prefix
    (encoding its text again may split it otherwise); None for everything else, and for an answer of another model.
    """

    role: Role
    text: str
    token_ids: tuple[TokenId, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads, and how many of the oldest messages are not in it."""

    ids: tuple[TokenId, ...]
    turns_dropped: int


@dataclass(frozen=True, slots=True)
class PromptParts:
    """Exact token counts of a prompt from which nothing was dropped; `total` is its length."""

    system: int
    history: int
    message: int  # the newest user turn
    frame: int  # BOS and the opening of the answer

    @property
    def total(self) -> int:
        """Length of the whole prompt."""
        return self.system + self.history + self.message + self.frame


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A user turn with the answers to it; `n_asked` of the ids are the user turn's."""

    ids: list[TokenId]
    n_asked: int
    n_turns: int


def reply_reserve(context_length: int, max_tokens: int) -> int:
    """Positions to keep free for an answer of at most `max_tokens`: never more than half of the context."""
    return min(max_tokens, context_length // 2)


def build_prompt(turns: Sequence[Turn], tokenizer: Tokenizer, *, context_length: int, reserve: int) -> Prompt:
    """Renders `turns`, which end with a user turn, into at most `context_length - reserve` tokens.

    System turns come first and are always kept; a blank one is left out. What is dropped are whole exchanges (a user
    turn and the answers to it), the oldest first.

    Raises:
        AppError: PROMPT_EMPTY when the newest user turn is blank, PROMPT_TOO_LONG when it does not fit.
    """
    conversation = _conversation_of(turns)
    limit = context_length - reserve
    system = _system_ids(turns, tokenizer)
    opening = _opening_ids(tokenizer)
    exchanges = [_encode_exchange(exchange, tokenizer) for exchange in _exchanges_of(conversation)]
    fixed = len(tokenizer.prefix_ids) + len(system) + len(opening)
    needed = fixed + len(exchanges[-1].ids)
    if needed > limit:
        raise AppError(ErrorCode.PROMPT_TOO_LONG, n_tokens=needed, limit=max(limit, 0))
    first = _first_kept([(len(each.ids), each.n_asked) for each in exchanges], fixed, limit)
    ids = (*tokenizer.prefix_ids, *system, *_flatten(exchange.ids for exchange in exchanges[first:]), *opening)
    return Prompt(ids=ids, turns_dropped=sum(exchange.n_turns for exchange in exchanges[:first]))


def count_parts(turns: Sequence[Turn], tokenizer: Tokenizer) -> PromptParts:
    """Counts the tokens of each part of the prompt of `turns`; the last turn is the message (it may still be blank)."""
    conversation = [turn for turn in turns if turn.role is not Role.SYSTEM]
    counts = [len(_turn_ids(turn, tokenizer)) for turn in conversation]
    return PromptParts(
        system=len(_system_ids(turns, tokenizer)),
        history=sum(counts[:-1]),
        message=counts[-1] if counts else 0,
        frame=len(tokenizer.prefix_ids) + len(_opening_ids(tokenizer)),
    )


def turn_length(turn: Turn, tokenizer: Tokenizer) -> int:
    """Counts the tokens of one turn as it stands in a prompt; 0 for a blank system turn."""
    if turn.role is Role.SYSTEM and not turn.text.strip():
        return 0
    return len(_turn_ids(turn, tokenizer))


def frame_length(tokenizer: Tokenizer) -> int:
    """Counts what every prompt has around its turns: BOS and the opening of the answer."""
    return len(tokenizer.prefix_ids) + len(_opening_ids(tokenizer))


def n_turns_dropped(turns: Sequence[tuple[Role, int]], fixed: int, limit: int) -> int:
    """Counts the oldest turns that build_prompt would leave out, from their roles and lengths alone.

    `turns` end with the user's; `fixed` are system and frame, `limit` is the context without the answer's room.
    """
    sizes: list[tuple[int, int]] = []
    n_turns: list[int] = []
    for role, length in turns:
        if role is Role.USER or not sizes:
            sizes.append((length, length))
            n_turns.append(1)
        else:
            sizes[-1] = (sizes[-1][0] + length, sizes[-1][1])
            n_turns[-1] += 1
    return sum(n_turns[: _first_kept(sizes, fixed, limit)])


def _conversation_of(turns: Sequence[Turn]) -> list[Turn]:
    conversation = [turn for turn in turns if turn.role is not Role.SYSTEM]
    if not conversation:
        raise AppError(ErrorCode.PROMPT_EMPTY)
    if conversation[-1].role is not Role.USER:
        raise ValueError("the last turn of a prompt must be the user's")
    if not conversation[-1].text.strip():
        raise AppError(ErrorCode.PROMPT_EMPTY)
    return conversation


def _exchanges_of(conversation: Sequence[Turn]) -> list[list[Turn]]:
    """Groups turns so that each group but perhaps the first begins with a user turn."""
    exchanges: list[list[Turn]] = []
    for turn in conversation:
        if turn.role is Role.USER or not exchanges:
            exchanges.append([turn])
        else:
            exchanges[-1].append(turn)
    return exchanges


def _encode_exchange(turns: Sequence[Turn], tokenizer: Tokenizer) -> _Exchange:
    encoded = [_turn_ids(turn, tokenizer) for turn in turns]
    return _Exchange(ids=_flatten(encoded), n_asked=len(encoded[0]), n_turns=len(turns))


def _first_kept(sizes: Sequence[tuple[int, int]], fixed: int, limit: int) -> int:
    """Index of the oldest exchange kept, found by replaying the conversation (see the module's docstring).

    `sizes`: tokens of each exchange, and how many of them are the question's. `fixed` counts the tokens that are
    always there.
    """
    target = int(limit * KEEP_FRACTION)
    first = 0
    total = fixed
    for current, (n_tokens, n_asked) in enumerate(sizes):
        total += n_asked
        if total > limit:
            while first < current and total > target:
                total -= sizes[first][0]
                first += 1
        total += n_tokens - n_asked
    return first


def _system_ids(turns: Sequence[Turn], tokenizer: Tokenizer) -> list[TokenId]:
    system = [turn for turn in turns if turn.role is Role.SYSTEM and turn.text.strip()]
    return _flatten(_turn_ids(turn, tokenizer) for turn in system)


def _turn_ids(turn: Turn, tokenizer: Tokenizer) -> list[TokenId]:
    template = tokenizer.template
    if turn.token_ids is not None and turn.role is Role.ASSISTANT and _usable(turn.token_ids, tokenizer):
        closing = _encode(template.closing(turn.role), tokenizer)
        return [*_opening_ids(tokenizer), *turn.token_ids, *closing]
    return _encode(template.turn(turn.role, turn.text), tokenizer)


def _usable(ids: Sequence[TokenId], tokenizer: Tokenizer) -> bool:
    """False for ids that no answer of this model can hold; they came from another vocabulary or a damaged record."""
    return all(0 <= token_id < tokenizer.vocab_size and token_id not in tokenizer.stop_ids for token_id in ids)


def _opening_ids(tokenizer: Tokenizer) -> list[TokenId]:
    # As rendered by the template, to its last space or line break; generated ids follow it.
    return _encode(tokenizer.template.opening(Role.ASSISTANT), tokenizer)


def _encode(pieces: Iterable[Piece], tokenizer: Tokenizer) -> list[TokenId]:
    """Ids of `pieces`; text from one token to the next is encoded as a whole."""
    ids: list[TokenId] = []
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
            continue
        token_id = tokenizer.special(piece.text) if isinstance(piece, Special) else tokenizer.end_of_turn_id
        if token_id is None:
            text += piece.text if isinstance(piece, Special) else ""
            continue
        ids += [*tokenizer.encode_text(text), token_id]
        text = ""
    return ids + tokenizer.encode_text(text)


def _flatten(parts: Iterable[Sequence[TokenId]]) -> list[TokenId]:
    return [token_id for part in parts for token_id in part]
