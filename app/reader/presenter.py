"""Opens documents at a place: fetches the stored text, has pages drawn, and knows which passage is shown.

Knows which lane does what; must not know widgets' insides, PDF or SQL. Pages are drawn by the extraction child, never
in Tern's own process. Everything here runs on the window's thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, QTimer

from app import notices
from app.document_words import place_in_words
from app.jobs import JobRunner
from app.reader.spots import Spot
from app.reader.window import PageWindow
from app.theme import Theme
from core.events import CancelToken
from core.library.extracted import Format
from core.library.extractor import Extractor
from core.library.leaves import Leaf, Opened, find_all
from core.library.page_messages import PageImage

LANE = "pages"
ZOOMS = (50, 67, 80, 100, 125, 150, 200, 300, 400)
REDRAW_MS = 200  # after the last change of size
FIND_MS = 150  # after the last key
_GONE = "This document is not kept any more: it was taken out of the chat or its collection was forgotten."
_CHANGED = "The file has changed since Tern read it, so this is its text as it was read. Look again in My documents."
_MOVED = "The file is not where it was, so this is its text as Tern has read it."


@dataclass
class _Shown:
    """What is in the window."""

    spots: Sequence[Spot] = ()
    spot: int = 0
    document: Opened | None = None
    leaf: int = 0
    marked: tuple[int, int] | None = None  # characters of the document
    finds: list[tuple[int, int]] = field(default_factory=list)
    find: int = -1
    is_drawable: bool = False


class PagePresenter(QObject):
    """Runs the page view."""

    def __init__(self, runner: JobRunner, theme: Theme, extractor: Extractor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._theme = theme
        self._extractor = extractor  # the lane's own
        self.window: PageWindow | None = None
        self._shown = _Shown()
        self._job: CancelToken | None = None
        self._zoom = 100
        self._drawn_width = 0
        self._goes_to_marks = True
        self._redraw = _timer(self, REDRAW_MS, self.on_redraw)
        self._find = _timer(self, FIND_MS, self.on_find)

    @property
    def document(self) -> Opened | None:
        """What is shown; None while it is fetched."""
        return self._shown.document

    @property
    def marked(self) -> tuple[int, int] | None:
        """Which characters of the document are marked."""
        return self._shown.marked

    def open(self, spots: Sequence[Spot], index: int = 0) -> PageWindow:
        """Show a passage; the others are one key away."""
        if self.window is None:
            self.window = self._make()
        before, self._shown = self._shown, _Shown(spots, index)
        spot = spots[index]
        if before.document is not None and before.spots and before.spots[before.spot].key == spot.key:
            self._shown.document, self._shown.is_drawable = before.document, before.is_drawable
        self.window.search.clear()
        self.window.show_in_front()
        self._show_spot(0)
        return self.window

    def close(self) -> None:
        """Close the window with the conversation's."""
        if self.window is not None:
            self.window.close()

    def end(self) -> None:
        """End what draws; called when no job runs any more."""
        self._extractor.close()

    def on_closed(self) -> None:
        """Let go of the document; it may be large."""
        if self._job is not None:
            self._job.cancel()
        self._shown = _Shown()

    def on_spot(self, steps: int) -> None:
        """Go to another passage."""
        self._show_spot(steps)

    def on_page(self, steps: int) -> None:
        """Turn the page."""
        document = self._shown.document
        if document is not None and 0 <= self._shown.leaf + steps < len(document.leaves):
            self._show_leaf(self._shown.leaf + steps)

    def on_zoom(self, steps: int) -> None:
        """Show everything larger or smaller; 0 fits the width."""
        larger = [each for each in ZOOMS if each > self._zoom]
        smaller = [each for each in ZOOMS if each < self._zoom]
        self._zoom = 100 if steps == 0 else (larger or [self._zoom])[0] if steps > 0 else (smaller or [self._zoom])[-1]
        if self.window is not None:
            self.window.show_zoom(self._zoom)
            self._redraw.start()

    def on_redraw(self) -> None:
        """Draw the page anew where it is now shown in another size."""
        window = self.window
        if window is not None and window.shows_picture and window.picture.wanted_width() != self._drawn_width:
            self._goes_to_marks = False
            self._draw()

    def on_text_toggled(self, is_text: bool) -> None:
        """Show the text instead of the picture, or the picture again."""
        if self._shown.document is not None:
            self._show_leaf(self._shown.leaf)

    def on_find(self) -> None:
        """Find what is written in the field."""
        window, document = self.window, self._shown.document
        if window is None or document is None:
            return
        words = window.search.text()
        if not words.strip():
            self._shown.finds, self._shown.find = [], -1
            window.show_found("", has_some=False)
            return
        text = document.text
        self._runner.start(
            "lookup",
            lambda cancel, _emit: find_all(text, words, cancel),
            on_done=lambda found: self._on_found(words, found),
            on_failed=lambda error: window.show_note(notices.notice_for(error).what),
        )

    def on_found_step(self, steps: int) -> None:
        """Go to another place that was found."""
        shown, window = self._shown, self.window
        if not shown.finds or window is None or shown.document is None:
            return
        shown.find = (shown.find + steps) % len(shown.finds)
        shown.marked = shown.finds[shown.find]
        window.show_found(f"{shown.find + 1} of {len(shown.finds)}", has_some=True)
        self._goes_to_marks = True
        self._show_leaf(shown.document.leaf_at(shown.marked[0]))

    def _on_found(self, words: str, found: object) -> None:
        window, shown = self.window, self._shown
        if not isinstance(found, list) or window is None or window.search.text() != words or shown.document is None:
            return
        shown.finds = found
        window.show_found("" if found else "Not found", has_some=bool(found))
        if found:
            start = shown.document.leaves[shown.leaf].start
            shown.find = next((i for i, each in enumerate(found) if each[0] >= start), 0) - 1
            self.on_found_step(1)

    def _show_spot(self, steps: int) -> None:
        window, shown = self.window, self._shown
        if window is None or not 0 <= shown.spot + steps < len(shown.spots):
            return
        before = shown.spots[shown.spot]
        shown.spot += steps
        spot = shown.spots[shown.spot]
        window.show_spot(shown.spot + 1, len(shown.spots))
        is_same = shown.document is not None and before.key == spot.key
        if is_same and shown.document is not None and (not spot.text or _where(shown.document.text, spot) is not None):
            self._show_marked(spot)
            return
        shown.document, shown.finds, shown.find = None, [], -1
        window.show_note("")
        window.show_document(spot.name, "", 1, 1)
        window.show_message("Opening…")
        self._start(lambda _cancel: _fetch(spot), lambda found: self._on_opened(spot, found))

    def _on_opened(self, spot: Spot, found: object) -> None:
        window, shown = self.window, self._shown
        if window is None or not shown.spots or shown.spots[shown.spot] is not spot:
            return
        if not isinstance(found, _Fetched) or found.document is None:
            window.show_message(f"{_GONE}\n\n“{spot.text}”")
            return
        shown.document, shown.is_drawable = found.document, found.is_drawable
        window.as_text.setVisible(found.is_drawable)
        window.show_note(found.note)
        self._show_marked(spot)

    def _show_marked(self, spot: Spot) -> None:
        document = self._shown.document
        assert document is not None
        self._shown.marked = _where(document.text, spot)
        self._goes_to_marks = True
        self._show_leaf(document.leaf_at(self._shown.marked[0] if self._shown.marked is not None else spot.start))

    def _show_leaf(self, index: int) -> None:
        window, shown = self.window, self._shown
        document = shown.document
        if window is None or document is None:
            return
        shown.leaf = index
        leaf = document.leaves[index]
        spot = shown.spots[shown.spot]
        window.show_document(spot.name, place_in_words(leaf.place), index + 1, len(document.leaves))
        if shown.is_drawable and leaf.number is not None and not window.as_text.isChecked():
            self._draw()
        else:
            self._show_text(leaf)

    def _show_text(self, leaf: Leaf) -> None:
        window, document = self.window, self._shown.document
        assert window is not None
        assert document is not None
        text = document.text[leaf.start : leaf.end]
        if not text.strip():
            window.show_message("There is no text on this page.")
            return
        window.show_text(text, _within(self._shown.marked, leaf))

    def _draw(self) -> None:
        window, document = self.window, self._shown.document
        if window is None or document is None or document.path is None:
            return
        leaf, path, extractor = document.leaves[self._shown.leaf], document.path, self._extractor
        marked = _within(self._shown.marked, leaf)
        needles = (document.text[leaf.start + marked[0] : leaf.start + marked[1]],) if marked is not None else ()
        width = window.picture.wanted_width()
        number = leaf.number or 1
        at = (document, self._shown.leaf)
        if not window.picture.has_picture:
            window.show_message("Opening…")
        self._start(
            lambda cancel: extractor.page(path, number, width, needles, cancel),
            lambda page: self._on_drawn(at, width, page),
            self._on_not_drawn,
        )

    def _on_drawn(self, at: tuple[Opened, int], width: int, page: object) -> None:
        window = self.window
        if window is None or not isinstance(page, PageImage) or at != (self._shown.document, self._shown.leaf):
            return
        if page.sha256 != at[0].sha256:
            self._fall_back(_CHANGED)
            return
        self._drawn_width = width
        window.show_page(page, goes_to_marks=self._goes_to_marks)

    def _on_not_drawn(self, error: BaseException) -> None:
        self._fall_back(f"{notices.notice_for(error).title}; this is the text as Tern has read it.")

    def _fall_back(self, note: str) -> None:
        """Show the stored text from now on."""
        window, document = self.window, self._shown.document
        if window is None or document is None:
            return
        self._shown.is_drawable = False
        window.as_text.hide()
        window.show_note(note)
        self._show_text(document.leaves[self._shown.leaf])

    def _start(
        self,
        work: Callable[[CancelToken], object],
        on_done: Callable[[object], None],
        on_failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Begin something for the window; what was begun before is given up."""
        if self._job is not None:
            self._job.cancel()
        self._job = self._runner.start(
            LANE, lambda cancel, _emit: work(cancel), on_done=on_done, on_failed=on_failed or self._on_failed
        )

    def _on_failed(self, error: BaseException) -> None:
        notice = notices.notice_for(error)
        if self.window is not None:
            self.window.show_message(f"{notice.what} {notice.advice}")

    def _make(self) -> PageWindow:
        window = PageWindow(self._theme)
        window.closed.connect(self.on_closed)
        window.spot_requested.connect(self.on_spot)
        window.page_requested.connect(self.on_page)
        window.zoom_requested.connect(self.on_zoom)
        window.find_requested.connect(lambda _text: self._find.start())
        window.found_requested.connect(self.on_found_step)
        window.text_toggled.connect(self.on_text_toggled)
        window.picture.resized.connect(self._redraw.start)
        window.show_found("", has_some=False)
        return window


@dataclass(frozen=True, slots=True)
class _Fetched:
    document: Opened | None
    is_drawable: bool = False
    note: str = ""


def _fetch(spot: Spot) -> _Fetched:
    """Fetch a document and see whether its file can be drawn (worker)."""
    document = spot.load()
    if document is None or document.format not in (Format.PDF, None) or document.path is None:
        return _Fetched(document)
    if document.format is None and document.path.suffix.lower() != ".pdf":
        return _Fetched(document)
    try:
        is_there = document.path.is_file()
    except OSError:
        is_there = False
    return _Fetched(document, is_there, "" if is_there else _MOVED)


def _where(text: str, spot: Spot) -> tuple[int, int] | None:
    """Return where a passage stands; it is looked for where the text is another now."""
    if text[spot.start : spot.end] == spot.text or not spot.text:
        return (spot.start, spot.end) if spot.end > spot.start else None
    at = text.find(spot.text)
    return (at, at + len(spot.text)) if at >= 0 else None


def _within(marked: tuple[int, int] | None, leaf: Leaf) -> tuple[int, int] | None:
    """Return which characters of a leaf are marked."""
    if marked is None or marked[0] >= leaf.end or marked[1] <= leaf.start:
        return None
    return max(marked[0] - leaf.start, 0), min(marked[1], leaf.end) - leaf.start


def _timer(parent: QObject, ms: int, what: Callable[[], object]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(ms)
    timer.timeout.connect(what)
    return timer
