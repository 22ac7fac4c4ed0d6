"""The matrix of the Agreement dock: one number for each pair of readings, to be clicked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from slideconcord.comparison.tables import shade

if TYPE_CHECKING:
    from collections.abc import Callable

Reals = NDArray[np.float64]
_ROW_PX, _MOST_ROWS = 26, 12


class AgreementMatrix(QTableWidget):
    """Shows a symmetric matrix (reading, reading) in numbers on a ground that says how good."""

    pair_chosen = Signal(int, int)
    """Row and column of two different readings."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAccessibleName("Agreement of all pairs of readings")
        self.setToolTip("Click a cell, or press Enter on it, to see where the two differ")
        self.cellClicked.connect(self._choose)
        self.cellActivated.connect(self._choose)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            if header is not None:
                header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    def show_matrix(
        self,
        names: Sequence[str],
        values: Reals,
        *,
        higher_is_better: bool,
        why: Callable[[int, int], str],
    ) -> None:
        """Show the values of all pairs.

        Parameters
        ----------
        names
            Of the readings.
        values
            (reading, reading); NaN is undefined. The diagonal is not shown.
        higher_is_better
            Whether 1 is agreement and 0 none; otherwise 0 is, and values are distances.
        why
            Says what there is to know about a pair, for its tool tip.
        """
        self.setRowCount(len(names))
        self.setColumnCount(len(names))
        letters = [letter_of(number) for number in range(len(names))]
        # a column is as wide as a number: letters stand for names
        self.setHorizontalHeaderLabels(letters)
        self.setVerticalHeaderLabels(
            [f"{letter}  {name}" for letter, name in zip(letters, names, strict=True)]
        )
        worst = float(np.nanmax(values, initial=0.0)) if np.isfinite(values).any() else 0.0
        for i in range(len(names)):
            for j in range(len(names)):
                self.setItem(i, j, _item(values[i, j], worst, higher_is_better, i == j))
                if i != j and (item := self.item(i, j)) is not None:
                    item.setToolTip(f"{names[i]} and {names[j]}: {why(i, j)}")
        self.setFixedHeight(_ROW_PX * (min(len(names), _MOST_ROWS) + 1) + 24)

    def clear_matrix(self) -> None:
        """Show nothing."""
        self.setRowCount(0)
        self.setColumnCount(0)

    def _choose(self, row: int, column: int) -> None:
        if row != column:
            self.pair_chosen.emit(row, column)


def letter_of(number: int) -> str:
    """Return A, B, ..., Z, AA, AB, ... for 0, 1, ..."""
    first, last = divmod(number, 26)
    return (letter_of(first - 1) if first else "") + chr(ord("A") + last)


def shown(value: float, *, is_ratio: bool) -> str:
    """Return a value as the matrix writes it."""
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if is_ratio else f"{value:,.1f}"


def _item(value: float, worst: float, is_ratio: bool, is_own: bool) -> QTableWidgetItem:
    item = QTableWidgetItem("·" if is_own else shown(value, is_ratio=is_ratio))
    item.setTextAlignment(int(Qt.AlignmentFlag.AlignCenter))
    if not is_own and math.isfinite(value):
        ground, ink = shade(value if is_ratio else 1 - value / worst if worst else 1.0)
        item.setBackground(_brush(ground))
        item.setForeground(_brush(ink))
    return item


def _brush(colour: Any) -> QBrush:
    return QBrush(QColor(*colour))
