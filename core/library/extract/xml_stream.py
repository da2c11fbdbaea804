"""XML of strangers: read piece by piece, without entities, without anything from outside, never nested deeply.

Knows elements; must not know what they mean.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from core.library.extract.builder import damaged

MAX_DEPTH: Final = 250


@dataclass(frozen=True, slots=True)
class Opened:
    """A container has begun; what follows, up to its Closed, stands in it."""

    tag: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Closed:
    """A container has ended."""

    tag: str


Node = Opened | Closed | Element


def local(tag: object) -> str:
    """Return the name of an element without its namespace."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str | None:
    """Return an attribute by its local name, whatever its namespace."""
    found = element.attrib.get(name)
    if found is not None:
        return found
    return next((value for key, value in element.attrib.items() if local(key) == name), None)


def children(element: Element | None, name: str) -> list[Element]:
    """Return the children with a local name."""
    return [] if element is None else [each for each in element if local(each.tag) == name]


def child(element: Element | None, *names: str) -> Element | None:
    """Return the first descendant along local names; None where one is missing."""
    for name in names:
        element = next(iter(children(element, name)), None)
    return element


def tree(pieces: Iterable[bytes]) -> Element:
    """Return a whole (small) document.

    Raises:
        AppError: DOCUMENT_DAMAGED.
    """
    found = next((each for each in nodes(pieces, frozenset()) if isinstance(each, Element)), None)
    if found is None:
        raise damaged("its XML is empty")
    return found


def nodes(pieces: Iterable[bytes], containers: frozenset[str]) -> Iterator[Node]:
    """Yield the elements that stand in containers (local names), each with all below it, and the containers' borders.

    Raises:
        AppError: DOCUMENT_DAMAGED: malformed, with entities of its own, or nested too deeply.
    """
    target = _Nodes(containers)
    yield from _fed(pieces, target, target.take)


def events(pieces: Iterable[bytes], target: object) -> None:
    """Tell `target` (start, end, data, close) all elements; raises what nodes() raises."""
    for _ in _fed(pieces, target, tuple):
        pass


def _fed(pieces: Iterable[bytes], target: object, take: Callable[[], Iterable[Node]]) -> Iterator[Node]:
    parser = DefusedXMLParser(target=target, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    try:
        for piece in pieces:
            parser.feed(piece)
            yield from take()
        parser.close()
        yield from take()
    except DefusedXmlException as exc:
        raise damaged("its XML defines entities, which a document does not need") from exc
    except (ParseError, ValueError, LookupError) as exc:  # LookupError: an unknown encoding
        raise damaged("its XML is malformed or cut off") from exc


class _Nodes:
    """The target that makes trees of what stands in containers."""

    def __init__(self, containers: frozenset[str]) -> None:
        self._containers = containers
        self._found: list[Node] = []
        self._builder: TreeBuilder | None = None
        self._depth = 0
        self._built_from = 0

    def take(self) -> list[Node]:
        found, self._found = self._found, []
        return found

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise damaged("it is nested too deeply")
        if self._builder is None:
            if local(tag) in self._containers:
                self._found.append(Opened(local(tag), {local(key): value for key, value in attributes.items()}))
                return
            if self._depth == 1 and self._containers:
                return  # the root of a document whose containers lie below it
            self._builder = TreeBuilder()
            self._built_from = self._depth
        self._builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        if self._builder is None:
            if local(tag) in self._containers:
                self._found.append(Closed(local(tag)))
        else:
            self._builder.end(tag)
            if self._depth == self._built_from:
                self._found.append(self._builder.close())
                self._builder = None
        self._depth -= 1

    def data(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)

    def close(self) -> None:
        """Nothing is left to tell."""
