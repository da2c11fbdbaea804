"""The one download of the window: begun, paused, resumed after anything, cancelled.

Knows its states and the lane; must not know widgets or how a download works.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from app import download_words
from app.jobs import JobRunner
from app.models import tasks
from app.preferences.live import LiveSettings
from core.errors import AppError, ErrorCode
from core.events import (
    CancelToken,
    Connected,
    DownloadProgress,
    DownloadRestarted,
    DownloadState,
    DownloadWaiting,
    WaitReason,
)
from core.models.catalogue import CatalogueModel
from core.models.download import Download, PartialDownload
from core.models.download_messages import Timing
from core.models.installed import InstalledModel
from core.paths import AppPaths


class Phase(StrEnum):
    """Where the download is."""

    NONE = "none"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"


_WAIT_MS = 1_000
_MOST_WAITS = 30
_STATE_WORDS = {
    DownloadState.CONNECTING: "Connecting…",
    DownloadState.CHECKING: "Checking what is there already…",
    DownloadState.RECEIVING: "",
    DownloadState.FINISHING: "Checking that every byte is right…",
}


@dataclass(frozen=True, slots=True)
class DownloadView:
    """What is shown of it; `sentence` says what goes on beside the plain receiving."""

    phase: Phase = Phase.NONE
    model: CatalogueModel | None = None
    folder: Path | None = None
    done_bytes: int = 0
    total_bytes: int | None = None
    bytes_per_s: float = 0.0
    seconds_left: float | None = None
    sentence: str = ""
    is_unreachable: bool = False
    error: BaseException | None = None

    @property
    def share(self) -> float | None:
        """How much of it is here, 0 to 1; None where that is not known."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else None


