"""The cache of the Hugging Face tools: which published model a path in it is, and which models are there.

Knows the layout `models--OWNER--NAME/{refs/main, snapshots/REVISION/}` (huggingface_hub, "Understand caching"), whose
snapshots hold links to files named by their hash. Only reads directories; must not know what a model needs.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.models.catalogue import CatalogueModel

_REPOSITORY = re.compile(r"models--([A-Za-z0-9][A-Za-z0-9._-]{0,95})--([A-Za-z0-9][A-Za-z0-9._-]{0,95})")
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubSnapshot:
    """One revision of a published model; `path` is its directory, or the file in it that was named."""

    repository: str
    revision: str
    path: Path


def snapshot_at(path: Path) -> HubSnapshot | None:
    """Return the snapshot that `path` is, is a file of, or (as `models--OWNER--NAME`) holds; None for another path."""
    absolute = path.expanduser().absolute()  # not resolved: the files are links to somewhere else
    for directory in (absolute, absolute.parent):
        repository = _repository(directory.parent.parent.name)
        if repository and directory.parent.name == "snapshots" and _REVISION.fullmatch(directory.name):
            return HubSnapshot(repository, directory.name, absolute)
    return newest_snapshot(absolute)


def newest_snapshot(directory: Path, revision: str | None = None) -> HubSnapshot | None:
    """Return a snapshot in `directory` (`models--OWNER--NAME`): `revision`, what refs/main names, or the only one."""
    repository = _repository(directory.name)
    if repository is None:
        return None
    names = _names(directory / "snapshots")
    wanted = [revision, _main(directory), *(names if len(names) == 1 else [])]
    found = next((name for name in wanted if name in names), None)
    return None if found is None else HubSnapshot(repository, found, directory / "snapshots" / found)


def cache_directories(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Return where the tools keep their cache, as their own variables say."""
    named = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return (Path(named).expanduser(),)
    if environ.get("HF_HOME"):
        return (Path(environ["HF_HOME"]).expanduser() / "hub",)
    cache = Path(environ["XDG_CACHE_HOME"]) if environ.get("XDG_CACHE_HOME") else home / ".cache"
    return (cache / "huggingface" / "hub",)


def cached_models(models: Iterable[CatalogueModel], directories: Iterable[Path]) -> tuple[HubSnapshot, ...]:
    """Return the snapshots of `models` that are in the caches."""
    found: list[HubSnapshot] = []
    caches = tuple(directories)
    for model in models:
        if model.repository is None:
            continue
        for cache in caches:
            snapshot = newest_snapshot(cache / f"models--{model.repository.replace('/', '--')}", model.revision)
            if snapshot is not None:
                found.append(snapshot)
    return tuple(found)


def _repository(name: str) -> str | None:
    match = _REPOSITORY.fullmatch(name)
    return f"{match[1]}/{match[2]}" if match else None


def _names(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir() if _REVISION.fullmatch(entry.name))
    except OSError:
        return []


def _main(directory: Path) -> str | None:
    try:
        path = directory / "refs" / "main"
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(64).decode("ascii", "replace").strip()
    except OSError:
        return None
