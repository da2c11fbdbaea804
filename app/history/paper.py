"""Conversations on paper: PDF files and the printer.

Knows Qt's text documents; must not know where the page comes from. A document here loads nothing, whatever its text
asks for.
"""

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QUrl
from PySide6.QtGui import QFont, QPagedPaintDevice, QPageLayout, QPageSize, QPdfWriter, QTextDocument

_MARGIN_MM = 18.0
_POINTS = 10


class PaperDocument(QTextDocument):
    """A text document that loads nothing."""

    def loadResource(self, _kind: int, _name: QUrl | str) -> None:
        """Give nothing."""
        return


def document_of(page: str) -> PaperDocument:
    """Return a page of pages.as_html as a document."""
    document = PaperDocument()
    font = QFont()
    font.setPointSize(_POINTS)
    document.setDefaultFont(font)
    document.setHtml(page)
    return document


def pdf_of(page: str, title: str) -> bytes:
    """Return a page of pages.as_html as a PDF file on A4. Any thread."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setTitle(title)
    writer.setCreator("Tern")
    layout = QPageLayout(
        QPageSize(QPageSize.PageSizeId.A4),
        QPageLayout.Orientation.Portrait,
        QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM),
        QPageLayout.Unit.Millimeter,
    )
    writer.setPageLayout(layout)
    print_page(page, writer)
    del writer  # writes the end of the file
    buffer.close()
    return bytes(content.data())


def print_page(page: str, device: QPagedPaintDevice) -> None:
    """Lay a page of pages.as_html out on a device."""
    document_of(page).print_(device)
