"""Joins the window of the preferences to what its pages show: the next word, memory, battery, data, the model.

Knows which job gives which figure; must not know how settings are drawn. The window is made when it is first wanted.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, Signal

from app import notices, wiring
from app.chat.model_session import ModelSession
from app.file_dialogs import choose_new_file
from app.jobs import JobRunner
from app.preferences.facts import DataFacts, Facts, MemoryFacts, ShortcutFacts
from app.preferences.live import LiveSettings
from app.preferences.window import PreferencesWindow
from app.theme import Theme
from app.wiring import Services
from core import own_data
from core.paths import AppPaths
from core.specs import SPECS, Page, SettingValue

if TYPE_CHECKING:
    from core.inference.outlook import Outlook

_RELOADED = tuple(spec for spec in SPECS if spec.needs_reload)
EXPORT_NAME = "tern-export.zip"


class PreferencesPresenter(QObject):
    """Opens the window and answers its questions."""

    erase_confirmed = Signal(bool)
    folder_requested = Signal()

    def __init__(
        self,
        runner: JobRunner,
        theme: Theme,
        paths: AppPaths,
        live: LiveSettings,
        models: ModelSession,
        services: Callable[[], Services | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._theme = theme
        self._paths = paths
        self._live = live
        self._models = models
        self._services = services
        self._opened_with = self._reload_values()
        self._outlook_of: object = None
        self.window: PreferencesWindow | None = None
        self.extra_parts: list[tuple[Page, Callable[[], Facts]]] = []
        self.shortcuts: Callable[[], Sequence[tuple[str, str, str]]] = tuple
        models.changed.connect(self.on_model_changed)
        live.changed.connect(self.on_settings_changed)

    def open(self, box: QRect, page: Page | None = None) -> PreferencesWindow:
        """Show the window at `page`, or where it was; an empty `box` where it had no place before."""
        if self.window is None:
            self.window = self._make()
            if not box.isEmpty():
                self.window.setGeometry(box)
            self.window.show_page(page or Page.GENERAL)
        elif page is not None:
            self.window.show_page(page)
        self.window.show_in_front()
        return self.window

    def close(self) -> None:
        """Close the window with the conversation's."""
        if self.window is not None:
            self.window.close()

    def on_model_changed(self) -> None:
        """Note what a model is opened with; look at its next words when it is ready."""
        state = self._models.state
        if state.is_loading and state.progress is None:
            self._opened_with = self._reload_values()
        self._offer_reload()
        if state.is_ready:
            self._outlook_of = None
            self.refresh()

    def on_settings_changed(self, keys: frozenset[str]) -> None:
        """Keep figures and offers in step."""
        if self.window is None:
            return
        self._offer_reload()
        if keys & {"context_length", "kv_precision", "threads", "profile", "model_path"}:
            self._find_memory()

    def refresh(self) -> None:
        """Find the figures anew, for a window that is in sight."""
        if self.window is None or not self.window.isVisible():
            return
        self._offer_reload()
        match self.window.page:
            case Page.ANSWERS:
                self._find_outlook()
            case Page.PERFORMANCE:
                self._find_memory()
            case Page.PRIVACY:
                self._measure()
            case _:
                pass

    def forget_outlook(self) -> None:
        """Look at another place the next time: there is a new answer."""
        self._outlook_of = None

    def on_reload(self) -> None:
        """Open the model again, as the settings say now."""
        self._models.refresh(self._live.settings.text("model_path"))

    def on_export(self) -> None:
        """Let the person point at a place for the export."""
        if self.window is not None:
            choose_new_file(self.window, "Export everything", EXPORT_NAME, self.export_to)

    def export_to(self, target: Path) -> None:
        """Write everything into one file."""
        services = self._services()
        if services is None:
            self._data.show_note("The history is not open yet.")
            return
        self._data.show_note("Exporting…", is_busy=True)
        self._runner.start(
            "library",
            lambda cancel, _emit: wiring.export_all(services, target, cancel),
            on_done=lambda n: self._data.show_note(_exported(n, target)),
            on_failed=lambda error: self._data.show_note(notices.notice_for(error).text),
        )

    def _make(self) -> PreferencesWindow:
        self._memory, self._data = MemoryFacts(), DataFacts(self._theme)
        parts: list[tuple[Page, Facts]] = [
            *[(page, make()) for page, make in self.extra_parts],
            (Page.PERFORMANCE, self._memory),
            (Page.PRIVACY, self._data),
            (Page.SHORTCUTS, ShortcutFacts(self.shortcuts())),
        ]
        window = PreferencesWindow(self._theme, self._live, parts)
        window.shown.connect(self.refresh)
        window.page_shown.connect(lambda _page: self.refresh())
        window.reload_requested.connect(self.on_reload)
        self._data.export_requested.connect(self.on_export)
        self._data.folder_requested.connect(self.folder_requested)
        self._data.erase_requested.connect(self.erase_confirmed)
        return window

    def _reload_values(self) -> dict[str, SettingValue]:
        return {spec.key: self._live.settings.get(spec.key) for spec in _RELOADED}

    def _offer_reload(self) -> None:
        if self.window is not None:
            now = self._reload_values()
            labels = [spec.label for spec in _RELOADED if now[spec.key] != self._opened_with[spec.key]]
            self.window.show_reload([] if self._models.state.is_loading else labels)

    def _find_outlook(self) -> None:
        state = self._models.state
        if not state.is_ready or self._outlook_of is state:
            return
        self._outlook_of = state
        self._runner.start(
            "engine",
            lambda _cancel, _emit: self._models.engine().outlook(),
            on_done=self._on_outlook,
            on_failed=lambda _error: self._on_outlook(None),
        )

    def _on_outlook(self, outlook: object) -> None:
        preview = None if self.window is None else self.window.view(Page.ANSWERS).preview
        if preview is None:
            return
        if outlook is None:
            preview.show_sentence("There is no preview for this model.")
        else:
            found: Outlook = outlook  # type: ignore[assignment]
            preview.show_outlook(found, self._live.settings)

    def _find_memory(self) -> None:
        model, settings = self._models.state.model, self._live.settings
        path = None if model is None else model.path
        self._runner.start(
            "library",
            lambda _cancel, _emit: wiring.estimate(path, settings),
            on_done=self._on_memory,
            on_failed=lambda _error: self._memory.show_memory(None),
        )

    def _on_memory(self, found: object) -> None:
        if not isinstance(found, wiring.Estimate):
            return  # the window was closed meanwhile
        self._memory.show_memory(found.memory)
        self._memory.show_power(found.is_on_battery, found.n_threads)

    def _measure(self) -> None:
        self._runner.start(
            "library",
            lambda cancel, _emit: own_data.measure(self._paths, cancel),
            on_done=lambda places: self._data.show_places(places or ()),  # type: ignore[arg-type]
            on_failed=lambda error: self._data.show_note(notices.notice_for(error).text),
        )


def _exported(n_chats: object, target: Path) -> str:
    if n_chats is None:
        return "The export was stopped. Nothing was written."
    chats = "1 conversation" if n_chats == 1 else f"{n_chats} conversations"
    return f"Exported {chats} to {target}."
