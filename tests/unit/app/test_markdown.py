"""Markdown to harmless blocks: what is kept, what becomes text, and what bounds there are."""

import time

import pytest

from app.chat import markdown
from app.chat.markdown import Code, Paragraph, Rule, Span, Style, Table


def words(source: str) -> str:
    return "".join(
        span.text for block in markdown.parse(source) if isinstance(block, Paragraph) for span in block.spans
    )


def test_styles_and_blocks() -> None:
    heading, text, code, rule = markdown.parse("## T\n\na **b** *c* `d` ~~e~~\n\n```py\nx\n```\n\n---")
    assert isinstance(heading, Paragraph)
    assert heading.heading == 2
    assert isinstance(text, Paragraph)
    assert [span.styles for span in text.spans if span.text.strip()] == [
        frozenset(),
        {Style.BOLD},
        {Style.ITALIC},
        {Style.CODE},
        {Style.STRIKE},
    ]
    assert code == Code("x", "py")
    assert rule == Rule()


def test_lists_number_and_nest() -> None:
    items = [block for block in markdown.parse("3. a\n4. b\n   - c\n") if isinstance(block, Paragraph)]
    assert [(item.marker, item.list_depth) for item in items] == [("3.", 1), ("4.", 1), ("•", 2)]


def test_tables() -> None:
    (table,) = markdown.parse("|a|b|\n|-|-|\n|1|**2**|")
    assert isinstance(table, Table)
    assert table.rows[1] == ((Span("1"),), (Span("2", frozenset({Style.BOLD})),))


@pytest.mark.parametrize("source", ["<b>x</b>", "<img src='file:///etc/passwd'>", "<script>x</script>"])
def test_html_is_text(source: str) -> None:
    assert words(source) == source


def test_an_image_becomes_its_words() -> None:
    assert words("![a *b*](file:///etc/passwd)") == "[image: a b]"
    assert words("![](http://host/x)") == "[image]"


def test_only_web_links_keep_their_address() -> None:
    (block,) = markdown.parse("[a](https://x.y/z) [b](javascript:alert(1)) [c](file:///x)")
    assert isinstance(block, Paragraph)
    assert [span.href for span in block.spans if span.href] == ["https://x.y/z"]
    assert words("[b](javascript:alert)") == "b (javascript:alert)"


def test_direction_marks_are_taken_out() -> None:
    assert words("a\u202eb\u2066c") == "abc"


def test_only_the_last_block_stays_open() -> None:
    source = "one\n\ntwo\n\n- three\n- fo"
    parsed = markdown.parse_growing(source)
    assert source[parsed.open_from :] == "- three\n- fo"
    assert len(parsed.closed) == 2
    assert parsed.closed + parsed.open == markdown.parse(source)


def test_an_open_fence_stays_open() -> None:
    source = "text\n\n```\ncode\n\nmore"
    parsed = markdown.parse_growing(source)
    assert source[parsed.open_from :].startswith("```")
    assert parsed.open == (Code("code\n\nmore"),)


def test_long_lines_are_split_for_display() -> None:
    blocks = markdown.parse("x" * 20_000)
    assert all(len(span.text) <= markdown.MAX_LINE_CHARS for b in blocks for span in b.spans)
    assert words("x" * 20_000) == "x" * 20_000
    (code,) = markdown.parse("```\n" + "y" * 10_000 + "\n```")
    assert max(len(line) for line in code.text.split("\n")) <= markdown.MAX_LINE_CHARS


@pytest.mark.parametrize(
    "source",
    ["*a" * 50_000, "[" * 20_000, "> " * 5_000 + "x", "- " * 5_000, "`" * 20_000, "|" * 20_000, "![" * 8_000, "\0" * 9],
)
def test_hostile_sizes_are_bounded(source: str) -> None:
    started = time.perf_counter()
    blocks = markdown.parse(source)
    assert time.perf_counter() - started < 3
    assert all(len(block.spans) <= markdown.MAX_SPANS for block in blocks if isinstance(block, Paragraph))


def test_plain_keeps_every_letter() -> None:
    text = "# not *a* heading\n\n<b>\n" + "z" * 9_000
    assert "".join(span.text for b in markdown.plain(text) for span in b.spans) == text.replace("\n", "")
