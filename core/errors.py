"""The one error type that core raises on purpose: a code and its facts.

Knows what can go wrong; must not know how it is said to a person (app/notices.py does that).
"""

from enum import StrEnum
from pathlib import Path

Fact = str | int | float | Path


class ErrorCode(StrEnum):
    """What happened. Each member has its words in app/notices.py (a test walks both)."""

    # model files
    MODEL_NOT_FOUND = "model_not_found"  # facts: path
    MODEL_INCOMPLETE = "model_incomplete"  # facts: path, missing
    MODEL_DAMAGED = "model_damaged"  # facts: path, part (tensor or file), reason
    MODEL_UNSUPPORTED = "model_unsupported"  # facts: path, reason
    MODEL_NONE_CHOSEN = "model_none_chosen"
    MODEL_NAME_INVALID = "model_name_invalid"  # facts: name
    MODEL_NAME_TAKEN = "model_name_taken"  # facts: name
    MODEL_NOT_OURS = "model_not_ours"  # facts: name, path
    TOKENIZER_MISSING = "tokenizer_missing"  # facts: path
    TOKENIZER_DAMAGED = "tokenizer_damaged"  # facts: path, reason
    OUT_OF_MEMORY = "out_of_memory"  # facts: needed_bytes
    # a download
    MODEL_NOT_PUBLISHED = "model_not_published"  # facts: name
    DOWNLOAD_RUNNING = "download_running"  # facts: name
    DOWNLOAD_NO_SPACE = "download_no_space"  # facts: path, needed_bytes, free_bytes
    DOWNLOAD_READ_ONLY = "download_read_only"  # facts: path
    DOWNLOAD_FORBIDDEN = "download_forbidden"  # facts: path, reason
    DOWNLOAD_UNWRITABLE = "download_unwritable"  # facts: path, reason
    DOWNLOAD_NOT_FOUND = "download_not_found"  # facts: name, host, reason
    DOWNLOAD_CHANGED = "download_changed"  # facts: file, host, reason
    DOWNLOAD_DAMAGED = "download_damaged"  # facts: file, host
    DOWNLOAD_INSECURE = "download_insecure"  # facts: host
    DOWNLOAD_FAILED = "download_failed"  # facts: reason
    PROXY_REFUSED = "proxy_refused"  # facts: proxy, reason
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"  # facts: host, reason
    CLOCK_WRONG = "clock_wrong"  # facts: host, today, reason
    CA_UNREADABLE = "ca_unreadable"  # facts: path, reason
    ADDRESS_INVALID = "address_invalid"  # facts: address
    # this computer
    STARTS_FAILED = "starts_failed"  # facts: n
    STARTS_FAILED_MODEL = "starts_failed_model"  # facts: n, name
    STARTS_FAILED_HISTORY = "starts_failed_history"  # facts: n
    CPU_UNSUPPORTED = "cpu_unsupported"  # facts: reason
    KERNELS_UNKNOWN = "kernels_unknown"  # facts: name, known
    # a request
    PROMPT_EMPTY = "prompt_empty"
    PROMPT_TOO_LONG = "prompt_too_long"  # facts: n_tokens, limit
    MODEL_DIFFERS = "model_differs"  # facts: model, loaded
    NOT_REPLAYABLE = "not_replayable"
    TOKEN_OUT_OF_RANGE = "token_out_of_range"  # facts: token_id, vocab_size
    IDS_INVALID = "ids_invalid"  # facts: text
    SETTINGS_RESET = "settings_reset"  # facts: names
    SETTINGS_UNREADABLE = "settings_unreadable"  # facts: kept_as
    SETTING_INVALID = "setting_invalid"  # facts: key, value, allowed
    OUTPUT_UNWRITABLE = "output_unwritable"  # facts: path, reason
    # documents
    DOCUMENT_UNREADABLE = "document_unreadable"  # facts: path, reason
    DOCUMENT_EMPTY = "document_empty"  # facts: path
    DOCUMENT_TOO_LARGE = "document_too_large"  # facts: path, found_bytes, limit_bytes
    DOCUMENT_UNKNOWN = "document_unknown"  # facts: path, kind
    DOCUMENT_SCANNED = "document_scanned"  # facts: path, n_pages
    DOCUMENT_PROTECTED = "document_protected"  # facts: path
    DOCUMENT_DAMAGED = "document_damaged"  # facts: path, reason
    DOCUMENT_TOO_LONG = "document_too_long"  # facts: path, found (what there is too much of), limit
    DOCUMENT_TOO_SLOW = "document_too_slow"  # facts: path, limit_s
    DOCUMENT_TOO_HEAVY = "document_too_heavy"  # facts: path, limit_bytes
    DOCUMENT_CRASHED = "document_crashed"  # facts: path, reason
    DOCUMENT_QUARANTINED = "document_quarantined"  # facts: path, reason
    EXTRACTOR_FAILED = "extractor_failed"  # facts: reason
    DOCUMENTS_TOO_MANY = "documents_too_many"  # facts: found, limit
    # collections of documents
    COLLECTION_NOT_FOUND = "collection_not_found"  # facts: name
    COLLECTION_NAME_TAKEN = "collection_name_taken"  # facts: name
    COLLECTION_NAME_INVALID = "collection_name_invalid"  # facts: name
    PATH_NOT_FOUND = "path_not_found"  # facts: path
    INDEX_DAMAGED = "index_damaged"  # facts: path
    # our own data
    DATA_DIR_UNWRITABLE = "data_dir_unwritable"  # facts: path, reason
    ALREADY_RUNNING = "already_running"  # facts: path
    DATABASE_DAMAGED = "database_damaged"  # facts: path, kept_as
    DATABASE_NEWER = "database_newer"  # facts: path, found, supported
    DATABASE_LOCKED = "database_locked"  # facts: path
    DISK_FULL = "disk_full"  # facts: path
    CHAT_NOT_FOUND = "chat_not_found"  # facts: chat_id
    FOLDER_NOT_FOUND = "folder_not_found"
    MESSAGES_DAMAGED = "messages_damaged"  # facts: found
    # conversations of other programs
    CHATS_UNREADABLE = "chats_unreadable"  # facts: path, reason
    CHATS_NONE = "chats_none"  # facts: path


class AppError(Exception):
    """Something that a person can be told about, as a code with facts.

    Core wraps foreign exceptions at its borders: ``raise AppError(code, path=path) from exc``.
    """

    def __init__(self, code: ErrorCode, **facts: Fact) -> None:
        super().__init__(code.value, facts)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        shown = ", ".join(f"{key}={value}" for key, value in self.facts.items())
        return f"{self.code.value}({shown})"
