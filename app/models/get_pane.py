"""Three steps from a fresh start to the first answer, in the place of the empty conversation: nothing waits for it.

Knows how they look and what can be asked for; must not know models, files or jobs.
"""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QMenu, QPushButton, QToolButton, QWidget

from app.chat.cards import ErrorCard
from app.chat.empty import EXAMPLES, ExampleButton
from app.models.column import Card, Column, row
from app.models.downloads import DownloadView, Phase
from app.models.offline_panel import OfflinePanel
from app.models.progress_view import ProgressView
from app.notices import bytes_in_words
from app.plain_text import ElidedLabel, PlainLabel, menu_text
from app.theme import SIZES, Theme
from core.models.catalogue import CatalogueModel

N_EXAMPLES = 3
_FACTS = ("Size", "From", "Licence", "Checksum", "Folder", "Free there")
WAITING = "When the model is here, Tern tries it out and you can ask it anything."
MEANWHILE = (
    "You can chat with the starter model below and add documents meanwhile. Closing Tern keeps what has arrived."
)


class GetPane(Column):
    """This computer, getting the model, trying it."""

    closed = Signal()
    measure_requested = Signal()
    download_requested = Signal()
    file_requested = Signal()
    folder_requested = Signal()  # of a model that the person has
    place_requested = Signal()  # where models are kept
    offline_requested = Signal()
    cached_requested = Signal()
    model_chosen = Signal(object)  # CatalogueModel
    manager_requested = Signal()
    example_chosen = Signal(str)
    acted = Signal(object)  # Action of the card

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.setAccessibleName("Get the model")
        self.progress = ProgressView()
        self.job = ProgressView()
        self.offline = OfflinePanel(theme)
        self.offline.folder_requested.connect(self.folder_requested)
        self.offline.file_requested.connect(self.file_requested)
        self.offline.hide()
        self._card: ErrorCard | None = None
        self._add_head()
        self._add_computer()
        self._add_model()
        self._add_try()
        self.column.addStretch(1)

    def show_computer(self, sentence: str, *, is_busy: bool) -> None:
        """Show the verdict on this computer."""
        self.verdict.setText(sentence)
        self.measure.setVisible(not is_busy)

    def show_fits(self, models: Sequence[tuple[CatalogueModel, str]]) -> None:
        """Offer the models, each with the words for whether it fits."""
        self.fits.setText("\n".join(f"{model.title}: {words}" for model, words in models))
        self._menu.clear()
        for model, words in models:
            action = QAction(menu_text(f"{model.title} – {words}"), self._menu)
            action.setMenuRole(QAction.MenuRole.NoRole)
            action.triggered.connect(lambda _checked, chosen=model: self.model_chosen.emit(chosen))
            self._menu.addAction(action)

    def show_model(self, model: CatalogueModel, facts: Sequence[str], note: str, *, can_download: bool) -> None:
        """Show the model that would be fetched; `facts` are in the order of the labels, without the place."""
        self.name.setText(model.title)
        self.about.setText(model.sentence)
        for label, words in zip(self._facts, facts, strict=False):
            label.set_full_text(words)
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self.download.setEnabled(can_download)

    def show_place(self, folder: Path, free_bytes: int | None) -> None:
        """Show where the model goes."""
        self._facts[4].set_full_text(str(folder))
        self._facts[5].set_full_text("not known" if free_bytes is None else bytes_in_words(free_bytes))

    def show_cached(self, name: str) -> None:
        """Offer a model that other tools have fetched; "": there is none."""
        self._cached_text.setText(f"{name} is on this computer already, in the cache of the Hugging Face tools.")
        self._cached.setVisible(bool(name))

    def show_download(self, view: DownloadView) -> None:
        """Show how far the download is."""
        self.progress.show_download(view)
        is_idle = view.phase is Phase.NONE
        self._buttons.setVisible(is_idle)
        self.change_place.setVisible(is_idle)
        self.chooser.setVisible(is_idle)
        self.meanwhile.setVisible(view.phase is Phase.RUNNING)
        if not is_idle:
            self.offline.hide()

    def show_error(self, error: BaseException | None) -> None:
        """Show a card for what went wrong; None takes it away."""
        if self._card is not None:
            self._card.hide()
            self._card.deleteLater()
            self._card = None
        if error is not None:
            self._card = ErrorCard(error, self.acted.emit)
            self._errors.addWidget(self._card)
            self._scroll_to(self._card)

    @property
    def card(self) -> ErrorCard | None:
        """The card in sight."""
        return self._card

    def show_result(self, words: str) -> None:
        """Say how something ended."""
        self.result.setText(words)
        self.result.setVisible(bool(words))

    def show_try(self, words: str, *, is_ready: bool) -> None:
        """Show what came of trying the model; the examples belong to a model that is ready."""
        self.tried.setText(words)
        self._examples.setVisible(is_ready)
        if is_ready:
            self._scroll_to(self._examples)

    def show_offline(self, text: str) -> None:
        """Show what to fetch on another computer."""
        self.offline.show_text(text)
        self.offline.show()
        self._scroll_to(self.offline)

    def on_offline(self) -> None:
        """Open or close the list for another computer."""
        if self.offline.isHidden():
            self.offline_requested.emit()
        else:
            self.offline.hide()

    def on_fits(self) -> None:
        """Show or hide which models fit."""
        self.fits.setVisible(self.fits.isHidden())
        self.which.setText("▾ Which models fit" if not self.fits.isHidden() else "▸ Which models fit")

    def _scroll_to(self, widget: QWidget) -> None:
        """Bring a part into sight once it has its place."""
        QTimer.singleShot(0, widget, lambda: self.ensureWidgetVisible(widget))

    def _add_head(self) -> None:
        close = QToolButton()
        close.setText("Later")
        close.setToolTip("Close this page; it stays in the menu Model")
        close.clicked.connect(self.closed)
        self.later = close
        head = QHBoxLayout()
        head.addWidget(PlainLabel("Get the full model", kind="page"), 1)
        head.addWidget(close)
        self.column.addLayout(head)
        self.column.addWidget(
            PlainLabel(
                "No account, no registration. After the download Tern needs no internet.", kind="secondary", wrap=True
            )
        )
        self.column.addSpacing(SIZES.space_2)

    def _add_computer(self) -> None:
        self.verdict = PlainLabel("Looking at this computer…", wrap=True)
        self.measure = _small("Measure again")
        self.measure.clicked.connect(self.measure_requested)
        self.which = _small("▸ Which models fit")
        self.which.clicked.connect(self.on_fits)
        self.fits = PlainLabel(kind="secondary", wrap=True)
        self.fits.hide()
        self.column.addWidget(PlainLabel("1  This computer", kind="heading"))
        self.column.addWidget(self.verdict)
        self.column.addLayout(row(self.which, self.measure))
        self.column.addWidget(self.fits)
        self.column.addSpacing(SIZES.space_2)

    def _add_model(self) -> None:
        self.column.addWidget(PlainLabel("2  Get the model", kind="heading"))
        card = Card()
        self.name, self.about = PlainLabel(kind="strong", wrap=True), PlainLabel(kind="secondary", wrap=True)
        self.note = PlainLabel(kind="verified", wrap=True)
        self.note.hide()
        for widget in (self.name, self.about, self.note):
            card.column.addWidget(widget)
        card.column.addLayout(self._make_facts())
        card.column.addWidget(self._make_cached())
        card.column.addWidget(self._make_buttons())
        card.column.addWidget(self.progress)
        card.column.addWidget(self.job)
        self.result = PlainLabel(wrap=True)
        self.result.hide()
        card.column.addWidget(self.result)
        self.meanwhile = PlainLabel(MEANWHILE, kind="small", wrap=True)
        self.meanwhile.hide()
        card.column.addWidget(self.meanwhile)
        card.column.addWidget(self.offline)
        self.column.addWidget(card)
        holder = QWidget()
        self._errors = QHBoxLayout(holder)
        self._errors.setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(holder)
        self.column.addSpacing(SIZES.space_2)

    def _make_facts(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(SIZES.space_4)
        grid.setVerticalSpacing(SIZES.space_1)
        grid.setColumnStretch(1, 1)
        self._facts = [ElidedLabel() for _ in _FACTS]
        for number, (title, label) in enumerate(zip(_FACTS, self._facts, strict=True)):
            label.setAccessibleName(title)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(PlainLabel(title, kind="secondary"), number, 0)
            grid.addWidget(label, number, 1)
        self.change_place = _small("Change…")
        self.change_place.setAccessibleName("Change the folder")
        self.change_place.clicked.connect(self.place_requested)
        grid.addWidget(self.change_place, _FACTS.index("Folder"), 2)
        return grid

    def _make_cached(self) -> QWidget:
        self._cached = QWidget()
        self._cached_text = PlainLabel(wrap=True)
        use = QPushButton("Use it")
        use.clicked.connect(self.cached_requested)
        self.use_cached = use
        line = QHBoxLayout(self._cached)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self._cached_text, 1)
        line.addWidget(use)
        self._cached.hide()
        return self._cached

    def _make_buttons(self) -> QWidget:
        self.download = QPushButton("Download")
        self.download.setProperty("kind", "primary")
        self.download.clicked.connect(self.download_requested)
        self.own = QToolButton()
        self.own.setText("Use a file I have ▾")
        self.own.setProperty("kind", "menu")
        self.own.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.own)
        menu.addAction("A .gguf file…", self.file_requested.emit)
        menu.addAction("A folder…", self.folder_requested.emit)
        self.own.setMenu(menu)
        self.no_internet = QPushButton("This machine has no internet")
        self.no_internet.clicked.connect(self.on_offline)
        self.chooser = QToolButton()
        self.chooser.setText("Another model ▾")
        self.chooser.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self.chooser)
        self.chooser.setMenu(self._menu)
        self._buttons = QWidget()
        line = row(self.download, self.own, self.no_internet, self.chooser)
        line.setContentsMargins(0, SIZES.space_1, 0, 0)
        self._buttons.setLayout(line)
        return self._buttons

    def _add_try(self) -> None:
        self.column.addWidget(PlainLabel("3  Try it", kind="heading"))
        self.tried = PlainLabel(WAITING, kind="secondary", wrap=True)
        self.column.addWidget(self.tried)
        self._examples = QWidget()
        examples = QGridLayout(self._examples)
        examples.setContentsMargins(0, 0, 0, 0)
        examples.setSpacing(SIZES.space_2)
        self.examples = [ExampleButton(text) for text in EXAMPLES[:N_EXAMPLES]]
        for number, button in enumerate(self.examples):
            button.clicked.connect(lambda _checked=False, chosen=button: self.example_chosen.emit(chosen.text_shown))
            examples.addWidget(button, 0, number)
        self._examples.hide()
        self.column.addWidget(self._examples)
        manage = _small("All models on this computer…")
        manage.clicked.connect(self.manager_requested)
        self.column.addLayout(row(manage))


def _small(text: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setProperty("kind", "action")
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button
