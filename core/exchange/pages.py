"""Conversations as pages to read: Markdown and HTML.

Knows how a conversation looks on paper; must not know the store or files, and writes no words of its own (`Labels`).
HTML is made with raw HTML, pictures and links turned off: what a message holds cannot load, run or open anything.
"""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markdown_it import MarkdownIt

from core.exchange.archive import ArchivedChat, ArchivedMessage
from core.store.tree import Node, Tree

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em; color: #1b1f23;
  background: #fbfbfa; }
h1 { font-size: 1.4em; } .when, .who { color: #59626e; font-size: 0.85em; } .who { margin: 1.6em 0 0.2em; }
.user { background: #e7f0f1; border-radius: 8px; padding: 0.2em 1em; }
pre { background: #f2f4f3; padding: 0.8em; border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; font-size: 0.92em; }
table { border-collapse: collapse; } td, th { border: 1px solid #e1e5e7; padding: 0.2em 0.6em; }
article + article { border-top: 1px solid #e1e5e7; margin-top: 3em; padding-top: 1em; }
@media print { body { background: none; margin: 0; max-width: none; } article + article { break-before: page; } }
"""
_FENCE: Final = re.compile(r"^`{3,}", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Labels:
    """The words around the messages, in the person's language."""

    you: str
    answer: str
    untitled: str
    sources: str
    when: Callable[[datetime], str]


def as_markdown(chat: ArchivedChat, labels: Labels) -> str:
    """Return a conversation as Markdown; messages in the trash are left out."""
    lines = [f"# {_one_line(chat.title or labels.untitled)}", "", f"*{_when(chat.created_at, labels)}*", ""]
    for message in _shown(chat):
        lines += [f"## {_one_line(_who(message, labels))}", "", str(message.values["text"]).strip(), ""]
        # A fence that a message leaves open would swallow everything after it.
        if len(_FENCE.findall(str(message.values["text"]))) % 2:
            lines += ["```", ""]
    return "\n".join(lines)


def as_html(chats: Sequence[ArchivedChat], labels: Labels, *, title: str) -> str:
    """Return one page with conversations on it, complete in itself: no script, no link, nothing to load."""
    body = "\n".join(html_body(chat, labels) for chat in chats)
    return html_head(title) + body + HTML_END


def html_head(title: str) -> str:
    """Return what stands before the first conversation of a page."""
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{html.escape(_one_line(title))}</title>\n<style>{_STYLE}</style></head><body>\n"
    )


HTML_END: Final = "\n</body></html>\n"


def html_body(chat: ArchivedChat, labels: Labels) -> str:
    """Return one conversation as a part of a page; only elements and classes of our own come into it."""
    renderer = _renderer()
    parts = [
        "<article>",
        f"<h1>{html.escape(_one_line(chat.title or labels.untitled))}</h1>",
        f'<p class="when">{html.escape(_when(chat.created_at, labels))}</p>',
    ]
    for message in _shown(chat):
        text = str(message.values["text"])
        is_prompt = message.values.get("role") == "user"
        parts.append(f'<p class="who"><b>{html.escape(_one_line(_who(message, labels)))}</b></p>')
        # What a person wrote is shown as it was typed; only answers are Markdown.
        shown = _typed(text) if is_prompt else renderer.render(text)
        parts.append(f'<div class="{"user" if is_prompt else "answer"}">{shown}</div>')
    parts.append("</article>")
    return "\n".join(parts)


def _shown(chat: ArchivedChat) -> list[ArchivedMessage]:
    """Return the messages of the branch that is shown in the window."""
    nodes = []
    for number, each in enumerate(chat.messages, 1):
        chosen = each.values.get("chosen")
        is_deleted = each.values.get("deleted_at") is not None
        nodes.append(Node(number, each.parent, chosen if isinstance(chosen, int) else 0, is_deleted))
    return [chat.messages[number - 1] for number in Tree(nodes).shown() if chat.messages[number - 1].values.get("text")]


def _who(message: ArchivedMessage, labels: Labels) -> str:
    if message.values.get("role") == "user":
        return labels.you
    model = message.values.get("model")
    return f"{labels.answer} ({model})" if model and model != "?" else labels.answer


def _typed(text: str) -> str:
    return f"<p>{html.escape(text).replace(chr(10), '<br>')}</p>"


def _when(seconds: float, labels: Labels) -> str:
    return labels.when(datetime.fromtimestamp(min(max(seconds, 0.0), 4e9)))


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    # Links too: a page that is opened later could still send what is in it to someone.
    return renderer.disable(["image", "link", "autolink", "html_inline", "html_block", "reference"])
