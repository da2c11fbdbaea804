"""Arranges the panels, the menus and the status line, and joins what they tell to the presenters.

Knows which panel tells whom; must not know files, SQL or models. All slow work is started through the JobRunner.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt, QTimer, QUrl
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QCloseEvent, QDesktopServices, QResizeEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QSplitter, QVBoxLayout, QWidget

from app import wiring
from app.chat.branches import BranchesPresenter
from app.chat.budget import BudgetPresenter
from app.chat.chat_pane import ChatPane
from app.chat.chat_style import ChatPromptDialog
from app.chat.documents import DocumentsPresenter
from app.chat.find import FindPresenter
from app.chat.links import confirm_link
from app.chat.message_bar import MessageAction
from app.chat.message_model import MessageModel, Row
from app.chat.model_session import ModelSession
from app.chat.overrides import OverridesPresenter
from app.chat.presenter import ChatPresenter
from app.chat.rows import RowActions
from app.chat.scope import ScopePresenter
from app.desktop.part import DesktopPart
from app.document_words import file_filters
from app.file_dialogs import choose_files, choose_folder
from app.history.care import CarePresenter
from app.history.exchange import ExchangePresenter
from app.history.places import PlacesPresenter
from app.history.presenter import HistoryPresenter
from app.history.sidebar import Sidebar
from app.jobs import JobRunner
from app.library.desk import DocumentsDesk
from app.library.presenter import LibraryPresenter
from app.menus import When, build_menus, shortcuts
from app.models.joining import ModelsPart
from app.notices import Action, starts_failed
from app.plain_text import tell
from app.preferences.live import LiveSettings
from app.preferences.presenter import PreferencesPresenter
from app.reader.presenter import PagePresenter
from app.status_line import StatusLine
from app.theme import SIZES, Density, Scheme, Theme
from app.window_state import WindowState
from app.wiring import Services
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit
from core.models.installed import InstalledModel
from core.paths import AppPaths
from core.settings import Settings
from core.specs import Page
from core.start_guard import StartGuard, Step
from core.store.chats import ChatId, MessageId
from core.store.search import Hit

if TYPE_CHECKING:
    from core.inference.engine import Engine

ABOUT = "Tern chats with ternary language models on this computer. Nothing you write leaves it."


class MainWindow(QMainWindow):
    """The one window."""

    def __init__(
        self,
        paths: AppPaths,
        settings: Settings,
        state: WindowState,
        runner: JobRunner,
        theme: Theme,
        load_model: wiring.LoadModel | None = None,
        guard: StartGuard | None = None,
    ) -> None:
        super().__init__()
        self._paths = paths
        self.live = LiveSettings(runner, paths, settings)
        self._state = state
        self._runner = runner
        self._theme = theme
        self._guard = guard or StartGuard(paths.data)
        self._load_model = load_model or wiring.open_model
        self._services: Services | None = None
        self._is_narrow = False
        self._is_started = False
        self._greets = False
        self.messages = MessageModel(self)
        self.models = ModelSession(
            runner,
            lambda: wiring.all_models(paths, self.settings),
            self._load,
            self,
        )
        self.chat = ChatPresenter(runner, self.messages, self._answering, self)
        self.documents = DocumentsPresenter(runner, self.chat, wiring.build_extractor(paths), self)
        self.overrides = OverridesPresenter(runner, self.chat, self)
        self.library = LibraryPresenter(runner, theme, self)
        self.reader = PagePresenter(runner, theme, wiring.build_extractor(paths), self)
        self.preferences = PreferencesPresenter(
            runner, theme, paths, self.live, self.models, lambda: self._services, self
        )
        self.preferences.shortcuts = shortcuts
        self.sidebar = Sidebar(theme)
        self.history = HistoryPresenter(runner, self.sidebar, self)
        actions = RowActions(
            lambda href: confirm_link(self, href),
            self.on_notice,
            self.on_row_resized,
            self.on_message_action,
            lambda *passage: self.desk.on_passage(*passage),
        )
        self.pane = ChatPane(self.messages, theme, self.live, actions)
        self.pane.composer.text.sends_on_enter = settings.flag("send_on_enter")
        self.exchange = ExchangePresenter(runner, self.history, self.sidebar, lambda: self.chat.chat_id)
        self.care = CarePresenter(runner, self.history, self.sidebar)
        self.budget = BudgetPresenter(
            runner,
            self.chat,
            self.messages,
            self.models,
            self.documents,
            self.pane,
            lambda: self._services,
            lambda: (self.settings, self.overrides.of_new_chat()),
        )
        self.finder = FindPresenter(runner, self.messages, self.pane)
        # Before the places: what was typed before an edit is what is kept of a conversation that is left.
        self.branches = BranchesPresenter(runner, theme, self.chat, self.messages, self.pane, lambda: self._services)
        self.places = PlacesPresenter(runner, self.chat, self.messages, self.pane, self)
        self.scope = ScopePresenter(runner, self.chat, self.pane.composer.scope, self)
        self.desk = DocumentsDesk(
            self, runner, self.chat, self.documents, self.library, self.reader, self.scope, lambda: self._services
        )
        self.status = StatusLine(theme)
        self._arrange()
        self.actions_by_name = build_menus(self, self, theme.scheme)
        self.desktop = DesktopPart(self, runner, theme, self.actions_by_name, state.recent_commands)
        self.model_part = ModelsPart(self)
        self._connect()
        self._restore()
        self.pane.show_model(self.models.state)
        self.status.show_model(self.models.state)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.live.settings

    @property
    def services(self) -> Services | None:
        """The open services; None until the history is open."""
        return self._services

    @property
    def runner(self) -> JobRunner:
        """Where jobs are started."""
        return self._runner

    @property
    def theme(self) -> Theme:
        """The look in force."""
        return self._theme

    @property
    def paths(self) -> AppPaths:
        """Where everything is kept."""
        return self._paths

    def start(self, *, greets: bool = False) -> None:
        """Open the history and load the model, both beside the window; after failed starts, no model.

        greets: offer to get the model on the first start, and to go on with a download that was begun.
        """
        self._greets = greets
        self._runner.start(
            "store",
            lambda _cancel, _emit: self._open_services(),
            on_done=self.on_services_open,
            on_failed=self.chat.show_error,
        )
        self.models.refresh(self.settings.text("model_path"), loads=not self._guard.failed.calls_for_safe_mode)

    def on_services_open(self, services: object) -> None:
        """Show the history, at the conversation that was open last."""
        assert isinstance(services, Services)
        self._services = services
        self.chat.attach(services.store)
        self.documents.attach(services.store)
        self.overrides.attach(services.overrides)
        self._attach_history(services)
        self.scope.attach(services.scopes)
        self.library.attach(services.collections)
        self.history.refresh(self._on_listed)
        recovery = services.database.recovery
        if recovery is not None:
            facts = {"path": services.paths.database, "kept_as": recovery.kept_as}
            self.chat.show_error(AppError(ErrorCode.DATABASE_DAMAGED, **facts))
        self._update_can_send()
        self._finish_start()

    def on_new_chat(self) -> None:
        """Show an empty conversation and let the person write."""
        self.pane.show_page(None)
        self.chat.new_chat()
        self.pane.composer.text.setFocus()

    def on_chat_chosen(self, chat_id: ChatId) -> None:
        """Show another conversation."""
        self.pane.show_page(None)
        if chat_id != self.chat.chat_id:
            self.chat.open_chat(chat_id)

    def on_chat_opened(self) -> None:
        """Follow the open conversation, or its new title, in list and title."""
        self.sidebar.set_current(self.chat.chat_id)
        self._update_title()

    def on_chats_deleted(self, chat_ids: Sequence[ChatId]) -> None:
        """Leave conversations that are being deleted."""
        if self.chat.busy_chat_id in chat_ids:
            self.chat.stop()
        if self.chat.chat_id in chat_ids:
            self.chat.new_chat()

    def on_hit_chosen(self, hit: Hit) -> None:
        """Open a conversation where a search has found something."""
        chat_id = ChatId(hit.chat_id)
        self.pane.show_page(None)
        if hit.message_id is None:
            self.on_chat_chosen(chat_id)
        elif self.chat.chat_id == chat_id and any(row.message_id == hit.message_id for row in self.messages.rows):
            self.places.show_message(hit.message_id)
        else:
            self.history.reveal(MessageId(hit.message_id), lambda: self._open_at(chat_id, hit))

    def _open_at(self, chat_id: ChatId, hit: Hit) -> None:
        self.pane.show_page(None)
        self.chat.open_chat(chat_id)  # before the wish: opening forgets older ones
        if hit.message_id is not None:
            self.places.show_message(hit.message_id)

    def _attach_history(self, services: Services | None) -> None:
        self.history.attach(services)
        self.care.attach(services)
        self.places.attach(None if services is None else services.history)

    def on_busy_changed(self, is_busy: bool) -> None:
        """Turn Send into Stop; a model is never changed under an answer."""
        self.pane.composer.set_busy(is_busy)
        self.pane.header.set_chooser_enabled(not is_busy)
        if not is_busy:
            self.status.show_activity("")

    def on_model_changed(self) -> None:
        """Show the state of the model."""
        self.pane.show_model(self.models.state)
        self.status.show_model(self.models.state)
        self._update_can_send()
        self._finish_start()

    def on_models_found(self) -> None:
        """Offer the installed models."""
        self.pane.header.show_models(self.models.installed)

    def on_model_chosen(self, model: InstalledModel) -> None:
        """Load another model and remember it."""
        self.live.set("model_path", None if model.is_starter else str(model.path))
        self.models.load(model)

    def on_open_model_folder(self) -> None:
        """Let the person point at a model."""
        if self.chat.is_busy or self.desktop.is_writing:
            self.pane.composer.show_hint("Stop the answer first; then another model can be loaded.")
            return
        choose_folder(self, "Open a model folder", self.on_model_folder)

    def on_attach_files(self) -> None:
        """Let the person point at documents."""
        choose_files(self, "Attach documents", self.documents.add, file_filters())

    def on_my_documents(self) -> None:
        """Open the window of the documents."""
        self.library.open()

    def on_model_folder(self, path: Path) -> None:
        """Load the model in a folder and remember it."""
        self.live.set("model_path", str(path))
        self.models.load_folder(path)

    def on_notice(self, action: Action) -> None:
        """Do what the one button of an error card says."""
        match action:
            case Action.CHOOSE_MODEL:
                self.on_open_model_folder()
            case Action.EDIT_MESSAGE:
                self.pane.composer.set_text(self.chat.last_prompt())
            case Action.TRY_AGAIN:
                self._try_again()
            case Action.NEW_CHAT:
                self.on_new_chat()
            case Action.RESTORE_BACKUP if self._services is not None:
                self.care.offer_restore()
            case Action.OPEN_DATA_FOLDER | Action.RESTORE_BACKUP:
                self.on_open_data_folder()
            case Action.DISMISS:
                self.chat.dismiss_errors()

    def on_find(self) -> None:
        """Look for words in the open conversation."""
        self.finder.open()

    def on_find_next(self) -> None:
        """Go to the next place."""
        self.finder.step(1)

    def on_find_previous(self) -> None:
        """Go to the place before."""
        self.finder.step(-1)

    def on_message_action(self, action: MessageAction, row: Row) -> None:
        """Do what a word under a message says."""
        self.branches.on_action(action, row)

    def on_message_command(self, name: str) -> None:
        """Do what a menu says with the message that has the focus, else with the last one."""
        self.branches.act_on_current(MessageAction[name])

    def on_row_resized(self) -> None:
        """Measure the transcript again."""
        self.pane.transcript.on_row_resized()

    def on_stop(self) -> None:
        """Stop the answer; without one, the reading of documents; without any, the editing of a message."""
        if self.pane.find_bar.field.hasFocus():
            self.pane.find_bar.close_bar()
        elif self.chat.is_busy:
            self.chat.stop()
        elif self.documents.is_reading:
            self.documents.stop_reading()
        else:
            self.pane.composer.end_edit()

    def on_focus_composer(self) -> None:
        """Let the person write."""
        self.pane.composer.text.setFocus()

    def on_copy_answer(self) -> None:
        """Put the last answer on the clipboard."""
        answer = self.chat.last_answer()
        if answer:
            QApplication.clipboard().setText(answer)

    def on_edit(self, command: str) -> None:
        """Carry out an editing command in the field that has the focus."""
        method = getattr(QApplication.focusWidget(), command, None)
        if callable(method):
            method()

    def on_toggle_sidebar(self) -> None:
        """Show or hide the conversations."""
        self.sidebar.setVisible(self.sidebar.isHidden())
        self._state = replace(self._state, is_sidebar_open=not self.sidebar.isHidden())

    def on_rename_chat(self) -> None:
        """Edit the title of the open conversation."""
        self.sidebar.show()
        self.sidebar.rename_current()

    def on_delete_chat(self) -> None:
        """Put the chosen conversations, else the open one, into the trash."""
        self.history.on_delete(self.sidebar.ids_to_act_on())

    def on_search_chats(self) -> None:
        """Let the person search all conversations."""
        self.sidebar.focus_search()

    def on_pin_chats(self) -> None:
        """Put the chosen conversations on top of the list, or back."""
        ids = self.sidebar.ids_to_act_on()
        is_pinned = all(chat.pinned_at is not None for chat in self.history.chats if chat.id in ids)
        self.history.on_pin(ids, not is_pinned)

    def on_new_folder(self) -> None:
        """Put the chosen conversations into a new folder."""
        self.sidebar.show()
        self.history.on_new_folder(self.sidebar.ids_to_act_on())

    def on_show_trash(self) -> None:
        """Show what was deleted."""
        self.sidebar.show()
        self.history.on_show_trash()

    def on_previous_chat(self) -> None:
        """Open the conversation above."""
        self.sidebar.step(-1)

    def on_next_chat(self) -> None:
        """Open the conversation below."""
        self.sidebar.step(1)

    def on_scheme_chosen(self, scheme: Scheme) -> None:
        """Use these colours and remember them."""
        self.live.set("theme", scheme.value)

    def on_larger_text(self) -> None:
        """Make all text a step larger."""
        self._step_text(1)

    def on_smaller_text(self) -> None:
        """Make all text a step smaller."""
        self._step_text(-1)

    def on_normal_text(self) -> None:
        """Give all text its usual size."""
        self.live.set("text_size_percent", 100)

    def on_full_screen(self) -> None:
        """Fill the screen, or stop filling it."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def on_open_data_folder(self) -> None:
        """Show where everything is kept."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._paths.data)))

    def on_about(self) -> None:
        """Say what this is."""
        tell(self, title="About Tern", text=f"Tern {wiring.version()}", details=ABOUT)

    def on_announced(self, words: str) -> None:
        """Tell a screen reader."""
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    def show_in_front(self) -> None:
        """Come forward because another start asked for it."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def on_get_model(self) -> None:
        """Show the three steps to the full model."""
        self.model_part.presenter.open_pane()

    def on_models(self) -> None:
        """Show all models."""
        self.model_part.presenter.open_window()

    def on_preferences(self, page: Page | None = None) -> None:
        """Open the preferences at `page`, or where they were left."""
        state = self._state
        box = QRect(state.preferences_x, state.preferences_y, state.preferences_width, state.preferences_height)
        self.preferences.open(box if QApplication.screenAt(box.center()) else QRect(), page)

    def on_chat_prompt(self) -> None:
        """Let the system prompt of the open conversation be edited."""
        dialog = ChatPromptDialog(self.live, self.overrides.current, self._theme, self)
        dialog.chosen.connect(self.overrides.set_prompt)
        dialog.open()

    def holds(self, when: When) -> bool:
        """Return whether commands of this kind can be used now."""
        match when:
            case When.ALWAYS:
                return True
            case When.WORKING:
                return self.chat.is_busy or self.documents.is_reading
            case When.ANSWERED:
                return bool(self.chat.last_answer())
            case When.IN_CHAT:
                return self.chat.chat_id is not None

    def on_settings_changed(self, keys: frozenset[str]) -> None:
        """Obey the settings that concern the window itself; all others are read where they are used."""
        settings = self.settings
        if keys & {"theme", "text_size_percent", "density"}:
            self._theme.set_look(
                Scheme(settings.text("theme")),
                settings.integer("text_size_percent"),
                Density(settings.text("density")),
            )
            self.actions_by_name[f"scheme:{settings.text('theme')}"].setChecked(True)
        if "send_on_enter" in keys:
            self.pane.composer.text.sends_on_enter = settings.flag("send_on_enter")

    def on_erase(self, with_models: bool) -> None:
        """Delete everything, as was typed out in the preferences, and begin anew."""
        services = self._services
        if services is None:
            return
        self.chat.stop()
        self._services = None
        self._attach_history(None)
        self._update_can_send()
        self.chat.new_chat()
        # The engine lane first: an answer that is being stopped still writes.
        self._runner.start("engine", lambda _cancel, _emit: None, on_done=lambda _: self._erase(services, with_models))

    def _erase(self, services: Services, with_models: bool) -> None:
        self._runner.start(
            "store",
            lambda _cancel, _emit: wiring.erase(services, with_models=with_models),
            on_done=lambda _done: self._on_erased(),
            on_failed=self._on_erase_failed,
        )

    def _on_erased(self) -> None:
        self.live.replace(Settings())
        self._state = WindowState()
        self.start()
        self.preferences.refresh()

    def _on_erase_failed(self, error: BaseException) -> None:
        self._on_erased()
        self.chat.show_error(error)

    def _preferences_place(self) -> dict[str, int]:
        window, state = self.preferences.window, self._state
        box = QRect() if window is None else window.geometry()
        return {
            "preferences_x": state.preferences_x if window is None else box.x(),
            "preferences_y": state.preferences_y if window is None else box.y(),
            "preferences_width": state.preferences_width if window is None else box.width(),
            "preferences_height": state.preferences_height if window is None else box.height(),
        }

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the narrow window to the conversation."""
        super().resizeEvent(event)
        is_narrow = self.width() < SIZES.sidebar_collapse_below
        if is_narrow != self._is_narrow:
            self._is_narrow = is_narrow
            self.sidebar.setVisible(not is_narrow and self._state.is_sidebar_open)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs, remember the window, and go; the rest is waited for when the window is gone."""
        if not self.desktop.may_close():
            event.ignore()
            return
        self.chat.stop()
        self.places.flush()
        self.preferences.close()
        self.model_part.presenter.close()
        self.library.close()
        self.reader.close()
        if not self.live.is_saved:
            self.live.flush()
        state = self._current_state()
        self._runner.start("store", lambda _cancel, _emit: self._end_start(state))
        event.accept()

    def _answering(self) -> Callable[[ChatId], wiring.Answering]:
        """Hold on to what counts for the message that is being sent; what is returned runs in the engine lane."""
        assert self._services is not None
        services, settings, new = self._services, self.settings, self.overrides.of_new_chat()
        scope = self.scope.of_new_chat()
        return lambda chat_id: wiring.answering(services, self.models.engine, settings, chat_id, new, scope)

    def _try_again(self) -> None:
        self.chat.dismiss_errors()
        if self._services is None:
            self.start()
        elif self.models.state.model is not None and self.models.state.word in ("not loaded", "could not be loaded"):
            self.models.load(self.models.state.model)
        else:
            self.pane.composer.set_text(self.chat.last_prompt())

    def _load(self, path: Path, cancel: CancelToken, emit: Emit) -> "Engine":
        with self._guard.during(Step.MODEL, path.name):
            return self._load_model(path, self.settings, cancel, emit)

    def _open_services(self) -> Services:
        with self._guard.during(Step.HISTORY):
            return wiring.build_services(self._paths)

    def _finish_start(self) -> None:
        """Call the start a good one when the history is open and no model is being loaded."""
        if self._services is not None and not self.models.state.is_loading and not self._is_started:
            self._is_started = True
            self._runner.start("store", lambda _cancel, _emit: self._guard.finish())

    def _end_start(self, state: WindowState) -> None:
        self._guard.finish()
        state.save(self._paths.data)

    def _step_text(self, steps: int) -> None:
        self._theme.step_text(steps)
        self.live.set("text_size_percent", self._theme.text_percent)

    def _on_listed(self) -> None:
        """Open the last conversation, and behind that say once what was wrong with the settings' file."""
        self._open_last_chat()
        for error in (self.live.take_fault(), starts_failed(self._guard.failed)):
            if error is not None:
                self._runner.start("store", lambda _c, _e: None, on_done=partial(self._show_late, error))
        if self._greets:
            self.model_part.greet(is_first=not self._state.has_been_greeted)

    def _show_late(self, error: AppError, _done: object) -> None:
        self.chat.show_error(error)

    def _open_last_chat(self) -> None:
        known = {chat.id for chat in self.history.chats}
        if not self.settings.flag("opens_last_chat"):
            return
        if self.chat.chat_id is None and not self.messages.rows and self._state.chat_id in known:
            self.chat.open_chat(ChatId(self._state.chat_id))

    def _update_can_send(self) -> None:
        is_open = self._services is not None
        self.pane.composer.set_can_send(is_open and not self.models.state.is_loading)

    def _update_title(self) -> None:
        title = self.sidebar.current_title()
        self.pane.header.set_title(title)
        self.setWindowTitle(f"{title.replace('[*]', '[*][*]')} – Tern" if title else "Tern")

    def _current_state(self) -> WindowState:
        box = self.normalGeometry()
        return WindowState(
            box.x(),
            box.y(),
            box.width(),
            box.height(),
            is_maximized=self.isMaximized(),
            sidebar_width=self._splitter.sizes()[0] or self._state.sidebar_width,
            is_sidebar_open=self._state.is_sidebar_open,
            chat_id=int(self.chat.chat_id or 0),
            recent_commands=self.desktop.recent,
            has_been_greeted=self._state.has_been_greeted or self._greets,
            **self._preferences_place(),
        )

    def _restore(self) -> None:
        """Take the place of last time, unless no screen shows it any more."""
        state = self._state
        self.resize(*(SIZES.window if state.width < 0 else (state.width, state.height)))
        if state.width > 0 and QApplication.screenAt(self.rect().translated(state.x, state.y).center()):
            self.move(state.x, state.y)
        if state.is_maximized:
            self.setWindowState(Qt.WindowState.WindowMaximized)
        width = state.sidebar_width if state.sidebar_width > 0 else SIZES.sidebar
        self._splitter.setSizes([width, max(1, self.width() - width)])
        self._is_narrow = self.width() < SIZES.sidebar_collapse_below
        self.sidebar.setVisible(state.is_sidebar_open and not self._is_narrow)
        self.setWindowTitle("Tern")
        QTimer.singleShot(0, self, self.on_focus_composer)

    def _arrange(self) -> None:
        self.setMinimumSize(*SIZES.window_least)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setHandleWidth(1)
        self._splitter.addWidget(self.sidebar)
        self._splitter.addWidget(self.pane)
        self._splitter.setStretchFactor(1, 1)
        middle = QWidget()
        middle.setLayout(_stacked(self._splitter, self.status))
        self.setCentralWidget(middle)

    def _connect(self) -> None:
        self.pane.composer.submitted.connect(self.chat.on_submitted)
        self.pane.composer.stop_requested.connect(self.on_stop)
        self.pane.header.model_chosen.connect(self.on_model_chosen)
        self.pane.header.folder_requested.connect(self.on_open_model_folder)
        self.pane.header.sidebar_toggled.connect(self.on_toggle_sidebar)
        self.pane.empty.model_requested.connect(self.on_open_model_folder)
        self.sidebar.new_requested.connect(self.on_new_chat)
        self.sidebar.opened.connect(self.on_chat_chosen)
        self.history.deleted.connect(self.on_chats_deleted)
        self.history.hit_chosen.connect(self.on_hit_chosen)
        self.chat.reloading.connect(self.pane.transcript.hold)
        self.chat.reloaded.connect(self.pane.transcript.release)
        for part in (self.history, self.exchange, self.care, self.places, self.branches):
            part.failed.connect(self.chat.show_error)
        self.history.listed.connect(self.on_chat_opened)
        self.chat.busy_changed.connect(self.on_busy_changed)
        self.chat.chats_changed.connect(self.history.refresh)
        self.chat.chat_opened.connect(self.on_chat_opened)
        self.chat.speed_changed.connect(self.status.show_speed)
        self.chat.saved_changed.connect(self.status.show_saved)
        self.chat.progress_changed.connect(self.status.show_activity)
        self.chat.announced.connect(self.on_announced)
        self.documents.changed.connect(self.pane.composer.chips.show_names)
        self.documents.reading_changed.connect(self.pane.composer.set_reading)
        self.documents.progress_changed.connect(self.pane.composer.chips.show_reading)
        self.pane.composer.chips.reading_cancelled.connect(self.documents.stop_reading)
        self.pane.composer.chips.removed.connect(self.documents.remove)
        self.pane.composer.attach_requested.connect(self.on_attach_files)
        self.pane.composer.scope.documents_requested.connect(self.on_my_documents)
        self.models.changed.connect(self.on_model_changed)
        self.models.installed_changed.connect(self.on_models_found)
        self.models.failed.connect(self.chat.show_error)
        self.live.changed.connect(self.on_settings_changed)
        self.live.changed.connect(lambda _keys: self.budget.on_messages())
        self.live.failed.connect(self.chat.show_error)
        self.preferences.folder_requested.connect(self.on_open_data_folder)
        self.preferences.erase_confirmed.connect(self.on_erase)
        self.overrides.changed.connect(lambda: self.pane.header.style_button.show_overrides(self.overrides.current))
        self.pane.header.style_button.preset_chosen.connect(self.overrides.set_preset)
        self.pane.header.style_button.prompt_requested.connect(self.on_chat_prompt)
        self.pane.header.style_button.preferences_requested.connect(self.on_preferences)


def _stacked(upper: QWidget, lower: QWidget) -> QVBoxLayout:
    layout = QVBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(upper, 1)
    layout.addWidget(lower)
    return layout
