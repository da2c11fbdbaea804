"""What can be done to chosen conversations, as a menu.

Knows words and what the list can tell; must not know how anything is done.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMenu

from app.plain_text import menu_text
from core.store.chats import Chat
from core.store.history import Folder

if TYPE_CHECKING:
    from app.history.sidebar import Sidebar


def fill_chat_menu(menu: QMenu, chats: Sequence[Chat], folders: Sequence[Folder], sidebar: "Sidebar") -> None:
    """Offer renaming, pinning, moving, exporting and deleting of `chats`; each tells `sidebar`'s listeners."""
    ids = [chat.id for chat in chats]
    is_pinned = all(chat.pinned_at is not None for chat in chats)
    many = f" {len(ids)} chats" if len(ids) > 1 else ""
    if len(ids) == 1:
        menu.addAction("Rename", partial(sidebar.rename, ids[0]))
    menu.addAction(f"{'Unpin' if is_pinned else 'Pin'}{many}", partial(sidebar.pin_requested.emit, ids, not is_pinned))
    into = menu.addMenu(f"Move{many} to a folder")
    for folder in folders:
        into.addAction(menu_text(folder.name), partial(sidebar.move_requested.emit, ids, folder.id))
    if folders:
        into.addSeparator()
    into.addAction("New folder", partial(sidebar.folder_requested.emit, ids))
    if any(chat.folder_id is not None for chat in chats):
        menu.addAction("Take out of the folder", partial(sidebar.move_requested.emit, ids, None))
    menu.addAction(f"Export{many}…", partial(sidebar.export_requested.emit, ids))
    menu.addSeparator()
    menu.addAction(f"Delete{many}", partial(sidebar.delete_requested.emit, ids))
