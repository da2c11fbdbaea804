"""Parts of pages that show rather than set: memory and battery, what is kept on this computer, the shortcuts.

Knows how they look; what they show is given to them. Must not know files, jobs or the engine.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.notices import bytes_in_words
from app.plain_text import ElidedLabel, PlainLabel
from app.preferences.controls import TickBox
from app.preferences.rows import heading
from app.theme import SIZES, Theme
from core.own_data import Place, PlaceKind

if TYPE_CHECKING:
    from core.inference.memory import MemoryEstimate

CONFIRMATION = "delete everything"
_KIND_WORDS = {
    PlaceKind.HISTORY: "Conversations and documents",
    PlaceKind.MODELS: "Models",
    PlaceKind.LOGS: "Logs (without any text of yours)",
    PlaceKind.SETTINGS: "Settings",
    PlaceKind.OTHER: "Backups and the window's place",
}


class Facts(QWidget):
    """A title and what stands under it; found by the search like a setting."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self.search_words = ""
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(SIZES.space_2)
        if title:
            self.column.addWidget(heading(title))

    def matches(self, words: list[str]) -> bool:
        """True where every word stands in the title or among the words of the part."""
        text = f"{self.title} {self.search_words}".casefold()
        return all(word in text for word in words)


class MemoryFacts(Facts):
    """How much memory the model needs under these settings, and what feeds the computer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("This model on this computer", parent)
        self.search_words = "memory ram battery power estimate"
        self._memory = PlainLabel("The memory is worked out when a model is chosen.", kind="secondary", wrap=True)
        self._battery = PlainLabel("", kind="secondary", wrap=True)
        self.column.addWidget(self._memory)
        self.column.addWidget(self._battery)

    def show_memory(self, estimate: "MemoryEstimate | None") -> None:
        """Show an estimate; None: there is no model to estimate for."""
        if estimate is None:
            self._memory.setText("No model is chosen, so there is no estimate of memory.")
            return
        self._memory.setText(
            f"About {bytes_in_words(estimate.weights_bytes + estimate.cache_bytes)} of memory: "
            f"{bytes_in_words(estimate.weights_bytes)} for the model and {bytes_in_words(estimate.cache_bytes)} "
            f"for a context of {estimate.context_length:,} tokens."
        )

    def show_power(self, is_on_battery: bool | None, n_threads: int) -> None:
        """Show what feeds the computer and how many threads answer now."""
        source = {
            True: "This computer runs on battery.",
            False: "This computer runs on mains power.",
            None: "This computer does not tell of a battery, so Automatic is the same as Fast.",
        }[is_on_battery]
        threads = "1 thread answers" if n_threads == 1 else f"{n_threads} threads answer"
        self._battery.setText(f"{source} {threads} now.")

    def text(self) -> str:
        """Return what is shown."""
        return f"{self._memory.text()} {self._battery.text()}"


class DataFacts(Facts):
    """Where everything is, how large it is; taking it along, and deleting it."""

    export_requested = Signal()
    folder_requested = Signal()
    erase_requested = Signal(bool)  # with the models

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Your data on this computer", parent)
        self.search_words = "privacy data location size folder export delete erase all everything backup"
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(SIZES.space_4)
        self._grid.setVerticalSpacing(SIZES.space_1)
        self._grid.setColumnStretch(0, 1)
        self._sizes: dict[PlaceKind, PlainLabel] = {}
        self._paths: dict[PlaceKind, ElidedLabel] = {}
        for row, kind in enumerate(PlaceKind):
            self._sizes[kind], self._paths[kind] = PlainLabel("…"), ElidedLabel(kind="small")
            self._grid.addWidget(PlainLabel(_KIND_WORDS[kind]), 2 * row, 0)
            self._grid.addWidget(self._sizes[kind], 2 * row, 1, Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(self._paths[kind], 2 * row + 1, 0, 1, 2)
            self._grid.setRowMinimumHeight(2 * row + 1, SIZES.space_5)
        self.column.addLayout(self._grid)
        open_folder = QPushButton("Open the data folder")
        open_folder.clicked.connect(self.folder_requested)
        self._export = QPushButton("Export everything…")
        self._export.clicked.connect(self.export_requested)
        self._note = PlainLabel("", kind="small", wrap=True)
        self.column.addLayout(_line(open_folder, self._export))
        self.column.addWidget(
            PlainLabel(
                "The export is one ZIP file with your conversations as text, the history itself and your settings.",
                kind="small",
                wrap=True,
            )
        )
        self.column.addWidget(self._note)
        self.column.addSpacing(SIZES.space_4)
        self._add_erasing(theme)

    def show_places(self, places: Sequence[Place]) -> None:
        """Show where things are and how large."""
        for place in places:
            self._sizes[place.kind].setText(bytes_in_words(place.n_bytes))
            self._paths[place.kind].set_full_text(str(place.path))

    def show_note(self, note: str, *, is_busy: bool = False) -> None:
        """Say what goes on or how it ended; nothing else can be begun while it goes on."""
        self._note.setText(note)
        self._export.setEnabled(not is_busy)
        self.on_typed(self._typed.text() if not is_busy else "")

    def on_typed(self, text: str) -> None:
        """Let everything be deleted only when the words stand there."""
        self._erase.setEnabled(text.strip().casefold() == CONFIRMATION)

    def on_erase(self) -> None:
        """Tell that everything is to go."""
        if self._erase.isEnabled():
            self._typed.clear()
            self.erase_requested.emit(self._with_models.isChecked())

    def _add_erasing(self, theme: Theme) -> None:
        self.column.addWidget(heading("Delete everything"))
        self.column.addWidget(
            PlainLabel(
                "All conversations, documents, settings and logs are deleted from this computer. This cannot be "
                f"undone. To go on, type: {CONFIRMATION}",
                kind="secondary",
                wrap=True,
            )
        )
        self._with_models = TickBox("Also the models that were copied here", theme)
        self._typed = QLineEdit()
        self._typed.setAccessibleName(f"Type {CONFIRMATION} to go on")
        self._typed.setPlaceholderText(CONFIRMATION)
        self._typed.textChanged.connect(self.on_typed)
        self._typed.returnPressed.connect(self.on_erase)
        self._erase = QPushButton("Delete everything")
        self._erase.setProperty("kind", "stop")
        self._erase.setEnabled(False)
        self._erase.clicked.connect(self.on_erase)
        self.column.addWidget(self._with_models)
        line = QHBoxLayout()
        line.setSpacing(SIZES.space_2)
        line.addWidget(self._typed, 1)
        line.addWidget(self._erase)
        self.column.addLayout(line)


class ShortcutFacts(Facts):
    """Every command that has a key."""

    def __init__(self, shortcuts: Sequence[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.search_words = " ".join(" ".join(each) for each in shortcuts) + " keys keyboard shortcuts"
        grid = QGridLayout()
        grid.setHorizontalSpacing(SIZES.space_5)
        grid.setVerticalSpacing(SIZES.space_2)
        grid.setColumnStretch(0, 1)
        row, group = 0, ""
        for where, what, keys in shortcuts:
            if where != group:
                group = where
                grid.addWidget(PlainLabel(where, kind="small"), row, 0)
                row += 1
            grid.addWidget(PlainLabel(what), row, 0)
            grid.addWidget(PlainLabel(keys, kind="strong"), row, 1)
            row += 1
        self.column.addLayout(grid)


def _line(*widgets: QWidget) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(SIZES.space_2)
    for widget in widgets:
        line.addWidget(widget)
    line.addStretch(1)
    return line
