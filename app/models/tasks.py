"""What is done with models beside the window: each function is work for a lane.

Knows how the parts of core/ are put together for it; must not know Qt or words.
"""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app import wiring
from core import offline
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Connected, Emit
from core.models.catalogue import CatalogueModel, catalogue
from core.models.computer import Computer, inspect_computer
from core.models.connections import Transferred, read_connections, read_transfers
from core.models.download import DownloadOptions, PartialDownload, partial_downloads
from core.models.hub_cache import HubSnapshot, cache_directories, cached_models, snapshot_at
from core.models.installed import InstalledModel, is_gguf_file, is_model_directory, references
from core.models.manage import import_model, import_name, receipt_of, remove_model
from core.models.receipts import REFERENCE_SUFFIX
from core.paths import AppPaths
from core.settings import Settings

if TYPE_CHECKING:
    from core.inference.engine import Engine

NO_PROXY: Final = "none"  # what the setting says for no proxy
TRY_QUESTION: Final = "Say hello in one short sentence."
TRY_TOKENS: Final = 32
TRY_WITHIN_S: Final = 2.0
_LARGEST_NUMBER: Final = 99


class Origin(StrEnum):
    """How a model came onto this computer."""

    STARTER = "starter"
    STORED = "stored"  # downloaded or copied by Tern, which may delete it
    REFERENCE = "reference"  # it lies elsewhere and is only named
    GONE = "gone"  # a reference to what is there no more
    FOUND = "found"


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A model on this computer; `memory_bytes` is None where it cannot be told."""

    model: InstalledModel
    origin: Origin
    n_bytes: int
    memory_bytes: int | None
    title: str  # the catalogue's, else its name


@dataclass(frozen=True, slots=True)
class Survey:
    """All models here, those of the hub's cache that are not, downloads that were begun, and the computer."""

    kept: tuple[KeptModel, ...]
    cached: tuple[HubSnapshot, ...]
    partial: tuple[PartialDownload, ...]
    computer: Computer


@dataclass(frozen=True, slots=True)
class TryOut:
    """What a model said when it was tried, and how fast."""

    text: str
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """What was refused in this process, and what downloads have ever connected to and received."""

    counters: offline.Counters
    connections: tuple[Connected, ...]
    transfers: tuple[Transferred, ...]


def download_options(settings: Settings) -> DownloadOptions:
    """Return how the hub is reached, as the settings say."""
    proxy, ca_file = settings.text("proxy").strip(), settings.text("ca_file")
    return DownloadOptions(
        endpoint=settings.text("hub_address").strip(),
        proxy=None if not proxy else "" if proxy.casefold() == NO_PROXY else proxy,
        ca_file=Path(ca_file) if ca_file else None,
    )


def model_folders(paths: AppPaths, settings: Settings) -> tuple[Path, ...]:
    """Return the folders that Tern looks for models in, its own first."""
    extra = settings.text("models_directory")
    return (paths.models, *([Path(extra)] if extra else []))


def look_at_computer(folder: Path) -> Computer:
    """Return what this computer has, with models kept in `folder`."""
    from core.inference.speed import available_kernels

    return inspect_computer(folder, available_kernels())


def measure_speed(cancel: CancelToken, emit: Emit) -> float:
    """Return how many bytes of weights this computer reads a second (engine lane, about three seconds).

    Raises:
        AppError: OUT_OF_MEMORY, KERNELS_UNKNOWN.
        Interrupted: `cancel` was cancelled.
    """
    from core.inference import speed

    return speed.measure_speed(cancel, emit).weights_per_s


def free_bytes(folder: Path) -> int | None:
    """Return the room on the disk of `folder`, which need not exist."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def survey(paths: AppPaths, settings: Settings) -> Survey:
    """Return all that the windows of models show."""
    found = wiring.all_models(paths, settings)
    known = {model.reference for model in found}
    here = (*found, *(model for model in references(paths.models) if model.reference not in known))
    names = {model.name.casefold() for model in here}
    snapshots = cached_models(catalogue(), cache_directories(os.environ, Path.home()))
    return Survey(
        kept=tuple(_kept(model, paths, settings) for model in here),
        cached=tuple(each for each in snapshots if each.repository.partition("/")[2].casefold() not in names),
        partial=tuple(part for folder in model_folders(paths, settings) for part in partial_downloads(folder)),
        computer=look_at_computer(paths.models),
    )


def entry_called(name: str) -> CatalogueModel | None:
    """Return the published model of this name."""
    return next((entry for entry in catalogue() if entry.name.casefold() == name.casefold()), None)


def entry_of(model: InstalledModel) -> CatalogueModel | None:
    """Return the catalogue's entry for a model that is here."""
    if model.is_starter:
        return next((entry for entry in catalogue() if entry.repository is None), None)
    return entry_called(model.name)


