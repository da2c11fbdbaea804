"""Every error code has words, and the words need only the facts that core/errors.py documents."""

import re
from pathlib import Path
from string import Formatter

import pytest

from app import notices
from core import errors
from core.errors import AppError, ErrorCode
from core.events import StopReason


def documented_facts() -> dict[str, set[str]]:
    source = Path(errors.__file__).read_text(encoding="utf-8")
    found = {}
    for line in source.splitlines():
        member = re.match(r"\s+([A-Z_]+) = \"", line)
        if member:
            facts = line.partition("# facts:")[2]
            found[member[1]] = {re.sub(r"\(.*", "", fact).strip() for fact in _outside_parentheses(facts)} - {""}
    return found


def _outside_parentheses(text: str) -> list[str]:
    return re.sub(r"\([^)]*\)", "", text).split(",")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_has_complete_words(code: ErrorCode) -> None:
    notice = notices.notice_for(AppError(code))
    assert notice.title
    assert notice.what
    assert notice.advice
    assert notice.action_label
    assert notice.text.endswith(".")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_words_need_only_documented_facts(code: ErrorCode) -> None:
    words = notices._WORDS[code]
    named = {
        field
        for text in (words.title, words.what, words.safe, words.advice)
        for _, field, _, _ in Formatter().parse(text)
        if field
    }
    assert named <= documented_facts()[code.name]


def test_every_stop_reason_has_an_ending() -> None:
    assert {notices.ending(reason) for reason in StopReason} >= {""}
    assert "repeat" in notices.ending(StopReason.LOOP)


def test_facts_appear_in_the_line() -> None:
    line = notices.one_line(AppError(ErrorCode.PROMPT_TOO_LONG, n_tokens=5000, limit=4096))
    assert "5000" in line
    assert "4096" in line


def test_a_line_for_the_terminal_is_one_line_without_control_characters() -> None:
    hostile = "a\nb\x1b[2J\u202e" + "x" * 10_000
    line = notices.one_line(AppError(ErrorCode.MODEL_DAMAGED, path="/m", part=hostile, reason="bad\r\n"))
    assert line.isprintable()
    assert len(line) < 1_000


def test_braces_in_a_fact_are_kept_as_they_are() -> None:
    line = notices.one_line(AppError(ErrorCode.MODEL_NOT_FOUND, path="/tmp/{path}{0}"))
    assert "/tmp/{path}{0}" in line


def test_sizes_are_said_in_words() -> None:
    assert "1.2 GB" in notices.one_line(AppError(ErrorCode.OUT_OF_MEMORY, needed_bytes=1_200_000_000))


def test_a_mistake_of_ours_shows_no_programmers_words() -> None:
    notice = notices.notice_for(KeyError("secret"))
    assert "KeyError" not in notice.text
    assert "secret" not in notices.details(KeyError("secret"))


def test_details_hold_the_chain_of_causes() -> None:
    try:
        try:
            raise OSError(28, "No space left on device")
        except OSError as exc:
            raise AppError(ErrorCode.DISK_FULL, path="/data") from exc
    except AppError as error:
        copied = notices.details(error)
    assert copied.splitlines()[0] == "disk_full(path=/data)"
    assert "No space left" in copied
