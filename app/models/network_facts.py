"""The part of the preferences that shows that Tern is offline: what was refused, what was ever connected to, a test.

Knows how it looks; what it shows is given to it.
"""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QPushButton, QWidget

from app.models.column import row
from app.models.tasks import NetworkRecord
from app.models.words import record_lines, refused_words, self_test_lines
from app.plain_text import PlainLabel
from app.preferences.facts import Facts
from app.theme import SIZES
from core.offline import Check

_MOST_LINES = 12
SENTENCE = (
    "Tern itself opens no connection. Downloads that you start run in a program of their own, which ends with them; "
    "what that has ever connected to stands here."
)


class NetworkFacts(Facts):
    """Proof, as far as a program can give it about itself; the guide says how to check from outside."""

    wanted = Signal()
    test_requested = Signal()
    guide_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Offline", parent)
        self.search_words = "network internet connection privacy proof padlock self-test socket download host"
        self.refused = PlainLabel(wrap=True)
        self.hosts = PlainLabel(kind="secondary", wrap=True)
        self.tested = PlainLabel(kind="secondary", wrap=True)
        self.tested.hide()
        self.test = QPushButton("Try to connect")
        self.test.setToolTip("Tries to use the network in every way, and must fail")
        self.test.clicked.connect(self.test_requested)
        guide = QPushButton("How to check from outside")
        guide.clicked.connect(self.guide_requested)
        self.column.addWidget(self.refused)
        self.column.addWidget(PlainLabel(SENTENCE, kind="small", wrap=True))
        self.column.addWidget(self.hosts)
        self.column.addLayout(row(self.test, guide))
        self.column.addWidget(self.tested)
        self.column.addSpacing(SIZES.space_4)

    def show_record(self, record: NetworkRecord) -> None:
        """Show what was refused and what was ever connected to."""
        self.refused.setText(refused_words(record.counters))
        lines = record_lines(record)
        more = [f"and {len(lines) - _MOST_LINES} more in connections.jsonl"] if len(lines) > _MOST_LINES else []
        self.hosts.setText("\n".join(lines[:_MOST_LINES] + more) or "No download has ever connected to anything.")

    def show_test(self, checks: Sequence[Check]) -> None:
        """Show what came of trying to connect."""
        lines = self_test_lines(checks)
        passed = all(is_right for _, is_right in lines)
        head = (
            "Everything was refused, as it must be."
            if passed
            else "Not everything was refused. Tell the makers of Tern."
        )
        marks = [f"{'✓' if is_right else '✗'} {words}" for words, is_right in lines]
        self.tested.set_kind("secondary" if passed else "warning")
        self.tested.setText("\n".join([head, *marks]))
        self.tested.show()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for the figures of now."""
        super().showEvent(event)
        self.wanted.emit()
