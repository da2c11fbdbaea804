"""A message for the clipboard: as text without markup and as rich text, both from the harmless blocks of markdown.py.

Knows the two forms; must not know widgets. Nothing in the rich text loads anything: it has no images and no styles.
"""

import html
from collections.abc import Sequence

from PySide6.QtCore import QMimeData

from app.chat import markdown
from app.chat.markdown import Block, Code, Paragraph, Span, Style, Table

_TAGS = ((Style.BOLD, "strong"), (Style.ITALIC, "em"), (Style.STRIKE, "s"), (Style.CODE, "code"))


def as_mime(text: str, *, is_markdown: bool) -> QMimeData:
    """Return `text` for the clipboard; the user's own words are taken letter for letter."""
    data = QMimeData()
    if not is_markdown:
        data.setText(text)
        return data
    blocks = markdown.parse(text)
    data.setText(as_text(blocks))
    data.setHtml("".join(_html_of(block) for block in blocks))
    return data


def as_text(blocks: Sequence[Block]) -> str:
    """Return blocks as a person would type them without any markup."""
    parts: list[str] = []
    for block in blocks:
        is_close = isinstance(block, Paragraph) and block.is_tight and bool(parts)
        parts.append(("\n" if is_close else "\n\n" if parts else "") + _text_of(block))
    return "".join(parts)


def _text_of(block: Block) -> str:
    match block:
        case Paragraph():
            mark = f"{'  ' * max(block.list_depth - 1, 0)}{block.marker} " if block.marker else ""
            return ("> " * block.quote_depth) + mark + _plain(block.spans)
        case Code():
            return block.text
        case Table():
            return "\n".join("\t".join(_plain(cell) for cell in row) for row in block.rows)
        case _:
            return "----"


def _plain(spans: Sequence[Span]) -> str:
    return "".join(span.text for span in spans).replace("\u2028", "\n")


def _html_of(block: Block) -> str:
    match block:
        case Paragraph():
            inside = "".join(_html_span(span) for span in block.spans)
            if block.heading:
                return f"<h{block.heading}>{inside}</h{block.heading}>"
            if block.marker == "•":
                return f"<ul><li>{inside}</li></ul>"
            if block.marker:
                return f'<ol start="{int(block.marker.rstrip("."))}"><li>{inside}</li></ol>'
            return f"<blockquote>{inside}</blockquote>" if block.quote_depth else f"<p>{inside}</p>"
        case Code():
            return f"<pre>{html.escape(block.text)}</pre>"
        case Table():
            rows = ("".join(f"<td>{''.join(map(_html_span, cell))}</td>" for cell in row) for row in block.rows)
            return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
        case _:
            return "<hr>"


def _html_span(span: Span) -> str:
    made = html.escape(span.text).replace("\u2028", "<br>")
    for style, tag in _TAGS:
        if style in span.styles:
            made = f"<{tag}>{made}</{tag}>"
    return f'<a href="{html.escape(span.href)}">{made}</a>' if span.href else made
