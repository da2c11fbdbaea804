"""The words of the command line: which options there are, what they may hold and how --help explains them.

Knows argparse and the settings table (ranges, defaults and explanations of sampling options come from there); must not
do anything.
"""

import argparse
import re
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from app.commands import chats_options, docs_options, download_options
from app.commands.argument_types import named, path
from app.commands.output import Output, printable
from app.commands.problems import UsageError
from core.errors import AppError, ErrorCode
from core.specs import Kind, Spec, spec_of

DESCRIPTION: Final = """\
Private, offline chat with ternary (1.58-bit) language models.

Without a command Tern opens its window; where there is no screen, the terminal chat.
"""
EPILOG: Final = """\
examples:
  tern                                     open the window
  tern chat                                chat here in the terminal
  tern ask "Why is the sky blue?"          one question, one answer
  cat letter.txt | tern ask --system "Summarise the text." -
  tern docs add ~/Documents/contracts      read documents; then: tern docs search "notice period"
  tern bench --synthetic 2b4t              is this computer fast enough for the 2B model?

`tern COMMAND --help` explains a command. Tern's files are where --data-dir or TERN_DATA_DIR says, otherwise in the
system's place for the data of programs. TERN_KERNELS=scalar forces an instruction set.

exit codes: 0 done, 1 the self-test failed, 2 the input cannot be used (one line says why), 70 a mistake in Tern
(logged), 130 interrupted
"""
_ASK_EPILOG: Final = """\
examples:
  tern ask "Name three rivers."
  tern ask --greedy --max-tokens 40 "Name three rivers."       always the same answer
  tern ask --json --seed 7 "Name three rivers."                text, token ids and speed as one JSON object
  tern ask --document lease.txt "How long is the notice period?"
  tern ask --raw "User: Hi<|eot_id|>Assistant: "               the prompt exactly as the model reads it

Ctrl-C stops the answer; what was written so far stays (exit code 130). Nothing is kept in the history. A PROMPT that
begins with a dash goes after `--`.
"""
_CHAT_EPILOG: Final = """\
Type a message and press Enter; /help lists the commands. Ctrl-C stops an answer, a second Ctrl-C or Ctrl-D leaves.
Conversations are saved and appear in the window too, unless --no-history is given.
With piped input each line is a message: printf 'Hello\\nWhat is 2+2?\\n' | tern chat
"""
_SCORE_EPILOG: Final = """\
Writes float32 logits, one row for every token: row i holds the logits after token i. The numbers are the same bits for
any --chunk and any --threads.

examples:
  tern score --model DIR --ids 128000,25,11 --out logits.npy
  tern score --model DIR --text "The quick brown fox" --out logits.npy
"""
_INSPECT_EPILOG: Final = """\
Every value in the files is read. The exit code is 2 where the model must not be loaded, and one line says why.
"""
_BENCH_EPILOG: Final = """\
examples:
  tern bench --synthetic 2b4t              the exact shapes of BitNet 2B4T with random weights: nothing to download
  tern bench --model DIR --threads 1,2     a model that is there, with one thread and with two

The weights are used again for each number of threads. "memory" is a plain sequential read measured in the same run:
writing cannot go faster than this computer reads the weights.
"""
_MODELS_EPILOG: Final = """\
examples:
  tern models list                              what is here, and which models are published
  tern models import ~/Downloads/bitnet-2b4t    check it, then copy it into Tern's data
  tern models import --reference model.gguf     check it and remember where it is, without a copy
  tern models import                            take over what the Hugging Face tools have downloaded
  tern models verify bitnet-b1.58-2B-4T         is every byte still what it was, or what was published?
  tern models remove bitnet-b1.58-2B-4T
  tern models download bitnet-b1.58-2B-4T       fetch it from the internet; Ctrl-C pauses
  tern models offline bitnet-b1.58-2B-4T        what to fetch on another computer

`tern models ACTION --help` explains an action. Nothing but `download` opens a connection.
"""
_IMPORT_EPILOG: Final = """\
Every value is read first, as `tern inspect` does, and what must not be loaded is not imported. Only the files that Tern
reads are copied, never code. The SHA-256 of each is kept, and compared with the published one where Tern knows it.

PATH may be a snapshot in the cache of the Hugging Face tools, or models--OWNER--NAME there. Without PATH that cache is
searched (HF_HUB_CACHE, HF_HOME or ~/.cache/huggingface/hub).
"""
_VERIFY_EPILOG: Final = """\
Reads all of every file. The exit code is 2 where one is missing or changed, and one line says which.
"""
_REMOVE_EPILOG: Final = """\
Deletes what `tern models import` has copied. Of a model that was imported with --reference only the reference goes, and
a model that you put into the folder yourself is left alone.
"""
_Action = tuple[str, str, str, Callable[[argparse.ArgumentParser], None]]
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?", re.ASCII)
_GREEDY_EXCLUDES: Final = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and whose help keeps its lines."""

    def __init__(self, **options: object) -> None:
        super().__init__(
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,  # type: ignore[arg-type]
        )

    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("tern").strip()
        hint = f"tern {command} --help" if command else "tern --help"
        raise UsageError(f"{' '.join(printable(message).split())} (try: {hint})")


class _Version(argparse.Action):
    """Prints the version; looking it up takes a while, so not before it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> NoReturn:
        from app.wiring import version

        Output().line(f"tern {version()}")
        parser.exit(0)


