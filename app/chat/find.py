"""Find in the open conversation: where the words stand, also in rows that are no widgets now, and which is shown.

Knows rows as text and the order of places; must not know how rows are laid out. Reading Markdown takes time, so the
rows are searched beside the window.
"""

from collections.abc import Sequence
from functools import lru_cache

from PySide6.QtCore import QObject, QTimer

from app.chat import markdown
from app.chat.chat_pane import ChatPane
from app.chat.message_model import MessageModel, RowKind
from app.chat.rich_copy import as_text
from app.jobs import JobRunner
from core.events import CancelToken

_WAIT_MS = 60
_MAX_QUERY_CHARS = 200


class FindPresenter(QObject):
    """Follows the field of the find bar."""

    def __init__(self, runner: JobRunner, messages: MessageModel, pane: ChatPane) -> None:
        super().__init__(pane)
        self._runner = runner
        self._model = messages
        self._pane = pane
        self._bar = pane.find_bar
        self._cancel: CancelToken | None = None
        self._query = ""
        self._places: list[tuple[int, int]] = []  # row, number of the place within it
        self._current = -1
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(self.on_search)
        self._bar.changed.connect(self.on_changed)
        self._bar.stepped.connect(self.step)
        self._bar.closed.connect(self.on_closed)
        messages.reset.connect(self.on_rows)
        messages.appended.connect(self.on_rows)

    @property
    def places(self) -> Sequence[tuple[int, int]]:
        """Where the words stand: (row, number of the place within it)."""
        return self._places

    def open(self) -> None:
        """Let the person type what to look for."""
        self._bar.open()
        self.on_changed(self._bar.text)

    def on_changed(self, _text: str) -> None:
        """Search in a moment."""
        self._timer.start()

    def on_rows(self) -> None:
        """Search again: the rows are others now."""
        if self._bar.isVisible():
            self._timer.start()

    def on_search(self) -> None:
        """Search all rows."""
        if self._cancel is not None:
            self._cancel.cancel()
        query = self._bar.text.strip()[:_MAX_QUERY_CHARS]
        is_new = query != self._query
        self._query = query
        self._pane.transcript.set_marks(query)
        rows = [
            (index, row.text, row.kind is RowKind.ANSWER)
            for index, row in enumerate(self._model.rows)
            if row.kind in (RowKind.USER, RowKind.ANSWER)
        ]
        self._cancel = self._runner.start(
            "search",
            lambda cancel, _emit: places_of(query, rows, cancel),
            on_done=lambda found: self._on_found(query, found, is_new=is_new),
        )

    def step(self, by: int) -> None:
        """Go to the place after or before."""
        if self._places:
            self._go((self._current + by) % len(self._places))

    def on_closed(self) -> None:
        """Take the marks away and let the person write."""
        self._timer.stop()
        self._places, self._current, self._query = [], -1, ""
        self._pane.transcript.set_marks("")
        self._pane.composer.text.setFocus()

    def _on_found(self, query: str, found: object, *, is_new: bool) -> None:
        if not isinstance(found, list) or query != self._query or not self._bar.isVisible():
            return
        self._places = found
        if not found:
            self._current = -1
            self._bar.show_count(0, 0, has_query=bool(query))
        elif is_new or self._current < 0:
            top = self._pane.transcript.first_row
            self._go(next((i for i, (row, _) in enumerate(found) if row >= top), 0))
        else:
            self._current = min(self._current, len(found) - 1)
            self._bar.show_count(self._current + 1, len(found), has_query=True)

    def _go(self, number: int) -> None:
        self._current = number
        self._pane.transcript.show_place(*self._places[number])
        self._bar.show_count(number + 1, len(self._places), has_query=True)


def places_of(query: str, rows: Sequence[tuple[int, str, bool]], cancel: CancelToken) -> list[tuple[int, int]]:
    """Return every place of `query` in rows of (index, source, whether it is Markdown), whatever its case."""
    places: list[tuple[int, int]] = []
    wanted = query.casefold()
    for index, source, is_markdown in rows:
        if cancel.is_cancelled or not wanted:
            break
        text = _shown(source) if is_markdown else source
        places += [(index, number) for number in range(text.casefold().count(wanted))]
    return places


@lru_cache(maxsize=8_192)
def _shown(source: str) -> str:
    return as_text(markdown.parse(source))
