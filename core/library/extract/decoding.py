"""Bytes to characters: which encoding a text file is in, or that it holds no text.

Knows encodings; must not know what the text means.
"""

from typing import Final

from charset_normalizer import from_bytes

from core.errors import AppError, ErrorCode

_BYTE_ORDER_MARKS: Final = (  # the longer ones first: that of UTF-32-LE begins like that of UTF-16-LE
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_MAX_CONTROL_SHARE: Final = 0.01
_CONTROLS: Final = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")
_ASCII: Final = bytes(range(128))
_SAMPLE_BYTES: Final = 16_000  # that the detector sees; more makes it slow, not better
_MIN_EVIDENCE: Final = 12  # bytes beyond ASCII; fewer tell nothing
# Tried in this order of likelihood for a file on a person's computer that is not UTF-8.
_CANDIDATES: Final = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "iso8859_2", "iso8859_5",
    "cp932", "shift_jis_2004", "euc_jp", "gb18030", "big5", "euc_kr", "cp949", "mac_roman", "cp437", "cp850",
)  # fmt: skip


def decode(content: bytes, declared: str | None = None) -> str:
    """Return the text of a file; `declared` is the encoding that the file itself names.

    Raises:
        AppError: DOCUMENT_UNKNOWN: it holds no text.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    wide = _wide(content)
    if wide is not None:
        return content.decode(wide, "replace")
    n_controls = len(content) - len(content.translate(None, _CONTROLS))
    if b"\0" in content or n_controls > _MAX_CONTROL_SHARE * len(content):
        raise AppError(ErrorCode.DOCUMENT_UNKNOWN, kind="a file without text")
    text = content.decode("utf-8", "replace")
    n_bad = text.count("\ufffd")
    if n_bad == 0 or _is_mostly_utf8(text, n_bad):
        return text
    for candidate in (declared, _detected(content), "cp1252"):
        try:
            if candidate:
                return content.decode(candidate)
        except (UnicodeDecodeError, LookupError, ValueError):
            continue
    return content.decode("latin-1")


def _is_mostly_utf8(text: str, n_bad: int) -> bool:
    """True when the characters beyond ASCII came out whole but for a few: chance makes none of another encoding."""
    n_whole = sum(char > "\x7f" for char in text) - n_bad
    return n_whole > 4 * n_bad


def _wide(content: bytes) -> str | None:
    """Return UTF-16's byte order where every other byte of the beginning is zero (no mark); else None."""
    sample = content[:512]
    half = len(sample) // 2
    if half < 4 or b"\0" not in sample:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.8 * half and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > 0.8 * half and odd == 0 else None


def _detected(content: bytes) -> str | None:
    """Return what the detector takes the bytes for; None where there is too little to tell."""
    sample = _sample(content)
    n_high = len(sample.translate(None, _ASCII))
    if n_high < _MIN_EVIDENCE or n_high * 50 < len(sample) - n_high:  # a few signs among ASCII: western
        return None
    best = from_bytes(sample, cp_isolation=list(_CANDIDATES), preemptive_behaviour=False).best()
    return None if best is None else best.encoding


def _sample(content: bytes) -> bytes:
    """Return lines from around the first bytes beyond ASCII."""
    start = 0
    while start < len(content) and content[start : start + 4_096].isascii():
        start += 4_096
    start = content.rfind(b"\n", 0, start) + 1 if start else 0
    end = content.rfind(b"\n", start + 1, start + _SAMPLE_BYTES)
    return content[start : end if end > start + _SAMPLE_BYTES // 2 else start + _SAMPLE_BYTES]
