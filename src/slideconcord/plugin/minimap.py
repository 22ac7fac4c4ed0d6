"""The whole slide in a thumbnail, with the view drawn on it: click or drag to go there."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from slideconcord.plugin.viewport import Corners
from slideconcord.slides.reader import Rgb

FRAME_COLOUR = QColor(230, 30, 60)
SMALLEST_FRAME_PX = 8


class Minimap(QWidget):
    """Shows an overview image and the corners of the view, in level-0 pixels (y, x)."""

    pointed = Signal(float, float)
    """Level-0 pixel (y, x) that the user pressed or dragged to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._shape = (1, 1)
        self._corners: Corners = ()
        self.setMinimumHeight(140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip("The whole slide. Click or drag to move the view there.")
        self.setAccessibleName("Map of the slide")

    def sizeHint(self) -> QSize:
        return QSize(260, 200)

    def show_overview(self, overview: Rgb | None, shape: tuple[int, int]) -> None:
        """Take the picture of a slide of level-0 ``shape`` (height, width)."""
        self._shape, self._corners = shape, ()
        self._image = None if overview is None else _to_qimage(overview)
        self.setCursor(
            Qt.CursorShape.ArrowCursor if self._image is None else Qt.CursorShape.CrossCursor
        )
        self.update()

    def show_view(self, corners: Corners) -> None:
        """Take the four corners of the view; an empty tuple draws none."""
        if corners != self._corners:
            self._corners = corners
            self.update()

    def picture_rect(self) -> QRectF:
        """Return where the picture lies in the widget: centred, in its own proportions."""
        height, width = self._shape
        factor = min(self.width() / width, self.height() / height)
        w, h = width * factor, height * factor
        return QRectF((self.width() - w) / 2, (self.height() - h) / 2, w, h)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._image is None:
            painter.setPen(self.palette().placeholderText().color())
            painter.drawText(
                self.rect(), Qt.AlignmentFlag.AlignCenter, "Open a slide to see its map"
            )
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self.picture_rect(), self._image)
        if self._corners:
            self._paint_view(painter)

    def _paint_view(self, painter: QPainter) -> None:
        frame = QPolygonF([self._to_widget(y, x) for y, x in self._corners])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(FRAME_COLOUR, 2))
        bounds = frame.boundingRect()
        if max(bounds.width(), bounds.height()) < SMALLEST_FRAME_PX:
            # A frame too small to see becomes a cross at the same place.
            centre, arm = bounds.center(), SMALLEST_FRAME_PX
            painter.drawLine(centre - QPointF(arm, 0), centre + QPointF(arm, 0))
            painter.drawLine(centre - QPointF(0, arm), centre + QPointF(0, arm))
            return
        # The part of the view that lies on the slide, a pen's width inside the picture.
        inside = QPolygonF(self.picture_rect().adjusted(1, 1, -1, -1))
        painter.drawPolygon(frame.intersected(inside))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._point(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event)

    def _point(self, event: QMouseEvent) -> None:
        if self._image is not None:
            self.pointed.emit(*self._to_level0(event.position()))

    def _to_widget(self, y: float, x: float) -> QPointF:
        rect, (height, width) = self.picture_rect(), self._shape
        return QPointF(
            rect.left() + (x + 0.5) / width * rect.width(),
            rect.top() + (y + 0.5) / height * rect.height(),
        )

    def _to_level0(self, point: QPointF) -> tuple[float, float]:
        rect, (height, width) = self.picture_rect(), self._shape
        y = (point.y() - rect.top()) / rect.height() * height - 0.5
        x = (point.x() - rect.left()) / rect.width() * width - 0.5
        return float(np.clip(y, 0, height - 1)), float(np.clip(x, 0, width - 1))


def _to_qimage(rgb: Rgb) -> QImage:
    rgb = np.ascontiguousarray(rgb)
    height, width = rgb.shape[:2]
    # copy(): QImage only borrows the buffer it is made from
    return QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