def build_parser() -> argparse.ArgumentParser:
    """Return the whole command line."""
    parser = _Parser(prog="tern", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    parser.add_argument(
        "--self-test", action="store_true", help="check whether this copy of Tern works on this computer"
    )
    parser.add_argument(
        "--open", metavar="FILE", type=path, nargs="*", default=[], help="open the window with these documents"
    )
    _add_data_dir(parser, None)
    common = _Parser(add_help=False)
    _add_data_dir(common, argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary, epilog, add in (
        ("chat", "chat in the terminal", _CHAT_EPILOG, _add_chat),
        ("ask", "answer one prompt", _ASK_EPILOG, _add_ask),
        ("score", "write a model's logits to a file", _SCORE_EPILOG, _add_score),
        ("inspect", "say what a model directory holds and whether it may be loaded", _INSPECT_EPILOG, _add_inspect),
        ("bench", "measure how fast this computer runs a model", _BENCH_EPILOG, _add_bench),
        ("chats", "list, search, export and import conversations", chats_options.EPILOG, _add_chats),
        ("models", "list, download, import, verify and remove models", _MODELS_EPILOG, _add_models),
        ("docs", "read documents into collections and search them", docs_options.EPILOG, _add_docs),
    ):
        description = summary[0].upper() + summary[1:] + "."
        add(commands.add_parser(name, help=summary, description=description, epilog=epilog, parents=[common]))
    return parser


def check(arguments: argparse.Namespace) -> None:
    """Refuse what argparse lets through: options that exclude each other, and text that is no text.

    Raises:
        UsageError: says which option and why.
    """
    if arguments.command and arguments.open:
        raise UsageError(f"--open goes without {arguments.command}: it opens the window")
    if getattr(arguments, "greedy", False):
        given = [name for name in _GREEDY_EXCLUDES if getattr(arguments, name) is not None]
        if given:
            raise UsageError(f"--greedy goes without {_flag(given[0])}: it always takes the likeliest token")
    if getattr(arguments, "raw", False) and arguments.system is not None:
        raise UsageError("--raw goes without --system: a raw prompt is read exactly as it is")
    if getattr(arguments, "raw", False) and (arguments.document or arguments.docs):
        raise UsageError("--raw goes without --document: a raw prompt is read exactly as it is")
    for name in ("prompt", "system", "text", "query"):
        value = getattr(arguments, name, None)
        if isinstance(value, str) and not _is_text(value):
            raise UsageError(f"the {name} is not valid UTF-8 text")


def token_ids(text: str) -> list[int]:
    """Return the ids in "1,2,3" (spaces are fine); an empty text gives none.

    Raises:
        AppError: IDS_INVALID.
    """
    if not text.strip():
        return []
    ids = []
    for part in text.split(","):
        if not _WHOLE.fullmatch(part.strip()):
            raise AppError(ErrorCode.IDS_INVALID, text=part.strip()[:40] or text[:40])
        ids.append(int(part))
    return ids


def _add_data_dir(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--data-dir", metavar="DIR", type=path, default=default, help="keep settings, history and models in DIR"
    )


def _add_chat(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("--no-history", action="store_true", help="save nothing (also works beside an open window)")
    _add_sampling(parser)


def _add_ask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="what to answer, in quotes; - reads it from standard input")
    _add_model(parser)
    parser.add_argument(
        "--raw", action="store_true", help="for experts: PROMPT is already rendered; special tokens are recognised"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end instead of the text")
    parser.add_argument(
        "--document",
        metavar="FILE",
        type=path,
        action="append",
        default=[],
        help="a document to answer from, up to 8 of at most 100 MB each (PDF, Word, spreadsheets, presentations, "
        "e-mail, web pages, text and more); the passages used and whether the answer's quotes stand in them are told "
        "beside the answer",
    )
    parser.add_argument(
        "--docs",
        metavar="NAME",
        type=named,
        action="append",
        default=[],
        help="a collection to answer from, as `tern docs list` calls it",
    )
    _add_sampling(parser)


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="PATH", type=path, required=True, help="the model's directory or .gguf file")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--ids", metavar="1,2,...", help="the token ids to read, taken as they are")
    given.add_argument("--text", metavar="TEXT", help="the text to read; the start token is put in front")
    parser.add_argument("--out", metavar="FILE", type=path, required=True, help="where to write the .npy file")
    parser.add_argument(
        "--chunk", metavar="N", type=_whole(1, 1 << 31), default=128, help="tokens read at a time (default: 128)"
    )
    _add_kv(_add_machine(parser), "f32")


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", type=path, help="the model's directory or .gguf file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="PATH", type=path, help="the directory or .gguf file of the model to measure")
    which.add_argument("--synthetic", choices=("2b4t",), help="random weights of a known model's exact shapes")
    parser.add_argument(
        "--threads", metavar="1,2", type=_thread_list, help="numbers of threads to try (default: 1 and all cores)"
    )
    parser.add_argument(
        "--prompt", metavar="N", type=_whole(1, 1 << 20), default=512, help="tokens to read (default: 512)"
    )
    parser.add_argument(
        "--generate", metavar="N", type=_whole(1, 1 << 20), default=64, help="tokens to write (default: 64)"
    )
    parser.add_argument(
        "--depth", metavar="N", type=_whole(0, 1 << 20), default=0, help="tokens already in the context (default: 0)"
    )
    _add_kv(parser, "f16")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="PATH",
        type=named,
        help="the model's directory, or the name of an installed one (default: your setting)",
    )
    parser.add_argument("--system", metavar="TEXT", help="what the model is told first (default: your setting)")


def _add_models(parser: argparse.ArgumentParser) -> None:
    _add_actions(
        parser,
        (
            ("list", "what is on this computer, and which models are published", "", _add_models_list),
            ("import", "check a model and take it over", _IMPORT_EPILOG, _add_models_import),
            ("verify", "compare a model's files with what they must be", _VERIFY_EPILOG, _add_models_verify),
            ("remove", "delete an imported model", _REMOVE_EPILOG, _add_models_remove),
            *download_options.ACTIONS,
        ),
    )


def _add_actions(parser: argparse.ArgumentParser, listed: Iterable[_Action]) -> None:
    common = _Parser(add_help=False)
    _add_data_dir(common, argparse.SUPPRESS)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    for name, summary, epilog, add in listed:
        description = summary[0].upper() + summary[1:] + "."
        add(actions.add_parser(name, help=summary, description=description, epilog=epilog, parents=[common]))


def _add_docs(parser: argparse.ArgumentParser) -> None:
    common = _Parser(add_help=False)
    _add_data_dir(common, argparse.SUPPRESS)
    docs_options.add_docs(parser, common)


def _add_chats(parser: argparse.ArgumentParser) -> None:
    _add_actions(parser, chats_options.ACTIONS)


def _add_models_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_models_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", metavar="PATH", type=path, nargs="?", help="the model's directory or .gguf file (not given: searched)"
    )
    parser.add_argument("--reference", action="store_true", help="copy nothing: the model stays where it is")
    parser.add_argument("--name", metavar="NAME", type=named, help="what to call it (not given: as it is called there)")


