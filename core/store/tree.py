"""A conversation as a tree: which messages are shown, and which others stand in the place of each.

Knows ids only; must not know SQL or text. Messages in the trash are passed over: what followed one follows what it
followed. Of several messages in one place the one chosen last is shown, of those never chosen the newest.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One message; `chosen` grows within the conversation, 0 for a message that nobody chose."""

    id: int
    parent_id: int | None
    chosen: int = 0
    is_deleted: bool = False


class Tree:
    """The messages of one conversation."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._parents: dict[int, int | None] = {}  # of messages outside the trash
        self._children: dict[int | None, list[Node]] = {}
        above: dict[int, int | None] = {}  # the nearest message outside the trash, of each
        for node in sorted(nodes, key=lambda each: each.id):
            # A parent is older than its answer; anything else is damage and would make a circle.
            known = node.parent_id if node.parent_id in above else None
            live = known if known is None or known in self._parents else above[known]
            above[node.id] = live
            if not node.is_deleted:
                self._parents[node.id] = live
                self._children.setdefault(live, []).append(node)

    def shown(self) -> list[int]:
        """Return the messages that are shown, from first to last."""
        found: list[int] = []
        while here := self._children.get(found[-1] if found else None):
            found.append(max(here, key=lambda each: (each.chosen, each.id)).id)
        return found

    def siblings(self, message_id: int) -> tuple[int, ...]:
        """Return all messages in the place of one, itself included, in the order in which they were written."""
        if message_id not in self._parents:
            return ()
        return tuple(node.id for node in self._children[self._parents[message_id]])

    def path_to(self, message_id: int | None) -> list[int]:
        """Return a message and what it follows, from the first on; [] for None and for one in the trash."""
        found: list[int] = []
        here = message_id if message_id in self._parents else None
        while here is not None:
            found.append(here)
            here = self._parents[here]
        return found[::-1]

    def subtree(self, message_id: int) -> list[int]:
        """Return a message and everything that follows it in any branch."""
        return list(self._below(message_id)) if message_id in self._parents else []

    def _below(self, message_id: int) -> Iterator[int]:
        waiting = [message_id]
        while waiting:
            here = waiting.pop()
            yield here
            waiting += [node.id for node in self._children.get(here, ())]
