"""Keeps the list of conversations in step with the store.

Knows what is read and written when; must not know widgets' insides or SQL.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from PySide6.QtCore import QObject, Signal

from app.history.sidebar import Sidebar
from app.history.trash import Trashed
from app.jobs import JobRunner
from app.wiring import Services
from core.store.backups import erase_in_backups
from core.store.chats import Chat, ChatId, FolderId, MessageId
from core.store.history import Folder
from core.store.search import Hit

_Act = Callable[[Services], object]


class HistoryPresenter(QObject):
    """Reads and changes the order of conversations in the store lane, and searches in one of its own."""

    deleted = Signal(object)  # ids
    failed = Signal(object)
    listed = Signal()
    hit_chosen = Signal(object)

    def __init__(self, runner: JobRunner, sidebar: Sidebar, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._sidebar = sidebar
        self._services: Services | None = None
        self._wanted = ""  # what was typed last
        self._is_searching = False
        self.chats: list[Chat] = []
        self.folders: list[Folder] = []
        sidebar.renamed.connect(self.on_renamed)
        sidebar.delete_requested.connect(self.on_delete)
        sidebar.pin_requested.connect(self.on_pin)
        sidebar.move_requested.connect(self.on_move)
        sidebar.folder_requested.connect(self.on_new_folder)
        sidebar.folder_renamed.connect(self.on_folder_renamed)
        sidebar.folder_deleted.connect(self.on_folder_deleted)
        sidebar.search_changed.connect(self.on_search)
        sidebar.hit_chosen.connect(self.hit_chosen)
        sidebar.trash_requested.connect(self.on_show_trash)
        sidebar.trash.restore_requested.connect(self.on_restore)
        sidebar.trash.erase_confirmed.connect(self.on_erase)

    @property
    def services(self) -> Services | None:
        """The open services; None until the history is open."""
        return self._services

    def attach(self, services: Services | None) -> None:
        """Take the services, now that the history is open; None: it is being closed."""
        self._services = services

    def refresh(self, then: Callable[[], object] | None = None) -> None:
        """Read the list again."""
        services = self._services
        if services is None:
            return

        def read() -> tuple[list[Chat], list[Folder]]:
            return services.store.chats(), services.history.folders()

        def done(found: object) -> None:
            assert isinstance(found, tuple)
            self.chats, self.folders = found
            self._sidebar.show_chats(self.chats, datetime.now().date(), self.folders)
            self.listed.emit()
            if then is not None:
                then()

        self._runner.start("store", lambda _c, _e: read(), on_done=done, on_failed=self.failed.emit)

    def on_renamed(self, chat_id: ChatId, title: str) -> None:
        """Store a new title."""
        self._act(lambda services: services.store.rename_chat(chat_id, title))

    def on_pin(self, chat_ids: Sequence[ChatId], is_pinned: bool) -> None:
        """Put conversations on top, or back."""
        self._act(lambda services: services.history.pin(chat_ids, is_pinned=is_pinned))

    def on_move(self, chat_ids: Sequence[ChatId], folder_id: FolderId | None) -> None:
        """Put conversations into a folder, or out of theirs."""
        self._act(lambda services: services.history.move(chat_ids, folder_id))

    def on_new_folder(self, chat_ids: Sequence[ChatId]) -> None:
        """Make a folder for conversations, and let its name be typed."""
        name = _free_name("New folder", [folder.name for folder in self.folders])

        def create(services: Services) -> FolderId:
            folder_id = services.history.create_folder(name)
            services.history.move(chat_ids, folder_id)
            return folder_id

        self._act(create, lambda folder_id: self._sidebar.edit_folder(folder_id))

    def on_folder_renamed(self, folder_id: FolderId, name: str) -> None:
        """Store another name of a folder."""
        self._act(lambda services: services.history.rename_folder(folder_id, name))

    def on_folder_deleted(self, folder_id: FolderId) -> None:
        """Take a folder away; its conversations stay."""
        inside = [chat.id for chat in self.chats if chat.folder_id == folder_id]
        name = next((folder.name for folder in self.folders if folder.id == folder_id), "")

        def undo() -> None:
            self._act(lambda services: services.history.move(inside, services.history.create_folder(name)))

        self._act(
            lambda services: services.history.delete_folder(folder_id),
            lambda _done: self._sidebar.notice.say(
                f"Folder “{name}” deleted. Its chats are in the list.", "Undo", undo
            ),
        )

    def on_delete(self, chat_ids: Sequence[ChatId]) -> None:
        """Put conversations into the trash, from where Undo takes them back."""
        known = {chat.id: chat for chat in self.chats}
        ids = [each for each in chat_ids if each in known]
        if not ids or self._services is None:
            return
        self.deleted.emit(ids)
        what = f"“{_short(known[ids[0]].title)}”" if len(ids) == 1 else f"{len(ids)} chats"
        self._act(
            lambda services: services.history.trash_chats(ids),
            lambda _done: self._sidebar.notice.say(
                f"Deleted {what}.", "Undo", lambda: self.on_restore(Trashed(tuple(ids)))
            ),
        )

    def on_show_trash(self) -> None:
        """Show what was deleted."""
        self._sidebar.show_trash()
        self._refresh_trash()

    def on_restore(self, chosen: Trashed) -> None:
        """Take conversations and messages out of the trash."""

        def restore(services: Services) -> None:
            services.history.restore_chats(chosen.chats)
            services.history.restore_messages(chosen.messages)

        self._act(restore, lambda _done: self._refresh_trash())

    def on_erase(self, chosen: Trashed) -> None:
        """Delete conversations and messages for good, in the backups too."""

        def erase(services: Services) -> None:
            services.history.erase(chosen.chats, chosen.messages)
            erase_in_backups(services.paths.database, chosen.chats, chosen.messages)

        self._act(erase, lambda _done: self._refresh_trash())

    def on_search(self, text: str) -> None:
        """Look for what is typed; while one search runs, only the last text waits."""
        self._wanted = text
        services = self._services
        if self._is_searching or services is None:
            return
        self._is_searching = True
        self._runner.start(
            "search",
            lambda _c, _e: services.history.search(text),
            on_done=lambda hits: self._on_found(text, hits),
            on_failed=self._on_search_failed,
        )

    def _on_found(self, text: str, hits: object) -> None:
        self._is_searching = False
        if text != self._wanted:
            self.on_search(self._wanted)
        elif isinstance(hits, list) and self._sidebar.search.text() == text:
            self._sidebar.show_hits([hit for hit in hits if isinstance(hit, Hit)])

    def _on_search_failed(self, error: BaseException) -> None:
        self._is_searching = False
        self.failed.emit(error)

    def reveal(self, message_id: MessageId, then: Callable[[], None]) -> None:
        """Choose the branch that a message is in, unless it is shown already."""

        def choose(services: Services) -> None:
            path = services.store.path_to(message_id)
            shown = {each.id for each in services.store.messages(path[0].chat_id)} if path else set()
            for each in path:
                if each.id not in shown:
                    services.store.choose(each.id)

        services = self._services
        if services is not None:
            self._runner.start(
                "store", lambda _c, _e: choose(services), on_done=lambda _done: then(), on_failed=self.failed.emit
            )

    def _refresh_trash(self) -> None:
        services = self._services
        if services is None or not self._sidebar.is_trash_shown:
            return

        def done(found: object) -> None:
            assert isinstance(found, tuple)
            self._sidebar.trash.show_trash(*found)

        self._runner.start(
            "store",
            lambda _c, _e: (services.history.trash(), services.history.trashed_messages()),
            on_done=done,
            on_failed=self.failed.emit,
        )

    def _act(self, act: _Act, then: Callable[[FolderId], object] | None = None) -> None:
        """Change something in the store lane and read the list again."""
        services = self._services
        if services is None:
            return

        def done(result: object) -> None:
            if then is None:
                self.refresh()
            else:
                self.refresh(lambda: then(result))  # type: ignore[arg-type]

        self._runner.start("store", lambda _c, _e: act(services), on_done=done, on_failed=self.failed.emit)


def _free_name(name: str, taken: Sequence[str]) -> str:
    numbered = (f"{name} {number}" for number in range(2, len(taken) + 3))
    return next(each for each in (name, *numbered) if each not in taken)


def _short(title: str) -> str:
    title = " ".join(title.split()) or "New chat"
    return title if len(title) <= 40 else title[:39].rstrip() + "…"
