"""The padlock and the page behind it: asks for the record and runs the self-test, each in a job.

Knows which job gives which figure; must not know how it is drawn.
"""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices

from app.jobs import JobRunner
from app.models import tasks
from app.models.network_facts import NetworkFacts
from app.models.tasks import NetworkRecord
from core import offline
from core.paths import AppPaths

GUIDE = Path(__file__).resolve().parent.parent.parent / "assets" / "guide" / "privacy.md"


class NetworkPresenter(QObject):
    """Fills the part of the preferences that shows that Tern is offline."""

    def __init__(
        self,
        runner: JobRunner,
        paths: AppPaths,
        parent: QObject | None = None,
        *,
        open_url: Callable[[QUrl], object] = QDesktopServices.openUrl,
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._paths = paths
        self._open_url = open_url
        self.facts: NetworkFacts | None = None

    def make_facts(self) -> NetworkFacts:
        """Return the part, which asks for its figures whenever it comes into sight."""
        self.facts = facts = NetworkFacts()
        facts.wanted.connect(self.refresh)
        facts.test_requested.connect(self.test)
        facts.guide_requested.connect(lambda: self._open_url(QUrl.fromLocalFile(str(GUIDE))))
        return facts

    def refresh(self) -> None:
        """Read the record anew."""
        if self.facts is not None and self.facts.isVisible():
            self._runner.start(
                "models", lambda _cancel, _emit: tasks.network_record(self._paths), on_done=self._on_record
            )

    def test(self) -> None:
        """Try to use the network in every way; all of it must be refused."""
        self._runner.start("models", lambda _cancel, _emit: offline.self_test(), on_done=self._on_tested)

    def _on_record(self, record: object) -> None:
        if isinstance(record, NetworkRecord) and self.facts is not None:
            self.facts.show_record(record)

    def _on_tested(self, tested: object) -> None:
        if isinstance(tested, offline.SelfTest) and self.facts is not None:
            self.facts.show_test(tested.checks)
            self.refresh()
