"""`tern docs`: collections of documents in the terminal: add, list, search, remove, and measure the search.

Knows how to ask and to report; what happens to the index is decided in core/library/index.
"""

import argparse
import json
import time
from collections.abc import Collection as AnyCollection
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app import wiring
from app.commands import standard_input
from app.commands.interrupts import interrupts_cancel
from app.commands.output import Output
from app.commands.problems import EXIT_OK, UsageError
from app.document_words import place_in_words
from app.download_words import seconds_in_words
from app.notices import bytes_in_words, one_line
from core.errors import AppError, ErrorCode
from core.events import CancelToken, IndexProgress, IndexStage, Interrupted
from core.paths import AppPaths

if TYPE_CHECKING:
    from core.library.index.collections import Collection, CollectionId
    from core.library.index.searcher import Hit

_MAX_PROBLEMS: Final = 20  # of a collection, in one listing
_SHOWN_CHARS: Final = 300
_EVAL_DEPTH: Final = 10
_EVAL_POOL: Final = 40  # passages that documents are gathered from
_MAX_EVAL_BYTES: Final = 50_000_000


def run(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> int:
    """Do what the action of the command line asks for.

    Raises:
        AppError: COLLECTION_*, PATH_NOT_FOUND, DISK_FULL, DATABASE_LOCKED, INDEX_DAMAGED, DATA_DIR_UNWRITABLE.
        UsageError: there is nothing to do it with.
        KeyboardInterrupt: Ctrl-C; what was done until then is kept.
    """
    actions = {"add": _add, "list": _list, "search": _search, "remove": _remove, "eval": _eval}
    cancel = CancelToken()
    paths.create()
    documents = wiring.open_documents(paths)
    try:
        with interrupts_cancel(cancel):
            actions[arguments.action](arguments, documents, out, cancel)
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        documents.close()
    return EXIT_OK


def chosen_collections(names: Sequence[str] | None, documents: wiring.Documents) -> "list[CollectionId] | None":
    """Return the collections of these names; None for all.

    Raises:
        AppError: COLLECTION_NOT_FOUND.
    """
    return None if not names else [documents.collections.find(name).id for name in names]


def page_of(hit: "Hit") -> int | None:
    """Return the number of the page, slide, sheet, chapter, message or line; None where there is none."""
    return None if hit.place is None else hit.place.number


def hit_as_json(hit: "Hit") -> dict[str, object]:
    """Return what is told of a hit; positions are characters of the text as Tern has read it."""
    place = hit.place
    return {
        "doc": hit.document,
        "path": str(hit.path),
        "page": page_of(hit),
        "place": place_in_words(place) if place is not None else "",
        "headings": [] if place is None else list(place.headings),
        "start": hit.start,
        "end": hit.end,
        "score": round(hit.score, 6),
        "text": hit.text,
    }


def _add(arguments: argparse.Namespace, documents: wiring.Documents, out: Output, cancel: CancelToken) -> None:
    if not arguments.paths and arguments.name is None:
        raise UsageError("name a file or a folder to add, or with --name a collection to look at again")
    emit = _showing(out)
    if arguments.dry_run:
        _dry_run(arguments, documents, out, cancel)
        return
    collection = _collection_for(arguments, documents)
    documents.collections.add(collection.id, arguments.paths, arguments.include, arguments.exclude)
    documents.collections.requeue(collection.id)
    if collection.is_paused:
        documents.collections.set_paused(collection.id, is_paused=False)
    changes = documents.indexer.rescan(cancel, emit, collection.id)
    began_at = time.perf_counter()
    done = documents.indexer.run(cancel, emit)
    out.wipe_status()
    collection = documents.collections.find(collection.name)
    if arguments.json:
        out.line(json.dumps(_collection_as_json(collection, documents)))
        return
    for path in changes.missing:
        out.note(f"Not there just now, what was read of it is kept: {path}")
    for name in changes.unreadable[:_MAX_PROBLEMS]:
        out.note(f"Cannot be opened: {name}")
    seconds = time.perf_counter() - began_at
    out.line(f"{collection.name}: {_count(done.n_indexed, 'file')} read in {seconds:.1f} s; {_state(collection)}")
    _tell_problems(collection, documents, out)


def _dry_run(arguments: argparse.Namespace, documents: wiring.Documents, out: Output, cancel: CancelToken) -> None:
    for each in arguments.paths:
        if not each.exists():
            raise AppError(ErrorCode.PATH_NOT_FOUND, path=each)
    found = documents.indexer.preview(arguments.paths, cancel, _showing(out), arguments.include, arguments.exclude)
    out.wipe_status()
    if arguments.json:
        told = {"files": found.n_files, "bytes": found.n_bytes, "seconds": round(found.seconds, 1)}
        out.line(json.dumps(told | {"other_kinds": found.n_other_kinds, "unreadable": list(found.unreadable)}))
        return
    about = f"{_count(found.n_files, 'file')}, {bytes_in_words(found.n_bytes)}: {seconds_in_words(found.seconds)}"
    out.line(f"{about}; {found.n_other_kinds} of other kinds are left out, {len(found.unreadable)} cannot be opened")


def _collection_for(arguments: argparse.Namespace, documents: wiring.Documents) -> "Collection":
    """Return the collection to add to; made when it is new and there is something to add."""
    name = arguments.name or arguments.paths[0].expanduser().absolute().name or "Documents"
    try:
        return documents.collections.find(name)
    except AppError:
        if not arguments.paths:
            raise
    for each in arguments.paths:
        if not each.expanduser().exists():
            raise AppError(ErrorCode.PATH_NOT_FOUND, path=each)
    documents.collections.create(name)
    return documents.collections.find(name)


def _list(arguments: argparse.Namespace, documents: wiring.Documents, out: Output, _cancel: CancelToken) -> None:
    collections = documents.collections.all()
    if arguments.json:
        out.line(json.dumps({"collections": [_collection_as_json(each, documents) for each in collections]}))
        return
    if not collections:
        out.line("There are no collections yet; add files or a folder with: tern docs add PATH")
    for each in collections:
        out.line(f"{each.name}: {_state(each)}, {bytes_in_words(each.n_bytes)}")
        for source in each.sources:
            out.line(f"  {source.path}")
        _tell_problems(each, documents, out)


def _search(arguments: argparse.Namespace, documents: wiring.Documents, out: Output, cancel: CancelToken) -> None:
    if not arguments.query.strip():
        raise AppError(ErrorCode.PROMPT_EMPTY)
    collections = chosen_collections(arguments.name, documents)
    began_at = time.perf_counter()
    found = documents.searcher.search(
        arguments.query, limit=arguments.limit, collections=collections, as_typed=arguments.as_typed, cancel=cancel
    )
    seconds = time.perf_counter() - began_at
    if arguments.json:
        told = {
            "words": list(found.words),
            "likelihood": round(found.likelihood, 4),
            "in_documents": found.is_likely,
            "seconds": round(seconds, 4),
            "hits": [hit_as_json(hit) for hit in found.hits],
        }
        out.line(json.dumps(told))
        return
    if not found.hits:
        out.note(f"Nothing was found for: {', '.join(found.words)}")
    elif not found.is_likely:
        out.note("Your documents probably do not say this; these passages come closest.")
    for number, hit in enumerate(found.hits, 1):
        where = place_in_words(hit.place) if hit.place is not None else ""
        out.line(f"[{number}] {hit.document}{f', {where}' if where else ''}")
        text = " ".join(hit.text.split())
        out.line(f"    {text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + '…'}")


def _remove(arguments: argparse.Namespace, documents: wiring.Documents, out: Output, cancel: CancelToken) -> None:
    collection = documents.collections.find(arguments.name)
    if arguments.paths:
        _remove_sources(arguments.paths, collection, documents, cancel)
        out.line(f"Taken out of {collection.name}; your files were not touched.")
        return
    going = documents.collections.forgetting(collection.id)
    what = f"{_count(going.n_files, 'file')} and what was read of them ({bytes_in_words(going.n_chars)} of text)"
    shared = f"; {going.n_shared} of them stay readable through other collections" if going.n_shared else ""
    if not arguments.yes:
        _confirm(f"Forget {collection.name}: {what}{shared}? Your files stay.", out)
    documents.collections.forget(collection.id, cancel)
    out.line(f"Forgot {collection.name}; your files were not touched.")


def _confirm(question: str, out: Output) -> None:
    """Ask the person; without one, --yes must say it.

    Raises:
        UsageError: nobody can be asked, or the answer was no.
    """
    if not (standard_input.is_terminal() and out.is_terminal):
        raise UsageError("nothing was forgotten: to forget without being asked, add --yes")
    out.write(f"{question} [y/N] ")
    if (standard_input.read_line() or "").strip().casefold() not in ("y", "yes"):
        raise UsageError("nothing was forgotten")


def _remove_sources(
    paths: Sequence[Path], collection: "Collection", documents: wiring.Documents, cancel: CancelToken
) -> None:
    by_path = {source.path: source.id for source in collection.sources}
    chosen = [path.expanduser().absolute() for path in paths]
    for path in chosen:
        if path not in by_path:
            raise AppError(ErrorCode.PATH_NOT_FOUND, path=path)
    for path in chosen:
        documents.collections.remove_source(by_path[path])
    documents.collections.remove_orphans(cancel)


def _eval(arguments: argparse.Namespace, documents: wiring.Documents, out: Output, cancel: CancelToken) -> None:
    from dataclasses import asdict

    from core.library.index.evaluation import measure

    queries = _queries(arguments.file)
    collections = chosen_collections(arguments.name, documents)
    roots = [source.path for each in documents.collections.all() for source in each.sources if source.is_folder]
    results = []
    seconds = 0.0
    for query, relevant in queries:
        began_at = time.perf_counter()
        found = documents.searcher.search(query, limit=_EVAL_POOL, collections=collections, cancel=cancel)
        seconds += time.perf_counter() - began_at
        results.append((_distinct([_ids(hit, roots, relevant) for hit in found.hits], relevant), relevant))
    figures = asdict(measure(results)) | {"seconds": seconds, "seconds_per_query": seconds / max(len(queries), 1)}
    if arguments.json:
        out.line(json.dumps(figures))
        return
    for name, value in figures.items():
        out.line(
            f"{name.replace('_at_', '@').replace('_', ' ')}: {value if name == 'n_queries' else format(value, '.4f')}"
        )


def _queries(path: Path) -> list[tuple[str, frozenset[str]]]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_EVAL_BYTES + 1)
    except OSError as exc:
        raise AppError(ErrorCode.PATH_NOT_FOUND, path=path) from exc
    queries = []
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            query, relevant = row["query"], frozenset(str(each) for each in row["relevant"])
            if not isinstance(query, str):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError):
            raise UsageError(f'{path}: line {number} is not {{"query": "...", "relevant": ["..."]}}') from None
        queries.append((query, relevant))
    if not queries:
        raise UsageError(f"{path}: there are no queries in it")
    return queries


