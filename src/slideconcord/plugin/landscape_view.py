"""The threshold landscape: DSC over low and high, with the best pair and the present one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QLinearGradient, QMouseEvent, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QToolTip, QWidget

from slideconcord.plugin.plotting import GAP_PX, Axes, Plot, ramp
from slideconcord.plugin.reasons import ratio_text
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import Tuning

if TYPE_CHECKING:
    from slideconcord.comparison.scan_landscape import ScanLandscape
    from slideconcord.segmentation.landscape import Landscape

BAR_PX, BAR_SPACE_PX = 10, 50
STAR_PX, RING_PX = 7.0, 6.0
_DARK, _BRIGHT = Qt.GlobalColor.black, Qt.GlobalColor.white


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """What a landscape shows: a DSC by [low, high], NaN where there is none."""

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    values: NDArray[np.float64]
    of: str = ""
    """Which DSC it is, where there are several."""

    @classmethod
    def of_reference(cls, landscape: Landscape) -> Surface:
        return cls(landscape.lows, landscape.highs, landscape.dsc)

    @classmethod
    def of_scans(cls, landscape: ScanLandscape, which: str) -> Surface:
        """Return the ``"mean"`` of all pairs of scans, or the ``"worst"``."""
        return cls(landscape.lows, landscape.highs, getattr(landscape, which), which)

    @property
    def word(self) -> str:
        return f"{self.of} DSC".strip()

    def best(self) -> tuple[Thresholds, float]:
        """Return the pair of highest DSC, the first of equals; not to be asked of NaN alone."""
        low, high = np.unravel_index(np.nanargmax(self.values), self.values.shape)
        return Thresholds(self.lows[low], self.highs[high]), float(self.values[low, high])

    def at(self, low: float, high: float) -> float:
        """Return the DSC of the nearest pair surveyed."""
        row, column = (
            int(np.abs(np.subtract(known, value)).argmin())
            for known, value in ((self.lows, low), (self.highs, high))
        )
        return float(self.values[row, column])


class LandscapeView(Plot):
    """Shows a landscape; a click or a drag goes to a pair of thresholds."""

    moved = Signal(object)
    """The Thresholds under the hand."""
    settled = Signal()
    """The hand let go."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("low", "high", parent)
        self.tuning = Tuning()
        self._surface: Surface | None = None
        self._image: QImage | None = None
        self._best: tuple[Thresholds, float] | None = None
        self._range = 0.0, 1.0
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def show_surface(self, surface: Surface | None) -> None:
        """Show another landscape."""
        self._surface, self._image, self._best = surface, None, None
        if surface is not None and not np.isnan(surface.values).all():
            self._best = surface.best()
            self._range = spread(surface.values)
            self._image = picture(surface.values, *self._range)
        self.update()

    def show_tuning(self, tuning: Tuning) -> None:
        """Mark the present pair."""
        self.tuning = tuning
        self.update()

    def axes(self) -> Axes:
        rect = super().axes().rect.adjusted(0, 0, -BAR_SPACE_PX, 0)
        side = min(rect.width(), rect.height())
        return Axes(QRectF(rect.left() + (rect.width() - side) / 2, rect.top(), side, side))

    def dsc_at(self, low: float, high: float) -> float:
        """Return the DSC of the nearest pair surveyed."""
        return self._surface.at(low, high) if self._surface is not None else float("nan")

    def draw(self, painter: QPainter, axes: Axes) -> None:
        if self._image is None or self._surface is None:
            return
        painter.drawImage(_surveyed(axes, self._surface), self._image)
        self._draw_scale(painter, axes)
        self._draw_words(painter, axes)
        if self._best is not None:
            best = self._best[0]
            _mark(painter, _star(axes.point(best.low, best.high)))
        here = axes.point(self.tuning.low, self.tuning.high)
        for pen in (QPen(_DARK, 4), QPen(_BRIGHT, 2)):
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(here, RING_PX, RING_PX)

    def _draw_scale(self, painter: QPainter, axes: Axes) -> None:
        """Draw what the colours mean, beside the map."""
        bar = QRectF(axes.rect.right() + 10, axes.rect.top(), BAR_PX, axes.rect.height())
        fade = QLinearGradient(bar.bottomLeft(), bar.topLeft())
        for step in range(9):
            r, g, b = (int(v) for v in ramp(np.array(step / 8)))
            fade.setColorAt(step / 8, QColor(r, g, b))
        painter.fillRect(bar, fade)
        painter.setPen(self.ink)
        high = painter.fontMetrics().height()
        for value, y in zip(self._range, (bar.bottom(), bar.top()), strict=True):
            beside = QRectF(bar.right() + GAP_PX, y - high / 2, BAR_SPACE_PX, high)
            painter.drawText(beside, Qt.AlignmentFlag.AlignVCenter, f"{value:.2f}")
        middle = QRectF(bar.right() + GAP_PX, bar.center().y() - high / 2, BAR_SPACE_PX, high)
        painter.drawText(middle, Qt.AlignmentFlag.AlignVCenter, "DSC")

    def _draw_words(self, painter: QPainter, axes: Axes) -> None:
        """Use the empty half, where low would be above high, for the numbers."""
        here = self.dsc_at(self.tuning.low, self.tuning.high)
        lines = [f"○ here {ratio_text(here)}"]
        if self._best is not None:
            best, dsc = self._best
            lines += [f"★ best {ratio_text(dsc)}", f"at {best.low:.2f} / {best.high:.2f}"]
        if self._surface is not None and self._surface.of:
            lines.insert(0, f"{self._surface.word}:")
        painter.setPen(self.ink)
        corner = axes.rect.adjusted(0, 0, -8, -6)
        bottom_right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
        painter.drawText(corner, bottom_right, "\n".join(lines))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._go(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._go(event)
        elif self._surface is not None and self._image is not None and not self.missing:
            pair = self._pair(event)
            dsc = ratio_text(self.dsc_at(pair.low, pair.high))
            text = f"low {pair.low:.2f}, high {pair.high:.2f}: {self._surface.word} {dsc}"
            QToolTip.showText(event.globalPosition().toPoint(), text, self)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self.missing:
            self.settled.emit()

    def _go(self, event: QMouseEvent) -> None:
        if not self.missing:
            self.moved.emit(self._pair(event))

    def _pair(self, event: QMouseEvent) -> Thresholds:
        """Return the pair under the mouse, in whole percent; high is never below low."""
        low, high = (round(v, 2) for v in self.axes().values(QPointF(event.position())))
        return Thresholds(low, max(low, high))


def spread(dsc: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the colour scale: where most of the landscape lies, in round numbers."""
    low, high = np.nanpercentile(dsc, 10), np.nanmax(dsc)
    bottom, top = np.floor(low * 20) / 20, np.ceil(high * 20) / 20
    return float(bottom), float(max(top, bottom + 0.05))


def picture(dsc: NDArray[np.float64], bottom: float, top: float) -> QImage:
    """Return the landscape as an image, low to the right and high up; clear where there is none."""
    known = ~np.isnan(dsc)
    colours = np.zeros((*dsc.shape, 4), np.uint8)
    colours[..., :3] = ramp((np.nan_to_num(dsc) - bottom) / (top - bottom))
    colours[..., 3] = np.where(known, 255, 0)
    pixels = np.ascontiguousarray(colours.transpose(1, 0, 2)[::-1])
    height, width = pixels.shape[:2]
    image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    return image.copy()  # the bytes are Python's


def _surveyed(axes: Axes, landscape: Surface) -> QRectF:
    """Return the part of the axes that the pairs cover, half a step beyond the outermost."""
    half = (landscape.lows[-1] - landscape.lows[0]) / max(len(landscape.lows) - 1, 1) / 2
    top_left = axes.point(landscape.lows[0] - half, landscape.highs[-1] + half)
    bottom_right = axes.point(landscape.lows[-1] + half, landscape.highs[0] - half)
    return QRectF(top_left, bottom_right)


def _star(at: QPointF) -> QPolygonF:
    angles = np.arange(10) * np.pi / 5 - np.pi / 2
    radii = np.where(np.arange(10) % 2, STAR_PX * 0.45, STAR_PX)
    corners = zip(at.x() + radii * np.cos(angles), at.y() + radii * np.sin(angles), strict=True)
    return QPolygonF([QPointF(float(x), float(y)) for x, y in corners])


def _mark(painter: QPainter, shape: QPolygonF) -> None:
    painter.setPen(QPen(_DARK, 1.2))
    painter.setBrush(_BRIGHT)
    painter.drawPolygon(shape)
