"""Line icons from assets/icons, recoloured from the tokens at run time.

Knows file names and colours; must not know where an icon is shown.
"""

from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

ICON_DIR = Path(__file__).resolve().parent.parent / "assets" / "icons"
_SCALES = (1, 2, 3)
_APPLICATION_SIZES = (16, 32, 48, 128, 256)


@lru_cache(maxsize=256)
def icon(name: str, color: str, size: int) -> QIcon:
    """Return the icon `name` at `size` pixels, sharp on every screen; empty when the file is gone.

    `color` is that of the lines; an icon with colours of its own keeps them.
    """
    made = QIcon()
    try:
        source = (ICON_DIR / f"{name}.svg").read_text(encoding="utf-8")
    except OSError:
        return made
    renderer = QSvgRenderer(QByteArray(source.replace("currentColor", QColor(color).name()).encode()))
    for scale in _SCALES:
        pixmap = QPixmap(size * scale, size * scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter, QRectF(0, 0, size * scale, size * scale))
        painter.end()
        pixmap.setDevicePixelRatio(scale)
        made.addPixmap(pixmap)
    return made


def application_icon() -> QIcon:
    """Return the tern."""
    made = QIcon()
    for size in _APPLICATION_SIZES:
        made.addPixmap(icon("tern", "", size).pixmap(size, size))
    return made
