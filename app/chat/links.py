"""A link in an answer is opened only after the person has seen where it really leads.

Knows addresses and the question; must not know messages.
"""

from collections.abc import Callable

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox, QWidget

from app.chat.markdown import safe_href
from app.plain_text import ask

MAX_SHOWN_CHARS = 300


def confirm_link(
    parent: QWidget, href: str, open_url: Callable[[QUrl], object] = QDesktopServices.openUrl
) -> QMessageBox | None:
    """Ask before `href` leaves Tern; None (and nothing happens) for anything but http and https."""
    url = QUrl(safe_href(href), QUrl.ParsingMode.StrictMode)
    host = url.host(QUrl.ComponentFormattingOption.FullyEncoded)
    if url.scheme() not in ("http", "https") or not host:
        return None
    address = url.toString(QUrl.ComponentFormattingOption.FullyEncoded)
    shown = address if len(address) <= MAX_SHOWN_CHARS else address[:MAX_SHOWN_CHARS] + "…"
    return ask(
        parent,
        title="Open a web page?",
        text=f"This link leads to {host}. Your browser would open it and go online; Tern itself stays offline.",
        details=shown,
        yes="Open in the browser",
        on_yes=lambda: open_url(url),
    )
