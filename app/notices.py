"""The one place where an AppError becomes words for a person: what happened, what is safe, one thing to do.

Knows every ErrorCode and its facts; must not know where the words are shown (terminal or window), so it imports no Qt.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.collection_words import COLLECTION_WORDS
from app.document_words import DOCUMENT_WORDS
from app.download_words import DOWNLOAD_WORDS
from app.wording import Action as Action  # users import it from here
from app.wording import Words as _Words
from core.errors import AppError, ErrorCode, Fact
from core.events import StopReason
from core.start_guard import FailedStarts, Step

_MAX_FACT_CHARS = 300


@dataclass(frozen=True, slots=True)
class Notice:
    """One error in plain words; every field is plain text and may hold foreign text (never show it as HTML)."""

    title: str
    what: str
    safe: str
    advice: str
    action_label: str
    action: Action

    @property
    def text(self) -> str:
        """What happened, what is safe and what to do, as one paragraph."""
        return " ".join(part for part in (self.what, self.safe, self.advice) if part)


_FILES_SAFE = "Nothing on this computer was changed."
_CHATS_SAFE = "Your conversations are safe."
_KEPT = "Your message is kept."
_OTHER_FOLDER = "Choose another model folder."
_AGAIN_FOLDER = "Copy the model again, or choose another model folder."

_WORDS: Mapping[ErrorCode, _Words] = {
    ErrorCode.MODEL_NOT_FOUND: _Words(
        "The model is not there",
        "There is no model at {path}.",
        _FILES_SAFE,
        _OTHER_FOLDER,
        "Choose a model",
        Action.CHOOSE_MODEL,
    ),
    ErrorCode.MODEL_INCOMPLETE: _Words(
        "The model is incomplete",
        "The model at {path} lacks {missing}.",
        _FILES_SAFE,
        _AGAIN_FOLDER,
        "Choose a model",
        Action.CHOOSE_MODEL,
    ),
    ErrorCode.MODEL_DAMAGED: _Words(
        "The model is damaged",
        "The model at {path} cannot be used: {part}: {reason}.",
        _FILES_SAFE,
        _AGAIN_FOLDER,
        "Choose a model",
        Action.CHOOSE_MODEL,
    ),
    ErrorCode.MODEL_UNSUPPORTED: _Words(
        "Tern cannot run this model",
        "The model at {path} is of a kind that Tern does not run: {reason}.",
        _FILES_SAFE,
        "Choose a ternary BitNet model.",
        "Choose a model",
        Action.CHOOSE_MODEL,
    ),
    ErrorCode.MODEL_NONE_CHOSEN: _Words(
        "No model is chosen",
        "There is no model to answer with yet.",
        _CHATS_SAFE,
        "Choose the folder of a ternary BitNet model.",
        "Choose a model",
        Action.CHOOSE_MODEL,
    ),
    ErrorCode.MODEL_NAME_INVALID: _Words(
        "The name cannot be used",
        "A model cannot be called {name}.",
        _FILES_SAFE,
        "Use letters, digits, dots, dashes and underscores, with a letter or digit first.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.MODEL_NAME_TAKEN: _Words(
        "The name is taken",
        "There is a model called {name} already.",
        _FILES_SAFE,
        "Choose another name, or remove the other model first.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.MODEL_NOT_OURS: _Words(
        "Tern did not import this model",
        "{name} was not imported by Tern, so Tern does not delete it.",
        _FILES_SAFE,
        "Delete {path} yourself if you no longer need it.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.TOKENIZER_MISSING: _Words(
        "The model has no tokenizer",
        "The model at {path} lacks tokenizer.json, the file that turns text into numbers.",
        _FILES_SAFE,
        _AGAIN_FOLDER,
        "Choose a model",
        Action.CHOOSE_MODEL,
    ),
    ErrorCode.TOKENIZER_DAMAGED: _Words(
        "The model's tokenizer is damaged",
        "The tokenizer of the model at {path} cannot be used: {reason}.",
        _FILES_SAFE,
        _AGAIN_FOLDER,
        "Choose a model",
        Action.CHOOSE_MODEL,
    ),
    ErrorCode.OUT_OF_MEMORY: _Words(
        "Not enough memory",
        "The model needs about {needed_bytes} of memory, more than this computer can give now.",
        _CHATS_SAFE,
        "Close other programs and try again, or choose a smaller model.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    **DOWNLOAD_WORDS,
    ErrorCode.STARTS_FAILED: _Words(
        "Tern has started in safe mode",
        "The last {n} starts ended before the window was ready.",
        _CHATS_SAFE,
        "No model was loaded this time. Load it now, or choose another one above.",
        "Load the model",
        Action.TRY_AGAIN,
    ),
    ErrorCode.STARTS_FAILED_MODEL: _Words(
        "Tern has started in safe mode",
        "The last {n} starts ended while the model {name} was being loaded, probably for want of memory.",
        _CHATS_SAFE,
        "It was not loaded this time. Close other programs and load it, or choose another model above.",
        "Load the model",
        Action.TRY_AGAIN,
    ),
    ErrorCode.STARTS_FAILED_HISTORY: _Words(
        "Tern has started in safe mode",
        "The last {n} starts ended while the history of your conversations was being opened.",
        "Your conversations were opened this time.",
        "No model was loaded. Load it now; if it happens again, make a copy of the data folder.",
        "Load the model",
        Action.TRY_AGAIN,
    ),
    ErrorCode.CPU_UNSUPPORTED: _Words(
        "This processor is too old",
        "Tern cannot run a model on this processor: {reason}.",
        _CHATS_SAFE,
        "Use Tern on a newer computer; reading old conversations still works here.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.KERNELS_UNKNOWN: _Words(
        "Unknown instruction set",
        "TERN_KERNELS names {name}, which this computer does not have (it has {known}).",
        _FILES_SAFE,
        "Remove TERN_KERNELS from the environment and start again.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.PROMPT_EMPTY: _Words(
        "The message is empty",
        "There is nothing to answer.",
        "",
        "Write something and send it.",
        "Write a message",
        Action.EDIT_MESSAGE,
    ),
    ErrorCode.PROMPT_TOO_LONG: _Words(
        "The message is too long",
        "The message has {n_tokens} tokens (pieces of words), and there is room for {limit}.",
        _KEPT,
        "Shorten it and send it again.",
        "Edit the message",
        Action.EDIT_MESSAGE,
    ),
    ErrorCode.TOKEN_OUT_OF_RANGE: _Words(
        "A token does not exist",
        "Token {token_id} is outside the model's vocabulary of {vocab_size}.",
        _FILES_SAFE,
        "Use token numbers from 0 to one below {vocab_size}.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.IDS_INVALID: _Words(
        "These are not token numbers",
        "{text} is not a list of token numbers.",
        "",
        "Write them like 128000,25,11.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.SETTINGS_RESET: _Words(
        "Some settings were not valid",
        "These settings could not be read and are back to the standard: {names}.",
        "All others are as they were.",
        "Set them again in the preferences if you like.",
        "Dismiss",
        Action.DISMISS,
    ),
    ErrorCode.SETTINGS_UNREADABLE: _Words(
        "The settings could not be read",
        "The file of the settings is damaged; it is kept as {kept_as}. The standard settings are used.",
        _CHATS_SAFE,
        "Set again what you had changed.",
        "Dismiss",
        Action.DISMISS,
    ),
    ErrorCode.SETTING_INVALID: _Words(
        "A setting is out of range",
        "{key} cannot be {value}.",
        "Nothing was changed.",
        "Use {allowed}.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.OUTPUT_UNWRITABLE: _Words(
        "The file cannot be written",
        "{path} cannot be written: {reason}.",
        "An existing file was left as it was.",
        "Choose another place.",
        "Close",
        Action.DISMISS,
    ),
    **DOCUMENT_WORDS,
    **COLLECTION_WORDS,
    ErrorCode.DATA_DIR_UNWRITABLE: _Words(
        "Tern cannot save anything",
        "The data folder {path} cannot be written: {reason}.",
        "Nothing was lost; nothing can be saved either.",
        "Make it writable, or start Tern with --data-dir and another folder.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    ErrorCode.ALREADY_RUNNING: _Words(
        "Tern is already running",
        "Another Tern uses the data folder {path}.",
        _CHATS_SAFE,
        "Use the window that is open, or start this one with --data-dir and another folder.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.DATABASE_DAMAGED: _Words(
        "The history was damaged",
        "The history file {path} could not be read in full.",
        "It was kept untouched as {kept_as}.",
        "What could be read is here; a backup may have the rest.",
        "Restore from a backup",
        Action.RESTORE_BACKUP,
    ),
    ErrorCode.DATABASE_NEWER: _Words(
        "The history is from a newer Tern",
        "{path} has format {found}; this Tern reads up to {supported}.",
        "The file was not touched.",
        "Install the newer Tern.",
        "Open the data folder",
        Action.OPEN_DATA_FOLDER,
    ),
    ErrorCode.DATABASE_LOCKED: _Words(
        "The history is in use",
        "Another program holds {path}.",
        _CHATS_SAFE,
        "Close the other program and try again.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    ErrorCode.DISK_FULL: _Words(
        "The disk is full",
        "There is no room left to write {path}.",
        "Everything saved so far is safe.",
        "Free some space and try again.",
        "Try again",
        Action.TRY_AGAIN,
    ),
    ErrorCode.MESSAGES_DAMAGED: _Words(
        "Some messages are damaged",
        "{found} messages are not what was saved: the disk or another program has changed them.",
        "Everything else is as it was.",
        "A backup may still have them.",
        "Restore from a backup",
        Action.RESTORE_BACKUP,
    ),
    ErrorCode.FOLDER_NOT_FOUND: _Words(
        "The folder is gone",
        "That folder no longer exists.",
        _CHATS_SAFE,
        "Choose another one.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.CHATS_UNREADABLE: _Words(
        "These conversations cannot be read",
        "{path} was not imported: {reason}.",
        "Nothing was added.",
        "Choose an export of ChatGPT, GPT4All, LM Studio or Tern.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.CHATS_NONE: _Words(
        "There are no conversations in it",
        "{path} holds no conversation that could be imported.",
        "Nothing was added.",
        "Choose another file.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.MODEL_DIFFERS: _Words(
        "Another model wrote this answer",
        "It was written by {model} with a context of its own; {loaded} is loaded now.",
        "The answer stays as it is.",
        "Load the model that wrote it, or ask for a new answer.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.NOT_REPLAYABLE: _Words(
        "This answer cannot be replayed",
        "An older version of Tern did not keep what is needed, or the answer was interrupted.",
        "The answer stays as it is.",
        "Answers that are made from now on can be replayed.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.CHAT_NOT_FOUND: _Words(
        "The conversation is gone",
        "Conversation {chat_id} no longer exists.",
        "All other conversations are safe.",
        "Start a new one.",
        "New chat",
        Action.NEW_CHAT,
    ),
}

_UNEXPECTED = Notice(
    "Something went wrong",
    "Tern ran into a mistake of its own.",
    _CHATS_SAFE,
    "Try again; if it happens again, report it with the copied details.",
    "Try again",
    Action.TRY_AGAIN,
)

_ENDINGS: Mapping[StopReason, str] = {
    StopReason.STOP_TOKEN: "",
    StopReason.STOP_STRING: "",
    StopReason.MAX_TOKENS: "Stopped at the longest answer that is allowed.",
    StopReason.CONTEXT_FULL: "Stopped: the model had no room left. Start a new chat for a longer answer.",
    StopReason.LOOP: "Stopped: the model had begun to repeat itself.",
    StopReason.CANCELLED: "You stopped this answer.",
    StopReason.NOT_IN_DOCUMENTS: "This is probably not in your documents. The passages above come closest.",
}


def notice_for(error: BaseException) -> Notice:
    """Return the words for `error`; anything but an AppError is our own mistake and is said so."""
    if not isinstance(error, AppError):
        return _UNEXPECTED
    words = _WORDS[error.code]
    facts = _Facts({key: _shown(key, value) for key, value in error.facts.items()})
    return Notice(
        words.title,
        words.what.format_map(facts),
        words.safe.format_map(facts),
        words.advice.format_map(facts),
        words.label,
        words.action,
    )


def one_line(error: BaseException) -> str:
    """Return what happened and what to do as one line for a terminal, without control characters."""
    notice = notice_for(error)
    return f"{notice.what} {notice.advice}"


def details(error: BaseException) -> str:
    """Return what "Copy details" copies: the code, the facts and the chain of causes, never text of a chat."""
    lines = [_plain(str(error)) if isinstance(error, AppError) else type(error).__name__]
    cause = error.__cause__
    while cause is not None and len(lines) < 6:
        lines.append(f"caused by {type(cause).__name__}: {_plain(str(cause))}")
        cause = cause.__cause__
    return "\n".join(lines)


def ending(reason: StopReason) -> str:
    """Return the sentence that tells why an answer ended early, or an empty string when it ended by itself."""
    return _ENDINGS[reason]


def not_in_documents(*, has_passages: bool) -> str:
    """Return the sentence for a question that the documents do not answer."""
    if has_passages:
        return ending(StopReason.NOT_IN_DOCUMENTS)
    return "This is not in your documents: none of them has the words of your question. Nothing was made up."


def trimmed(turns_dropped: int) -> str:
    """Return the sentence for messages that no longer fit and were not seen by the model."""
    if turns_dropped == 1:
        return "The oldest message no longer fits: the model did not read it for this answer."
    return f"The oldest {turns_dropped} messages no longer fit: the model did not read them for this answer."


def starts_failed(failed: FailedStarts) -> AppError | None:
    """Return what is to be said where Tern starts in safe mode; None where it does not."""
    if not failed.calls_for_safe_mode:
        return None
    match failed.step:
        case Step.MODEL:
            return AppError(ErrorCode.STARTS_FAILED_MODEL, n=failed.n, name=failed.name)
        case Step.HISTORY:
            return AppError(ErrorCode.STARTS_FAILED_HISTORY, n=failed.n)
        case Step.WINDOW:
            return AppError(ErrorCode.STARTS_FAILED, n=failed.n)


def bytes_in_words(n_bytes: int) -> str:
    """Return a size as a person reads it, in decimal units."""
    if n_bytes < 1_000_000:
        return f"{max(n_bytes, 0) / 1_000:.0f} kB"
    if n_bytes < 1_000_000_000:
        return f"{n_bytes / 1_000_000:.0f} MB"
    return f"{n_bytes / 1_000_000_000:.1f} GB"


class _Facts(dict[str, str]):
    """Facts by name; one that is absent reads as "unknown" rather than breaking the message about an error."""

    def __missing__(self, key: str) -> str:
        return "unknown"


def _shown(key: str, value: Fact) -> str:
    if key.endswith("_bytes") and isinstance(value, int):
        return bytes_in_words(value)
    return _plain(str(value)).rstrip(".")


def _plain(text: str) -> str:
    """Return `text` on one line, without control or direction characters, at a bearable length."""
    clean = "".join(char if char.isprintable() else " " for char in text[: 4 * _MAX_FACT_CHARS])
    clean = " ".join(clean.split())
    return clean if len(clean) <= _MAX_FACT_CHARS else clean[: _MAX_FACT_CHARS - 1] + "…"
