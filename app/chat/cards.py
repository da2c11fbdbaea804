"""A card in the place where something failed: what happened, what is safe, one button, "Copy details".

Knows how a Notice looks; must not know what its action does.
"""

from collections.abc import Callable

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app import notices
from app.notices import Action
from app.plain_text import PlainLabel, menu_text
from app.theme import SIZES


class ErrorCard(QFrame):
    """One error; `on_action` gets the action of its button."""

    def __init__(self, error: BaseException, on_action: Callable[[Action], object], parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("errorCard")
        self._error = error
        notice = notices.notice_for(error)
        self.setAccessibleName(f"Problem: {notice.title}")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_4, SIZES.space_3, SIZES.space_4, SIZES.space_3)
        layout.setSpacing(SIZES.space_2)
        layout.addWidget(PlainLabel(notice.title, kind="strong", wrap=True))
        layout.addWidget(PlainLabel(notice.text, kind="secondary", wrap=True))
        layout.addLayout(self._buttons(notice, on_action))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def on_copy(self) -> None:
        """Put the details on the clipboard."""
        QGuiApplication.clipboard().setText(notices.details(self._error))
        self._copy.setText("Copied")

    def _buttons(self, notice: notices.Notice, on_action: Callable[[Action], object]) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.space_2)
        button = QPushButton(menu_text(notice.action_label))
        button.clicked.connect(lambda: on_action(notice.action))
        self._copy = QToolButton()
        self._copy.setText("Copy details")
        self._copy.clicked.connect(self.on_copy)
        row.addWidget(button)
        row.addWidget(self._copy)
        row.addStretch(1)
        return row
