"""The words for a download: what can go wrong (notices.py joins them in), why it waits, what it repeats."""

import math
from collections.abc import Mapping

from app.wording import Action, Words
from core.errors import ErrorCode
from core.events import RestartReason, WaitReason

_FILES_SAFE = "Nothing on this computer was changed."
_FETCHED_SAFE = "What has been downloaded so far is kept."

DOWNLOAD_WORDS: Mapping[ErrorCode, Words] = {
    ErrorCode.MODEL_NOT_PUBLISHED: Words(
        "Tern does not know this model",
        "{name} is none of the published models that Tern knows.",
        _FILES_SAFE,
        "Choose one from the list of models (in the terminal: tern models list).",
        "Choose a model",
        Action.CHOOSE_MODEL,
    ),
    ErrorCode.DOWNLOAD_RUNNING: Words(
        "The download is running already",
        "Another Tern is downloading {name} right now.",
        "Nothing was lost.",
        "Wait until it has finished, or pause it there.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.DOWNLOAD_NO_SPACE: Words(
        "Not enough room on the disk",
        "The download needs {needed_bytes} more at {path}, and {free_bytes} are free.",
        _FETCHED_SAFE,
        "Free some space, then continue the download.",
        "Continue",
        Action.TRY_AGAIN,
    ),
    ErrorCode.DOWNLOAD_READ_ONLY: Words(
        "The folder is read-only",
        "Nothing can be written to {path}: the disk or folder is read-only.",
        _FETCHED_SAFE,
        "Download into another folder.",
        "Choose another folder…",
        Action.CHOOSE_FOLDER,
    ),
    ErrorCode.DOWNLOAD_FORBIDDEN: Words(
        "The folder may not be written",
        "You have no permission to write to {path}: {reason}.",
        _FETCHED_SAFE,
        "Download into a folder of your own.",
        "Choose another folder…",
        Action.CHOOSE_FOLDER,
    ),
    ErrorCode.DOWNLOAD_UNWRITABLE: Words(
        "The download cannot be saved",
        "{path} cannot be written: {reason}.",
        _FETCHED_SAFE,
        "Check the disk, then continue the download.",
        "Continue",
        Action.TRY_AGAIN,
    ),
    ErrorCode.DOWNLOAD_NOT_FOUND: Words(
        "The model is not there",
        "{host} does not give out {name}: {reason}.",
        _FETCHED_SAFE,
        "Check the address of the mirror if you use one, or try again later.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    ErrorCode.DOWNLOAD_CHANGED: Words(
        "What is published has changed",
        "{file} at {host} is not the file that Tern knows: {reason}.",
        "It was not used.",
        "If you use a mirror, download without it; otherwise look for a newer Tern.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    ErrorCode.DOWNLOAD_DAMAGED: Words(
        "The download arrives damaged",
        "{file} from {host} has come several times with a wrong checksum.",
        "It was not used; the other files are kept.",
        "Try another network: a proxy or virus scanner may be changing the data.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    ErrorCode.DOWNLOAD_INSECURE: Words(
        "An unsafe address was refused",
        "The download was sent on to {host} without encryption.",
        "Nothing was fetched from there.",
        "Check the address of the mirror or the proxy, then try again.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    ErrorCode.DOWNLOAD_FAILED: Words(
        "The download ended unexpectedly",
        "The part of Tern that downloads has ended: {reason}.",
        _FETCHED_SAFE,
        "Continue the download.",
        "Continue",
        Action.TRY_AGAIN,
    ),
    ErrorCode.PROXY_REFUSED: Words(
        "The proxy refuses the connection",
        "The proxy {proxy} does not let the download through: {reason}.",
        _FETCHED_SAFE,
        "Check the address of the proxy, and its user name and password if it has them.",
        "Network settings…",
        Action.NETWORK_SETTINGS,
    ),
    ErrorCode.CERTIFICATE_UNTRUSTED: Words(
        "The connection is not trusted",
        "This computer does not trust the certificate of {host}: {reason}.",
        "No data was exchanged.",
        "If your organisation or a virus scanner inspects connections, give Tern its certificate file "
        "under Preferences, Network (in the terminal: --ca FILE).",
        "Network settings…",
        Action.NETWORK_SETTINGS,
    ),
    ErrorCode.CLOCK_WRONG: Words(
        "Is this computer's clock right?",
        "The certificate of {host} is not valid on {today}, the date of this computer: {reason}.",
        "No data was exchanged.",
        "Set the date and time of this computer, then try again.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    ErrorCode.CA_UNREADABLE: Words(
        "The certificate file cannot be used",
        "{path} cannot be used as a certificate: {reason}.",
        _FILES_SAFE,
        "Choose the PEM file that your organisation gives out.",
        "Network settings…",
        Action.NETWORK_SETTINGS,
    ),
    ErrorCode.ADDRESS_INVALID: Words(
        "The address cannot be used",
        "{address} is not an address that Tern connects to.",
        "No connection was made.",
        "Write it like https://mirror.example, or http://proxy.example:3128 for a proxy.",
        "Network settings…",
        Action.NETWORK_SETTINGS,
    ),
}

_WAITING: Mapping[WaitReason, str] = {
    WaitReason.UNREACHABLE: "There is no connection to the server.",
    WaitReason.STALLED: "The server has gone silent.",
    WaitReason.CUT: "The connection broke.",
    WaitReason.BUSY: "The server is busy.",
    WaitReason.BAD_ANSWER: "The server sent something else than the file.",
}
_RESTARTED: Mapping[RestartReason, str] = {
    RestartReason.BLOCK_DAMAGED: "a part of it is damaged on this disk",
    RestartReason.HASH_WRONG: "its checksum is wrong",
    RestartReason.PUBLISHED_CHANGED: "what was there belongs to another version of it",
    RestartReason.RECORD_LOST: "the record of what had been checked is lost",
    RestartReason.RANGE_REFUSED: "the server gives it only from the start",
}


def waiting(reason: WaitReason) -> str:
    """Return the sentence for why a download waits."""
    return _WAITING[reason]


def restarted(reason: RestartReason, file: str, kept_bytes: int, lost_bytes: int) -> str:
    """Return the sentence for bytes that are fetched again."""
    kept = f" {kept_bytes:,} bytes of it are kept." if kept_bytes else ""
    return f"{lost_bytes:,} bytes of {file} are fetched again: {_RESTARTED[reason]}.{kept}"


def seconds_in_words(seconds: float) -> str:
    """Return a time as a person reads it, rounded up."""
    whole = max(1, math.ceil(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