class Downloads(QObject):
    """Holds the download; everything runs on the window's thread, the work itself in its lane."""

    changed = Signal()
    finished = Signal(object)  # InstalledModel

    def __init__(
        self,
        runner: JobRunner,
        paths: AppPaths,
        live: LiveSettings,
        parent: QObject | None = None,
        *,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._paths = paths
        self._live = live
        self.timing = timing
        self._download: Download | None = None
        self._token: CancelToken | None = None
        self._is_discarded = False
        self._n_refused = 0
        self.view = DownloadView()
        self.n_connections = 0  # since the window was opened

    @property
    def is_running(self) -> bool:
        """True while bytes are fetched or waited for."""
        return self.view.phase is Phase.RUNNING

    def offer(self, partial: PartialDownload) -> bool:
        """Show a download that an earlier Tern has begun, to be continued; False where none such is known."""
        model = tasks.entry_called(partial.name)
        if model is None or self.view.phase is not Phase.NONE:
            return False
        self._show(
            DownloadView(
                Phase.PAUSED,
                model,
                partial.directory.parent,
                partial.done_bytes,
                partial.total_bytes or model.download_bytes,
                sentence="It was begun earlier and goes on from here.",
            )
        )
        return True

    def start(self, model: CatalogueModel, folder: Path) -> None:
        """Begin, or go on with, the download of a model into `folder`."""
        if self.is_running:
            return
        before = self.view
        same = before.model == model and before.folder == folder
        self._is_discarded = False
        self._n_refused = 0
        self._show(
            DownloadView(
                Phase.RUNNING,
                model,
                folder,
                before.done_bytes if same else 0,
                model.download_bytes or (before.total_bytes if same else None),
                sentence=_STATE_WORDS[DownloadState.CONNECTING],
            )
        )
        self._run(model, folder)

    def _run(self, model: CatalogueModel, folder: Path) -> None:
        options = tasks.download_options(self._live.settings)
        self._download = download = Download(
            model, folder, options, connections=self._paths.connections, timing=self.timing
        )
        self._token = self._runner.start(
            "download",
            download.run,
            on_event=lambda event: self.on_event(download, event),
            on_done=lambda model: self._on_done(download, model),
            on_failed=lambda error: self._on_failed(download, error),
        )

    def resume(self) -> None:
        """Go on where it stopped."""
        if self.view.model is not None and self.view.folder is not None:
            self.start(self.view.model, self.view.folder)

    def pause(self) -> None:
        """Stop; what was received stays."""
        if self._token is not None:
            self._token.cancel()
        elif self.is_running:
            self._show(replace(self.view, phase=Phase.PAUSED, sentence=""))

    def cancel(self) -> None:
        """Stop and delete what was received."""
        view = self.view
        if view.model is None or view.folder is None:
            return
        self.pause()
        discarded = self._download or Download(view.model, view.folder)
        self._is_discarded = True
        # Behind the run in its lane: nothing is deleted under it.
        self._runner.start("download", lambda _cancel, _emit: discarded.cancel())
        if not self.is_running:
            self._reset()

    def dismiss(self) -> None:
        """Put a card away; what was received can be gone on with."""
        if self.view.phase is Phase.FAILED:
            self._show(replace(self.view, phase=Phase.PAUSED if self.view.done_bytes else Phase.NONE, error=None))

    def on_event(self, download: Download, event: object) -> None:
        """Show what the download tells."""
        if download is not self._download:
            return
        match event:
            case DownloadProgress():
                self._show(
                    replace(
                        self.view,
                        done_bytes=event.done_bytes,
                        total_bytes=event.total_bytes or self.view.total_bytes,
                        bytes_per_s=event.bytes_per_s,
                        seconds_left=event.seconds_left,
                        sentence=self._sentence(event.state),
                        is_unreachable=False,
                    )
                )
            case DownloadWaiting():
                words = download_words.waiting(event.reason)
                again = download_words.seconds_in_words(event.retry_in_s)
                self._show(
                    replace(
                        self.view,
                        bytes_per_s=0.0,
                        seconds_left=None,
                        sentence=f"{words} Trying again in {again}, until it works. Nothing is lost.",
                        is_unreachable=event.reason in (WaitReason.UNREACHABLE, WaitReason.BAD_ANSWER),
                    )
                )
            case DownloadRestarted():
                words = download_words.restarted(event.reason, event.file, event.kept_bytes, event.lost_bytes)
                self._show(replace(self.view, sentence=words))
            case Connected():
                self.n_connections += 1
                self.changed.emit()

    def on_waited(self) -> None:
        """Try again, unless it was paused or cancelled meanwhile."""
        if self.is_running and self._token is None and self.view.model and self.view.folder:
            self._run(self.view.model, self.view.folder)

    def _sentence(self, state: DownloadState) -> str:
        """Return the words for a state; why something is fetched again stays in sight while it is."""
        if state is DownloadState.RECEIVING and "fetched again" in self.view.sentence:
            return self.view.sentence
        return _STATE_WORDS[state]

    def _on_done(self, download: Download, model: object) -> None:
        if download is not self._download:
            return
        self._token = None
        if isinstance(model, InstalledModel):
            self._reset()
            self.finished.emit(model)
        elif self._is_discarded:
            self._reset()
        else:
            self._show(
                replace(self.view, phase=Phase.PAUSED, bytes_per_s=0.0, seconds_left=None, sentence="", error=None)
            )

    def _on_failed(self, download: Download, error: BaseException) -> None:
        if download is not self._download:
            return
        self._token = None
        if isinstance(error, AppError) and error.code is ErrorCode.DOWNLOAD_RUNNING and self._n_refused < _MOST_WAITS:
            # The child of a Tern that was killed ends when its connection next says something, after 20 s at the most.
            self._n_refused += 1
            self._show(replace(self.view, sentence="An earlier Tern is just ending this download. One moment…"))
            QTimer.singleShot(_WAIT_MS, self, self.on_waited)
        else:
            stopped = replace(self.view, bytes_per_s=0.0, seconds_left=None, sentence="", is_unreachable=False)
            self._show(replace(stopped, phase=Phase.FAILED, error=error))

    def _reset(self) -> None:
        self._download = None
        self._show(DownloadView())

    def _show(self, view: DownloadView) -> None:
        self.view = view
        self.changed.emit()
