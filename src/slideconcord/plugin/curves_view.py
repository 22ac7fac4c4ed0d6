"""Precision, sensitivity and IoU against one plain threshold, with low and high marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

from slideconcord.plugin.plotting import GREEN, ORANGE, SKY, TOP_PX, Axes, Plot
from slideconcord.segmentation.tuning import Tuning

if TYPE_CHECKING:
    from slideconcord.segmentation.landscape import Landscape

LEGEND_PX, KEY_PX = 16, 14
CURVES: tuple[tuple[str, str, QColor], ...] = (
    ("precision", "precision", SKY),
    ("sensitivity", "recall", ORANGE),
    ("iou", "IoU", GREEN),
)


class CurvesView(Plot):
    """Shows how a mask of one threshold would agree with the reference."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("one threshold (low = high)", "", parent)
        self.tuning = Tuning()
        self._landscape: Landscape | None = None
        self.setToolTip(
            "Precision, recall (sensitivity) and IoU of the mask that one threshold alone makes; "
            "the dashed lines are the present low and high"
        )

    def show_landscape(self, landscape: Landscape | None) -> None:
        """Show the curves of another landscape."""
        self._landscape = landscape
        self.update()

    def show_tuning(self, tuning: Tuning) -> None:
        """Mark the present pair."""
        self.tuning = tuning
        self.update()

    def axes(self) -> Axes:
        return Axes(super().axes().rect.adjusted(-14, LEGEND_PX, 0, 0))

    def draw(self, painter: QPainter, axes: Axes) -> None:
        if self._landscape is None:
            return
        self._draw_pair(painter, axes)
        left = axes.rect.left()
        for name, text, colour in CURVES:
            painter.setPen(QPen(colour, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for part in curve(self._landscape, name):
                painter.drawPolyline(QPolygonF([axes.point(x, y) for x, y in part]))
            left = self._draw_key(painter, left, text, colour)

    def _draw_pair(self, painter: QPainter, axes: Axes) -> None:
        painter.setPen(QPen(self.ink, 1, Qt.PenStyle.DashLine))
        high = painter.fontMetrics().height()
        pair = self.tuning
        for name, value in (("low", pair.low), ("high", pair.high)):
            foot, top = axes.point(value, 0), axes.point(value, 1)
            painter.drawLine(foot, top)
            right = value < 0.5
            side = Qt.AlignmentFlag.AlignLeft if right else Qt.AlignmentFlag.AlignRight
            left = foot.x() + 3 if right else foot.x() - 63
            painter.drawText(QRectF(left, foot.y() - high - 2, 60, high), side, name)

    def _draw_key(self, painter: QPainter, left: float, text: str, colour: QColor) -> float:
        """Draw one entry of the legend; return where the next one begins."""
        middle = TOP_PX + LEGEND_PX / 2 - 4
        painter.setPen(QPen(colour, 2))
        painter.drawLine(QPointF(left, middle), QPointF(left + KEY_PX, middle))
        painter.setPen(self.ink)
        metrics = painter.fontMetrics()
        at = left + KEY_PX + 4
        painter.drawText(QPointF(at, middle + metrics.ascent() / 2 - 1), text)
        return float(at + metrics.horizontalAdvance(text) + 12)


def curve(landscape: Landscape, name: str) -> list[list[tuple[float, float]]]:
    """Return a ratio against a plain threshold as lines of (x, y); gaps where there is none."""
    values = np.diagonal(getattr(landscape, name))
    points = list(zip(landscape.lows, values.tolist(), strict=True))
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if np.isnan(y):
            parts.append([])
        else:
            parts[-1].append((x, y))
    return [part for part in parts if len(part) > 1]
