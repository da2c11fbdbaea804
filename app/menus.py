"""The one table of commands: words, keys, menu, role and when each can be used.

The menu bar, the list of shortcuts and the command palette are made from it. Knows words and keys; must not know what a
command does: each calls a method of the window by name. The role is always given, because macOS otherwise moves items
by their words.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Protocol

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from app.theme import Scheme
from app.words import tr

_Role = QAction.MenuRole


class When(StrEnum):
    """What must hold for a command to be of use; the window says whether it does."""

    ALWAYS = "always"
    WORKING = "working"  # an answer is being written or documents are being read
    ANSWERED = "answered"  # there is an answer in the open conversation
    IN_CHAT = "in_chat"  # the open conversation is stored


@dataclass(frozen=True, slots=True)
class _Command:
    text: str
    method: str
    keys: str = ""
    role: QAction.MenuRole = _Role.NoRole
    when: When = When.ALWAYS


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as a person is shown it outside the menus; `action` carries it out and knows whether it can be used."""

    id: str
    title: str
    menu: str
    keys: str
    action: QAction


_SEPARATOR = _Command("", "")
_MENUS: tuple[tuple[str, tuple[_Command, ...]], ...] = (
    (
        "&File",
        (
            _Command("&New chat", "on_new_chat", "Ctrl+N"),
            _Command("&Attach documents…", "on_attach_files", "Ctrl+Shift+O"),
            _Command("&My documents…", "on_my_documents", "Ctrl+D"),
            _Command("&Open a model folder…", "on_open_model_folder", "Ctrl+O"),
            _SEPARATOR,
            _Command("&Import chats…", "exchange.import_file"),
            _Command("&Export…", "exchange.export_chosen", "Ctrl+E"),
            _Command("Export all &chats…", "exchange.export_every"),
            _Command("&Print…", "exchange.print_chosen", "Ctrl+P"),
            _SEPARATOR,
            _Command("&Restore from a backup…", "care.offer_restore"),
            _Command("Open the &data folder", "on_open_data_folder"),
            _SEPARATOR,
            _Command("&Close the window", "close", "Ctrl+W"),
            _Command("&Quit", "desktop.leave", "Ctrl+Q", _Role.QuitRole),
        ),
    ),
    (
        "&Edit",
        (
            _Command("&Undo", "edit:undo", "Ctrl+Z"),
            _Command("&Redo", "edit:redo", "Ctrl+Shift+Z"),
            _SEPARATOR,
            _Command("Cu&t", "edit:cut", "Ctrl+X"),
            _Command("&Copy", "edit:copy", "Ctrl+C"),
            _Command("&Paste", "edit:paste", "Ctrl+V"),
            _Command("Select &all", "edit:selectAll", "Ctrl+A"),
            _SEPARATOR,
            _Command("&Find in this chat", "on_find", "Ctrl+F"),
            _Command("Find the ne&xt place", "on_find_next", "F3"),
            _Command("Find the place &before", "on_find_previous", "Shift+F3"),
            _SEPARATOR,
            _Command("Copy the last a&nswer", "on_copy_answer", "Ctrl+Shift+C", when=When.ANSWERED),
            _Command("&Quick actions…", "desktop.show_quick_actions", "Ctrl+J"),
            _SEPARATOR,
            _Command("Pre&ferences…", "on_preferences", "Ctrl+,", _Role.PreferencesRole),
        ),
    ),
    (
        "&View",
        (
            _Command("&Sidebar", "on_toggle_sidebar", "Ctrl+B"),
            _SEPARATOR,
            _Command("&Larger text", "on_larger_text", "Ctrl++"),
            _Command("S&maller text", "on_smaller_text", "Ctrl+-"),
            _Command("&Normal text", "on_normal_text", "Ctrl+0"),
            _SEPARATOR,
            _Command("&Full screen", "on_full_screen", "F11"),
        ),
    ),
    (
        "&Chat",
        (
            _Command("S&top the answer", "on_stop", "Esc", when=When.WORKING),
            _Command("&Write", "on_focus_composer", "Ctrl+L"),
            _SEPARATOR,
            _Command("&Edit the question", "message:EDIT", "Ctrl+Shift+E", when=When.ANSWERED),
            _Command("&Answer again", "message:AGAIN", "Ctrl+R", when=When.ANSWERED),
            _Command("&Continue the answer", "message:CONTINUE", "Ctrl+Shift+R", when=When.ANSWERED),
            _Command("Version &before", "message:PREVIOUS", "Alt+Left", when=When.ANSWERED),
            _Command("Version a&fter", "message:NEXT", "Alt+Right", when=When.ANSWERED),
            _Command("Details of the answe&r", "message:DETAILS", "Ctrl+I", when=When.ANSWERED),
            _Command("Delete the &message", "message:DELETE", "Ctrl+Alt+Backspace", when=When.ANSWERED),
            _SEPARATOR,
            _Command("&Rename…", "on_rename_chat", "F2", when=When.IN_CHAT),
            _Command("&Delete", "on_delete_chat", "Ctrl+Shift+Backspace"),
            _SEPARATOR,
            _Command("Search &all chats", "on_search_chats", "Ctrl+Shift+F"),
            _Command("P&in or unpin", "on_pin_chats", "Ctrl+Shift+P"),
            _Command("Move to a new &folder", "on_new_folder", "Ctrl+Shift+M"),
            _Command("Tras&h", "on_show_trash", "Ctrl+Shift+T"),
            _SEPARATOR,
            _Command("&Previous chat", "on_previous_chat", "Ctrl+PgUp"),
            _Command("Ne&xt chat", "on_next_chat", "Ctrl+PgDown"),
        ),
    ),
    (
        "&Model",
        (
            _Command("&Get the model…", "on_get_model", "Ctrl+G"),
            _Command("&All models…", "on_models", "Ctrl+Shift+G"),
        ),
    ),
    (
        "&Help",
        (
            _Command("&Commands…", "desktop.show_palette", "Ctrl+K"),
            _Command("&Keyboard shortcuts", "desktop.show_shortcuts", "F1"),
            _SEPARATOR,
            _Command("&About Tern", "on_about", "", _Role.AboutRole),
        ),
    ),
)
# A second key for the same command.
_MORE_KEYS: Mapping[str, tuple[str, ...]] = {"desktop.show_shortcuts": ("Ctrl+/",)}
_WRITING = (("Send", "Enter"), ("New line", "Shift+Enter"))
_SCHEMES = ((Scheme.SYSTEM, "As the s&ystem"), (Scheme.LIGHT, "L&ight"), (Scheme.DARK, "&Dark"))


