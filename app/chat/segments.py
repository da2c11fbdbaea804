"""The pieces that a message is made of on screen: text, code and tables, each a widget that knows its height.

Knows QTextDocument and the blocks of markdown.py; must not know messages, chats or jobs. Text reaches a document only
as plain characters with a format: nothing here reads HTML, and no document can load anything.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from math import ceil

from PySide6.QtCore import QPoint, Qt, QTimer, QUrl
from PySide6.QtGui import (
    QContextMenuEvent,
    QFont,
    QGuiApplication,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFrameFormat,
    QTextLayout,
    QTextListFormat,
    QTextOption,
    QTextTable,
    QTextTableFormat,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QTextBrowser, QToolButton, QWidget

from app.chat.code_colours import Kind, stretches
from app.chat.markdown import Code, Paragraph, Span, Style, Table
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme

LinkHandler = Callable[[str], object]
_COLOURED_AT_ONCE = 400  # stretches of code
_CODE_TOKENS = {
    Kind.KEYWORD: "sea",
    Kind.TEXT: "leaf",
    Kind.NUMBER: "amber",
    Kind.COMMENT: "ink_2",
    Kind.ADDED: "leaf",
    Kind.REMOVED: "coral",
}
_CHECK_MARK = "\u00a0✓"
_CLOSING_QUOTES = '"”“»'
_PROPORTIONAL = QTextBlockFormat.LineHeightTypes.ProportionalHeight.value
_FIXED = QTextBlockFormat.LineHeightTypes.FixedHeight.value


class SafeBrowser(QTextBrowser):
    """A reader of formatted text that never loads a resource and never follows a link by itself."""

    def __init__(self, theme: Theme, on_link: LinkHandler, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.setObjectName("messageText")
        self.setAccessibleName("Text of the message")
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.document().setDocumentMargin(0)
        self.document().setIndentWidth(SIZES.space_5)
        self.viewport().setAutoFillBackground(False)
        self.anchorClicked.connect(lambda url: on_link(url.toString(QUrl.ComponentFormattingOption.FullyEncoded)))

    def loadResource(self, type: int, name: QUrl | str) -> None:
        """Load nothing, whatever is asked for."""
        return

    def doSetSource(self, url: QUrl | str, type: object = None) -> None:
        """Go nowhere."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave scrolling to the transcript."""
        event.ignore()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer copying only."""
        menu = self.createStandardContextMenu(event.pos())
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())

    def height_for(self, width: int) -> int:
        """Lay the text out at `width` and return its height."""
        document = self.document()
        if self.width() != width:
            self.resize(width, self.height())  # the widget lays out again whenever its own width differs
        if document.textWidth() != width:
            document.setTextWidth(width)
        return ceil(document.size().height())


class TextSegment(SafeBrowser):
    """Paragraphs, headings and lists."""

    def __init__(self, theme: Theme, on_link: LinkHandler, parent: QWidget | None = None) -> None:
        super().__init__(theme, on_link, parent)
        self.is_empty = True
        self._formats: dict[object, QTextCharFormat] = {}

    def append_paragraphs(self, blocks: Sequence[Paragraph]) -> None:
        """Write blocks at the end, as one change of the document."""
        cursor = self._at_end()
        cursor.beginEditBlock()
        for block in blocks:
            self._begin_block(cursor, block)
            for span in block.spans:
                cursor.insertText(span.text, self._format_of(block, span))
        cursor.endEditBlock()

    def append_text(self, text: str) -> None:
        """Write plain characters at the end, in the look of the last paragraph; cheap, for streaming."""
        cursor = self._at_end()
        if self.is_empty:
            self._begin_block(cursor, Paragraph(()))
        cursor.insertText(text.replace("\n", "\u2028"), self._format_of(Paragraph(()), Span("")))

    def mark_verified(self, words: str, note: str, href: str = "") -> bool:
        """Put a check mark and `note` behind the first quote of `words` that has none; False without such a quote.

        href: where the mark leads, "" for nowhere.
        """
        cursor = QTextCursor(self.document())
        case = QTextDocument.FindFlag.FindCaseSensitively
        while not (cursor := self.document().find(words, cursor, case)).isNull():
            cursor.setPosition(cursor.selectionEnd())
            while self.document().characterAt(cursor.position()) in _CLOSING_QUOTES:
                cursor.movePosition(QTextCursor.MoveOperation.NextCharacter)
            if self.document().characterAt(cursor.position()) != _CHECK_MARK[0]:
                made = QTextCharFormat()
                made.setFont(self.theme.font(strong=True))
                made.setForeground(self.theme.color("leaf"))
                if href:
                    made.setAnchor(True)
                    made.setAnchorHref(href)
                cursor.insertText(_CHECK_MARK + note, made)
                return True
        return False

    def end(self) -> int:
        """Return the position after the last character."""
        return self._at_end().position()

    def truncate(self, position: int) -> None:
        """Remove everything after `position`; 0 empties the segment."""
        cursor = QTextCursor(self.document())
        cursor.setPosition(position)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        if position == 0:
            self.is_empty = True

    def caret_position(self) -> QPoint:
        """Return where the next character will stand (top left, in this widget)."""
        return self.cursorRect(self._at_end()).topLeft()

    def _at_end(self) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        return cursor

    def _begin_block(self, cursor: QTextCursor, block: Paragraph) -> None:
        block_format = _block_format(block, is_first=self.is_empty)
        if self.is_empty:
            cursor.setBlockFormat(block_format)
        else:
            cursor.insertBlock(block_format, QTextCharFormat())
            if (above := cursor.currentList()) is not None:  # insertBlock goes on with the list above
                above.remove(cursor.block())
                cursor.setBlockFormat(block_format)
        if block.marker:
            cursor.createList(_list_format(block))
        self.is_empty = False

    def _format_of(self, block: Paragraph, span: Span) -> QTextCharFormat:
        """Return the look of `span`, made once for each look of this segment."""
        key = (block.heading, block.quote_depth > 0, span.styles, span.href)
        if key not in self._formats:
            self._formats[key] = _char_format(self.theme, block, span)
        return self._formats[key]


class TableSegment(SafeBrowser):
    """One table."""

    def __init__(self, table: Table, theme: Theme, on_link: LinkHandler, parent: QWidget | None = None) -> None:
        super().__init__(theme, on_link, parent)
        n_columns = max((len(row) for row in table.rows), default=1)
        cursor = QTextCursor(self.document())
        _shrink_block(cursor)
        made = cursor.insertTable(max(len(table.rows), 1), n_columns, _table_format(theme))
        cursor.beginEditBlock()
        for row, cells in enumerate(table.rows):
            for column, spans in enumerate(cells):
                self._fill(made, row, column, spans)
        cursor.endEditBlock()
        cursor.movePosition(QTextCursor.MoveOperation.End)
        _shrink_block(cursor)

    def _fill(self, made: QTextTable, row: int, column: int, spans: Sequence[Span]) -> None:
        cursor = made.cellAt(row, column).firstCursorPosition()
        heading = Paragraph((), heading=6 if row == 0 else 0)
        for span in spans:
            cursor.insertText(span.text, _char_format(self.theme, heading, span))


class CodeSegment(QFrame):
    """A block of code: its language, a button that copies it, and the text, which scrolls sideways."""

    def __init__(self, code: Code, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("codeBlock")
        self._theme = theme
        self._label = PlainLabel(code.language[:40] or "code", kind="code", parent=self)
        self._copy = QToolButton(self)
        self._copy.setText("Copy")
        self._copy.setAccessibleName("Copy this code")
        self._copy.setProperty("kind", "action")
        self._copy.clicked.connect(self.on_copy)
        self._text = _CodeText(self)
        self._text.setFont(theme.code_font())
        self._text.setPlainText(code.text)
        self._text.setAccessibleName("Code")
        self._formats = _code_formats(theme)
        self._waiting = stretches(code.text, code.language)
        self._colour()

    def height_for(self, width: int) -> int:
        """Place the parts at `width` and return the height."""
        pad, head = SIZES.space_3, max(self._copy.sizeHint().height(), self._label.sizeHint().height())
        needs_bar = self._text.document().idealWidth() > width - 2 * pad
        lines = self._text.document().blockCount()
        text_height = lines * self._text.fontMetrics().lineSpacing() + (SIZES.space_4 if needs_bar else 0)
        copy_width = self._copy.sizeHint().width()
        self._label.setGeometry(pad, SIZES.space_1, width - 3 * pad - copy_width, head)
        self._copy.setGeometry(width - copy_width - SIZES.space_1, SIZES.space_1, copy_width, head)
        self._text.setGeometry(pad, head + SIZES.space_2, width - 2 * pad, text_height)
        return head + text_height + SIZES.space_2 + pad

    def _colour(self) -> None:
        """Colour the next stretches; the rest follows when the window has done everything else."""
        document, ranges = self._text.document(), dict[int, list[QTextLayout.FormatRange]]()
        block, n_done = document.begin(), 0
        for start, end, kind in islice(self._waiting, _COLOURED_AT_ONCE):
            n_done += 1
            while block.isValid() and block.position() + block.length() <= start:
                block = block.next()
            here = block
            while here.isValid() and here.position() < end:
                made = QTextLayout.FormatRange()
                made.start = max(start - here.position(), 0)
                made.length = min(end, here.position() + here.length()) - here.position() - made.start
                made.format = self._formats[kind]
                ranges.setdefault(here.blockNumber(), []).append(made)
                here = here.next()
        for number, formats in ranges.items():
            coloured = document.findBlockByNumber(number)
            coloured.layout().setFormats([*coloured.layout().formats(), *formats])
            document.markContentsDirty(coloured.position(), coloured.length())
        if n_done == _COLOURED_AT_ONCE:
            QTimer.singleShot(0, self, self._colour)

    @property
    def field(self) -> QPlainTextEdit:
        """Where the code is."""
        return self._text

    def append(self, text: str) -> None:
        """Add streamed characters."""
        cursor = self._text.textCursor()
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text)

    def on_copy(self) -> None:
        """Put the code on the clipboard and say so."""
        QGuiApplication.clipboard().setText(self._text.toPlainText())
        self._copy.setText("Copied")


def _code_formats(theme: Theme) -> dict[Kind, QTextCharFormat]:
    made = {}
    for kind, token in _CODE_TOKENS.items():
        made[kind] = QTextCharFormat()
        made[kind].setForeground(theme.color(token))
    return made


class _CodeText(QPlainTextEdit):
    """Code, read only, without wrapping; vertical scrolling belongs to the transcript."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(0)
        self.viewport().setAutoFillBackground(False)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll sideways only."""
        if event.angleDelta().x() and not event.angleDelta().y():
            super().wheelEvent(event)
        else:
            event.ignore()


class RuleSegment(QFrame):
    """A hairline across."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("hairline")

    def height_for(self, width: int) -> int:
        """Return the height of the line."""
        return 1


