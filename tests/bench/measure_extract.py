"""How fast documents are read: a PDF of 500 pages, and the sample documents over and over, one child for all.

python tests/bench/measure_extract.py [--files N]
"""

# ruff: noqa: E402, E501
import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests" / "faults"))

from hostile_documents import SAMPLES, pdf, peak_bytes

from core.errors import AppError
from core.events import CancelToken
from core.library.extractor import Extractor

PAGES = 500
LINES = 48
WORDS = [
    "the",
    "tern",
    "flies",
    "north",
    "over",
    "cold",
    "water",
    "and",
    "dives",
    "for",
    "small",
    "fish",
    "while",
    "foxes",
    "wait",
    "on",
    "islands",
    "at",
    "low",
    "tide",
]


def long_pdf() -> bytes:
    """Return a PDF of PAGES pages with about 3,800 characters each, a header and a page number."""
    dice = random.Random(1)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    pages = []
    for number in range(1, PAGES + 1):
        lines = [" ".join(dice.choice(WORDS) for _ in range(16)) for _ in range(LINES)]
        shown = "".join(f"1 0 0 1 50 {740 - 14 * line} Tm ({words}) Tj " for line, words in enumerate(lines))
        text = f"BT /F 9 Tf 1 0 0 1 50 800 Tm (A long report) Tj 1 0 0 1 300 20 Tm ({number}) Tj "
        text += f"/F 16 Tf 1 0 0 1 50 770 Tm (Part {number}) Tj /F 10 Tf {shown}ET"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text.encode()))
        page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F 3 0 R >> >> /Contents %d 0 R >>"
        objects.append((page % len(objects)).encode())
        pages.append(len(objects))
    kids = " ".join(f"{number} 0 R" for number in pages)
    objects[1] = f"<< /Type /Pages /Count {PAGES} /Kids [{kids}] >>".encode()
    return pdf(objects)


def measure(name: str, paths: Sequence[Path]) -> None:
    extractor = Extractor()
    began = time.monotonic()
    n_chars = n_refused = peak = 0
    for path in paths:
        try:
            n_chars += len(extractor.extract(path, CancelToken(), lambda _event: None).text)
        except AppError:
            n_refused += 1
        peak = max(peak, peak_bytes(extractor))
    seconds = time.monotonic() - began
    extractor.close()
    sys.stdout.write(f"{name}: {seconds:.2f} s, {n_chars} characters, {n_refused} refused, {peak / 1e6:.0f} MB\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder) / "long.pdf"
        long.write_bytes(long_pdf())
        measure(f"a PDF of {PAGES} pages", [long])
        samples = [path for path in sorted(SAMPLES.iterdir()) if path.suffix != ".py"]
        copies = [Path(folder) / f"{number}-{samples[number % len(samples)].name}" for number in range(given.files)]
        for number, copy in enumerate(copies):
            shutil.copy(samples[number % len(samples)], copy)
        measure(f"{given.files} small files of all formats", copies)


if __name__ == "__main__":
    main()
