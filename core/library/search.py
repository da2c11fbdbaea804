"""The passages for a question: documents are cut and indexed once and then searched as often as is asked.

Knows documents as text; must not know the database, the window or a model (tokens are counted by a function that is
given). Used on one thread at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.events import CancelToken, Passage, Unit
from core.library import cite
from core.library.chunking import Span, is_line_based, split
from core.library.extracted import BlockKind, Structure, structure_from
from core.library.ranking import Index, rank
from core.library.reading import MAX_DOCUMENTS, DocumentText

MAX_PASSAGES: Final = 4  # where no other limit is given
_CHECK_EVERY: Final = 200  # passages between two looks at the switch
_CUT_STEPS: Final = 12

CountTokens = Callable[[str], int]


class _Cancelled(Exception):  # noqa: N818 - nothing has failed
    """Nobody waits any more."""


_LINE_KINDS: Final = frozenset({BlockKind.ROW, BlockKind.CODE, BlockKind.CUE})
_Key = tuple[str, int, bool]  # the file, the length of what was read of it, whether that has a structure


@dataclass(frozen=True, slots=True)
class _Indexed:
    spans: tuple[Span, ...]
    index: Index
    structure: Structure


class Library:
    """Searches documents; keeps the indexes of the last ones, by content."""

    def __init__(self) -> None:
        self._indexed: dict[_Key, _Indexed] = {}

    def find(
        self,
        documents: Sequence[DocumentText],
        question: str,
        count_tokens: CountTokens,
        budget: int,
        cancel: CancelToken,
        limit: int = MAX_PASSAGES,
    ) -> tuple[Passage, ...]:
        """Return at most `limit` passages that fit into `budget` tokens, numbered from 1, the best first.

        Where no passage shares a word with the question, the documents' beginnings are returned. Cancelled: none.
        """
        try:
            indexed = [self._index(document, cancel) for document in documents]
        except _Cancelled:
            return ()
        self._forget_all_but(documents)
        places = rank([each.index for each in indexed], question) or list(_beginnings(indexed, limit))
        found: list[Passage] = []
        for which, number in places[: 4 * limit]:
            span = indexed[which].spans[number]
            document = documents[which]
            text = document.text[span.start : span.end]
            place = indexed[which].structure.place(span.start, span.end)
            passage = Passage(len(found) + 1, document.name, span.start, span.end, text, place)
            if count_tokens(cite.list_passages([*found, passage])) <= budget:
                found.append(passage)
            elif not found and (shorter := _cut_to_fit(passage, count_tokens, budget)) is not None:
                return (shorter,)
            if len(found) == limit:
                break
        return tuple(found)

    def _index(self, document: DocumentText, cancel: CancelToken) -> _Indexed:
        key = _key(document)
        if key not in self._indexed:
            structure = _structure(document)
            spans: list[Span] = []
            found = split(document.text, is_lines=_is_lines(document, structure))
            found = (span for span in found if not _is_title_of_lines(structure, span))
            index = Index(_passage_texts(document.text, found, spans, cancel))
            self._indexed[key] = _Indexed(tuple(spans), index, structure)
        return self._indexed[key]

    def _forget_all_but(self, documents: Sequence[DocumentText]) -> None:
        """Keep what is in use and the newest others, as many as one conversation may have."""
        used = {_key(document) for document in documents}
        others = [key for key in self._indexed if key not in used]
        for key in others[: max(0, len(others) - MAX_DOCUMENTS)]:
            del self._indexed[key]


def _key(document: DocumentText) -> _Key:
    return document.sha256, len(document.text), bool(document.structure)


def _structure(document: DocumentText) -> Structure:
    """Return what stands where; nothing where it cannot be read, which costs places but no passage."""
    try:
        return structure_from(document.structure, len(document.text))
    except ValueError:
        return Structure()


def _is_lines(document: DocumentText, structure: Structure) -> bool:
    """Tell whether the lines of a text are its records: by what is known of it, else by its name."""
    if not structure.blocks:
        return is_line_based(document.name)
    n_in_lines = sum(block.end - block.start for block in structure.blocks if block.kind in _LINE_KINDS)
    return 2 * n_in_lines > len(document.text)


def _is_title_of_lines(structure: Structure, span: Span) -> bool:
    """Tell whether a passage is a sheet's or list's name alone, which answers nothing."""
    blocks = structure.blocks_in(span.start, span.end)
    return structure.unit is Unit.SHEET and bool(blocks) and all(each.kind is BlockKind.HEADING for each in blocks)


def _passage_texts(text: str, found: Iterator[Span], spans: list[Span], cancel: CancelToken) -> Iterator[str]:
    """Yield the passages' texts, noting their ranges in `spans`."""
    for span in found:
        if len(spans) % _CHECK_EVERY == 0 and cancel.is_cancelled:
            raise _Cancelled
        spans.append(span)
        yield text[span.start : span.end]


def _beginnings(indexed: Sequence[_Indexed], limit: int) -> Iterator[tuple[int, int]]:
    """Yield the places of the first passages: one of each document, then the second ones, and so on."""
    for number in range(limit):
        yield from ((which, number) for which, each in enumerate(indexed) if number < len(each.spans))


def _cut_to_fit(passage: Passage, count_tokens: CountTokens, budget: int) -> Passage | None:
    """Return the beginning of a passage that alone is too long; None where not even a word fits."""
    text = passage.text
    for _ in range(_CUT_STEPS):
        half = text[: len(text) // 2]
        text = half.rpartition(" ")[0].rstrip() or half
        if not text:
            return None
        shorter = Passage(
            passage.number, passage.document, passage.start, passage.start + len(text), text, passage.place
        )
        if count_tokens(cite.list_passages([shorter])) <= budget:
            return shorter
    return None