Segment = TextSegment | TableSegment | CodeSegment | RuleSegment


def field_of(segment: Segment) -> TextSegment | TableSegment | QPlainTextEdit | None:
    """Return where the text of a segment is; None for a rule."""
    if isinstance(segment, CodeSegment):
        return segment.field
    return None if isinstance(segment, RuleSegment) else segment


def _block_format(block: Paragraph, *, is_first: bool) -> QTextBlockFormat:
    made = QTextBlockFormat()
    made.setLineHeight(SIZES.line_height_percent if not block.heading else 130, _PROPORTIONAL)
    above = SIZES.space_5 if block.heading else (SIZES.space_1 if block.is_tight else SIZES.space_3)
    made.setTopMargin(0 if is_first else above)
    made.setIndent(0 if block.marker else block.list_depth)
    made.setLeftMargin(SIZES.space_4 * block.quote_depth)
    return made


def _list_format(block: Paragraph) -> QTextListFormat:
    made = QTextListFormat()
    made.setIndent(block.list_depth)
    if block.marker == "•":
        styles = (QTextListFormat.Style.ListDisc, QTextListFormat.Style.ListCircle)
        made.setStyle(styles[block.list_depth > 1])
    else:
        made.setStyle(QTextListFormat.Style.ListDecimal)
        made.setStart(int(block.marker.rstrip(".")))
    return made


