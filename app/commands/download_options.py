"""The options of `tern models download` and `tern models offline`."""

import argparse
from typing import Final

from app.commands.argument_types import named, path

_DOWNLOAD_EPILOG: Final = """\
Ctrl-C pauses; the same command goes on where it stopped, also after a crash or a restart of the computer. A connection
that breaks or says nothing for 20 seconds is made again, as often as it takes. Every byte is checked: with the
published SHA-256 where Tern knows it, else with what the hub says; then it is kept for `tern models verify`.

A process of its own does the download; no other part of Tern can open a connection. It asks for nothing but the files.
The system's proxy and the variables HTTPS_PROXY, NO_PROXY and HF_ENDPOINT count where no option is given.

examples:
  tern models download bitnet-b1.58-2B-4T
  tern models download bitnet-b1.58-2B-4T --to /media/stick       for another computer
  tern models download bitnet-b1.58-2B-4T --proxy http://proxy.example:3128 --ca company.pem
"""
_OFFLINE_EPILOG: Final = """\
Opens no connection. Fetch the files on a computer that has internet, put them into one folder of the model's name, and
carry it here; then `tern models import FOLDER` checks it, with these hashes too, and takes it over.
"""


def add_download(parser: argparse.ArgumentParser) -> None:
    """Add what `tern models download` takes."""
    _add_name(parser)
    parser.add_argument("--to", metavar="FOLDER", type=path, help="put the model's folder there, not into Tern's data")
    parser.add_argument("--proxy", metavar="URL", help='a proxy, like http://proxy.example:3128; "" for none')
    parser.add_argument("--endpoint", metavar="URL", type=named, help="a mirror of huggingface.co")
    parser.add_argument("--ca", metavar="FILE", type=path, help="a PEM file with certificates to trust as well")


def add_offline(parser: argparse.ArgumentParser) -> None:
    """Add what `tern models offline` takes."""
    _add_name(parser)
    parser.add_argument("--endpoint", metavar="URL", type=named, help="a mirror of huggingface.co")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", type=named, help="a published model, as `tern models list` calls it")


ACTIONS: Final = (
    ("download", "fetch a published model from the internet", _DOWNLOAD_EPILOG, add_download),
    ("offline", "say what to fetch on another computer", _OFFLINE_EPILOG, add_offline),
)
