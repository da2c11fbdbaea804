"""Documents beside a prompt of `tern ask`: which passages the model reads, and which of its quotes stand in them.

Knows core's library and how the terminal tells what it found; must not know how the answer is made.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.commands.output import Output
from app.document_words import place_in_words
from core.library.cite import Citation, build_context, find_refs, passage_budget
from core.library.reading import check_count, read_document
from core.library.search import Library
from core.library.together import FoundPassages, find_together

if TYPE_CHECKING:
    from app.wiring import Documents
    from core.events import CancelToken, Passage, Place
    from core.inference.choices import Choice
    from core.inference.engine import Engine
    from core.library.extractor import Extractor
    from core.library.index.collections import CollectionId
    from core.library.reading import DocumentText

_SHOWN_CHARS: Final = 160  # of a passage, beside the answer


def read_documents(paths: Sequence[Path], extractor: "Extractor", cancel: "CancelToken") -> "tuple[DocumentText, ...]":
    """Return the text of every file; ends the extractor's child.

    Raises:
        AppError: DOCUMENT_* for the first one that cannot be read, DOCUMENTS_TOO_MANY, EXTRACTOR_FAILED.
        Interrupted: it was cancelled.
    """
    check_count(len(paths))
    try:
        return tuple(read_document(path, extractor, cancel, lambda _event: None) for path in paths)
    finally:
        extractor.close()


class AskedDocuments:
    """The passages for one question, found when the engine is there to count tokens.

    `collections` are searched beside `documents`, and what they hold is ranked together.
    """

    def __init__(
        self,
        documents: "Sequence[DocumentText]",
        opened: "Documents | None" = None,
        collections: "Sequence[CollectionId]" = (),
    ) -> None:
        self._documents = documents
        self._opened = opened
        self._collections = collections
        self._found = FoundPassages(())

    @property
    def _passages(self) -> "tuple[Passage, ...]":
        return self._found.passages

    def as_read(self, question: str, engine: "Engine", reserve: int, cancel: "CancelToken") -> str:
        """Return the user's turn: the question, with passages where there are documents."""
        if not self._documents and not self._collections:
            return question
        budget = passage_budget(engine.context_length, reserve)
        self._found = find_together(
            Library(),
            self._documents,
            None if self._opened is None else self._opened.searcher,
            self._collections,
            question,
            None,
            lambda text: len(engine.tokenizer.encode_text(text)),
            budget,
            cancel,
        )
        return build_context(self._passages, question) if self._passages else question

    def choices(self, question: str, engine: "Engine", answers: str) -> "list[Choice]":
        """Return the quotes that the answer may be; none where it is free. `answers`: the setting document_answers."""
        from core.answers import asks_for_quotes, choices_about

        wants_quotes = bool(self._passages) and asks_for_quotes(answers, engine)
        return choices_about(self._passages, question, engine) if wants_quotes else []

    def tell_passages(self, out: Output) -> None:
        """Show beside the answer what the model is about to read."""
        if self._passages and not self._found.is_likely:
            out.note("Your documents probably do not say this; these passages come closest.")
        for passage in self._passages:
            text = " ".join(passage.text.split())
            shown = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
            where = place_in_words(passage.place)
            out.note(f'[{passage.number}] {passage.document}{", " if where else ""}{where}: "{shown}"')

    def tell_citations(self, answer: str, out: Output) -> None:
        """Say of every quote whether it stands in a passage."""
        for citation in find_refs(answer, self._passages):
            out.note(_found(citation, self._passages))

    def as_json(self, answer: str) -> dict[str, object]:
        """Return what is added to the JSON object; nothing without documents and collections."""
        if self._collections:
            return self._as_json_of_collections(answer)
        if not self._documents:
            return {}
        passages = [
            {
                "number": each.number,
                "document": each.document,
                "start": each.start,
                "end": each.end,
                "text": each.text,
                "place": _place_as_json(each.place),
            }
            for each in self._passages
        ]
        citations = [
            {"text": each.text, "passage": each.passage, "verified": each.is_verified}
            for each in find_refs(answer, self._passages)
        ]
        return {"passages": passages, "citations": citations}

    def _as_json_of_collections(self, answer: str) -> dict[str, object]:
        passages = [
            {
                "number": each.number,
                "doc": each.document,
                "page": None if each.place is None else each.place.number,
                "start": each.start,
                "end": each.end,
                "score": round(score, 6),
                "text": each.text,
            }
            for each, score in zip(self._passages, self._found.scores, strict=True)
        ]
        citations = [
            {
                "text": each.text,
                "passage": each.passage,
                "start": each.start,
                "end": each.end,
                "verified": each.is_verified,
            }
            for each in find_refs(answer, self._passages)
        ]
        return {
            "passages": passages,
            "citations": citations,
            "words": list(self._found.words),
            "in_documents": self._found.is_likely,
        }


def _place_as_json(place: "Place | None") -> dict[str, object] | None:
    """Return where a passage stands: what is counted, and only what is known of it."""
    if place is None:
        return None
    known = {"number": place.number, "label": place.label or None, "row": place.row}
    if place.last_number != place.number:
        known["last_number"] = place.last_number
    if place.last_row != place.row:
        known["last_row"] = place.last_row
    found = {name: value for name, value in known.items() if value is not None}
    return {"unit": place.unit.value, **found, "headings": list(place.headings)}


def _found(citation: Citation, passages: "Sequence[Passage]") -> str:
    if citation.passage is None:
        return f'Not found in the document: "{citation.text}"'
    name = next(each.document for each in passages if each.number == citation.passage)
    return f'Found word for word in [{citation.passage}] {name}: "{citation.text}"'