def _add_models_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", type=named, help="as `tern models list` calls it")


def _add_models_remove(parser: argparse.ArgumentParser) -> None:
    _add_models_verify(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to answer", "What is not given comes from your settings.")
    group.add_argument("--greedy", action="store_true", help="always the likeliest token, no penalty: repeatable")
    for key, letter in (
        ("temperature", "T"),
        ("top_k", "K"),
        ("top_p", "P"),
        ("min_p", "M"),
        ("repeat_penalty", "R"),
        ("seed", "N"),
        ("max_tokens", "N"),
    ):
        spec = spec_of(key)
        standard = "" if spec.default is None else f" (standard: {spec.default})"
        group.add_argument(_flag(key), metavar=letter, type=_setting(key), help=_explained(spec) + standard)
    _add_kv(_add_machine(parser), None)


def _explained(spec: Spec) -> str:
    # The table speaks of a field in a dialog.
    return spec.help.replace("Empty:", "Not given:").replace("%", "%%")


def _add_machine(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("this computer")
    group.add_argument("--threads", metavar="N", type=_setting("threads"), help="processor cores to use")
    return group


def _add_kv(group: argparse._ActionsContainer, default: str | None) -> None:
    """Add --kv; None for what the settings say."""
    spec = spec_of("kv_precision")
    standard = default or f"what the settings say, or {spec.default}"
    text = f"numbers in which the context is remembered (default: {standard})"
    group.add_argument("--kv", dest="kv_precision", choices=spec.choices, default=default, help=text)


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _setting(key: str) -> Callable[[str], object]:
    """Return a parser of the values that the setting `key` allows."""
    spec = spec_of(key)

    def parse(text: str) -> object:
        try:
            value = _parse_whole(text) if spec.kind is Kind.INTEGER else _parse_number(text)
            return spec.check(value)
        except (ValueError, AppError):
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number from {spec.allowed}") from None

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = _parse_whole(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {low} to {high}")
        return value

    return parse


def _thread_list(text: str) -> list[int]:
    spec = spec_of("threads")
    try:
        counts = [_parse_whole(part) for part in text.split(",")]
        for count in counts:
            spec.check(count)
    except (ValueError, AppError):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a list like 1,2 of {spec.allowed}") from None
    return list(dict.fromkeys(counts))


def _parse_whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _parse_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
