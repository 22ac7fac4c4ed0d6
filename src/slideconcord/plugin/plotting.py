"""What small plots share: a frame from 0 to 1 both ways, ticks, labels, colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 46, 12, 10, 38
TICK_PX, GAP_PX, FONT_SCALE = 4, 3, 0.9
# Read alike by most colour-blind eyes, and on dark and light.
SKY, ORANGE, GREEN, ACCENT = (QColor(c) for c in ("#56b4e9", "#e69f00", "#1fa37c", "#12c4dd"))
_RAMP = np.array(
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float64
)


def ramp(fractions: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return colours (..., 3) from dark violet at 0 through green to yellow at 1."""
    at = np.clip(fractions, 0, 1)
    places = np.linspace(0, 1, len(_RAMP))
    channels = [np.interp(at, places, _RAMP[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Axes:
    """Where 0..1 by 0..1 lies on a widget; y goes up."""

    rect: QRectF

    def point(self, x: float, y: float) -> QPointF:
        return QPointF(
            self.rect.left() + x * self.rect.width(), self.rect.bottom() - y * self.rect.height()
        )

    def values(self, point: QPointF) -> tuple[float, float]:
        """Return the x and y of a place on the widget, from 0 to 1."""
        x = (point.x() - self.rect.left()) / max(self.rect.width(), 1)
        y = (self.rect.bottom() - point.y()) / max(self.rect.height(), 1)
        return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)


class Plot(QWidget):
    """A plot that says what is missing until it has something to show."""

    def __init__(self, x_label: str, y_label: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.missing = ""
        """What to do first; nothing is plotted while it is set."""
        self._labels = x_label, y_label
        self.setMinimumSize(200, 170)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        font = self.font()
        if font.pointSizeF() > 0:
            font.setPointSizeF(font.pointSizeF() * FONT_SCALE)
        self.setFont(font)

    @property
    def ink(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.WindowText)

    @property
    def faint(self) -> QColor:
        colour = QColor(self.ink)
        colour.setAlpha(70)
        return colour

    def axes(self) -> Axes:
        return Axes(QRectF(self.rect()).adjusted(LEFT_PX, TOP_PX, -RIGHT_PX, -BOTTOM_PX))

    def paintEvent(self, _event: object) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.missing:
            painter.setPen(self.ink)
            painter.drawText(
                self.rect().adjusted(12, 12, -12, -12),
                int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap),
                self.missing,
            )
        else:
            axes = self.axes()
            self._draw_frame(painter, axes)
            self.draw(painter, axes)
        painter.end()

    def draw(self, painter: QPainter, axes: Axes) -> None:
        """Draw what the plot is about."""

    def _draw_frame(self, painter: QPainter, axes: Axes) -> None:
        painter.setPen(QPen(self.faint, 1))
        painter.drawRect(axes.rect)
        for value in TICKS:
            self._draw_tick(painter, axes, value)
        self._draw_labels(painter, axes.rect)

    def _draw_tick(self, painter: QPainter, axes: Axes, value: float) -> None:
        """Draw the tick of a value, and the value, on both axes."""
        rect, high = axes.rect, painter.fontMetrics().height()
        at, text = axes.point(value, value), f"{value:g}"
        painter.setPen(QPen(self.faint, 1))
        painter.drawLine(QPointF(at.x(), rect.bottom()), QPointF(at.x(), rect.bottom() + TICK_PX))
        painter.drawLine(QPointF(rect.left() - TICK_PX, at.y()), QPointF(rect.left(), at.y()))
        painter.setPen(self.ink)
        below = QRectF(at.x() - 24, rect.bottom() + TICK_PX, 48, high)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, text)
        beside = QRectF(rect.left() - 40, at.y() - high / 2, 40 - TICK_PX - GAP_PX, high)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(beside, right, text)

    def _draw_labels(self, painter: QPainter, rect: QRectF) -> None:
        high = painter.fontMetrics().height()
        painter.setPen(self.ink)
        below = QRectF(rect.left(), rect.bottom() + TICK_PX + high, rect.width(), high + 2)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, self._labels[0])
        painter.save()
        painter.translate(rect.left() - LEFT_PX, rect.center().y())
        painter.rotate(-90)
        aside = QRectF(-rect.height() / 2, 0, rect.height(), high)
        painter.drawText(aside, Qt.AlignmentFlag.AlignHCenter, self._labels[1])
        painter.restore()
