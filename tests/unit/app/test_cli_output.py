"""Foreign text on the terminal is harmless, and a reader that goes away is no accident."""

import io

import pytest
from terminal import Tern

from app.commands.answer import Answer
from app.commands.output import Output, OutputClosed, printable
from core.events import CancelToken, HistoryTrimmed, PromptProgress, StopReason, TextDelta


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ClosedPipe(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def fileno(self) -> int:
        raise OSError("no file")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x1b]0;title\x07gone", "[2J]0;titlegone"),
        ("\x9b31mC1", "31mC1"),
        ("12\r99", "1299"),
        ("a\x00\x08\x7fb", "ab"),
        ("user\u202egnp.exe\u2066", "usergnp.exe"),
        ("family 👨‍👩‍👧 naïve שלום", "family 👨‍👩‍👧 naïve שלום"),
        ("\ud800", ""),
        ("a\u2028b", "ab"),
    ],
)
def test_only_harmless_characters_are_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_notes_are_one_line() -> None:
    err = io.StringIO()
    Output(io.StringIO(), err).note("a\nb\x1b[31m\n")
    assert err.getvalue() == "a b[31m\n"


def test_passing_messages_are_for_terminals_only_and_wiped() -> None:
    out, err = io.StringIO(), Terminal()
    output = Output(out, err)
    output.status("half")
    output.status("half")
    output.write("text")
    output.write("more")
    assert err.getvalue() == "\rhalf\x1b[K\r\x1b[K"
    assert out.getvalue() == "textmore"
    piped = io.StringIO()
    Output(out, piped).status("half")
    assert piped.getvalue() == ""


def test_a_reader_that_has_gone_is_noted_once() -> None:
    output = Output(ClosedPipe(), io.StringIO())
    output.check_open()
    output.write("a")
    output.write("b")
    assert output.is_closed
    with pytest.raises(OutputClosed):
        output.check_open()


def test_what_the_encoding_lacks_becomes_a_question_mark() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Output(stream, io.StringIO()).write("naïve")
    assert raw.getvalue() == b"na?ve"


def test_without_any_streams_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[io.StringIO] = []

    def nowhere() -> io.StringIO:
        opened.append(io.StringIO())
        return opened[-1]

    monkeypatch.setattr("app.commands.output._nowhere", nowhere)
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    output = Output()
    output.line("text")
    output.note("note")
    assert [stream.getvalue() for stream in opened] == ["text\n", "note\n"]


def test_an_answer_is_shown_as_it_comes() -> None:
    out, err = io.StringIO(), Terminal()
    answer = Answer(Output(out, err), CancelToken())
    answer.on_event(HistoryTrimmed(2))
    answer.on_event(PromptProgress(1, 2))
    answer.on_event(PromptProgress(2, 2))
    answer.on_event(TextDelta("Hel\x1b"))
    answer.on_event(TextDelta("lo"))
    assert out.getvalue() == "Hello"
    answer.finish(StopReason.MAX_TOKENS)
    assert out.getvalue() == "Hello\n"
    assert "2 messages" in err.getvalue()
    assert "50 %" in err.getvalue()
    assert err.getvalue().endswith("Stopped at the longest answer that is allowed.\n")


def test_an_answer_that_ends_its_line_gets_no_second_end() -> None:
    out = io.StringIO()
    answer = Answer(Output(out, io.StringIO()), CancelToken())
    answer.on_event(TextDelta("Hello\n"))
    answer.finish(StopReason.STOP_TOKEN)
    assert out.getvalue() == "Hello\n"


def test_an_answer_that_nobody_reads_is_cancelled() -> None:
    cancel = CancelToken()
    answer = Answer(Output(ClosedPipe(), io.StringIO()), cancel)
    answer.on_event(TextDelta("Hello"))
    assert cancel.is_cancelled
    answer.finish(StopReason.CANCELLED)


def test_standard_input_is_read_exactly_and_bounded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tern = Tern(capsys, monkeypatch)
    monkeypatch.setattr("app.commands.standard_input.MAX_BYTES", 100)
    for stdin, reason in ((b"\xff", "UTF-8"), (b"a" * 101, "longer than"), (b" \n", "nothing to answer")):
        ended = tern("ask", "-", stdin=stdin)
        assert ended.code == 2
        assert ended.is_one_line()
        assert reason in ended.err


def test_closed_standard_input_is_an_empty_prompt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.commands import standard_input

    monkeypatch.setattr("sys.stdin", None)
    assert standard_input.read_all() == ""
    assert standard_input.read_line() is None
    assert not standard_input.is_terminal()
