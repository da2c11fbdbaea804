"""What the command line takes and what it refuses, each refusal in one line."""

from pathlib import Path

import pytest
from terminal import Tern

from app.commands.options import build_parser, check, token_ids
from app.commands.problems import UsageError
from core.errors import AppError, ErrorCode
from core.specs import spec_of


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tern:
    return Tern(capsys, monkeypatch)


BAD = [
    "bogus",
    "--bogus",
    "ask",
    "ask a b",
    "ask --temp 1 a",
    "ask --kv f64 a",
    "ask --greedy --temperature 1 a",
    "ask --greedy --seed 1 a",
    "ask --raw --system x a",
    "ask --raw --document x a",
    "ask --document",
    "ask --threads 0 a",
    "ask --threads 257 a",
    "ask --threads 1.5 a",
    "ask --threads 1_0 a",
    "ask --seed -1 a",
    "ask --seed 9223372036854775808 a",
    "ask --max-tokens 0 a",
    f"ask --max-tokens {'9' * 5000} a",
    "ask --top-p 2 a",
    "ask --top-p 1e400 a",
    "ask --top-k -1 a",
    "ask --min-p nan a",
    "ask --repeat-penalty 0 a",
    "ask --temperature nan a",
    "ask --temperature inf a",
    "ask --temperature -1 a",
    "ask --temperature=-1 a",
    "ask --temperature 1e400 a",
    f"ask --temperature 1e{'9' * 400} a",
    "ask --temperature ٣ a",
    "ask --temperature 0x1 a",
    "score --ids 1 --out x",
    "score --model m --out x",
    "score --model m --ids 1 --text a --out x",
    "score --model m --ids 1",
    "score --model m --ids 1 --out x --chunk 0",
    "score --model m --ids 1 --out x --chunk -7",
    "inspect",
    "bench",
    "bench --model m --synthetic 2b4t",
    "bench --synthetic 7b",
    "bench --synthetic 2b4t --threads 1,0",
    "bench --synthetic 2b4t --threads 1,,2",
    "bench --synthetic 2b4t --prompt 0",
    "bench --synthetic 2b4t --generate -1",
    "bench --synthetic 2b4t --depth -1",
    "bench --synthetic 2b4t --depth 1e3",
]


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:40])
def test_bad_arguments_are_refused_in_one_line(tern: Tern, line: str) -> None:
    ended = tern(*line.split(" "))
    assert ended.code == 2
    assert ended.out == ""
    assert ended.is_one_line()
    assert len(ended.err) < 400


@pytest.mark.parametrize("option", ["--model", "--data-dir"])
def test_an_empty_path_is_refused(tern: Tern, option: str) -> None:
    ended = tern("ask", option, "", "hi")
    assert ended.code == 2
    assert "the path is empty" in ended.err


@pytest.mark.parametrize("arguments", [["ask", "\udcff\udcfe"], ["ask", "--system", "\udcff", "a"]])
def test_text_that_is_no_utf8_is_refused(tern: Tern, arguments: list[str]) -> None:
    ended = tern(*arguments)
    assert ended.code == 2
    assert ended.is_one_line()
    assert "not valid UTF-8" in ended.err


def test_escape_sequences_in_arguments_do_not_reach_the_terminal(tern: Tern) -> None:
    ended = tern("\x1b]0;title\x07\r\n", "--\x1b[31m")
    assert ended.code == 2
    assert ended.is_one_line()
    assert "\x1b" not in ended.err
    assert "\r" not in ended.err


def test_the_data_dir_is_kept_by_the_command() -> None:
    parse = build_parser().parse_args
    assert parse(["--data-dir", "a", "chat"]).data_dir == Path("a")
    assert parse(["chat", "--data-dir", "a"]).data_dir == Path("a")
    assert parse(["chat"]).data_dir is None


def test_what_is_not_given_is_left_to_the_settings() -> None:
    arguments = build_parser().parse_args(["ask", "hi"])
    check(arguments)
    given = vars(arguments)
    assert [given[key] for key in ("model", "system", "temperature", "top_k", "seed", "threads")] == [None] * 6
    assert given["kv_precision"] is None


def test_scores_are_exact_and_a_bench_measures_what_chats_use() -> None:
    parse = build_parser().parse_args
    score = ["score", "--model", "m", "--ids", "1", "--out", "o"]
    assert parse(score).kv_precision == "f32"
    assert parse([*score, "--kv", "int8"]).kv_precision == "int8"
    assert parse(["bench", "--synthetic", "2b4t"]).kv_precision == spec_of("kv_precision").default == "f16"


def test_numbers_are_read_as_what_they_are() -> None:
    arguments = build_parser().parse_args(["ask", "--temperature", "1", "--top-p", ".5", "--seed", "007", "-5"])
    assert (arguments.temperature, arguments.top_p, arguments.seed, arguments.prompt) == (1.0, 0.5, 7, "-5")
    assert isinstance(arguments.temperature, float)


def test_a_prompt_with_a_dash_goes_after_two_dashes() -> None:
    assert build_parser().parse_args(["ask", "--", "--help me"]).prompt == "--help me"
    assert build_parser().parse_args(["ask", "-"]).prompt == "-"


def test_thread_counts_are_tried_once_in_their_order() -> None:
    parse = build_parser().parse_args
    assert parse(["bench", "--model", "m", "--threads", "2,1,2"]).threads == [2, 1]


def test_greedy_and_raw_are_fine_with_what_does_not_contradict() -> None:
    check(build_parser().parse_args(["ask", "--greedy", "--raw", "--max-tokens", "3", "hi"]))
    with pytest.raises(UsageError):
        check(build_parser().parse_args(["ask", "--greedy", "--top-k", "3", "hi"]))


def test_token_ids() -> None:
    assert token_ids("128000,25, 11") == [128000, 25, 11]
    assert token_ids(" ") == []
    assert token_ids("-3") == [-3]  # no such token, which the model's vocabulary tells
    for text in ("1,", ",", "1;2", "1.0", "a", "1,,2", "٣", "9" * 31, "1,\x1b"):
        with pytest.raises(AppError) as caught:
            token_ids(text)
        assert caught.value.code is ErrorCode.IDS_INVALID
