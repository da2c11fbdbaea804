"""Preferences: one table (SPECS) that the dialog, the file and the tests are made from, and the values.

Knows which settings there are and what each may hold; must not know who uses them. The labels and help texts stand
here, not in app/, so that one line adds a setting.
"""

import contextlib
import errno
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeGuard

from core.errors import AppError, ErrorCode

if TYPE_CHECKING:
    from core.inference.sampling import SamplingParams

SettingValue = str | int | float | bool | tuple[str, ...] | None
MAX_FILE_BYTES: Final = 4 << 20
MAX_LINE_CHARS: Final = 256  # of each text of LINES; the sampler's limit of a stop string


class Kind(StrEnum):
    """What a setting holds; the dialog picks its control by it."""

    TEXT = "text"  # str
    PATH = "path"  # str, a file or directory
    INTEGER = "integer"  # int within minimum..maximum
    NUMBER = "number"  # float within minimum..maximum
    SWITCH = "switch"  # bool
    CHOICE = "choice"  # str, one of choices
    LINES = "lines"  # tuple[str, ...], no empty ones


class Page(StrEnum):
    """The pages of the settings dialog, in their order."""

    MODEL = "Model"
    ANSWERS = "Answers"
    APPEARANCE = "Appearance"


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting: what it may hold and how it is shown.

    `is_optional` allows None, which always means "automatic" or "none chosen". `needs_reload` says that a change
    takes effect when the model is next opened.
    """

    key: str
    kind: Kind
    default: SettingValue
    label: str
    help: str
    page: Page
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    is_optional: bool = False
    needs_reload: bool = False

    @property
    def allowed(self) -> str:
        """The allowed values in a short form, as a fact for SETTING_INVALID."""
        match self.kind:
            case Kind.INTEGER | Kind.NUMBER:
                return f"{self.minimum:g} to {self.maximum:g}"
            case Kind.CHOICE:
                return ", ".join(self.choices)
            case Kind.SWITCH:
                return "true, false"
            case Kind.LINES:
                return f"at most {self.maximum:g} texts of 1 to {MAX_LINE_CHARS} characters"
            case Kind.TEXT | Kind.PATH:
                return f"text of at most {self.maximum:g} characters"

    def check(self, value: object) -> SettingValue:
        """Return `value` in its proper type.

        Raises:
            AppError: SETTING_INVALID.
        """
        if value is None and self.is_optional:
            return None
        checked = self._checked(value)
        if checked is None:
            raise AppError(ErrorCode.SETTING_INVALID, key=self.key, value=repr(value)[:80], allowed=self.allowed)
        return checked

    def _checked(self, value: object) -> SettingValue:
        """Return `value` in its proper type, or None when it is not allowed."""
        match self.kind:
            case Kind.SWITCH:
                return value if isinstance(value, bool) else None
            case Kind.INTEGER:
                return value if _is_whole(value) and self._is_in_range(value) else None
            case Kind.NUMBER:
                if not (_is_whole(value) or isinstance(value, float)) or not self._is_in_range(value):
                    return None
                return float(value)
            case Kind.CHOICE:
                return value if isinstance(value, str) and value in self.choices else None
            case Kind.LINES:
                return self._checked_lines(value)
            case Kind.TEXT | Kind.PATH:
                return value if isinstance(value, str) and _is_text(value) and self._is_in_range(len(value)) else None

    def _checked_lines(self, value: object) -> tuple[str, ...] | None:
        if not isinstance(value, list | tuple) or not self._is_in_range(len(value)):
            return None
        lines = tuple(
            line for line in value if isinstance(line, str) and 1 <= len(line) <= MAX_LINE_CHARS and _is_text(line)
        )
        return lines if len(lines) == len(value) else None

    def _is_in_range(self, number: float) -> bool:
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return low <= number <= high  # false for NaN


SPECS: Final[tuple[Spec, ...]] = (
    Spec("model_path", Kind.PATH, None, "Model", "The directory of the model that answers. Empty: the starter model.",
         Page.MODEL, maximum=4096, is_optional=True, needs_reload=True),
    Spec("models_directory", Kind.PATH, None, "More models in", "A further directory in which Tern looks for models.",
         Page.MODEL, maximum=4096, is_optional=True),
    Spec("threads", Kind.INTEGER, None, "Threads", "How many processor cores answer. Empty: chosen for this computer.",
         Page.MODEL, minimum=1, maximum=256, is_optional=True, needs_reload=True),
    Spec("context_length", Kind.INTEGER, None, "Context length",
         "How many tokens of the conversation the model sees. More needs more memory. Empty: what the model allows.",
         Page.MODEL, minimum=128, maximum=131072, is_optional=True, needs_reload=True),
    Spec("system_prompt", Kind.TEXT, "You are a helpful assistant.", "System prompt",
         "What the model is told before every conversation.", Page.ANSWERS, maximum=100_000),
    Spec("temperature", Kind.NUMBER, 0.7, "Temperature",
         "Higher is more varied, lower more predictable. 0 always takes the likeliest word.",
         Page.ANSWERS, minimum=0.0, maximum=5.0),
    Spec("top_k", Kind.INTEGER, 40, "Top k", "Choose among this many likeliest tokens. 0: no limit.",
         Page.ANSWERS, minimum=0, maximum=1_000_000),
    Spec("top_p", Kind.NUMBER, 0.95, "Top p", "Choose among the likeliest tokens that make up this share. 1: all.",
         Page.ANSWERS, minimum=0.01, maximum=1.0),
    Spec("min_p", Kind.NUMBER, 0.05, "Min p", "Leave out tokens below this share of the likeliest one. 0: none.",
         Page.ANSWERS, minimum=0.0, maximum=1.0),
    Spec("repeat_penalty", Kind.NUMBER, 1.1, "Repetition penalty", "Above 1 makes repeated words less likely.",
         Page.ANSWERS, minimum=0.5, maximum=3.0),
    Spec("repeat_window", Kind.INTEGER, 128, "Repetition window", "How many of the last tokens count as repeated.",
         Page.ANSWERS, minimum=0, maximum=131072),
    Spec("max_tokens", Kind.INTEGER, 1024, "Longest answer", "An answer ends after this many tokens.",
         Page.ANSWERS, minimum=1, maximum=131072),
    Spec("seed", Kind.INTEGER, None, "Seed", "The same seed gives the same answer again. Empty: a new one each time.",
         Page.ANSWERS, minimum=0, maximum=2**63 - 1, is_optional=True),
    Spec("stop", Kind.LINES, (), "Stop at", "An answer ends before any of these texts, one a line.",
         Page.ANSWERS, maximum=16),
    Spec("theme", Kind.CHOICE, "system", "Theme", "Light, dark, or as the system is set.",
         Page.APPEARANCE, choices=("system", "light", "dark")),
    Spec("text_size_percent", Kind.INTEGER, 100, "Text size (%)", "The size of all text.",
         Page.APPEARANCE, minimum=80, maximum=200),
    Spec("density", Kind.CHOICE, "comfortable", "Density", "How much room there is around controls and messages.",
         Page.APPEARANCE, choices=("comfortable", "compact")),
    Spec("send_on_enter", Kind.SWITCH, True, "Enter sends",
         "Enter sends the message and Shift+Enter starts a line. Off: Ctrl+Enter sends.", Page.APPEARANCE),
)  # fmt: skip
_SPEC_OF: Final[Mapping[str, Spec]] = MappingProxyType({spec.key: spec for spec in SPECS})


def spec_of(key: str) -> Spec:
    """Return the spec of `key`; KeyError for a key that is not in the table."""
    return _SPEC_OF[key]


@dataclass(frozen=True, slots=True)
class Settings:
    """All values, immutable: `with_value` returns a changed copy.

    `reset_keys` names the fields that were invalid in the file and went back to their defaults; `bad_copy` is where
    an unreadable file was kept. Fields of the file that this version does not know are carried along.
    """

    _values: Mapping[str, SettingValue] = field(
        default_factory=lambda: MappingProxyType({spec.key: spec.default for spec in SPECS})
    )
    _unknown: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    reset_keys: tuple[str, ...] = field(default=(), compare=False)
    bad_copy: Path | None = field(default=None, compare=False)

    def get(self, key: str) -> SettingValue:
        """Return the value of `key`; KeyError for a key that is not in the table."""
        return self._values[key]

    def text(self, key: str) -> str:
        """Return a TEXT, PATH or CHOICE; "" where none is chosen."""
        value = self._values[key]
        assert value is None or isinstance(value, str), key
        return value or ""

    def integer(self, key: str) -> int:
        """Return an INTEGER that is not optional."""
        value = self._values[key]
        assert isinstance(value, int), key
        return value

    def optional_integer(self, key: str) -> int | None:
        """Return an INTEGER; None is automatic."""
        return None if self._values[key] is None else self.integer(key)

    def number(self, key: str) -> float:
        """Return a NUMBER."""
        value = self._values[key]
        assert isinstance(value, float), key
        return value

    def flag(self, key: str) -> bool:
        """Return a SWITCH."""
        value = self._values[key]
        assert isinstance(value, bool), key
        return value

    def lines(self, key: str) -> tuple[str, ...]:
        """Return LINES."""
        value = self._values[key]
        assert isinstance(value, tuple), key
        return value

    def with_value(self, key: str, value: object) -> "Settings":
        """Return a copy in which `key` holds `value`; KeyError for a key that is not in the table.

        Raises:
            AppError: SETTING_INVALID.
        """
        checked = _SPEC_OF[key].check(value)
        return Settings(MappingProxyType({**self._values, key: checked}), self._unknown, self.reset_keys, self.bad_copy)

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read the file; never fails.

        No file gives the defaults; an unreadable one too, and is kept as `<name>.bad`; one invalid field resets that
        field only.
        """
        try:
            stored = _read_object(path)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, RecursionError):
            return cls(bad_copy=_keep_bad(path))
        values: dict[str, SettingValue] = {}
        reset: list[str] = []
        for spec in SPECS:
            try:
                values[spec.key] = spec.check(stored[spec.key]) if spec.key in stored else spec.default
            except AppError:
                values[spec.key] = spec.default
                reset.append(spec.key)
        unknown = {key: value for key, value in stored.items() if key not in _SPEC_OF}
        return cls(MappingProxyType(values), MappingProxyType(unknown), tuple(reset))

    def save(self, path: Path) -> None:
        """Write the file in one step: a reader sees the old one or the new one, also after a power cut.

        Raises:
            AppError: DISK_FULL, DATA_DIR_UNWRITABLE; the old file is then still there.
        """
        stored = {**self._unknown, **self._values}
        write_atomically(path, (json.dumps(stored, indent=2, sort_keys=True) + "\n").encode("utf-8"))