def _ids(hit: "Hit", roots: Sequence[Path], relevant: AnyCollection[str]) -> frozenset[str]:
    """Return all names under which a hit may be called relevant."""
    names = {str(hit.path), hit.path.as_posix(), hit.path.name, hit.path.stem}
    for root in roots:
        if hit.path.is_relative_to(root):
            inside = hit.path.relative_to(root)
            names |= {inside.as_posix(), inside.with_suffix("").as_posix()}
    met = {each for each in relevant if "#" in each and _is_at(hit, each, names)}
    return frozenset(names | met)


def _is_at(hit: "Hit", place: str, names: AnyCollection[str]) -> bool:
    """Tell whether a hit stands at NAME#page=3 or touches NAME#120-480."""
    name, _, where = place.rpartition("#")
    if name not in names:
        return False
    if where.startswith("page="):
        page = where.removeprefix("page=")
        return hit.place is not None and hit.place.number is not None and page == str(hit.place.number)
    start, _, end = where.partition("-")
    return start.isdigit() and end.isdigit() and hit.start < int(end) and hit.end > int(start)


def _distinct(found: Sequence[frozenset[str]], relevant: AnyCollection[str]) -> list[frozenset[str]]:
    """Return one result a document, unless places in documents are asked for."""
    if any("#" in each for each in relevant):
        return list(found[:_EVAL_DEPTH])
    return list(dict.fromkeys(found))[:_EVAL_DEPTH]


