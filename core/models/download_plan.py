"""Which files a download fetches: kept beside the parts, so that a download goes on with what it was begun with.

Knows the plan's file and which of a repository's files belong to a model; must not know where they come from.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.models.catalogue import is_safe_name
from core.models.download_messages import Request, WantedFile
from core.models.manage import SIDE_FILES
from core.models.part_file import Identity

PLAN_FILE: Final = "download.json"
LOCK_FILE: Final = ".lock"
MAX_BYTES: Final = 1 << 20
_INDEX_FILE: Final = "model.safetensors.index.json"
_REVISION: Final = re.compile(r"[0-9a-f]{40}")
# Of several .gguf files the first kind that is there: what Tern reads, the closest to the published weights first.
_GGUF_KINDS: Final = ("i2_s", "tq2_0", "tq1_0")


@dataclass(frozen=True, slots=True)
class Plan:
    """One revision of a repository and its files, all sizes known."""

    repository: str
    revision: str
    files: tuple[WantedFile, ...]

    @property
    def total_bytes(self) -> int:
        """Size of all files."""
        return sum(file.n_bytes or 0 for file in self.files)

    def identity(self, file: WantedFile) -> Identity:
        """Return what a part of `file` is a part of."""
        return Identity(self.repository, self.revision, file.name, file.n_bytes or 0, file.sha256, file.git_sha1)


def read_plan(path: Path, request: Request | None = None) -> Plan | None:
    """Return the plan that a download was begun with; None where there is none or it is not one for `request`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        stored = json.loads(data) if len(data) <= MAX_BYTES else {}
        files = tuple(WantedFile(**entry) for entry in stored["files"])
        plan = Plan(stored["repository"], stored["revision"], files)
        if _is_sound(plan) and (request is None or _is_for(plan, request)):
            return plan
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return None


def wanted_names(published: Sequence[str]) -> list[str]:
    """Return the files of a model among those of a repository: safetensors with what belongs to them, or one .gguf."""
    names = [name for name in published if is_safe_name(name)]
    weights = [name for name in names if name.endswith(".safetensors")]
    if weights:
        return [name for name in (*SIDE_FILES, _INDEX_FILE) if name in names] + weights
    ggufs = sorted(name for name in names if name.lower().endswith(".gguf"))
    if len(ggufs) > 1:
        ggufs = [name for kind in _GGUF_KINDS for name in ggufs if kind in name.lower()]
    return ggufs[:1]


def fetched_bytes(directory: Path, plan: Plan) -> int:
    """Return how many bytes of the plan are in `directory`, finished or not."""
    total = 0
    for file in plan.files:
        for name in (file.name, f"{file.name}.part"):
            path = directory / name
            if path.is_file():
                total += min(path.stat().st_size, file.n_bytes or 0)
                break
    return total


def _is_sound(plan: Plan) -> bool:
    sizes_are_known = all(type(file.n_bytes) is int and file.n_bytes >= 0 for file in plan.files)
    names = [file.name for file in plan.files]
    are_safe = all(is_safe_name(name) for name in names) and len(set(map(str.casefold, names))) == len(names) > 0
    return sizes_are_known and are_safe and bool(_REVISION.fullmatch(plan.revision))


def _is_for(plan: Plan, request: Request) -> bool:
    if plan.repository != request.repository or request.revision not in (None, plan.revision):
        return False
    asked = {file.name: file for file in request.files}
    for file in plan.files:
        wanted = asked.get(file.name, WantedFile(file.name, None, None) if not asked else None)
        if wanted is None or wanted.n_bytes not in (None, file.n_bytes):
            return False
        if wanted.sha256 not in (None, file.sha256):
            return False
    needed = {name for name, file in asked.items() if file.sha256 is not None}
    return needed <= {file.name for file in plan.files}
