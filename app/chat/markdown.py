"""Markdown of a model to a short list of harmless blocks; there is no HTML anywhere on the way to the screen.

Knows Markdown and its limits; must not know Qt. What comes out can only be text in a handful of styles: raw HTML stays
the text that it is, an image becomes "[image: alt]", a link keeps its address only for http and https. Sizes are
bounded, so that no answer can freeze the window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from app.chat import maths

MAX_CHARS = 24_000  # of one answer; more is shown as plain text
MAX_LINE_CHARS = 4_096  # a longer line is split for display: layout of one line is slower than linear
MAX_SPANS = 1_000  # in one paragraph; the rest of it loses its styles
MAX_CELLS = 2_000
MAX_DEPTH = 8  # of lists and quotes, for indentation
_LINK_SCHEMES = frozenset({"http", "https"})
# Marks that reorder or hide text (Unicode TR36): they could make a link or a word look like another one.
_HIDDEN = {code: None for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080), 0)}


class Style(Enum):
    """How a span looks."""

    BOLD = auto()
    ITALIC = auto()
    STRIKE = auto()
    CODE = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text in one look; `href` is "" or an http(s) address."""

    text: str
    styles: frozenset[Style] = frozenset()
    href: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text of one block: `heading` 0 or 1-6; `marker` "" or that of a list item; depths for indentation."""

    spans: tuple[Span, ...]
    heading: int = 0
    marker: str = ""
    list_depth: int = 0
    quote_depth: int = 0
    is_tight: bool = False  # the next item of the same list follows closely


@dataclass(frozen=True, slots=True)
class Code:
    """A block of code, shown letter for letter."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; the first row is the heading."""

    rows: tuple[tuple[tuple[Span, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


Block = Paragraph | Code | Table | Rule


@dataclass(frozen=True, slots=True)
class Parsed:
    """Blocks of a text; those of `open_from` chars on may still change when more text is appended."""

    closed: tuple[Block, ...]
    open: tuple[Block, ...]
    open_from: int  # index into the source where the last top-level block begins


def parse(source: str) -> tuple[Block, ...]:
    """Return the blocks of a finished text."""
    parsed = parse_growing(source)
    return parsed.closed + parsed.open


def parse_growing(source: str) -> Parsed:
    """Return the blocks of a text to which more will be appended: all but the last one can no longer change."""
    if len(source) > MAX_CHARS:
        return Parsed((), plain(source), 0)
    tokens = _parser().parse(source.translate(_HIDDEN) if _has_hidden(source) else source)
    start = _last_block_index(tokens)
    line = (tokens[start].map or [0])[0] if tokens else 0
    offset = 0 if _has_hidden(source) else _offset_of_line(source, line)
    if offset == 0:
        return Parsed((), tuple(_Reader(tokens).blocks()), 0)
    return Parsed(tuple(_Reader(tokens[:start]).blocks()), tuple(_Reader(tokens[start:]).blocks()), offset)


def plain(text: str) -> tuple[Block, ...]:
    """Return `text` as paragraphs without any markup, one a line."""
    return tuple(
        Paragraph((Span(part),), is_tight=True)
        for line in text.translate(_HIDDEN).split("\n")
        for part in split_line(line)
    )


def split_line(line: str) -> Iterator[str]:
    """Yield pieces of at most MAX_LINE_CHARS, cut at a space where there is one."""
    while len(line) > MAX_LINE_CHARS:
        cut = line.rfind(" ", MAX_LINE_CHARS // 2, MAX_LINE_CHARS) + 1 or MAX_LINE_CHARS
        yield line[:cut]
        line = line[cut:]
    yield line


def safe_href(href: str) -> str:
    """Return `href` when it is an http or https address with a host, else ""."""
    try:
        parts = urlsplit(href.strip())
        host = parts.hostname
    except ValueError:
        return ""
    return href.strip() if parts.scheme.lower() in _LINK_SCHEMES and host else ""


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # html off: tags are text. maxNesting of the preset bounds recursion. Rules that are not named here stay off.
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    # Every address is read, so that none hides an image's text; safe_href decides what becomes a link.
    parser.validateLink = lambda _url: True  # type: ignore[method-assign,assignment]
    parser.inline.ruler.before("escape", "maths", _read_maths)
    return parser.enable(["table", "strikethrough"])


_MATHS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))


def _read_maths(state: StateInline, silent: bool) -> bool:
    """Take a formula between dollars or backslashed brackets (a rule of markdown-it)."""
    source, at = state.src, state.pos
    if source[at] not in "$\\":
        return False
    opening, closing = next((pair for pair in _MATHS if source.startswith(pair[0], at)), ("", ""))
    start = at + len(opening)
    end = source.find(closing, start, min(state.posMax, start + maths.MAX_CHARS)) if opening else -1
    inside = source[start:end] if end > start else ""
    if not inside.strip() or (opening == "$" and not _are_dollars_of_maths(source, inside, end)):
        return False
    if not silent:
        token = state.push("maths", "", 0)
        token.content, token.markup = inside, f"{opening} {closing}"
    state.pos = end + len(closing)
    return True


def _are_dollars_of_maths(source: str, inside: str, end: int) -> bool:
    """Tell a formula from prices, as Pandoc does: no space inside the dollars, no digit behind them."""
    is_price = source[end + 1 : end + 2].isdigit()
    return not (inside[0].isspace() or inside[-1].isspace() or "\n" in inside or is_price)


def _said(token: Token) -> str | None:
    """Return a formula in Unicode; None for one that is shown as its source."""
    return maths.as_unicode(token.content)


def _has_hidden(source: str) -> bool:
    return (not source.isascii() and any(ord(char) in _HIDDEN for char in source)) or "\0" in source


def _last_block_index(tokens: Sequence[Token]) -> int:
    starts = [i for i, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0]
    return starts[-1] if starts else 0


def _offset_of_line(source: str, line: int) -> int:
    offset = 0
    for _ in range(line):
        offset = source.find("\n", offset) + 1
        if offset == 0:
            return 0
    return offset


class _Reader:
    """Walks the tokens of top-level blocks once and keeps track of lists and quotes."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._lists: list[int | None] = []  # the next number of each open list, None for bullets
        self._quotes = 0
        self._marker = ""

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in order."""
        index = 0
        while index < len(self._tokens):
            token = self._tokens[index]
            if token.type == "table_open":
                end = _matching(self._tokens, index)
                yield _table(self._tokens[index:end])
                index = end
            else:
                yield from self._block(token)
            index += 1

    def _block(self, token: Token) -> Iterator[Block]:
        match token.type:
            case "inline":
                yield from self._paragraphs(token)
            case "heading_open":
                self._heading = int(token.tag[1:])
            case "heading_close":
                self._heading = 0
            case "paragraph_open":
                self._is_tight = bool(token.hidden)
            case "fence" | "code_block":
                yield Code(_code_lines(token.content), token.info.split()[0] if token.info.split() else "")
            case "hr":
                yield Rule()
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                self._marker = self._next_marker()
            case "blockquote_open":
                self._quotes += 1
            case "blockquote_close":
                self._quotes -= 1

    _heading = 0
    _is_tight = False

    def _next_marker(self) -> str:
        number = self._lists[-1]
        if number is None:
            return "•"
        self._lists[-1] = number + 1
        return f"{number}."

    def _paragraphs(self, token: Token) -> Iterator[Paragraph]:
        whole = Paragraph(
            (),
            heading=self._heading,
            marker=self._marker,
            list_depth=min(len(self._lists), MAX_DEPTH),
            quote_depth=min(self._quotes, MAX_DEPTH),
            is_tight=self._is_tight,
        )
        self._marker = ""
        for part in _split_spans(_spans(token.children or [])):
            yield replace(whole, spans=part)
            whole = replace(whole, marker="")


def _matching(tokens: Sequence[Token], index: int) -> int:
    """Return the index of the token that closes the one at `index`."""
    level = tokens[index].level
    return next(i for i in range(index + 1, len(tokens)) if tokens[i].nesting < 0 and tokens[i].level == level)


def _table(tokens: Sequence[Token]) -> Table:
    rows: list[list[tuple[Span, ...]]] = []
    n_cells = 0
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and n_cells < MAX_CELLS:
            n_cells += 1
            rows[-1].append(_spans(token.children or []))
    return Table(tuple(tuple(row) for row in rows if row))


def _spans(tokens: Sequence[Token]) -> tuple[Span, ...]:
    spans: list[Span] = []
    styles: list[Style] = []
    hrefs: list[str] = []
    for token in tokens[: 8 * MAX_SPANS]:
        match token.type:
            case "strong_open" | "em_open" | "s_open":
                styles.append(_STYLE_OF[token.type])
            case "strong_close" | "em_close" | "s_close":
                styles.pop()
            case "link_open":
                hrefs.append(str(token.attrs.get("href", "")))
            case "link_close":
                href = hrefs.pop()
                if not safe_href(href):
                    _append(spans, Span(f" ({href})", frozenset(styles)))
            case _:
                is_code = token.type == "code_inline" or (token.type == "maths" and _said(token) is None)
                look = (*styles, Style.CODE) if is_code else styles
                _append(spans, Span(_inline_text(token), frozenset(look), safe_href(hrefs[-1]) if hrefs else ""))
    if len(tokens) > 8 * MAX_SPANS:
        _append(spans, Span("".join(_inline_text(token) for token in tokens[8 * MAX_SPANS :])))
    return tuple(spans)


_STYLE_OF = {"strong_open": Style.BOLD, "em_open": Style.ITALIC, "s_open": Style.STRIKE}


def _inline_text(token: Token) -> str:
    match token.type:
        case "text" | "code_inline" | "text_special":
            return token.content
        case "maths":
            opening, _, closing = token.markup.partition(" ")
            return _said(token) or f"{opening}{token.content}{closing}"
        case "softbreak":
            return " "
        case "hardbreak":
            return "\u2028"
        case "image":
            alt = "".join(_inline_text(child) for child in token.children or []) or token.content
            return f"[image: {alt}]" if alt.strip() else "[image]"
        case _:
            return ""


def _append(spans: list[Span], span: Span) -> None:
    if not span.text:
        return
    if len(spans) >= MAX_SPANS or (spans and (spans[-1].styles, spans[-1].href) == (span.styles, span.href)):
        spans[-1] = replace(spans[-1], text=spans[-1].text + span.text)
    else:
        spans.append(span)


def _split_spans(spans: Sequence[Span]) -> Iterator[tuple[Span, ...]]:
    """Yield the spans in groups of at most MAX_LINE_CHARS characters."""
    group: list[Span] = []
    room = MAX_LINE_CHARS
    for span in spans:
        for piece in split_line(span.text):
            if len(piece) > room and group:
                yield tuple(group)
                group, room = [], MAX_LINE_CHARS
            group.append(replace(span, text=piece))
            room -= len(piece)
    if group:
        yield tuple(group)


def _code_lines(text: str) -> str:
    text = text.removesuffix("\n")
    if all(len(line) <= MAX_LINE_CHARS for line in text.split("\n")):
        return text
    return "\n".join(piece for line in text.split("\n") for piece in split_line(line))
