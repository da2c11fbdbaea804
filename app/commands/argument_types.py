"""What the text of an argument may be, for every command."""

import argparse
from pathlib import Path


def path(text: str) -> Path:
    """Return the path that `text` names; "~" is the home directory."""
    return Path(named(text)).expanduser()


def named(text: str) -> str:
    """Return `text`, which must not be empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty")
    return text
