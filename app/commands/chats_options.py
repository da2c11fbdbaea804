"""The options of `tern chats`."""

import argparse
from typing import Final

from app.commands.argument_types import path

EPILOG: Final = """\
examples:
  tern chats list
  tern chats search notice period
  tern chats export all.json                    everything, also what is in the trash; can be imported again
  tern chats export --chat 12 lease.md          one conversation to read (.md or .html)
  tern chats import ~/Downloads/chatgpt.zip     an export of ChatGPT, GPT4All (.chat), LM Studio or Tern

The window must be closed meanwhile. `tern chats ACTION --help` explains an action.
"""


def add_list(parser: argparse.ArgumentParser) -> None:
    """Add what `tern chats list` takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON list")


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add what `tern chats search` takes."""
    parser.add_argument("words", metavar="WORD", nargs="+", help="all of them must be there; the last one may go on")
    parser.add_argument("--limit", metavar="N", type=_count, default=20, help="at most so many hits (standard: 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON list")


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add what `tern chats export` takes."""
    parser.add_argument("path", metavar="FILE", type=path, help="what to write; its ending is .json, .md or .html")
    parser.add_argument("--chat", metavar="ID", type=_count, action="append", help="this conversation (again for more)")


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add what `tern chats import` takes."""
    parser.add_argument("path", metavar="FILE", type=path, help="the exported file")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be imported")


ACTIONS: Final = (
    ("list", "the conversations, the last used first", "", add_list),
    ("search", "find words in all conversations", "", add_search),
    ("export", "write conversations to a file", "", add_export),
    ("import", "take over conversations of another program", "", add_import),
)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:18]) < 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)
