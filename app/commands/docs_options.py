"""The options of `tern docs`."""

import argparse
from typing import Final

from app.commands.argument_types import named, path

EPILOG: Final = """\
examples:
  tern docs add ~/Documents/contracts             read a folder; the same command later takes over what has changed
  tern docs list                                  collections and the files that could not be read
  tern docs search "notice period" --limit 3      works without any model
  tern ask --docs contracts "How long is the notice period?"
  tern docs remove contracts                      forget it; your files stay

Nothing is sent anywhere. `tern docs ACTION --help` explains an action.
"""
_ADD_EPILOG: Final = """\
Files that were read before and have the same content are not read again, whatever they are called now. Ctrl-C pauses;
the same command goes on where it stopped. Without PATH everything that is in the collection is looked at again.

examples:
  tern docs add ~/Documents/contracts --name Contracts --exclude "drafts/*"
  tern docs add report.txt notes.md --name Work
"""
_EVAL_EPILOG: Final = """\
FILE has one JSON object a line: {"query": "...", "relevant": ["..."]}. What is relevant is named by the file (its path,
its path within the collection, its name with or without the suffix), or a place in it: NAME#page=3 or NAME#120-480 for
a range of characters. Of a document that is named as a whole, only its best passage counts.

Prints recall among the first 1, 3 and 5 results, MRR and nDCG among the first 10, and the seconds.
"""


def add_docs(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the actions of `tern docs`, each with the options in `common`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    for name, summary, epilog, add in (
        ("add", "read files or folders into a collection, or look at it again", _ADD_EPILOG, _add_add),
        ("list", "show the collections", "", _add_list),
        ("search", "find passages", "", _add_search),
        ("remove", "forget a collection, or a file or folder of it", "", _add_remove),
        ("eval", "measure how well the search finds what it should", _EVAL_EPILOG, _add_eval),
    ):
        description = summary[0].upper() + summary[1:] + "."
        add(actions.add_parser(name, help=summary, description=description, epilog=epilog, parents=[common]))


def _add_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", metavar="PATH", type=path, nargs="*", help="a file or a folder")
    parser.add_argument(
        "--name", metavar="NAME", type=named, help="the collection (not given: as the first PATH is called)"
    )
    parser.add_argument("--include", metavar="PATTERN", action="append", default=[], help='only files like "*.pdf"')
    parser.add_argument("--exclude", metavar="PATTERN", action="append", default=[], help='no files like "drafts/*"')
    parser.add_argument("--dry-run", action="store_true", help="only count: how many files, bytes and seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", metavar="QUERY", help="words or a question, in quotes")
    parser.add_argument("--name", metavar="NAME", type=named, action="append", help="only in this collection")
    parser.add_argument("--limit", metavar="N", type=_limit, default=5, help="passages at most (standard: 5)")
    parser.add_argument("--as-typed", action="store_true", help="the last word may be the beginning of one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", type=named, help="the collection, as `tern docs list` calls it")
    parser.add_argument("paths", metavar="PATH", type=path, nargs="*", help="only this file or folder of it")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=path, help="the queries, one JSON object a line")
    parser.add_argument("--name", metavar="NAME", type=named, action="append", help="only in this collection")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 1000:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1 to 1000")
    return int(text)
