"""Loss and Dice of a training, as they come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

from slideconcord.plugin.plotting import GREEN, ORANGE, TOP_PX, Axes, Plot

if TYPE_CHECKING:
    from slideconcord.training.run import TrainStep

LEGEND_PX, KEY_PX, DOT_PX = 16, 14, 3.0
Points = list[tuple[int, float]]


class TrainCurves(Plot):
    """Mean loss as a share of its largest, and the Dice of the last class at each check."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("share of the steps", "", parent)
        self.losses: Points = []
        """(step, mean loss since the last)."""
        self.dice: Points = []
        """(step, Dice of the class to find)."""
        self.steps = 1
        self.wait()
        self.setToolTip(
            "Orange: the loss on what is learnt from, as a share of its largest value. "
            "Green: Dice on what is checked on, of patients that are not learnt from."
        )

    def wait(self) -> None:
        """Say what will be here, where nothing is."""
        self.missing = "" if self.losses else "The curves appear here while a model trains."
        self.update()

    def begin(self, folder: Path) -> None:
        """Show what an earlier part of a run left in its folder; nothing of another."""
        from slideconcord.training.folder import CHECK_LOG, TRAIN_LOG
        from slideconcord.training.log import read_log

        self.losses = [
            (int(row["step"] or 0), float(loss))
            for row in read_log(folder / TRAIN_LOG)
            if (loss := row.get("loss")) is not None
        ]
        checks = read_log(folder / CHECK_LOG)
        target = [name for name in (checks[0] if checks else {}) if name.startswith("dice ")][-1:]
        self.dice = [
            (int(row["step"] or 0), float(value))
            for row in checks
            for name in target
            if (value := row[name]) is not None
        ]
        self.steps = max([step for step, _ in (*self.losses, *self.dice)], default=1)
        self.missing = "" if self.losses else "Training begins…"
        self.update()

    def add(self, step: TrainStep) -> None:
        """Add what a step said."""
        self.steps = step.steps
        for points in (self.losses, self.dice):
            while points and points[-1][0] >= step.step:
                points.pop()
        is_new = step.loss is not None and (not self.losses or self.losses[-1][1] != step.loss)
        if step.loss is not None and is_new:
            self.losses.append((step.step, step.loss))
        if step.scores is not None:
            self.dice.append((step.step, step.scores.score))
        if is_new or step.scores is not None:
            self.missing = ""
            self.update()

    def axes(self) -> Axes:
        return Axes(super().axes().rect.adjusted(-14, LEGEND_PX, 0, 0))

    def draw(self, painter: QPainter, axes: Axes) -> None:
        most = max((loss for _, loss in self.losses), default=1.0) or 1.0
        left = axes.rect.left()
        losses = [(step, loss / most) for step, loss in self.losses]
        last_loss = f" {self.losses[-1][1]:.3f}" if self.losses else ""
        last_dice = f" {self.dice[-1][1]:.3f}" if self.dice else ""
        for points, text, colour in (
            (losses, f"loss{last_loss}", ORANGE),
            (self.dice, f"Dice{last_dice}", GREEN),
        ):
            self._draw_line(painter, axes, points, colour)
            left = self._draw_key(painter, left, text, colour)

    def _draw_line(self, painter: QPainter, axes: Axes, points: Points, colour: QColor) -> None:
        places = [axes.point(step / self.steps, value) for step, value in points]
        painter.setPen(QPen(colour, 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(places))
        if len(places) < 30:
            painter.setBrush(colour)
            for place in places:
                painter.drawEllipse(place, DOT_PX, DOT_PX)

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