def sampling_params(settings: Settings) -> "SamplingParams":
    """Return the part of the settings that the sampler needs."""
    # Imported here: the table must load without numpy (the window reads the theme first).
    from core.inference.sampling import SamplingParams

    return SamplingParams(
        temperature=settings.number("temperature"),
        top_k=settings.integer("top_k"),
        top_p=settings.number("top_p"),
        min_p=settings.number("min_p"),
        repeat_penalty=settings.number("repeat_penalty"),
        repeat_window=settings.integer("repeat_window"),
        seed=settings.optional_integer("seed"),
        max_tokens=settings.integer("max_tokens"),
        stop=settings.lines("stop"),
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by a file with `content`, private to the user, or leave it as it was.

    Raises:
        AppError: DISK_FULL, DATA_DIR_UNWRITABLE.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        _write_durably(temporary, content)
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as exc:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise AppError(ErrorCode.DISK_FULL, path=path) from exc
        reason = exc.strerror or str(exc)
        raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=path.parent, reason=reason) from exc


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, for the mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Put the names in a directory on disk: files created, renamed or removed in it stay so after a power cut."""
    if os.name != "posix":
        return  # Windows cannot open a directory; os.replace writes through there
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_object(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError("settings file too large")
    stored = json.loads(content.decode("utf-8"))
    if not isinstance(stored, dict):
        raise ValueError("settings file is not an object")
    return stored


def _keep_bad(path: Path) -> Path | None:
    """Move an unreadable file aside; None when even that is not possible (it is then left alone)."""
    bad = path.with_name(path.name + ".bad")
    try:
        path.replace(bad)
    except OSError:
        return None
    return bad


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: str) -> bool:
    """True for text that UTF-8 can hold (no lone surrogates) and that has no NUL."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value
