"""The models on this computer: looked for, taken over, verified and removed, one job after the other.

Knows which job does what and how far it is; must not know widgets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.jobs import JobRunner
from app.models import tasks, words
from app.models.tasks import KeptModel, Survey
from app.preferences.live import LiveSettings
from core.events import CancelToken, LoadProgress
from core.models.installed import InstalledModel
from core.models.manage import FileCheck, verify_model
from core.paths import AppPaths


@dataclass(frozen=True, slots=True)
class JobView:
    """What goes on; `title` is empty where nothing does."""

    title: str = ""
    share: float | None = None


class Keeping(QObject):
    """One import or check at a time; everything here runs on the window's thread."""

    surveyed = Signal()
    changed = Signal()  # `job`
    taken_over = Signal(object)  # InstalledModel
    removed = Signal(object)  # InstalledModel
    told = Signal(str)
    failed = Signal(object)

    def __init__(self, runner: JobRunner, paths: AppPaths, live: LiveSettings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._paths = paths
        self._live = live
        self._token: CancelToken | None = None
        self._again: Callable[[], object] = lambda: None
        self.job = JobView()
        self.survey: Survey | None = None

    @property
    def is_busy(self) -> bool:
        """True while something is taken over or checked."""
        return self._token is not None

    def look(self, then: Callable[[], object] | None = None) -> None:
        """Look again for models, begun downloads and what this computer has."""
        settings = self._live.settings

        def done(found: object) -> None:
            if isinstance(found, Survey):
                self.survey = found
                self.surveyed.emit()
                if then is not None:
                    then()

        self._runner.start(
            "models",
            lambda _cancel, _emit: tasks.survey(self._paths, settings),
            on_done=done,
            on_failed=self.failed.emit,
        )

    def take_over(self, path: Path, *, as_reference: bool = False) -> None:
        """Check the model at `path` and copy it, or note where it is."""
        if self.is_busy:
            self.told.emit("One thing at a time: wait until the other model is done, or cancel it.")
            return
        self._again = lambda: self.take_over(path, as_reference=as_reference)
        settings = self._live.settings
        self._begin(
            f"Checking {path.name} and {'noting where it is' if as_reference else 'copying it'}",
            lambda cancel, emit: tasks.bring_in(
                path, self._paths, settings, as_reference=as_reference, cancel=cancel, emit=emit
            ),
            self._on_taken,
        )

    def verify(self, kept: KeptModel) -> None:
        """Compare every byte of a model with what it must be."""
        if self.is_busy:
            return
        self._again = lambda: self.verify(kept)
        self._begin(
            f"Verifying {kept.title}",
            lambda cancel, emit: verify_model(kept.model, cancel=cancel, emit=emit),
            lambda checks: self._on_verified(kept, checks),
        )

    def remove(self, kept: KeptModel) -> None:
        """Remove a model that Tern stored, or forget one that lies elsewhere."""

        def done(rest: object) -> None:
            left = f" {kept.model.path} stays, as it holds other files." if rest else ""
            self.removed.emit(kept.model)
            self.told.emit(f"{kept.title} is removed.{left}")
            self.look()

        self._runner.start(
            "models", lambda _cancel, _emit: tasks.remove(kept.model), on_done=done, on_failed=self._on_failed
        )

    def cancel(self) -> None:
        """Stop; nothing is changed then."""
        if self._token is not None:
            self._token.cancel()

    def again(self) -> None:
        """Do once more what has failed."""
        self._again()

    def _begin(self, title: str, work: Callable[..., object], on_done: Callable[[object], None]) -> None:
        self._show(JobView(title))

        def done(result: object) -> None:
            self._token = None
            self._show(JobView())
            on_done(result)

        self._token = self._runner.start(
            "models", work, on_event=self._on_event, on_done=done, on_failed=self._on_failed
        )

    def _on_event(self, event: object) -> None:
        if isinstance(event, LoadProgress) and self.is_busy:
            share = event.done_bytes / event.total_bytes if event.total_bytes else None
            self._show(JobView(self.job.title, share))

    def _on_taken(self, model: object) -> None:
        if isinstance(model, InstalledModel):
            self.told.emit(f"{model.name} is on this computer now, and every file was read.")
            self.taken_over.emit(model)
            self.look()
        else:
            self.told.emit("Cancelled. Nothing was changed.")

    def _on_verified(self, kept: KeptModel, checks: object) -> None:
        if not isinstance(checks, tuple):
            self.told.emit("Cancelled.")
            return
        found: tuple[FileCheck, ...] = checks
        self.told.emit(words.verified_words(kept.title, found))

    def _on_failed(self, error: BaseException) -> None:
        self._token = None
        self._show(JobView())
        self.failed.emit(error)

    def _show(self, job: JobView) -> None:
        self.job = job
        self.changed.emit()
