"""The likeliest next words as bars, under the settings as they are being changed.

Knows how to draw; the numbers come from core (Outlook, sampling). Must not know where an outlook comes from.
"""

from typing import TYPE_CHECKING

from PySide6.QtCore import QLocale, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import SIZES, Theme
from core import presets
from core.settings import Settings, sampling_params

if TYPE_CHECKING:
    from core.inference.outlook import Candidate, Outlook

N_BARS = 8
_BEFORE_CHARS = 70
_NAME = "Likely next words"


class NextWordPreview(QWidget):
    """Bars with words and shares; before an outlook is there, a sentence."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._outlook: Outlook | None = None
        self._candidates: tuple[Candidate, ...] = ()
        self._n_possible = 0
        self._sentence = "When a model is ready, the likeliest next words are shown here."
        self.setAccessibleName(_NAME)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.on_theme_changed)

    @property
    def candidates(self) -> "tuple[Candidate, ...]":
        """What is shown, the likeliest first."""
        return self._candidates

    def show_outlook(self, outlook: "Outlook | None", settings: Settings) -> None:
        """Show another place of a text; None: there is none now."""
        self._outlook = outlook
        self.show_settings(settings)

    def show_sentence(self, sentence: str) -> None:
        """Say why there are no bars."""
        self._outlook, self._candidates, self._sentence = None, (), sentence
        self._tell()

    def show_settings(self, settings: Settings) -> None:
        """Show what these settings make of it."""
        if self._outlook is not None:
            params = sampling_params(presets.resolve(settings))
            self._candidates, self._n_possible = self._outlook.candidates(params, N_BARS)
        self._tell()

    def on_theme_changed(self) -> None:
        """Take the room that the text needs now."""
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Return the height of all bars and two lines of text."""
        return QSize(SIZES.column // 2, (N_BARS + 2) * self._row() + 2 * SIZES.space_3)

    def minimumSizeHint(self) -> QSize:
        """Return what is needed at least."""
        return QSize(SIZES.sidebar, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a card with the end of the text and a bar for each word."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._theme.color("line"))
        painter.setBrush(self._theme.color("surface"))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), SIZES.radius, SIZES.radius)
        box = self.rect().adjusted(SIZES.space_3, SIZES.space_3, -SIZES.space_3, -SIZES.space_3)
        row = self._row()
        painter.setFont(self._theme.font(SIZES.small))
        painter.setPen(self._theme.color("ink_2"))
        if self._outlook is None:
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._sentence)
            return
        before = " ".join(self._outlook.before.split())[-_BEFORE_CHARS:]
        title = painter.fontMetrics().elidedText(f"After “…{before}”", Qt.TextElideMode.ElideMiddle, box.width())
        painter.drawText(box.x(), box.y(), box.width(), row, Qt.AlignmentFlag.AlignVCenter, title)
        for number, candidate in enumerate(self._candidates):
            self._draw(painter, QRect(box.x(), box.y() + (number + 1) * row, box.width(), row), candidate)
        painter.setFont(self._theme.font(SIZES.small))
        painter.setPen(self._theme.color("ink_2"))
        foot = QRect(box.x(), box.y() + (N_BARS + 1) * row, box.width(), row)
        painter.drawText(foot, Qt.AlignmentFlag.AlignVCenter, self._foot())

    def _draw(self, painter: QPainter, place: QRect, candidate: "Candidate") -> None:
        gap = SIZES.space_2
        painter.setFont(self._theme.font(SIZES.small))
        metrics = painter.fontMetrics()
        word_width, share_width = place.width() // 4, metrics.horizontalAdvance("100.0 %") + gap
        painter.setPen(self._theme.color("ink"))
        word = metrics.elidedText(shown_word(candidate.text), Qt.TextElideMode.ElideRight, word_width - gap)
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(place.x(), place.y(), word_width - gap, place.height(), right, word)
        room = place.width() - word_width - share_width
        bar = QRect(
            place.x() + word_width, place.y() + gap // 2, max(2, round(room * candidate.share)), place.height() - gap
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.color("sea"))
        painter.drawRoundedRect(bar, SIZES.caret, SIZES.caret)
        painter.setPen(self._theme.color("ink_2"))
        share = QRect(place.right() - share_width, place.y(), share_width, place.height())
        painter.drawText(share, right, percent(candidate.share))

    def _row(self) -> int:
        return self._theme.px(SIZES.small) + SIZES.space_2 + SIZES.space_1

    def _foot(self) -> str:
        if self._n_possible == 1:
            return "Only this word can come."
        hidden = self._n_possible - len(self._candidates)
        more = f", {QLocale().toString(hidden)} of them not shown" if hidden else ""
        return f"{QLocale().toString(self._n_possible)} tokens can come{more}."

    def _tell(self) -> None:
        words = ", ".join(f"{shown_word(each.text)} {percent(each.share)}" for each in self._candidates)
        self.setAccessibleDescription(words or self._sentence)
        self.update()


def shown_word(text: str) -> str:
    """Return a token so that it can be seen: a space at its beginning goes, a line break has a sign."""
    shown = text.replace("\n", "⏎").replace("\t", "⇥").strip(" ")
    return shown or ("␣" if text else "(end or part of a word)")


def percent(share: float) -> str:
    """Return a share with one decimal."""
    return f"{QLocale().toString(100 * share, 'f', 1)} %"