class Commands(Protocol):
    """What the menus need of the window beside its methods."""

    def on_scheme_chosen(self, scheme: Scheme) -> None:
        """Use these colours."""

    def on_edit(self, command: str) -> None:
        """Carry out an editing command in the field that has the focus."""

    def on_message_command(self, name: str) -> None:
        """Do something with the message that has the focus, else with the last one."""


def build_menus(window: QMainWindow, commands: Commands, scheme: Scheme) -> dict[str, QAction]:
    """Fill the menu bar of `window`; returns the actions by the name of their method."""
    actions: dict[str, QAction] = {}
    for title, entries in _MENUS:
        menu = window.menuBar().addMenu(tr(title))
        for entry in entries:
            if entry is _SEPARATOR:
                menu.addSeparator()
            else:
                actions.setdefault(entry.method, _add(menu, window, commands, entry))
        if title == "&View":
            menu.addSeparator()
            actions |= _add_schemes(menu, commands, scheme)
    return actions


def update_enabled(actions: Mapping[str, QAction], holds: Callable[[When], bool]) -> None:
    """Let those commands be used that can be used now. Keys of the others go to the control that has the focus."""
    facts = {when: holds(when) for when in When}
    for _menu, command in _commands():
        actions[command.method].setEnabled(facts[command.when])


def entries(actions: Mapping[str, QAction]) -> list[Entry]:
    """Return every command of the table, in the order of the menus."""
    made = []
    for menu, command in _commands():
        action = actions[command.method]
        made.append(Entry(command.method, plain(tr(command.text)), menu, _native(command.keys), action))
    for scheme, text in _SCHEMES:
        name = f"scheme:{scheme.value}"
        title = tr("Colours: {which}", which=plain(tr(text)))
        made.append(Entry(name, title, plain(tr("&View")), "", actions[name]))
    return made


def shortcuts() -> list[tuple[str, str, str]]:
    """Return menu, words and keys of every command that has keys, as a person reads them."""
    found = [(tr("Writing"), tr(words), tr(keys)) for words, keys in _WRITING]
    for menu, command in _commands():
        if command.keys:
            found.append((menu, plain(tr(command.text)), _both_keys(command)))
    return found


def plain(text: str) -> str:
    """Return the words of a menu item without its mark and its dots."""
    return text.replace("&", "").rstrip("…")


def _commands() -> Iterator[tuple[str, _Command]]:
    for title, commands in _MENUS:
        for command in commands:
            if command is not _SEPARATOR:
                yield plain(tr(title)), command


def _native(keys: str) -> str:
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)


def _both_keys(command: _Command) -> str:
    return tr(" or ").join(_native(keys) for keys in (command.keys, *_MORE_KEYS.get(command.method, ())))


def _add(menu: QMenu, window: QMainWindow, commands: Commands, entry: _Command) -> QAction:
    action = QAction(tr(entry.text), window)
    action.setMenuRole(entry.role)
    if entry.method.startswith("edit:"):
        # Shown, not bound: the text fields carry these keys out themselves.
        name = entry.method.removeprefix("edit:")
        action.setText(f"{tr(entry.text)}\t{_native(entry.keys)}")
        action.triggered.connect(lambda: commands.on_edit(name))
    elif entry.method.startswith("message:"):
        action.setShortcut(QKeySequence(entry.keys))
        which = entry.method.removeprefix("message:")
        action.triggered.connect(lambda: commands.on_message_command(which))
    else:
        keys = (entry.keys, *_MORE_KEYS.get(entry.method, ()))
        action.setShortcuts([QKeySequence(each) for each in keys if each])
        action.triggered.connect(lambda: attrgetter(entry.method)(window)())
    menu.addAction(action)
    return action


def _add_schemes(menu: QMenu, commands: Commands, scheme: Scheme) -> dict[str, QAction]:
    actions: dict[str, QAction] = {}
    group = QActionGroup(menu)
    for which, text in _SCHEMES:
        action = QAction(tr(text), menu)
        action.setMenuRole(_Role.NoRole)
        action.setCheckable(True)
        action.setChecked(which is scheme)
        action.triggered.connect(lambda _checked, chosen=which: commands.on_scheme_chosen(chosen))
        group.addAction(action)
        menu.addAction(action)
        actions[f"scheme:{which.value}"] = action
    return actions
