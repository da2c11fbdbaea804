"""Joins downloads, the models here and their windows with the conversation: what a click starts and what is then shown.

Knows which window shows what; must not know how models are read, fetched or kept.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from app import notices
from app.chat.model_session import ModelSession
from app.chat.presenter import ChatPresenter
from app.file_dialogs import choose_file, choose_folder
from app.jobs import JobRunner
from app.models import tasks, words
from app.models.downloads import Downloads, Phase
from app.models.get_pane import WAITING, GetPane
from app.models.keeping import Keeping
from app.models.manager import ModelsWindow
from app.models.progress_view import ProgressView
from app.models.tasks import KeptModel, Origin, TryOut
from app.notices import Action
from app.plain_text import ask
from app.preferences.live import LiveSettings
from app.theme import Theme
from core.errors import AppError
from core.events import CancelToken
from core.models.catalogue import CatalogueModel, catalogue, default_model
from core.models.computer import RESERVED_BYTES, Fit, fit
from core.models.download import remote_files
from core.models.hub_cache import HubSnapshot
from core.models.installed import InstalledModel
from core.paths import AppPaths

GGUF_KINDS = "Models (*.gguf)"
BUSY = "Stop the answer first; then another model can be loaded."


class ModelsPresenter(QObject):
    """Everything about getting and keeping models in the window."""

    model_wanted = Signal(object)  # InstalledModel that is to answer
    starter_wanted = Signal()
    pane_wanted = Signal(bool)
    network_wanted = Signal()
    data_folder_wanted = Signal()
    example_chosen = Signal(str)
    status_changed = Signal(str)
    connections_changed = Signal()

    def __init__(
        self,
        runner: JobRunner,
        theme: Theme,
        paths: AppPaths,
        live: LiveSettings,
        session: ModelSession,
        chat: ChatPresenter,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._runner, self._theme, self._paths, self._live = runner, theme, paths, live
        self._session, self._chat, self._parent = session, chat, parent
        self.downloads = Downloads(runner, paths, live, self)
        self.keeping = Keeping(runner, paths, live, self)
        self.entry = default_model()
        self.folder = paths.models
        self._pane: GetPane | None = None
        self._window: ModelsWindow | None = None
        self._arrived: InstalledModel | None = None  # what came and is to be loaded and tried
        self._measuring: CancelToken | None = None
        self._trying: CancelToken | None = None
        self._weights_per_s: float | None = None
        self.downloads.changed.connect(self.on_download_changed)
        self.downloads.finished.connect(self.on_arrived)
        self.keeping.surveyed.connect(self.on_surveyed)
        self.keeping.changed.connect(self.on_job_changed)
        self.keeping.taken_over.connect(self.on_arrived)
        self.keeping.removed.connect(self.on_removed)
        self.keeping.told.connect(self.on_told)
        self.keeping.failed.connect(self.on_failed)
        session.changed.connect(self.on_session_changed)
        chat.busy_changed.connect(self.on_busy_changed)

    @property
    def pane(self) -> GetPane:
        """The page with the three steps, made when it is first wanted."""
        if self._pane is None:
            self._pane = self._make_pane()
        return self._pane

    @property
    def window(self) -> ModelsWindow | None:
        """The window of all models; None until it is first wanted."""
        return self._window

    def greet(self, *, is_first: bool) -> None:
        """Offer what a start offers: to go on with a download, or on the first start to get the model."""
        self.keeping.look(lambda: self._greet(is_first))

    def open_pane(self) -> None:
        """Show the three steps."""
        self.pane_wanted.emit(True)
        self._refresh_pane()
        if self.keeping.survey is None:
            self.keeping.look()
        if self._weights_per_s is None:
            self.measure()
        self._find_room()

    def open_window(self) -> None:
        """Show all models."""
        if self._window is None:
            self._window = self._make_window()
        self._window.show_result("")
        self._refresh_window()
        self._window.show_in_front()
        self.keeping.look()

    def close(self) -> None:
        """Close the window with the conversation's."""
        if self._window is not None:
            self._window.close()

    def take_over(self, paths: Sequence[Path]) -> None:
        """Take over models that were dropped, and show how far that is."""
        if not self.is_pane_shown:
            self.open_window()
        for path in paths[:1]:
            self._clear_error()
            self.keeping.take_over(path)

    @property
    def is_pane_shown(self) -> bool:
        """True while the three steps are in sight."""
        return self._pane is not None and self._pane.isVisible()

    def measure(self) -> None:
        """Measure this computer in the engine lane; an answer goes first."""
        if self._measuring is not None or self._chat.is_busy:
            return

        def ended(speed: object) -> None:
            self._measuring = None
            if isinstance(speed, float):
                self._weights_per_s = speed
            self._show_computer()

        self._measuring = self._runner.start(
            "engine", tasks.measure_speed, on_done=ended, on_failed=lambda _error: ended(None)
        )
        self._show_computer()

    def on_busy_changed(self, is_busy: bool) -> None:
        """Let an answer go before all measuring; use a model that had to wait for its end."""
        if is_busy:
            for token in (self._measuring, self._trying):
                if token is not None:
                    token.cancel()
        else:
            self._use_arrived()
        self.connections_changed.emit()

    def on_download(self) -> None:
        """Fetch the chosen model into the chosen folder."""
        self._clear_error()
        if self.folder != self._paths.models:
            self._live.set("models_directory", str(self.folder))
        self.downloads.start(self.entry, self.folder)

    def on_resume(self) -> None:
        """Go on with the download."""
        self._clear_error()
        self.downloads.resume()

    def on_cancel(self) -> None:
        """Ask whether to throw away what was received."""
        view = self.downloads.view
        if view.model is None:
            return
        if not view.done_bytes:
            self._throw_away()
            return
        ask(
            self._parent,
            title="Cancel the download",
            text=f"Throw away what has arrived of {view.model.title}?",
            details=f"{notices.bytes_in_words(view.done_bytes)} are deleted. Pause keeps them.",
            yes="Throw away",
            is_destructive=True,
            on_yes=self._throw_away,
        )

    def on_download_changed(self) -> None:
        """Show the download wherever it is shown."""
        view = self.downloads.view
        if self._pane is not None:
            if view.phase is not Phase.NONE and view.model is not None and view.model != self.entry:
                self.entry = view.model
                self._show_entry()
            if view.phase is not Phase.NONE and view.folder not in (None, self.folder):
                self.folder = view.folder or self.folder
                self._find_room()
            self._pane.show_download(view)
        if self._window is not None:
            self._window.show_download(view)
        if view.phase is Phase.FAILED and view.error is not None:
            self._show_error(view.error)
        self.status_changed.emit(_status(view.phase, view.share, has_sentence=view.is_unreachable))
        self.connections_changed.emit()

    def on_arrived(self, model: InstalledModel) -> None:
        """Let a model that has just come answer, as soon as no answer is running."""
        self._clear_error()
        self.keeping.look()
        if model.is_embedding:
            self._session.look()
            self.on_told(f"{model.name} is here. It searches documents; it does not chat.")
            return
        self._arrived = model
        if self._pane is not None:
            self._pane.show_try(f"{_title(model)} is here. It is being loaded…", is_ready=False)
        self._use_arrived()

    def on_session_changed(self) -> None:
        """Try a model that came, once it is loaded; keep the list in step."""
        state = self._session.state
        if self._arrived is not None and state.model == self._arrived and not state.is_loading:
            if state.is_ready:
                self._arrived = None
                self._try_out()
            elif state.error is not None:
                self._arrived = None
                self._show_error(state.error)
        if not state.is_loading:
            self._refresh_window()

    def on_surveyed(self) -> None:
        """Show what was found."""
        self._refresh_pane()
        self._refresh_window()

    def on_job_changed(self) -> None:
        """Show how far an import or a check is."""
        job = self.keeping.job
        if self._window is not None:
            self._window.show_job(job.title, job.share)
        if self._pane is not None:
            if job.title:
                self._pane.job.show_job(job.title, job.share)
            else:
                self._pane.job.hide()

    def on_told(self, sentence: str) -> None:
        """Say how something ended."""
        if self._window is not None:
            self._window.show_result(sentence)
        if self._pane is not None:
            self._pane.show_result(sentence)

    def on_failed(self, error: BaseException) -> None:
        """Show a card where the person is."""
        self._show_error(error)

    def on_removed(self, model: InstalledModel) -> None:
        """Answer with the starter model where the one that answered is gone."""
        if self._session.state.model == model:
            self.starter_wanted.emit()
        else:
            self._session.look()

    def on_use(self, kept: KeptModel) -> None:
        """Load another model; ask first where this computer is too small for it."""
        if self._chat.is_busy:
            self.on_told(BUSY)
            return
        survey = self.keeping.survey
        has = None if survey is None else survey.computer.memory_bytes
        if (
            self._window is None
            or kept.memory_bytes is None
            or has is None
            or kept.memory_bytes <= has - RESERVED_BYTES
        ):
            self.model_wanted.emit(kept.model)
            return
        ask(
            self._window,
            title="Not enough memory",
            text=f"{kept.title} needs {notices.bytes_in_words(kept.memory_bytes)} of memory.",
            details=f"This computer has {words.memory_in_words(has)}. It may become very slow, or the load may fail.",
            yes="Load it anyway",
            on_yes=lambda: self.model_wanted.emit(kept.model),
        )

    def on_remove(self, kept: KeptModel) -> None:
        """Ask whether to remove a model."""
        if self._window is None:
            return
        if self._chat.is_busy and self._session.state.model == kept.model:
            self.on_told("Stop the answer first; then its model can be removed.")
            return
        verb = "Forget" if kept.model.reference is not None else "Remove"
        ask(
            self._window,
            title=f"{verb} a model",
            text=f"{verb} {kept.title}?",
            details=words.removal_words(kept),
            yes=verb,
            is_destructive=True,
            on_yes=lambda: self.keeping.remove(kept),
        )

    def on_get(self, model: CatalogueModel) -> None:
        """Show the three steps with another model."""
        if self.downloads.view.phase is Phase.NONE:
            self.entry = model
        self.open_pane()

    def on_cached(self, snapshot: HubSnapshot | None = None) -> None:
        """Use what other tools have fetched, where it lies."""
        found = snapshot or self._cached()
        if found is not None:
            self._clear_error()
            self.keeping.take_over(found.path, as_reference=True)

    def on_file(self) -> None:
        """Let the person point at a model that is one file."""
        choose_file(self._asking(), "Take over a model", self._take, GGUF_KINDS)

    def on_folder(self) -> None:
        """Let the person point at a model that is a folder."""
        choose_folder(self._asking(), "Take over a model's folder", self._take)

    def on_place(self) -> None:
        """Let the person choose where models are kept."""
        choose_folder(self._asking(), "Keep the model in", self.set_folder)

    def set_folder(self, folder: Path) -> None:
        """Keep the next download in `folder`; one that had failed goes on there."""
        self.folder = folder
        self._find_room()
        if self.downloads.view.phase is Phase.FAILED:
            self.on_download()

    def on_offline(self) -> None:
        """List what to fetch on another computer."""
        try:
            files = remote_files(self.entry, self._live.settings.text("hub_address").strip())
        except AppError as error:
            self._show_error(error)
            return
        self.pane.show_offline(words.offline_text(self.entry, files))

    def on_entry(self, model: CatalogueModel) -> None:
        """Show another model to get."""
        self.entry = model
        self.pane.offline.hide()
        self._show_entry()

    def on_action(self, action: Action) -> None:
        """Do what the button of a card says."""
        is_download = self.downloads.view.phase is Phase.FAILED
        if action is not Action.NETWORK_SETTINGS:
            self._clear_error()
        match action:
            case Action.TRY_AGAIN if is_download:
                self.downloads.resume()
            case Action.TRY_AGAIN:
                self.keeping.again()
            case Action.CHOOSE_FOLDER:
                self.on_place()
            case Action.NETWORK_SETTINGS:
                self.network_wanted.emit()
            case Action.CHOOSE_MODEL:
                self.on_folder()
            case Action.OPEN_DATA_FOLDER:
                self.data_folder_wanted.emit()
            case _:
                self.downloads.dismiss()

    def _greet(self, is_first: bool) -> None:
        survey = self.keeping.survey
        assert survey is not None
        is_begun = any(self.downloads.offer(partial) for partial in survey.partial[:1])
        strange = (Origin.STARTER, Origin.GONE)
        has_full = any(kept.origin not in strange and not kept.model.is_embedding for kept in survey.kept)
        if is_begun or (is_first and not has_full and not self._live.settings.text("model_path")):
            self.open_pane()

    def _throw_away(self) -> None:
        self.downloads.cancel()
        self._clear_error()

    def _use_arrived(self) -> None:
        if self._arrived is not None and not self._chat.is_busy and self._session.state.model != self._arrived:
            self.model_wanted.emit(self._arrived)

    def _try_out(self) -> None:
        """Try the model that was loaded, for two seconds."""
        if self._pane is not None:
            self._pane.show_try("Trying the model for two seconds…", is_ready=False)

        def ended(tried: object) -> None:
            self._trying = None
            name = _title(self._session.state.model)
            if isinstance(tried, TryOut):
                self._show_tried(name, tried)
            elif self._pane is not None:
                self._pane.show_try(f"{name} is ready.", is_ready=True)

        def failed(error: BaseException) -> None:
            self._trying = None
            self._show_error(error)
            if self._pane is not None:
                self._pane.show_try(WAITING, is_ready=False)

        self._trying = self._runner.start(
            "engine",
            lambda cancel, _emit: tasks.try_out(self._session.engine(), cancel),
            on_done=ended,
            on_failed=failed,
        )

    def _show_tried(self, name: str, tried: TryOut) -> None:
        speed = words.speed_in_words(tried.tokens_per_s * 0.75)
        said = " ".join(tried.text.split())[:120]
        sentence = f"{name} works on this computer: about {speed}. It said “{said}” Ask it something:"
        if self._pane is not None:
            self._pane.show_try(sentence, is_ready=True)
        if self._window is not None:
            self._window.show_result(f"{name} works on this computer: about {speed}.")

    def _take(self, path: Path) -> None:
        self._clear_error()
        self.keeping.take_over(path)

    def _asking(self) -> QWidget:
        return self._window if self._window is not None and self._window.isActiveWindow() else self._parent

    def _cached(self) -> HubSnapshot | None:
        survey = self.keeping.survey
        cached = () if survey is None else survey.cached
        return next((each for each in cached if each.repository == self.entry.repository), None)

    def _fits(self, *, every_kind: bool) -> list[Fit]:
        survey = self.keeping.survey
        if survey is None:
            return []
        here = {kept.model.name for kept in survey.kept}
        return [
            fit(model, survey.computer, is_installed=model.name in here)
            for model in catalogue()
            if model.repository is not None and (every_kind or model.kind == default_model().kind)
        ]

    def _worded(self, *, every_kind: bool) -> list[tuple[CatalogueModel, str]]:
        survey = self.keeping.survey
        if survey is None:
            return []
        return [(each.model, words.fit_words(each, survey.computer)) for each in self._fits(every_kind=every_kind)]

    def _refresh_pane(self) -> None:
        if self._pane is None:
            return
        self._pane.show_fits(self._worded(every_kind=False))
        self._show_computer()
        self._show_entry()
        self._pane.show_download(self.downloads.view)

    def _show_computer(self) -> None:
        survey = self.keeping.survey
        if self._pane is None or survey is None:
            return
        found = next((each for each in self._fits(every_kind=False) if each.model == self.entry), None)
        sentence = words.computer_sentence(survey.computer, found, self._weights_per_s)
        is_busy = self._measuring is not None
        self._pane.show_computer(f"{sentence} Measuring its speed…" if is_busy else sentence, is_busy=is_busy)

    def _show_entry(self) -> None:
        if self._pane is None:
            return
        entry, survey = self.entry, self.keeping.survey
        address = self._live.settings.text("hub_address").strip()
        facts = (words.size_words(entry), words.host_words(entry, address), entry.licence, words.checksum_words(entry))
        names = {kept.model.name for kept in survey.kept} if survey is not None else set()
        note = f"{entry.title} is on this computer already." if entry.name in names else ""
        self._pane.show_model(entry, facts, note, can_download=entry.name not in names)
        cached = self._cached()
        self._pane.show_cached("" if cached is None else entry.title)

    def _find_room(self) -> None:
        folder = self.folder
        if self._pane is not None:
            self._pane.show_place(folder, None)

        def done(free: object) -> None:
            if self._pane is not None and folder == self.folder:
                self._pane.show_place(folder, free if isinstance(free, int) else None)

        self._runner.start("models", lambda _cancel, _emit: tasks.free_bytes(folder), on_done=done)

    def _refresh_window(self) -> None:
        survey = self.keeping.survey
        if self._window is None or survey is None:
            return
        state = self._session.state
        self._window.show_kept(survey.kept, state.model, is_ready=state.is_ready)
        here = {kept.model.name for kept in survey.kept}
        published = [(model, said) for model, said in self._worded(every_kind=True) if model.name not in here]
        self._window.show_published(published, survey.cached)

    def _show_error(self, error: BaseException) -> None:
        if self.is_pane_shown or self._window is None or not self._window.isVisible():
            if not self.is_pane_shown:
                self.open_pane()
            self.pane.show_error(error)
        else:
            self._window.show_error(error)

    def _clear_error(self) -> None:
        for shown in (self._pane, self._window):
            if shown is not None:
                shown.show_error(None)
                shown.show_result("")

    def _make_pane(self) -> GetPane:
        pane = GetPane(self._theme)
        pane.closed.connect(lambda: self.pane_wanted.emit(False))
        pane.measure_requested.connect(self.measure)
        pane.download_requested.connect(self.on_download)
        pane.file_requested.connect(self.on_file)
        pane.folder_requested.connect(self.on_folder)
        pane.place_requested.connect(self.on_place)
        pane.offline_requested.connect(self.on_offline)
        pane.cached_requested.connect(self.on_cached)
        pane.model_chosen.connect(self.on_entry)
        pane.manager_requested.connect(self.open_window)
        pane.example_chosen.connect(self.example_chosen)
        pane.acted.connect(self.on_action)
        self._join(pane.progress, pane.job)
        return pane

    def _make_window(self) -> ModelsWindow:
        window = ModelsWindow(self._theme)
        self._theme.dress(window)
        joined: Sequence[tuple[object, Callable[..., object]]] = (
            (window.use_requested, self.on_use),
            (window.verify_requested, self.keeping.verify),
            (window.remove_requested, self.on_remove),
            (window.get_requested, self.on_get),
            (window.cached_requested, self.on_cached),
            (window.file_requested, self.on_file),
            (window.folder_requested, self.on_folder),
            (window.dropped, self.take_over),
            (window.acted, self.on_action),
        )
        for signal, slot in joined:
            signal.connect(slot)  # type: ignore[attr-defined]
        self._join(window.download, window.job)
        return window

    def _join(self, progress: ProgressView, job: ProgressView) -> None:
        progress.pause_requested.connect(self.downloads.pause)
        progress.resume_requested.connect(self.on_resume)
        progress.cancel_requested.connect(self.on_cancel)
        progress.network_requested.connect(self.network_wanted)
        job.cancel_requested.connect(self.keeping.cancel)


def _title(model: InstalledModel | None) -> str:
    entry = None if model is None else tasks.entry_of(model)
    return entry.title if entry is not None else model.name if model is not None else "The model"


def _status(phase: Phase, share: float | None, *, has_sentence: bool) -> str:
    """Return the few words for the status line; none where nothing is fetched."""
    percent = "" if share is None else f" {share:.0%}"
    match phase:
        case Phase.RUNNING:
            return f"Download waits{percent}" if has_sentence else f"Downloading{percent}"
        case Phase.PAUSED:
            return f"Download paused{percent}"
        case Phase.FAILED:
            return "Download stopped"
        case _:
            return ""
