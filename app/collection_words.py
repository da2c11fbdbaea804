"""Words for what goes wrong with collections of documents; a part of notices.py.

Knows the codes and facts of collections and their index; must not know where the words are shown.
"""

from collections.abc import Mapping
from typing import Final

from app.wording import Action, Words
from core.errors import ErrorCode

_FILES_SAFE: Final = "Nothing on this computer was changed."

COLLECTION_WORDS: Final[Mapping[ErrorCode, Words]] = {
    ErrorCode.COLLECTION_NOT_FOUND: Words(
        "There is no such collection",
        "No collection of documents is called {name}.",
        _FILES_SAFE,
        "Choose one that is listed.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.COLLECTION_NAME_TAKEN: Words(
        "The name is taken",
        "There is already a collection called {name}.",
        _FILES_SAFE,
        "Choose another name.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.COLLECTION_NAME_INVALID: Words(
        "The name cannot be used",
        "A collection cannot be called {name}.",
        _FILES_SAFE,
        "Choose a name of 1 to 100 characters.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.PATH_NOT_FOUND: Words(
        "There is nothing to add",
        "There is no file or folder at {path}, or it cannot be opened.",
        _FILES_SAFE,
        "Check where it is, and add it again.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.INDEX_DAMAGED: Words(
        "The search index is damaged",
        "The index of your documents at {path} cannot be read.",
        "Your documents and conversations are safe.",
        "Start Tern again: it makes the index again from your documents.",
        "Close",
        Action.DISMISS,
    ),
}
