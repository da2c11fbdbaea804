"""The shape of the words for an error: what notices.py fills in, and the tables that it is made of."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What the one button of a notice does; the window maps each to a method."""

    CHOOSE_MODEL = "choose_model"
    TRY_AGAIN = "try_again"
    EDIT_MESSAGE = "edit_message"
    NEW_CHAT = "new_chat"
    OPEN_DATA_FOLDER = "open_data_folder"
    CHOOSE_FOLDER = "choose_folder"  # where a model is kept
    NETWORK_SETTINGS = "network_settings"
    RESTORE_BACKUP = "restore_backup"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class Words:
    """The words for one ErrorCode; {names} stand for its facts."""

    title: str
    what: str
    safe: str
    advice: str
    label: str
    action: Action