def _char_format(theme: Theme, block: Paragraph, span: Span) -> QTextCharFormat:
    made = QTextCharFormat()
    size = SIZES.headings[min(block.heading, 3) - 1] if 0 < block.heading < 4 else SIZES.body
    made.setFont(theme.code_font() if Style.CODE in span.styles else theme.font(size))
    made.setForeground(theme.color("ink_2" if block.quote_depth else "ink"))
    if block.heading or Style.BOLD in span.styles:
        made.setFontWeight(QFont.Weight.DemiBold)
    made.setFontItalic(Style.ITALIC in span.styles)
    made.setFontStrikeOut(Style.STRIKE in span.styles)
    if Style.CODE in span.styles:
        made.setBackground(theme.color("hover"))
    if span.href:
        made.setAnchor(True)
        made.setAnchorHref(span.href)
        made.setForeground(theme.color("sea"))
        made.setFontUnderline(True)
    return made


def _table_format(theme: Theme) -> QTextTableFormat:
    made = QTextTableFormat()
    made.setBorder(1)
    made.setBorderCollapse(True)
    made.setBorderBrush(theme.color("line"))
    made.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    made.setCellPadding(SIZES.space_2)
    made.setCellSpacing(0)
    made.setHeaderRowCount(1)
    return made


def _shrink_block(cursor: QTextCursor) -> None:
    """Make the empty block that Qt keeps before and after a table as good as invisible."""
    made = QTextBlockFormat()
    made.setLineHeight(1, _FIXED)
    cursor.setBlockFormat(made)
    tiny = QTextCharFormat()
    tiny.setFontPointSize(1)
    cursor.setBlockCharFormat(tiny)
