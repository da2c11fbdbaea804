#!/usr/bin/env python3
"""Render the program's icons from assets/icons/tern.svg: PNG for Linux, .ico for Windows, .icns for macOS.

The picture behind the icons of the disk image is made along with them.

usage: python packaging/icons.py DIRECTORY      (a Python with PySide6; the containers are written here, byte by byte)
"""

import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "assets" / "icons" / "tern.svg"
BACKGROUND = ROOT / "packaging" / "macos" / "background.svg"
BACKGROUND_SIZE = (640, 400)
PNG_SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)
ICO_SIZES = (16, 20, 24, 32, 40, 48, 64, 256)
# Types that hold a PNG: https://en.wikipedia.org/wiki/Apple_Icon_Image_format#Icon_types (size in pixels)
ICNS_TYPES = {
    b"icp4": 16, b"icp5": 32, b"icp6": 64, b"ic07": 128, b"ic08": 256, b"ic09": 512, b"ic10": 1024,
    b"ic11": 32, b"ic12": 64, b"ic13": 256, b"ic14": 512,
}  # fmt: skip
MACOS_MARGIN = 100 / 1024  # Apple's grid: the shape fills 824 of 1024 pixels


def render(source: str, width: int, height: int, *, margin: float = 0.0) -> bytes:
    """Return an SVG as a PNG of so many pixels, with an empty margin (a share of the width) on all sides."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRectF, Qt
    from PySide6.QtGui import QGuiApplication, QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    application = QGuiApplication.instance() or QGuiApplication([])
    assert application is not None  # it has to live while there is painting
    image = QImage(width, height, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    edge = width * margin
    QSvgRenderer(QByteArray(source.encode())).render(painter, QRectF(edge, edge, width - 2 * edge, height - 2 * edge))
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


def ico(pictures: Mapping[int, bytes]) -> bytes:
    """Return a Windows icon of PNG pictures by size (ICONDIR and ICONDIRENTRY, Windows Vista and later)."""
    header = struct.pack("<HHH", 0, 1, len(pictures))
    at = len(header) + 16 * len(pictures)
    entries = b""
    for size, picture in sorted(pictures.items()):
        side = size % 256  # 0 stands for 256
        entries += struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(picture), at)
        at += len(picture)
    return header + entries + b"".join(picture for _, picture in sorted(pictures.items()))


def icns(pictures: Mapping[int, bytes]) -> bytes:
    """Return a macOS icon of PNG pictures by size, in every type that holds one."""
    body = b"".join(
        kind + struct.pack(">I", 8 + len(pictures[size])) + pictures[size] for kind, size in ICNS_TYPES.items()
    )
    return b"icns" + struct.pack(">I", 8 + len(body)) + body


def make_icons(directory: Path) -> None:
    """Write tern.ico, tern.icns and tern-SIZE.png into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    source = SOURCE.read_text(encoding="utf-8")
    plain = {size: render(source, size, size) for size in sorted({*PNG_SIZES, *ICO_SIZES})}
    for size in PNG_SIZES:
        (directory / f"tern-{size}.png").write_bytes(plain[size])
    (directory / "tern.ico").write_bytes(ico({size: plain[size] for size in ICO_SIZES}))
    padded = {size: render(source, size, size, margin=MACOS_MARGIN) for size in set(ICNS_TYPES.values())}
    (directory / "tern.icns").write_bytes(icns(padded))
    background = render(BACKGROUND.read_text(encoding="utf-8"), *BACKGROUND_SIZE)
    (directory / "background.png").write_bytes(background)


if __name__ == "__main__":
    make_icons(Path(sys.argv[1]))
