"""Hostile text: nothing is loaded, nothing is opened, nothing is HTML."""

import ast
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QMessageBox, QPushButton, QWidget

import app
from app.chat.answer_body import AnswerBody
from app.chat.links import confirm_link
from app.chat.segments import SafeBrowser
from app.plain_text import PlainLabel, tooltip
from app.theme import Theme

# The offscreen platform cannot pass size hints on and says so for every dialog.
pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints")]

HOSTILE = [
    "![b](file:///etc/passwd)",
    "![b](http://127.0.0.1:9/x.png)",
    "![b](//host/share/x.png)",
    "![b](data:image/svg+xml;base64,PHN2Zy8+)",
    "<img src='file:///etc/passwd'>",
    "<img src=//host/x.png onerror=alert(1)>",
    "<svg><image href='file:///etc/passwd'/></svg>",
    "<style>@import 'file:///etc/passwd';</style>",
    "<table background='file:///etc/passwd'><tr><td>x</td></tr></table>",
    "[x](javascript:alert(1))",
    "[x](file:///etc/passwd)",
    "[x](\\\\host\\share)",
    "[x](vbscript:x)",
    "[![i](file:///etc/passwd)](https://example.org)",
    "[r]: file:///etc/passwd\n\n![r] [r]",
    "| ![a](file:///etc/passwd) | <img src=x> |\n|-|-|\n| a | b |",
    "> - # ![q](file:///etc/hosts)",
    "```html\n<img src='file:///etc/passwd'>\n```",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_model_loads_or_links_anything(qtbot, monkeypatch, text: str) -> None:
    asked: list[object] = []
    monkeypatch.setattr(SafeBrowser, "loadResource", lambda self, kind, name: asked.append(name))
    body = AnswerBody(Theme(), lambda _href: None)
    qtbot.addWidget(body)
    body.show()
    for show in (body.set_text, body.append):
        show(text)
        body.layout_at(600)
        body.grab()
        for browser in body.findChildren(SafeBrowser):
            assert "\ufffc" not in browser.toPlainText()
            assert all(href.startswith(("http://", "https://")) for href in links(browser))
    assert asked == []


def links(browser: SafeBrowser) -> list[str]:
    found = []
    cursor = QTextCursor(browser.document())
    while not cursor.atEnd():
        cursor.movePosition(QTextCursor.MoveOperation.NextCharacter)
        if cursor.charFormat().isImageFormat():
            found.append("image:")
        if cursor.charFormat().anchorHref():
            found.append(cursor.charFormat().anchorHref())
    return found


def test_a_browser_loads_nothing_even_when_asked(qtbot) -> None:
    browser = SafeBrowser(Theme(), lambda _href: None)
    qtbot.addWidget(browser)
    assert browser.loadResource(2, QUrl("file:///etc/passwd")) is None
    browser.setSource(QUrl("file:///etc/passwd"))
    assert browser.toPlainText() == ""
    assert not browser.openLinks()


@pytest.mark.parametrize(
    "href", ["file:///etc/passwd", "javascript:alert(1)", "//host/x", "https://", "mailto:a@b.c", ""]
)
def test_other_links_open_nothing(qtbot, href: str) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    assert confirm_link(parent, href, pytest.fail) is None


def test_a_link_is_opened_only_after_its_real_host_was_confirmed(qtbot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    opened: list[QUrl] = []
    box = confirm_link(parent, "https://example.org@bücher.example/<b>x</b>", opened.append)
    assert isinstance(box, QMessageBox)
    assert "xn--bcher-kva.example" in box.text()
    assert opened == []
    button = next(b for b in box.findChildren(QPushButton) if "browser" in b.text())
    assert box.defaultButton() is not button
    button.click()
    assert [url.host() for url in opened] == ["xn--bcher-kva.example"]


def test_labels_and_tooltips_show_html_letter_for_letter(qtbot) -> None:
    label = PlainLabel("<img src='file:///etc/passwd'>")
    qtbot.addWidget(label)
    assert label.textFormat().name == "PlainText"
    assert "<img" not in tooltip("<img src=x>")


SOURCES = sorted(Path(app.__file__).parent.rglob("*.py"))
BANNED_METHODS = {"setHtml", "insertHtml", "setMarkdown", "appendHtml", "setOpenExternalLinks", "setTextFormat"}
BANNED_STATIC = {"information", "warning", "critical", "question", "about"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_foreign_text_goes_through_the_one_helper(path: Path) -> None:
    if path.name == "plain_text.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        where = f"{path.name}:{node.lineno}"
        assert name not in {"QLabel", "QMessageBox", "QErrorMessage", "QToolTip"}, where
        # Only pages of core/exchange/pages.py, where all HTML is ours, and the document loads nothing.
        if (path.name, name) not in (("paper.py", "setHtml"), ("rich_copy.py", "setHtml")):  # its text is escaped
            assert name not in BANNED_METHODS, where
        owner = getattr(getattr(node.func, "value", None), "id", "")
        assert not (owner == "QMessageBox" and name in BANNED_STATIC), where
        if name == "setToolTip":
            assert all(isinstance(leaf, ast.Constant) for leaf in constants(node.args[0])), where


def constants(node: ast.expr) -> list[ast.expr]:
    return [*constants(node.body), *constants(node.orelse)] if isinstance(node, ast.IfExp) else [node]
