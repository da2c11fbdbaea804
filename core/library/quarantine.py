"""Which files have killed the extraction child, by their content, so that they are not tried for ever.

Knows hashes and counts; must not know how a file is read. The file is small and may be lost: then it begins anew.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.library.extracted import EXTRACTOR_VERSION
from core.settings import write_atomically

MAX_DEATHS: Final = 2
_MAX_ENTRIES: Final = 2_000
_MAX_REASON_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Deaths:
    """How often a content killed the child, and how the last time."""

    count: int
    reason: str


class Quarantine:
    """The list, on disk where `path` is given; a new version of the extractor gives every file another chance."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._deaths = _read(path)

    @property
    def is_empty(self) -> bool:
        """True when no file was ever noted."""
        return not self._deaths

    def reason(self, sha256: str) -> str | None:
        """Return why a file is left alone; None where it may be tried."""
        found = self._deaths.get(sha256)
        return found.reason if found is not None and found.count >= MAX_DEATHS else None

    def note(self, sha256: str, reason: str) -> None:
        """Count a death; kept on disk where that is possible."""
        before = self._deaths.pop(sha256, Deaths(0, ""))
        self._deaths[sha256] = Deaths(before.count + 1, reason[:_MAX_REASON_CHARS])
        self._write()

    def forget(self, sha256: str) -> None:
        """Let a file be tried again, as it was read after all."""
        if self._deaths.pop(sha256, None) is not None:
            self._write()

    def _write(self) -> None:
        for oldest in list(self._deaths)[: max(0, len(self._deaths) - _MAX_ENTRIES)]:
            del self._deaths[oldest]
        if self._path is None:
            return
        files = {sha256: [each.count, each.reason] for sha256, each in self._deaths.items()}
        content = json.dumps({"extractor": EXTRACTOR_VERSION, "files": files}, ensure_ascii=False)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, content.encode("utf-8"))
        except Exception:  # a full disk loses the note, never the work
            return


def _read(path: Path | None) -> dict[str, Deaths]:
    try:
        stored = json.loads(path.read_text("utf-8")) if path is not None else {}
        if stored.get("extractor") != EXTRACTOR_VERSION:
            return {}
        return {str(key): Deaths(int(each[0]), str(each[1])) for key, each in stored["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return {}