def _showing(out: Output) -> "_Shown":
    return _Shown(out)


class _Shown:
    """Shows progress in one passing line."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def __call__(self, event: object) -> None:
        if not isinstance(event, IndexProgress):
            return
        if event.stage is IndexStage.READING:
            left = "" if event.seconds_left is None else f", {seconds_in_words(event.seconds_left)} left"
            self._out.status(f"Reading {event.done_files} of {event.total_files} files{left}: {event.file}")
        elif event.stage is IndexStage.LOOKING:
            self._out.status(f"Looking: {event.done_files} files")


def _tell_problems(collection: "Collection", documents: wiring.Documents, out: Output) -> None:
    from core.library.index.collections import FileState

    if not collection.n_failed:
        return
    for each in documents.collections.files(collection.id, FileState.FAILED, limit=_MAX_PROBLEMS):
        out.note(one_line(each.problem) if each.problem is not None else f"{each.path} was not read.")
    if collection.n_failed > _MAX_PROBLEMS:
        out.note(f"... and {collection.n_failed - _MAX_PROBLEMS} more")


def _collection_as_json(collection: "Collection", documents: wiring.Documents) -> dict[str, object]:
    from core.library.index.collections import FileState

    failed = documents.collections.files(collection.id, FileState.FAILED)
    return {
        "name": collection.name,
        "paused": collection.is_paused,
        "sources": [str(source.path) for source in collection.sources],
        "indexed": collection.n_indexed,
        "queued": collection.n_queued,
        "failed": collection.n_failed,
        "bytes": collection.n_bytes,
        "problems": [
            {"path": str(each.path), "reason": each.problem.code.value if each.problem else ""} for each in failed
        ],
    }


def _state(collection: "Collection") -> str:
    parts = [f"{_count(collection.n_indexed, 'file')} searchable"]
    if collection.n_queued:
        parts.append(f"{collection.n_queued} waiting")
    if collection.n_failed:
        parts.append(f"{collection.n_failed} could not be read")
    if collection.n_left_out:
        parts.append(f"{collection.n_left_out} left out")
    return ", ".join(parts) + (" (paused)" if collection.is_paused else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
