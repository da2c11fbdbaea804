"""Text as a person sees it: one kind of line end, no characters that nobody sees.

Knows characters; must not know files or formats. What is hidden here would else reach a model unseen.
"""

import re
from typing import Final

_LINE_ENDS: Final = re.compile("\r\n|[\r\v\x85\u2028]")
_PARAGRAPH_ENDS: Final = re.compile("[\f\u2029]")
# Everything that a person does not see but a model reads: controls, directions, tags, fillers (a hidden order in
# a document must not reach the model). The joiners stay between characters beyond ASCII.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BEYOND_ASCII: Final = "[^\x00-\x7f\u200c\u200d]"
_LONE_JOINER: Final = re.compile(f"(?<!{_BEYOND_ASCII})[\u200c\u200d]|[\u200c\u200d](?!{_BEYOND_ASCII})")


def clean(text: str) -> str:
    """Return `text` with one kind of line end and without characters that nobody sees."""
    if text.isascii() and text.isprintable():
        return text
    text = _PARAGRAPH_ENDS.sub("\n\n", _LINE_ENDS.sub("\n", text))
    return _LONE_JOINER.sub("", _INVISIBLE.sub("", text))


def one_line(text: str) -> str:
    """Return `text` cleaned, on one line, with single spaces."""
    return " ".join(clean(text).split())