def split_models(paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return which of the paths are models, and the others."""
    models = tuple(path for path in paths if is_model(path))
    return models, tuple(path for path in paths if path not in models)


def is_model(path: Path) -> bool:
    """Tell whether `path` is a model, a file of one, or its directory in the hub's cache."""
    is_tensors = path.suffix.lower() == ".safetensors" and path.is_file()
    return is_gguf_file(path) or is_tensors or (path.is_dir() and _model_in(path) is not None)


def bring_in(
    path: Path, paths: AppPaths, settings: Settings, *, as_reference: bool, cancel: CancelToken, emit: Emit
) -> InstalledModel:
    """Read every value of the model at `path` and take it over under a name that is free; emits LoadProgress.

    `path` may also be one of its files, a directory that holds only its directory, or one of the hub's cache.

    Raises:
        AppError: MODEL_*, TOKENIZER_*, DISK_FULL, DATA_DIR_UNWRITABLE, ALREADY_RUNNING.
        Interrupted: `cancel` was cancelled; nothing was changed.
    """
    from core.inference.inspect import inspect_model

    source = path.parent if path.suffix.lower() == ".safetensors" else _model_in(path) or path
    report = inspect_model(source, deep=True, cancel=cancel, emit=emit)
    if report.error is not None:
        raise report.error
    if report.embedding is None and not report.has_tokenizer:
        raise AppError(ErrorCode.TOKENIZER_MISSING, path=source)
    paths.create()
    return import_model(
        source,
        report.files,
        paths.models,
        name=_free_name(import_name(source) or "model", paths, settings),
        as_reference=as_reference,
        is_embedding=report.embedding is not None,
        cancel=cancel,
        emit=emit,
    )


def remove(model: InstalledModel) -> tuple[str, ...]:
    """Remove what Tern stored; returns the names of other files beside it, which stay.

    Raises:
        AppError: MODEL_NOT_OURS, DATA_DIR_UNWRITABLE.
    """
    return remove_model(model, model.path.parent)


def try_out(engine: "Engine", cancel: CancelToken) -> TryOut:
    """Check the kernels against their reference, then let the model answer for two seconds (engine lane).

    Raises:
        AppError: CPU_UNSUPPORTED where this processor computes wrongly, MODEL_DAMAGED where no answer comes.
    """
    from core.inference.kernel_check import check_kernels
    from core.inference.prompt import Role, Turn, build_prompt
    from core.inference.sampling import SamplingParams

    problems = check_kernels().problems
    if problems:
        raise AppError(ErrorCode.CPU_UNSUPPORTED, reason="; ".join(problems))
    prompt = build_prompt(
        [Turn(Role.USER, TRY_QUESTION)], engine.tokenizer, context_length=engine.context_length, reserve=TRY_TOKENS
    )
    enough = CancelToken()
    cancel.on_cancel(enough.cancel)
    begun = time.monotonic()

    def on_event(_event: object) -> None:
        if time.monotonic() - begun > TRY_WITHIN_S:
            enough.cancel()

    params = SamplingParams(temperature=0.0, top_k=0, top_p=1.0, min_p=0.0, seed=0, max_tokens=TRY_TOKENS)
    answer = engine.generate(prompt.ids, params, enough, on_event)
    if not answer.text.strip() and not cancel.is_cancelled:
        raise AppError(ErrorCode.MODEL_DAMAGED, path=engine.name, part="self-test", reason="it gives no answer")
    return TryOut(answer.text.strip(), answer.stats.decode_tokens_per_s)


def network_record(paths: AppPaths) -> NetworkRecord:
    """Return what there is to show about the network."""
    return NetworkRecord(offline.counters(), read_connections(paths.connections), read_transfers(paths.connections))


def _model_in(path: Path) -> Path | None:
    """Return the model's directory: `path`, its snapshot in the hub's cache, or the one in it; None for no model."""
    snapshot = snapshot_at(path)
    if snapshot is not None:
        return snapshot.path
    if is_model_directory(path) or is_gguf_file(path):
        return path
    try:
        inner = [entry for entry in path.iterdir() if entry.is_dir() and is_model_directory(entry)]
    except OSError:
        return None
    return inner[0] if len(inner) == 1 else None


def _free_name(wanted: str, paths: AppPaths, settings: Settings) -> str:
    """Return `wanted`, with a number where that name is taken."""
    taken = {model.name.casefold() for model in wiring.all_models(paths, settings)}
    taken |= {entry.name.removesuffix(REFERENCE_SUFFIX).casefold() for entry in paths.models.iterdir()}
    taken |= {Path(name).stem for name in taken if name.endswith(".gguf")}
    numbered = (f"{wanted}-{number}" for number in range(2, _LARGEST_NUMBER))
    return next((name for name in (wanted, *numbered) if name.casefold() not in taken), wanted)


def _kept(model: InstalledModel, paths: AppPaths, settings: Settings) -> KeptModel:
    entry = entry_of(model)
    return KeptModel(
        model,
        _origin(model),
        _size(model.path),
        entry.memory_bytes if entry is not None else _memory(model, settings),
        model.name if entry is None else entry.title,
    )


def _origin(model: InstalledModel) -> Origin:
    if model.is_starter:
        return Origin.STARTER
    if model.reference is not None:
        return Origin.REFERENCE if model.path.exists() else Origin.GONE
    is_stored = not model.path.is_symlink() and receipt_of(model) is not None
    return Origin.STORED if is_stored else Origin.FOUND


def _size(path: Path) -> int:
    try:
        entries = [path] if path.is_file() else list(path.iterdir())
        return sum(entry.stat().st_size for entry in entries if entry.is_file())
    except OSError:
        return 0


def _memory(model: InstalledModel, settings: Settings) -> int | None:
    if model.is_embedding:
        return None
    from core.inference.memory import estimate_memory

    try:
        estimate = estimate_memory(model.path, settings.optional_integer("context_length"))
    except AppError:
        return None
    return estimate.weights_bytes + estimate.cache_bytes
