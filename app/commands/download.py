"""`tern models download` and `tern models offline`.

Knows how to show a download in a terminal; how it is done is decided in core/models/download.py.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.interrupts import interrupts_cancel
from app.commands.output import Output
from app.commands.problems import UsageError
from app.download_words import restarted, seconds_in_words, waiting
from app.notices import bytes_in_words
from core.errors import AppError, ErrorCode
from core.events import (
    CancelToken,
    DownloadProgress,
    DownloadRestarted,
    DownloadState,
    DownloadWaiting,
    Interrupted,
)
from core.paths import AppPaths

if TYPE_CHECKING:
    from core.models.catalogue import CatalogueModel

_STATES = {
    DownloadState.CONNECTING: "Connecting",
    DownloadState.CHECKING: "Checking what is there",
    DownloadState.RECEIVING: "Downloading",
    DownloadState.FINISHING: "Finishing",
}
_NOTE_EVERY_PERCENT = 10  # where no passing message can be shown


def download(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> None:
    """Fetch a published model; the same again goes on where it stopped.

    Raises:
        AppError: DOWNLOAD_* and what else core/models/download.py raises.
        KeyboardInterrupt: Ctrl-C; what was received is kept.
    """
    from core.models.download import Download, DownloadOptions

    entry = published(arguments.name)
    paths.create()
    target = arguments.to or paths.models
    options = DownloadOptions(arguments.endpoint or "", arguments.proxy, arguments.ca)
    job = Download(entry, target, options, connections=paths.connections)
    cancel = CancelToken()
    try:
        with interrupts_cancel(cancel):
            model = job.run(cancel, _Shown(entry.name, out).on_event)
    except Interrupted:
        state = job.state
        kept = "" if state is None else f" {bytes_in_words(state.done_bytes)} are kept;"
        out.note(f"tern: paused;{kept} the same command goes on from there")
        raise KeyboardInterrupt from None
    finally:
        out.wipe_status()
    out.line(f"{model.name} is downloaded and checked: {model.path}")
    if arguments.to is not None:
        out.line(f"Take it over on another computer: tern models import {model.name}")
    else:
        out.line("It searches documents." if model.is_embedding else f"Chat with it: tern chat --model {model.name}")


def offline(arguments: argparse.Namespace, _paths: AppPaths, out: Output) -> None:
    """Say what to fetch on another computer; opens no connection.

    Raises:
        AppError: MODEL_NOT_PUBLISHED, ADDRESS_INVALID.
        UsageError: Tern does not know the files of this model.
    """
    from core.models.download import remote_files

    entry = published(arguments.name)
    files = remote_files(entry, arguments.endpoint or "")
    if arguments.json:
        listed = [{"name": file.name, "url": file.url, "bytes": file.n_bytes, "sha256": file.sha256} for file in files]
        out.line(json.dumps({"name": entry.name, "licence": entry.licence, "files": listed}, indent=2))
        return
    if not files:
        raise UsageError(
            f"the files of {entry.name} are not known beforehand; look at huggingface.co/{entry.repository}"
        )
    out.line(f"On a computer with internet, fetch these files into one folder called {entry.name}:")
    for file in files:
        size = "size not known" if file.n_bytes is None else f"{file.n_bytes:,} bytes"
        out.line(f"  {file.url}")
        out.line(f"    {size}, SHA-256 {file.sha256 or 'not known'}")
    out.line(f"Licence: {entry.licence}. Carry the folder here, for example on a USB stick, then:")
    out.line(f"  tern models import {Path('FOLDER', entry.name).as_posix()}")


def published(name: str) -> "CatalogueModel":
    """Return the entry of the catalogue that `name` means: its name or owner/name, in any letter case.

    Raises:
        AppError: MODEL_NOT_PUBLISHED.
    """
    from core.models.catalogue import catalogue

    wanted = name.strip().casefold()
    for entry in catalogue():
        if entry.repository is not None and wanted in (entry.name.casefold(), entry.repository.casefold()):
            return entry
    raise AppError(ErrorCode.MODEL_NOT_PUBLISHED, name=name)


class _Shown:
    """Shows the events of one download: passing where there is a terminal, else a line now and then."""

    def __init__(self, name: str, out: Output) -> None:
        self._name = name
        self._out = out
        self._noted_percent = -_NOTE_EVERY_PERCENT
        self._told: str = ""

    def on_event(self, event: object) -> None:
        match event:
            case DownloadProgress():
                self._progress(event)
            case DownloadWaiting():
                text = waiting(event.reason)
                if self._out.shows_status:
                    self._out.status(f"{text} Trying again in {seconds_in_words(event.retry_in_s)} (Ctrl-C pauses)")
                elif text != self._told:
                    self._out.note(f"tern: {text} Trying again until it works.")
                self._told = text
            case DownloadRestarted():
                self._out.note(f"tern: {restarted(event.reason, event.file, event.kept_bytes, event.lost_bytes)}")

    def _progress(self, event: DownloadProgress) -> None:
        if event.state is DownloadState.RECEIVING:
            self._told = ""
        percent = 100 * event.done_bytes // max(event.total_bytes, 1)
        if self._out.shows_status:
            left = "" if event.seconds_left is None else f", {seconds_in_words(event.seconds_left)} left"
            speed = f", {bytes_in_words(round(event.bytes_per_s))}/s" if event.bytes_per_s else ""
            size = f" {bytes_in_words(event.done_bytes)} of {bytes_in_words(event.total_bytes)}" if percent else ""
            self._out.status(f"{_STATES[event.state]} {self._name}: {percent} %{size}{speed}{left} (Ctrl-C pauses)")
        elif event.total_bytes and percent >= self._noted_percent + _NOTE_EVERY_PERCENT:
            self._noted_percent = percent - percent % _NOTE_EVERY_PERCENT
            self._out.note(f"tern: {self._name}: {percent} % of {bytes_in_words(event.total_bytes)}")
