"""The numbers of a comparison: DSC, the areas in the overlay's colours, all statistics."""

from __future__ import annotations

import math

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from slideconcord.comparison.metrics import METRICS
from slideconcord.comparison.overlay import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from slideconcord.plugin.agreement import Agreement
from slideconcord.plugin.dock import line


class AgreementBox(QWidget):
    """Shows what a comparison found, or that there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.dsc, self.legend, self.table = QLabel(), line(), _table()
        self.dsc.setStyleSheet("font-size: 20px; font-weight: bold;")
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.dsc, self.legend, self.table):
            column.addWidget(widget)

    def show_agreement(self, agreement: Agreement | None) -> None:
        scores = agreement.scores if agreement is not None else None
        self.dsc.setText("DSC –" if scores is None else f"DSC {_shown(scores.dsc)}")
        self.legend.setText(_legend(agreement))
        for row, (name, metric) in enumerate(METRICS.items()):
            value = math.nan if scores is None else scores[name]
            cell = self.table.item(row, 1)
            if cell is not None:
                cell.setText("" if scores is None else _shown(value))
                cell.setToolTip(metric.undefined if scores and math.isnan(value) else metric.label)


def note_of(found: Agreement) -> str:
    """Return one line about what was compared."""
    counts = found.scores.counts
    if not counts.n:
        return "No pixel counts: no tissue was found where the masks lie. Count all pixels instead."
    sides = {"prediction": counts.predicted, "reference": counts.reference}
    empty = [name for name, count in sides.items() if not count]
    if empty:
        return f"The {' and the '.join(empty)} is empty where pixels count."
    what = "tissue pixels" if found.operands.tissue is not None else "pixels"
    return f"{counts.n:,} {what} of {found.operands.prediction.mpp.y:.3g} µm compared."


def _table() -> QTableWidget:
    table = QTableWidget(len(METRICS), 3)
    table.setHorizontalHeaderLabels(["", "Value", "What"])
    for row, metric in enumerate(METRICS.values()):
        for column, text in enumerate((metric.symbol, "", metric.label)):
            item = QTableWidgetItem(text)
            item.setFlags(Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled)
            item.setToolTip(metric.label)
            table.setItem(row, column, item)
    vertical, header = table.verticalHeader(), table.horizontalHeader()
    if vertical is not None:
        vertical.hide()
        vertical.setDefaultSectionSize(22)
    if header is not None:
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
    table.setMinimumHeight(22 * (len(METRICS) + 1) + 8)
    return table


def _legend(agreement: Agreement | None) -> str:
    """Return the colours of the overlay, with the area of each."""
    areas = ["", "", ""]
    if agreement is not None:
        counts, mpp = agreement.scores.counts, agreement.operands.prediction.mpp
        pixel_mm2 = mpp.y * mpp.x * 1e-6
        areas = [f" {n * pixel_mm2:.3f} mm²" for n in (counts.tp, counts.fp, counts.fn)]
    colours = TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE
    texts = "both", "prediction only", "reference only"
    return "<br>".join(
        f'<span style="color: rgb{colour};">■</span> {text}{area}'
        for colour, text, area in zip(colours, texts, areas, strict=True)
    )


def _shown(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4f}"
