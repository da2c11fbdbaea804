"""The window of all models: what is here, which one answers, what can be had.

Knows how models are listed and what can be asked for; must not know files or jobs.
"""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.chat.cards import ErrorCard
from app.chat.composer import local_files
from app.models.column import Card, Column, row
from app.models.downloads import DownloadView
from app.models.progress_view import ProgressView
from app.models.tasks import KeptModel, Origin
from app.models.words import kept_words, size_words
from app.plain_text import PlainLabel, set_tooltip
from app.theme import SIZES, Theme
from core.models.catalogue import CatalogueModel, ModelKind
from core.models.hub_cache import HubSnapshot
from core.models.installed import InstalledModel


class ModelsWindow(QWidget):
    """Lists and buttons; Esc closes it."""

    shown = Signal()
    use_requested = Signal(object)  # KeptModel
    verify_requested = Signal(object)  # KeptModel
    remove_requested = Signal(object)  # KeptModel
    get_requested = Signal(object)  # CatalogueModel
    cached_requested = Signal(object)  # HubSnapshot
    file_requested = Signal()
    folder_requested = Signal()
    dropped = Signal(list)  # paths
    acted = Signal(object)  # Action of the card

    def __init__(self, theme: Theme) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.setWindowTitle("Models – Tern")
        self.setAcceptDrops(True)
        self._theme = theme
        self.kept: dict[str, KeptCard] = {}
        self.published: dict[str, QPushButton] = {}
        self._card: ErrorCard | None = None
        self.page = Column(theme)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.page)
        self._arrange()
        for keys in ("Esc", "Ctrl+W"):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(self.close)
            self.addAction(action)
        self.setMinimumSize(SIZES.window_least[0] * 3 // 4, SIZES.window_least[1])
        self.resize(SIZES.window[0] * 3 // 4, SIZES.window[1] * 7 // 8)

    def show_in_front(self) -> None:
        """Open the window, or bring it forward."""
        self.show()
        self.raise_()
        self.activateWindow()
        self.shown.emit()

    def show_kept(self, models: Sequence[KeptModel], in_use: InstalledModel | None, *, is_ready: bool) -> None:
        """List the models on this computer."""
        _clear(self._here)
        self.kept = {}
        for kept in models:
            card = KeptCard(kept, is_in_use=kept.model == in_use, is_ready=is_ready)
            card.use.clicked.connect(lambda _checked=False, chosen=kept: self.use_requested.emit(chosen))
            card.verify.clicked.connect(lambda _checked=False, chosen=kept: self.verify_requested.emit(chosen))
            card.remove.clicked.connect(lambda _checked=False, chosen=kept: self.remove_requested.emit(chosen))
            self._here.addWidget(card)
            self.kept[kept.model.name] = card

    def show_published(self, models: Sequence[tuple[CatalogueModel, str]], cached: Sequence[HubSnapshot]) -> None:
        """List what can be had; each with the words for whether it fits."""
        _clear(self._there)
        self.published = {}
        self._there_heading.setVisible(bool(models or cached))
        for snapshot in cached:
            self._there.addWidget(self._cached_card(snapshot))
        for model, words in models:
            self._there.addWidget(self._published_card(model, words))

    def show_job(self, title: str, share: float | None) -> None:
        """Show how far an import or a check is; "" for neither."""
        if title:
            self.job.show_job(title, share)
        else:
            self.job.hide()

    def show_download(self, view: DownloadView) -> None:
        """Show how far the download is."""
        self.download.show_download(view)

    def show_result(self, words: str) -> None:
        """Say how something ended."""
        self.result.setText(words)
        self.result.setVisible(bool(words))

    def show_error(self, error: BaseException | None) -> None:
        """Show a card for what went wrong; None takes it away."""
        if self._card is not None:
            self._card.hide()
            self._card.deleteLater()
            self._card = None
        if error is not None:
            self._card = ErrorCard(error, self.acted.emit)
            self._top.addWidget(self._card)
            card = self._card
            QTimer.singleShot(0, card, lambda: self.page.ensureWidgetVisible(card))

    @property
    def card(self) -> ErrorCard | None:
        """The card in sight."""
        return self._card

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if local_files(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the files."""
        event.acceptProposedAction()
        paths: list[Path] = local_files(event.mimeData())
        self.dropped.emit(paths)

    def _arrange(self) -> None:
        column = self.page.column
        column.addWidget(PlainLabel("Models", kind="page"))
        column.addWidget(
            PlainLabel("Drop a model's folder or .gguf file here to take it over.", kind="secondary", wrap=True)
        )
        folder, file = QPushButton("Take over a folder…"), QPushButton("Take over a .gguf file…")
        folder.clicked.connect(self.folder_requested)
        file.clicked.connect(self.file_requested)
        column.addLayout(row(folder, file))
        self.job, self.download = ProgressView(), ProgressView()
        self.result = PlainLabel(wrap=True)
        self.result.hide()
        self._top = QVBoxLayout()
        self._top.setSpacing(SIZES.space_2)
        for widget in (self.job, self.download, self.result):
            self._top.addWidget(widget)
        column.addLayout(self._top)
        column.addSpacing(SIZES.space_3)
        column.addWidget(PlainLabel("On this computer", kind="heading"))
        self._here, self._there = QVBoxLayout(), QVBoxLayout()
        for listed in (self._here, self._there):
            listed.setSpacing(SIZES.space_2)
        column.addLayout(self._here)
        column.addSpacing(SIZES.space_3)
        self._there_heading = PlainLabel("Published models", kind="heading")
        column.addWidget(self._there_heading)
        column.addLayout(self._there)
        column.addStretch(1)

    def _cached_card(self, snapshot: HubSnapshot) -> Card:
        card = Card()
        name = snapshot.repository.partition("/")[2]
        use = QPushButton("Use it")
        use.setAccessibleName(f"Use {name}")
        use.clicked.connect(lambda: self.cached_requested.emit(snapshot))
        words = PlainLabel("In the cache of the Hugging Face tools. It stays there; nothing is copied.", kind="small")
        words.setWordWrap(True)
        card.column.addLayout(_facts(name, words, use))
        return card

    def _published_card(self, model: CatalogueModel, words: str) -> Card:
        card = Card()
        get = QPushButton("Get…")
        get.setAccessibleName(f"Get {model.title}")
        get.clicked.connect(lambda: self.get_requested.emit(model))
        self.published[model.name] = get
        kind = "" if model.kind is ModelKind.CHAT else "For searching documents. "
        size = "" if model.download_bytes is None else f"{size_words(model)} to download. "
        text = PlainLabel(f"{kind}{model.sentence}\n{size}{words} {model.licence}.", kind="small", wrap=True)
        card.column.addLayout(_facts(f"{model.title} (recommended)" if model.is_default else model.title, text, get))
        return card


class KeptCard(Card):
    """One model on this computer."""

    def __init__(self, kept: KeptModel, *, is_in_use: bool, is_ready: bool) -> None:
        super().__init__()
        name = kept.title
        self.use, self.verify, self.remove = QPushButton("Use"), QToolButton(), QToolButton()
        self.verify.setText("Verify now")
        self.remove.setText("Forget…" if kept.model.reference is not None else "Remove…")
        for button, verb in ((self.use, "Use"), (self.verify, "Verify"), (self.remove, "Remove")):
            button.setAccessibleName(f"{verb} {name}")
        self.state = PlainLabel(("Answers now" if is_ready else "Chosen") if is_in_use else "", kind="verified")
        self.words = PlainLabel(kept_words(kept), kind="small", wrap=True)
        set_tooltip(self.words, str(kept.model.path))
        self.column.addLayout(_facts(name, self.words, self.state, self.use, self.verify, self.remove))
        # Now that they have a parent: a widget without one would be shown as a window.
        self.state.setVisible(is_in_use)
        self.use.setVisible(not is_in_use and not kept.model.is_embedding and kept.origin is not Origin.GONE)
        self.verify.setVisible(kept.origin is not Origin.GONE)
        self.remove.setVisible(kept.origin in (Origin.STORED, Origin.REFERENCE, Origin.GONE))


def _facts(name: str, words: PlainLabel, *controls: QWidget) -> QHBoxLayout:
    left = QVBoxLayout()
    left.setSpacing(SIZES.space_1)
    left.addWidget(PlainLabel(name, kind="strong", wrap=True))
    left.addWidget(words)
    line = QHBoxLayout()
    line.setSpacing(SIZES.space_2)
    line.addLayout(left, 1)
    for control in controls:
        line.addWidget(control)
    return line


def _clear(layout: QVBoxLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
