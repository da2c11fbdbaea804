"""Changes the sample documents at random and has them read: python tests/faults/fuzz_documents.py [--mutations N]

Counts what came of each. It ends with 1 when the parent saw anything but a document or a listed refusal; each file that
killed the child or took too long is kept in --keep. The same --seed makes the same files.
"""

# ruff: noqa: E501
import argparse
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.errors import AppError
from core.events import CancelToken
from core.library.extract_messages import Limits
from core.library.extractor import Extractor

SAMPLES = Path(__file__).resolve().parents[1] / "fixtures" / "documents"
TEXTS = {
    "a.json": b'[{"name": "Ann", "tags": [1, {"x": "y"}]}, {"name": "Bo", "deep": {"a": {"b": null}}}]',
    "a.xml": b'<?xml version="1.0"?><list><book id="1"><title>Terns &amp; gulls</title><p>A <b>bold</b> dive.</p></book></list>',
    "a.md": b"# Terns\n\nThey *dive*.\n\n- one\n- two\n\n```py\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
    "a.srt": b"1\n00:00:01,000 --> 00:00:02,000\n<i>Hello</i>\n\n2\n00:00:03,000 --> 00:00:04,000\nBye\n",
    "a.eml": b"From: Ann <a@b>\nSubject: =?utf-8?q?R=C3=BCck?=\nContent-Type: multipart/alternative; boundary=x\n\n--x\n"
    b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nSGVsbG8=\n--x\n"
    b"Content-Type: text/html\n\n<p>Hello</p>\n--x--\n",
    "a.mbox": b"From a Mon Jan  1 00:00:00 2026\nSubject: One\n\nText\n\nFrom b Mon Jan  1 00:00:00 2026\nSubject: Two\n\nMore\n",
    "a.py": b"import os\n\n\ndef dive(depth: int) -> None:\n    print(depth)\n",
}  # fmt: skip
TOKENS = (
    b"\0", b"\xff\xff\xff\xff", b"<", b">", b"&", b'"', b"{", b"}", b"\\u-1", b"<!ENTITY a 'b'>", b"99999999999", b"-1",
    b"%PDF-", b"PK\x03\x04", b"endobj", b"stream\n", b"\x80", b"\xed\xa0\x80", b"--x", b"[[[[[[[[", b"\\bin99999999 ",
)  # fmt: skip


def changed(content: bytes, dice: random.Random) -> bytes:
    """Return bytes with some of them other, gone, doubled or moved."""
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        at = dice.randrange(len(data) + 1)
        size = min(dice.choice((1, 2, 4, 16, 256, 4_096)), len(data) - at)
        match dice.randrange(6):
            case 0:
                data[at : at + size] = dice.randbytes(size)
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = data[at : at + size] * dice.choice((1, 2, 50))
            case 3:
                data[at : at + size] = dice.choice(TOKENS)
            case 4 if at < len(data):
                data[at] ^= 1 << dice.randrange(8)
            case _:
                data = data[: max(1, at)] if dice.random() < 0.1 else data
    return bytes(data)


def changed_inside(content: bytes, dice: random.Random) -> bytes:
    """Return a container with one of its members changed, whole again as a container."""
    made = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as archive, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as fresh:
        names = archive.namelist()
        chosen = dice.choice([name for name in names if name.endswith((".xml", ".xhtml", ".rels", ".opf"))] or names)
        for name in names:
            data = archive.read(name)
            fresh.writestr(name, changed(data, dice) if name == chosen else data)
    return made.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="stop after so many")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    seeds = {
        path.name: path.read_bytes() for path in sorted(SAMPLES.iterdir()) if path.suffix not in (".py", ".md")
    } | TEXTS
    dice, counts, began = random.Random(given.seed), Counter[str](), time.monotonic()
    extractor, unexpected = Extractor(limits=Limits(wall_s=30)), 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.mutations):
            if given.seconds and time.monotonic() - began > given.seconds:
                break
            name = dice.choice(sorted(seeds))
            is_container = seeds[name].startswith(b"PK")
            content = (changed_inside if is_container and dice.random() < 0.8 else changed)(seeds[name], dice)
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                extractor.extract(path, CancelToken(), lambda _event: None)
                ended = "read"
            except AppError as error:
                ended = error.code.value
            except BaseException as error:
                unexpected += 1
                ended = f"UNEXPECTED {type(error).__name__}"
            counts[ended] += 1
            is_bad = ended in ("document_crashed", "document_too_slow") or ended.startswith("UNEXPECTED")
            if is_bad and given.keep is not None:
                given.keep.mkdir(parents=True, exist_ok=True)
                (given.keep / f"{number}-{ended.split()[0]}-{name}").write_bytes(content)
            if number % 5_000 == 4_999:
                sys.stdout.write(f"{number + 1} {dict(counts)} {time.monotonic() - began:.0f} s\n")
                sys.stdout.flush()
    extractor.close()
    sys.stdout.write(f"{sum(counts.values())} mutations in {time.monotonic() - began:.0f} s: {dict(counts)}\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
