"""Joins the parts about models and the network to the main window: menus, status line, drops, the first start.

Knows what the window has; must not know what the parts do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.models import tasks, words
from app.models.network import NetworkPresenter
from app.models.presenter import ModelsPresenter
from core import offline
from core.models.installed import InstalledModel
from core.specs import Page

if TYPE_CHECKING:
    from app.main_window import MainWindow


class ModelsPart:
    """What the main window has about getting and keeping models."""

    def __init__(self, window: "MainWindow") -> None:
        runner, paths = window.runner, window.paths
        self._window = window
        self._is_greeted = False
        self.presenter = ModelsPresenter(runner, window.theme, paths, window.live, window.models, window.chat, window)
        self.network = NetworkPresenter(runner, paths, window)
        window.preferences.extra_parts.append((Page.PRIVACY, self.network.make_facts))
        self._connect()
        self._show_connections()

    def greet(self, *, is_first: bool) -> None:
        """Offer what this start offers, once."""
        if not self._is_greeted:
            self._is_greeted = True
            self.presenter.greet(is_first=is_first)

    def on_files(self, files: Sequence[Path]) -> None:
        """Take over what is a model; everything else is a document of the conversation."""

        def done(split: object) -> None:
            if not isinstance(split, tuple):
                return
            models, others = split
            if others:
                self._window.desk.on_files_given(others)
            if models:
                self.presenter.take_over(models)

        self._window.runner.start("library", lambda _cancel, _emit: tasks.split_models(files), on_done=done)

    def on_model_wanted(self, model: InstalledModel) -> None:
        """Look for models again, now with this one, and load it."""
        self._window.live.set("model_path", str(model.path))
        self._window.models.refresh(str(model.path))

    def on_starter_wanted(self) -> None:
        """Answer with the starter model."""
        self._window.live.set("model_path", None)
        self._window.models.refresh("")

    def on_example(self, text: str) -> None:
        """Ask an example in a conversation of its own."""
        self._window.on_new_chat()
        self._window.chat.on_submitted(text)

    def _connect(self) -> None:
        window, presenter = self._window, self.presenter
        presenter.model_wanted.connect(self.on_model_wanted)
        presenter.starter_wanted.connect(self.on_starter_wanted)
        presenter.pane_wanted.connect(lambda is_on: window.pane.show_page(presenter.pane if is_on else None))
        presenter.network_wanted.connect(lambda: window.on_preferences(Page.NETWORK))
        presenter.data_folder_wanted.connect(window.on_open_data_folder)
        presenter.example_chosen.connect(self.on_example)
        presenter.status_changed.connect(window.status.show_download)
        presenter.connections_changed.connect(self._show_connections)
        window.status.download_clicked.connect(presenter.open_pane)
        window.status.privacy_clicked.connect(lambda: window.on_preferences(Page.PRIVACY))
        window.status.cancel_clicked.connect(window.models.cancel_loading)
        window.pane.get_requested.connect(presenter.open_pane)
        window.pane.header.get_requested.connect(presenter.open_pane)
        window.pane.header.manager_requested.connect(presenter.open_window)
        window.pane.files_given.connect(self.on_files)

    def _show_connections(self) -> None:
        counters = offline.counters()
        self._window.status.show_connections(words.connections_words(counters, self.presenter.downloads.n_connections))
        self.network.refresh()
