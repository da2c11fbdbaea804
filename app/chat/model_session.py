"""Which model answers: looks for installed ones, loads one beside the window, gives its engine to the engine lane.

Knows the states of loading; must not know how a model is read. One owner at a time: the engine is opened and closed in
the "load" lane, used in the "engine" lane, and a new one is loaded only while no answer is running.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app import notices
from app.jobs import JobRunner
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, LoadProgress
from core.models.installed import InstalledModel

if TYPE_CHECKING:
    from core.inference.engine import Engine

STARTER_LABEL = "Starter – small, knows Tern; get the full model for real answers"


@dataclass(frozen=True, slots=True)
class ModelState:
    """What the window shows about the model; `model` is None when none is chosen."""

    model: InstalledModel | None = None
    is_loading: bool = False
    is_ready: bool = False
    progress: float | None = None  # 0 to 1; None when it is not known
    error: BaseException | None = None

    @property
    def word(self) -> str:
        """One word or two for the status line."""
        if self.is_loading:
            return "loading" if self.progress is None else f"loading {self.progress:.0%}"
        if self.error is not None:
            return "could not be loaded"
        return "ready" if self.is_ready else "not loaded" if self.model else "no model"

    @property
    def sentence(self) -> str:
        """One sentence for the empty chat."""
        if self.is_loading:
            return f"{self.model.name} is being loaded…" if self.model else "Looking for models…"
        if self.error is not None:
            return notices.notice_for(self.error).title + "."
        if self.is_ready and self.model:
            return f"{self.model.name} is ready." if not self.model.is_starter else f"{STARTER_LABEL}."
        if self.model:
            return f"{self.model.name} is not loaded. Choose it at the top to load it."
        return "There is no model to answer yet. Open the folder of a ternary BitNet model."


class ModelSession(QObject):
    """Holds the engine that answers."""

    changed = Signal()
    installed_changed = Signal()
    failed = Signal(object)

    def __init__(
        self,
        runner: JobRunner,
        find: Callable[[], Sequence[InstalledModel]],
        load: Callable[[Path, CancelToken, Emit], "Engine"],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._find = find
        self._load = load
        self._engine: Engine | None = None
        self._loading: CancelToken | None = None
        self.state = ModelState()
        self.installed: tuple[InstalledModel, ...] = ()

    def engine(self) -> "Engine":
        """Return the engine (engine lane).

        Raises:
            AppError: MODEL_NONE_CHOSEN, or the error of the load that failed.
        """
        engine = self._engine
        if engine is None:
            if isinstance(self.state.error, AppError):
                raise AppError(self.state.error.code, **self.state.error.facts) from self.state.error
            raise AppError(ErrorCode.MODEL_NONE_CHOSEN)
        return engine

    def refresh(self, chosen: str, *, loads: bool = True) -> None:
        """Look for installed models, then load the one that `chosen` names (path or name), else one that answers.

        Without `loads` that model is only named.
        """
        self.state = ModelState(is_loading=True)
        self.changed.emit()
        self._runner.start(
            "load",
            lambda _cancel, _emit: tuple(self._find()),
            on_done=lambda found: self._on_found(found, chosen, loads=loads),
            on_failed=lambda _error: self._on_found((), chosen, loads=loads),
        )

    def look(self) -> None:
        """Look for installed models again; the one that answers stays."""

        def done(found: object) -> None:
            if isinstance(found, tuple):
                self.installed = found
                self.installed_changed.emit()

        self._runner.start("load", lambda _cancel, _emit: tuple(self._find()), on_done=done)

    def cancel_loading(self) -> None:
        """Stop loading; the window stays as usable as without a model."""
        if self._loading is not None and self.state.is_loading:
            self._loading.cancel()
            self._loading = None
            self.state = ModelState(self.state.model)
            self.changed.emit()

    def load(self, model: InstalledModel) -> None:
        """Load `model` in place of the one that is loaded."""
        if self._loading is not None:
            self._loading.cancel()
        self.state = ModelState(model, is_loading=True)
        self.changed.emit()
        self._loading = self._runner.start(
            "load",
            lambda cancel, emit: self._reload(model.path, cancel, emit),
            on_event=lambda event: self._on_event(model, event),
            on_done=lambda _engine: self._on_loaded(model),
            on_failed=lambda error: self._on_failed(model, error),
        )

    def load_folder(self, directory: Path) -> None:
        """Load the model in a folder that the person chose."""
        known = next((model for model in self.installed if model.path == directory), None)
        model = known or InstalledModel(directory.name or str(directory), directory, is_starter=False)
        if known is None:
            self.installed = (*self.installed, model)
            self.installed_changed.emit()
        self.load(model)

    def close(self) -> None:
        """Let go of the engine; only after the lanes have ended."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _reload(self, directory: Path, cancel: CancelToken, emit: Emit) -> None:
        self.close()  # before the new one, so that two models never need memory together
        self._engine = self._load(directory, cancel, emit)

    def _on_found(self, found: object, chosen: str, *, loads: bool = True) -> None:
        assert isinstance(found, tuple)
        self.installed = found
        self.installed_changed.emit()
        named = next((model for model in found if chosen in (str(model.path), model.name)), None)
        if named is None and chosen:
            named = InstalledModel(Path(chosen).name, Path(chosen), is_starter=False)
            self.installed = (*found, named)
            self.installed_changed.emit()
        model = named or next((model for model in found if not model.is_embedding), None)
        if model is not None and loads:
            self.load(model)
        else:
            self.state = ModelState(model)
            self.changed.emit()

    def _on_event(self, model: InstalledModel, event: object) -> None:
        if isinstance(event, LoadProgress) and self.state.is_loading and self.state.model == model:
            share = event.done_bytes / event.total_bytes if event.total_bytes else None
            self.state = ModelState(model, is_loading=True, progress=share)
            self.changed.emit()

    def _on_loaded(self, model: InstalledModel) -> None:
        if self.state.model != model or not self.state.is_loading or self._engine is None:
            return  # it was stopped: another one was chosen meanwhile, or the window closes
        self._loading = None
        self.state = ModelState(model, is_ready=True)
        self.changed.emit()

    def _on_failed(self, model: InstalledModel, error: BaseException) -> None:
        if self.state.model != model or not self.state.is_loading:
            return
        self._loading = None
        self.state = ModelState(model, error=error)
        self.changed.emit()
        self.failed.emit(error)
