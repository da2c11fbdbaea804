"""`tern models`: which models are here and which are published; download, import, verify and remove them.

Knows how to ask and to report; what happens to files is decided in core/models/manage.py.
"""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app import wiring
from app.commands import standard_input
from app.commands.download import download, offline
from app.commands.inspect import examine
from app.commands.interrupts import interrupts_cancel
from app.commands.opening import loading
from app.commands.output import Output
from app.commands.problems import EXIT_OK, UsageError
from app.notices import bytes_in_words
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, Interrupted
from core.models.installed import InstalledModel, references
from core.paths import AppPaths
from core.settings import Settings

if TYPE_CHECKING:
    from core.models.catalogue import CatalogueModel
    from core.models.hub_cache import HubSnapshot

_T = TypeVar("_T")


def run(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> int:
    """Do what the action of the command line asks for.

    Raises:
        AppError: MODEL_*, TOKENIZER_*, DOWNLOAD_*, DISK_FULL, DATA_DIR_UNWRITABLE, ALREADY_RUNNING.
        UsageError: there is nothing to do it with.
        KeyboardInterrupt: Ctrl-C; nothing was changed.
    """
    actions = {
        "list": _list,
        "import": _import,
        "verify": _verify,
        "remove": _remove,
        "download": download,
        "offline": offline,
    }
    actions[arguments.action](arguments, paths, out)
    return EXIT_OK


def _list(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> None:
    from core.models.catalogue import catalogue

    here = _installed(paths)
    if arguments.json:
        listed = {
            "installed": [_installed_as_json(model, paths) for model in here],
            "catalogue": [_entry_as_json(_as_got(entry, here)) for entry in catalogue()],
        }
        out.line(json.dumps(listed, indent=2))
        return
    out.line("on this computer:")
    for model in here:
        out.line(f"  {model.name:<36} {_kind(model, paths)}, {_words(_size(model))}: {model.path}")
    if not here:
        out.line("  none")
    out.line("published (fetch one with `tern models download NAME`):")
    for entry in catalogue():
        if entry.repository is not None:
            mark = " (recommended)" if entry.is_default else ""
            out.line(f"  {entry.repository}{mark}")
            out.line(f"    {entry.sentence} {_needs(entry)}")


def _import(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> None:
    from core.models.hub_cache import snapshot_at
    from core.models.manage import import_model, import_name

    if arguments.path is None:
        path = _only_cached(paths).path
    else:
        snapshot = snapshot_at(arguments.path)
        path = arguments.path if snapshot is None else snapshot.path
    name = arguments.name or import_name(path)
    if name.casefold() in {model.name.casefold() for model in _installed(paths)}:
        raise AppError(ErrorCode.MODEL_NAME_TAKEN, name=name)
    weights, is_embedding = _examined(path, out)
    paths.create()
    verb = "Reading" if arguments.reference else "Copying"
    model = _stoppable(
        lambda cancel, emit: import_model(
            path,
            weights,
            paths.models,
            name=name,
            as_reference=arguments.reference,
            is_embedding=is_embedding,
            cancel=cancel,
            emit=emit,
        ),
        loading(name, out, verb=verb),
        out,
    )
    out.line(f"{model.name} is {'known' if arguments.reference else 'imported'} now: {model.path}")
    out.line("It searches documents." if is_embedding else f"Chat with it: tern chat --model {model.name}")


def _examined(path: Path, out: Output) -> tuple[tuple[str, ...], bool]:
    """Return the names of the files of weights and whether it is an embedding model; every value has been read.

    Raises:
        AppError: why it must not be loaded.
    """
    report = examine(path, out)
    if report.error is not None:
        raise report.error
    return report.files, report.embedding is not None


def _verify(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> None:
    from core.models.manage import verify_model

    model = _named(arguments.name, paths)
    checks = _stoppable(
        lambda cancel, emit: verify_model(model, cancel=cancel, emit=emit),
        loading(model.name, out, verb="Verifying"),
        out,
    )
    if not checks:
        raise UsageError(
            f"{model.name} was not imported and is none of the published models that Tern knows by their hashes; "
            f"`tern inspect {model.path}` checks what is in it"
        )
    for check in checks:
        expected = "published" if check.is_published else "as imported"
        out.line(f"{'ok    ' if check.ok else 'FAILED'} {check.name} ({expected if check.ok else check.problem})")
    out.check_open()
    failed = next((check for check in checks if not check.ok), None)
    if failed is not None:
        raise AppError(ErrorCode.MODEL_DAMAGED, path=model.path, part=failed.name, reason=failed.problem)


def _remove(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> None:
    from core.models.manage import remove_model

    model = _named(arguments.name, paths)
    if model.is_starter:
        raise UsageError("the starter model comes with Tern and stays")
    if not arguments.yes:
        _confirm(model, paths, out)
    rest = remove_model(model, paths.models)
    if model.reference is not None:
        out.line(f"{model.name} is forgotten; its files stay where they are: {model.path}")
    elif rest:
        out.line(f"{model.name} is removed; {model.path} stays, as it holds other files: {', '.join(rest)}")
    else:
        out.line(f"{model.name} is removed.")


def _confirm(model: InstalledModel, paths: AppPaths, out: Output) -> None:
    """Ask the person; without one, --yes must say it.

    Raises:
        UsageError: nobody can be asked, or the answer was no.
    """
    if not (standard_input.is_terminal() and out.is_terminal):
        raise UsageError(f"nothing was removed: to remove {model.name} without being asked, add --yes")
    what = "the reference" if model.reference is not None else f"{_kind(model, paths)}, {_words(_size(model))}"
    out.write(f"Remove {model.name} ({what})? [y/N] ")
    answer = standard_input.read_line() or ""
    if answer.strip().casefold() not in ("y", "yes"):
        raise UsageError("nothing was removed")


def _stoppable(work: Callable[[CancelToken, Emit], _T], emit: Emit, out: Output) -> _T:
    """Run `work` so that Ctrl-C ends it in an orderly way."""
    cancel = CancelToken()
    try:
        with interrupts_cancel(cancel):
            return work(cancel, emit)
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        out.wipe_status()


def _as_got(entry: "CatalogueModel", here: Sequence[InstalledModel]) -> "CatalogueModel":
    """Return `entry` with what its first download has pinned, where it was not known beforehand."""
    from core.models.manage import receipt_of

    if not entry.verified_on_first_download:
        return entry
    receipts = [receipt for receipt in map(receipt_of, here) if receipt is not None]
    return next((got for receipt in receipts if (got := receipt.pinned(entry)) is not entry), entry)


def _only_cached(paths: AppPaths) -> "HubSnapshot":
    """Return the one published model in the hub's cache that is not here yet.

    Raises:
        UsageError: there is none, or several.
    """
    from core.models.catalogue import catalogue
    from core.models.hub_cache import cache_directories, cached_models

    caches = cache_directories(os.environ, Path.home())
    here = {model.name.casefold() for model in _installed(paths)}
    found = [
        snapshot
        for snapshot in cached_models(catalogue(), caches)
        if snapshot.repository.partition("/")[2].casefold() not in here
    ]
    if not found:
        raise UsageError(f"no model to import in {caches[0]}; name the model's directory or .gguf file")
    if len(found) > 1:
        raise UsageError(f"several models to import; name one: {', '.join(str(snapshot.path) for snapshot in found)}")
    return found[0]


def _installed(paths: AppPaths) -> tuple[InstalledModel, ...]:
    """Return all models, also references whose model is gone: they can be removed."""
    found = wiring.all_models(paths, Settings.load(paths.settings))
    known = {model.reference for model in found}
    return (*found, *(model for model in references(paths.models) if model.reference not in known))


def _named(name: str, paths: AppPaths) -> InstalledModel:
    """Return the model called `name`; what was imported goes before what was only found.

    Raises:
        AppError: MODEL_NOT_FOUND.
    """
    found = [model for model in _installed(paths) if model.name == name]
    found.sort(key=lambda model: model.reference is None and model.path.parent != paths.models)
    if not found:
        raise AppError(ErrorCode.MODEL_NOT_FOUND, path=name)
    return found[0]


def _kind(model: InstalledModel, paths: AppPaths) -> str:
    from core.models.manage import receipt_of

    if model.is_starter:
        return "comes with Tern"
    if model.is_embedding and model.path.exists():
        return "for searching documents" + (", reference" if model.reference is not None else "")
    if model.reference is not None:
        return "reference" if model.path.exists() else "reference to a model that is gone"
    return "imported" if model.path.parent == paths.models and receipt_of(model) is not None else "found"


def _size(model: InstalledModel) -> int:
    """Return the bytes of the weights and small files; 0 where they cannot be read."""
    try:
        entries = [model.path] if model.path.is_file() else list(model.path.iterdir())
        return sum(entry.stat().st_size for entry in entries if entry.is_file())
    except OSError:
        return 0


def _words(n_bytes: int) -> str:
    return bytes_in_words(n_bytes)


def _needs(entry: "CatalogueModel") -> str:
    size = "" if entry.download_bytes is None else f"{bytes_in_words(entry.download_bytes)} to download, "
    context = "" if entry.context_length is None else f", context {entry.context_length:,} tokens"
    verified = ", verified on first download" if entry.verified_on_first_download else ""
    return f"({size}about {bytes_in_words(entry.memory_bytes)} of memory{context}, {entry.licence}{verified})"


def _installed_as_json(model: InstalledModel, paths: AppPaths) -> dict[str, object]:
    from core.models.manage import receipt_of

    receipt = receipt_of(model)
    return {
        "name": model.name,
        "path": str(model.path),
        "kind": _kind(model, paths),
        "bytes": _size(model),
        "repository": None if receipt is None else receipt.repository,
        "revision": None if receipt is None else receipt.revision,
        "files": {} if receipt is None else {file.name: file.sha256 for file in receipt.files},
    }


def _entry_as_json(entry: "CatalogueModel") -> dict[str, object]:
    architecture = entry.architecture
    return {
        "name": entry.name,
        "title": entry.title,
        "kind": entry.kind.value,
        "default": entry.is_default,
        "repository": entry.repository,
        "revision": entry.revision,
        "verified_on_first_download": entry.verified_on_first_download,
        "files": [{"name": file.name, "bytes": file.n_bytes, "sha256": file.sha256} for file in entry.files],
        "architecture": None
        if architecture is None
        else {name: getattr(architecture, name) for name in architecture.__slots__},
        "context_length": entry.context_length,
        "languages": list(entry.languages),
        "licence": entry.licence,
        "memory_bytes": entry.memory_bytes,
        "sentence": entry.sentence,
    }
