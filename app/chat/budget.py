"""Keeps the budget bar in step with what is typed, and says what to do with a message that is too long.

Knows when to count; must not know how. Counting happens beside the window, a moment after the last key.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from app import wiring
from app.chat.chat_pane import ChatPane
from app.chat.documents import DocumentsPresenter
from app.chat.message_model import MessageModel
from app.chat.model_session import ModelSession
from app.chat.presenter import ChatPresenter
from app.jobs import JobRunner
from app.wiring import Services
from core.budget import Budget, BudgetCounter, cut_to_fit
from core.errors import AppError
from core.events import CancelToken
from core.presets import ChatOverrides
from core.settings import Settings

_WAIT_MS = 80
PASTED = "Pasted text"


class BudgetPresenter(QObject):
    """Counts again after every change of draft, conversation, documents, settings or model."""

    def __init__(
        self,
        runner: JobRunner,
        chat: ChatPresenter,
        messages: MessageModel,
        models: ModelSession,
        documents: DocumentsPresenter,
        pane: ChatPane,
        services: Callable[[], Services | None],
        settings: Callable[[], tuple[Settings, ChatOverrides | None]],
    ) -> None:
        super().__init__(pane)
        self._runner = runner
        self._chat = chat
        self._models = models
        self._documents = documents
        self._pane = pane
        self._services = services
        self._settings = settings
        self._counter = BudgetCounter()  # of the count lane
        self._version = 0
        self._counting: CancelToken | None = None
        self._n_pasted = 0
        self.budget: Budget | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(self.on_count)
        composer = pane.composer
        composer.text.textChanged.connect(self._timer.start)
        composer.text.pasted_large.connect(self.add_as_document)
        composer.cut_requested.connect(self.on_cut)
        composer.document_requested.connect(self.on_document)
        messages.reset.connect(self.on_messages)
        chat.busy_changed.connect(self.on_messages)
        documents.changed.connect(lambda _names: self._timer.start())
        models.changed.connect(self._timer.start)

    def on_messages(self) -> None:
        """Count the history anew."""
        self._version += 1
        self._timer.start()

    def on_count(self) -> None:
        """Count what would be sent now."""
        services = self._services()
        if self._counting is not None:
            self._counting.cancel()
        if services is None or not self._models.state.is_ready or self._chat.is_busy:
            if not self._chat.is_busy:
                self._show(None)
            return
        try:
            engine = self._models.engine()
        except AppError:
            return  # it is being closed
        settings, new = self._settings()
        chat_id, version, before = self._chat.chat_id, self._version, self._chat.editing
        draft, has_documents = self._pane.composer.text.toPlainText(), bool(self._pane.composer.chips.names)
        counter = self._counter

        def count(cancel: CancelToken) -> Budget:
            around = wiring.surroundings(services, settings, chat_id, new, engine, has_documents=has_documents)
            return counter.count(services.store, chat_id, version, draft, around, engine.tokenizer, cancel, before)

        self._counting = self._runner.start(
            "count", lambda cancel, _emit: count(cancel), on_done=self._on_counted, on_failed=lambda _error: None
        )

    def on_cut(self) -> None:
        """Keep as much of the draft as fits."""
        budget = self.budget
        if budget is None or not budget.too_many or not self._models.state.is_ready:
            return
        draft, tokenizer = self._pane.composer.text.toPlainText(), self._models.engine().tokenizer
        self._runner.start(
            "count",
            lambda cancel, _emit: cut_to_fit(
                draft, budget.too_many, lambda text: len(tokenizer.encode_text(text)), cancel
            ),
            on_done=lambda kept: self._on_cut(draft, kept),
            on_failed=self._chat.show_error,
        )

    def on_document(self) -> None:
        """Make a document of the draft."""
        text = self._pane.composer.text.toPlainText()
        self._pane.composer.text.clear()
        self.add_as_document(text)

    def add_as_document(self, text: str) -> None:
        """Give a text to the conversation as a document."""
        self._n_pasted += 1
        name = f"{PASTED}.txt" if self._n_pasted == 1 else f"{PASTED} {self._n_pasted}.txt"
        self._documents.add_text(name, text)

    def _on_cut(self, draft: str, kept: object) -> None:
        if isinstance(kept, str) and self._pane.composer.text.toPlainText() == draft:
            self._pane.composer.set_text(kept)

    def _on_counted(self, budget: object) -> None:
        if isinstance(budget, Budget):
            self._show(budget)

    def _show(self, budget: Budget | None) -> None:
        self.budget = budget
        self._pane.composer.budget_bar.show_budget(budget)
        self._pane.composer.offer_shortening(is_too_long=budget is not None and budget.too_many > 0)
        seen_from = None if budget is None else budget.seen_from
        self._pane.transcript.set_seen_from(None if seen_from is None else int(seen_from))
