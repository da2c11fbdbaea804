"""Conversations in the exports of ChatGPT and LM Studio, once their JSON has been read.

Knows their shapes, which neither documents: ChatGPT's is a tree of messages ("mapping") with the branch that was open
last, LM Studio's a list of messages with versions of each. All branches and versions are taken, those that were shown
are chosen here too; what has no place is counted. Everything in them is foreign: nothing is trusted to be there or to
be of its usual type.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

from core.exchange.archive import ArchivedChat, ArchivedMessage, ArchiveError, Scalar
from core.store.chats import title_from

_MOST_MESSAGES = 100_000  # of one conversation
_LATEST = 4_102_444_800.0  # the year 2100; what is later is no time


@dataclass(frozen=True, slots=True)
class Foreign:
    """Conversations and how many of their messages have no place here (tools, pictures, what was never shown)."""

    chats: list[ArchivedChat]
    left_out: int


def chatgpt_chats(conversations: list[object]) -> Foreign:
    """Read conversations.json of a ChatGPT export.

    Raises:
        ArchiveError: an entry is no conversation.
    """
    chats, left_out = [], 0
    for data in conversations:
        if not isinstance(data, dict) or not isinstance(data.get("mapping"), dict):
            raise ArchiveError("an entry is no conversation of ChatGPT")
        chat, n_left = _chatgpt(data, data["mapping"])
        left_out += n_left
        if chat.messages:
            chats.append(chat)
    return Foreign(chats, left_out)


def _chatgpt(data: Mapping[str, object], mapping: Mapping[str, object]) -> tuple[ArchivedChat, int]:
    created_at = _time(data.get("create_time"), 0.0)
    open_branch = set(_branch(mapping, data.get("current_node")))
    numbers: dict[str, int | None] = {}  # of the nearest message that is taken, for every node
    messages: list[ArchivedMessage] = []
    n_said = 0
    for name in _parents_first(mapping):
        node = mapping[name]
        message = _message_of(node)
        parent = numbers.get(str(node.get("parent"))) if isinstance(node, dict) else None
        text = _chatgpt_text(message)
        n_said += bool(message)
        numbers[name] = parent
        if text:
            meta = message.get("metadata")
            model = meta.get("model_slug") if isinstance(meta, dict) else None
            is_prompt = _role(message) == "user"
            when = _time(message.get("create_time"), created_at)
            is_chosen = name in open_branch
            messages.append(foreign_message(text, model, when, parent, is_prompt=is_prompt, is_chosen=is_chosen))
            numbers[name] = len(messages)
    return foreign_chat(data.get("title"), created_at, data.get("update_time"), messages), n_said - len(messages)


def _parents_first(mapping: Mapping[str, object]) -> list[str]:
    """Return the names of all nodes, each after its parent; nodes on a circle are left out."""
    children: dict[str, list[str]] = {}
    waiting: list[str] = []
    for name, node in mapping.items():
        parent = node.get("parent") if isinstance(node, dict) else None
        if isinstance(parent, str) and parent in mapping:
            children.setdefault(parent, []).append(name)
        else:
            waiting.append(name)
    ordered: list[str] = []
    for name in waiting:  # grows while it is read
        ordered.append(name)
        waiting += children.get(name, [])
    return ordered[:_MOST_MESSAGES]


def _branch(mapping: Mapping[str, object], current: object) -> list[str]:
    """Return the names of the nodes up from `current`; from the last one that was added where that is not known."""
    at: object = current if isinstance(current, str) and current in mapping else next(reversed(list(mapping)), None)
    names: list[str] = []
    seen: set[str] = set()
    while isinstance(at, str) and at in mapping and at not in seen:
        seen.add(at)
        names.append(at)
        node = mapping[at]
        at = node.get("parent") if isinstance(node, dict) else None
    return names


def _message_of(node: object) -> Mapping[str, object]:
    message = node.get("message") if isinstance(node, dict) else None
    return message if isinstance(message, dict) else {}


def _role(message: Mapping[str, object]) -> str:
    author = message.get("author")
    return str(author.get("role")) if isinstance(author, dict) else ""


def _chatgpt_text(message: Mapping[str, object]) -> str:
    """Return what a message says; nothing for what was never shown."""
    meta, content = message.get("metadata"), message.get("content")
    is_hidden = isinstance(meta, dict) and meta.get("is_visually_hidden_from_conversation") is True
    if _role(message) not in ("user", "assistant") or is_hidden or not isinstance(content, dict):
        return ""
    kind, text = content.get("content_type"), content.get("text")
    if kind in ("text", "multimodal_text"):
        parts = content.get("parts")
        return "\n".join(part for part in parts if isinstance(part, str)).strip() if isinstance(parts, list) else ""
    if kind == "code" and isinstance(text, str) and text.strip():
        return f"```\n{text}\n```"
    return ""


def lm_studio_chat(data: Mapping[str, object]) -> Foreign:
    """Read one conversation file of LM Studio.

    Raises:
        ArchiveError: it is none.
    """
    listed = data.get("messages")
    if not isinstance(listed, list) or len(listed) > _MOST_MESSAGES:
        raise ArchiveError("it has no list of messages")
    created_at = _time(data.get("createdAt"), 0.0, per_second=1_000)
    last = data.get("lastUsedModel")
    model = last.get("identifier") if isinstance(last, dict) else None
    messages: list[ArchivedMessage] = []
    left_out = 0
    parent: int | None = None
    following: int | None = None  # the version that was shown: what comes next follows it
    for each in listed:
        versions, chosen = _versions(each)
        for number, version in enumerate(versions):
            text, by = _lm_studio_text(version)
            role = version.get("role")
            if not text or role not in ("user", "assistant") or len(messages) >= _MOST_MESSAGES:
                left_out += 1
                continue
            is_chosen, is_prompt = number == chosen, role == "user"
            said_by = by or model
            messages.append(
                foreign_message(text, said_by, created_at, parent, is_prompt=is_prompt, is_chosen=is_chosen)
            )
            following = len(messages) if is_chosen else following
        parent = following
    updated = max(
        _time(data.get(key), 0.0, per_second=1_000) for key in ("userLastMessagedAt", "assistantLastMessagedAt")
    )
    name = data.get("name") or data.get("title")
    chat = foreign_chat(name, created_at, updated or created_at, messages)
    prompt = _system_prompt(data)
    if prompt:
        chat = ArchivedChat(chat.values, chat.messages, overrides={"system_prompt": prompt})
    return Foreign([chat] if messages else [], left_out)


def _versions(message: object) -> tuple[list[Mapping[str, object]], int]:
    """Return the versions of a message, and which of them was shown."""
    if not isinstance(message, dict):
        return [], 0
    versions = message.get("versions")
    if not isinstance(versions, list):
        return [message], 0  # LM Studio before versions: role and content
    chosen = message.get("currentlySelected")
    index = chosen if isinstance(chosen, int) and 0 <= chosen < len(versions) else len(versions) - 1
    return [each if isinstance(each, dict) else {} for each in versions], index


def _lm_studio_text(version: Mapping[str, object]) -> tuple[str, object]:
    """Return what a version says, its steps joined, and the model that said it."""
    steps = version.get("steps")
    if not isinstance(steps, list):
        return _content(version.get("content")), None
    parts: list[str] = []
    by: object = None
    for step in steps:
        if isinstance(step, dict) and step.get("type") == "contentBlock":
            info = step.get("genInfo")
            by = info.get("identifier") if isinstance(info, dict) else by
            style = step.get("style")
            is_thought = isinstance(style, dict) and style.get("type") == "thinking"
            if not is_thought:
                parts.append(_content(step.get("content")))
    return "\n\n".join(part for part in parts if part), by


def _content(content: object) -> str:
    if isinstance(content, str):
        return content.strip()
    return "\n".join(_texts(content)).strip()


def _texts(content: object) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
            yield part["text"]


def _system_prompt(data: Mapping[str, object]) -> str:
    config = data.get("perChatPredictionConfig")
    fields = config.get("fields") if isinstance(config, dict) else None
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict) and field.get("key") == "llm.prediction.systemPrompt":
            value = field.get("value")
            if isinstance(value, str) and value.strip():
                return value
    prompt = data.get("systemPrompt")
    return prompt if isinstance(prompt, str) and prompt.strip() else ""


def foreign_message(
    text: str, model: object, when: float, parent: int | None, *, is_prompt: bool, is_chosen: bool = False
) -> ArchivedMessage:
    """Return a message of another program that follows the one of number `parent`."""
    by = None if is_prompt else model if isinstance(model, str) else "?"
    role = "user" if is_prompt else "assistant"
    values: dict[str, Scalar] = {"role": role, "state": "done", "created_at": when, "model": by, "text": text}
    return ArchivedMessage({**values, "chosen": 1} if is_chosen else values, parent)


def foreign_chat(title: object, created_at: float, updated: object, messages: list[ArchivedMessage]) -> ArchivedChat:
    """Return a conversation of another program; without a title it takes one from its first message."""
    first = next((str(each.values["text"]) for each in messages), "")
    named = " ".join(title.split())[:200] if isinstance(title, str) else ""
    when = _time(updated, created_at)
    values: dict[str, Scalar] = {"title": named or title_from(first), "created_at": created_at, "updated_at": when}
    return ArchivedChat(values, tuple(messages))


def _time(value: object, otherwise: float, *, per_second: int = 1) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return otherwise
    seconds = value / per_second
    return float(seconds) if 0 < seconds < _LATEST else otherwise
