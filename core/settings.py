"""Preferences as values, and their file: read field by field, written in one step.

Knows the table (specs.py); must not know who uses a setting.
"""

import contextlib
import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from core.errors import AppError, ErrorCode
from core.specs import SPECS, Kind, Preset, SettingValue, spec_of, whole_presets

if TYPE_CHECKING:
    from core.inference.sampling import SamplingParams

MAX_FILE_BYTES: Final = 4 << 20
_KEYS: Final = frozenset(spec.key for spec in SPECS)


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
        return tuple(line for line in value if isinstance(line, str))

    def presets(self, key: str) -> tuple[Preset, ...]:
        """Return PRESETS."""
        value = self._values[key]
        assert isinstance(value, tuple), key
        return tuple(preset for preset in value if isinstance(preset, Preset))

    def differing(self) -> frozenset[str]:
        """Return the keys whose values are not the defaults."""
        return frozenset(spec.key for spec in SPECS if self._values[spec.key] != spec.default)

    def with_value(self, key: str, value: object) -> "Settings":
        """Return a copy in which `key` holds `value`; KeyError for a key that is not in the table.

        Raises:
            AppError: SETTING_INVALID.
        """
        checked = spec_of(key).check(value)
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
                is_list = spec.kind is Kind.PRESETS
                values[spec.key] = tuple(whole_presets(stored[spec.key])) if is_list else spec.default
                reset.append(spec.key)
        unknown = {key: value for key, value in stored.items() if key not in _KEYS}
        return cls(MappingProxyType(values), MappingProxyType(unknown), tuple(reset))

    def save(self, path: Path) -> None:
        """Write the file in one step: a reader sees the old one or the new one, also after a power cut.

        Raises:
            AppError: DISK_FULL, DATA_DIR_UNWRITABLE; the old file is then still there.
        """
        stored = {**self._unknown, **{key: _storable(value) for key, value in self._values.items()}}
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


def _storable(value: SettingValue) -> object:
    if isinstance(value, tuple):
        return [
            {"name": each.name, "values": dict(each.values)} if isinstance(each, Preset) else each for each in value
        ]
    return value


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
