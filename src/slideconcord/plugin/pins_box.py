"""The Pins group of the Threshold dock: regions that a hand put in or out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGroupBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from slideconcord.plugin.dock import narrow
from slideconcord.segmentation.tuning import Tuning

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry

ROWS = 3


class PinsBox(QGroupBox):
    """Lists pins; they can be looked at and removed."""

    wanted = Signal(object)
    """The Edit to look at."""
    removed = Signal(object)
    """The Edits to remove."""
    mode_changed = Signal(bool)
    """Whether a plain click pins."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Pins", parent)
        self.by_click = QPushButton("Pin by click")
        self.list = QListWidget()
        self._shown: object = None
        self.remove, self.clear = QPushButton("Remove"), QPushButton("Remove all")
        self._lay_out()
        self.by_click.toggled.connect(self.mode_changed)
        self.list.itemActivated.connect(lambda item: self.wanted.emit(_edit(item)))
        self.list.itemClicked.connect(lambda item: self.wanted.emit(_edit(item)))
        self.remove.clicked.connect(self._remove_chosen)
        self.clear.clicked.connect(lambda: self.removed.emit(self._edits(range(self.list.count()))))

    def show_tuning(self, tuning: Tuning, mpp: tuple[float, float], inactive: list[bool]) -> None:
        """List the pins of a tuning; those that do nothing at the present low are grey."""
        shown = (tuning.edits, tuple(inactive))
        if shown == self._shown:  # while a slider moves they rarely change
            return
        self._shown = shown
        self.list.clear()
        for edit, is_idle in zip(tuning.edits, inactive, strict=True):
            y, x = edit.y_level0 * mpp[0] / 1000, edit.x_level0 * mpp[1] / 1000
            side = "In" if edit.keep else "Out"
            rest = " (below low)" if is_idle else ""
            item = QListWidgetItem(f"{side}: x {x:.2f} mm, y {y:.2f} mm{rest}")
            item.setData(Qt.ItemDataRole.UserRole, edit)
            self.list.addItem(item)
        has_any = bool(tuning.edits)
        row_px = max(self.list.sizeHintForRow(0), 16)
        self.list.setFixedHeight(row_px * min(self.list.count(), ROWS) + 8)
        for widget in (self.list, self.remove, self.clear):
            widget.setVisible(has_any)

    def _remove_chosen(self) -> None:
        rows = [index.row() for index in self.list.selectedIndexes()]
        self.removed.emit(self._edits(rows or [self.list.count() - 1]))

    def _edits(self, rows: object) -> list[object]:
        return [_edit(self.list.item(row)) for row in rows]  # type: ignore[attr-defined]

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        row = QHBoxLayout()
        self.by_click.setCheckable(True)
        self.by_click.setToolTip(
            "While this is on, a click keeps a region that is out, or leaves out one that is in; "
            "a second click frees it. Alt+click does so at any time."
        )
        self.remove.setToolTip("Free the chosen region, or the one pinned last")
        self.clear.setToolTip("Free all regions")
        for button in (self.by_click, self.remove, self.clear):
            row.addWidget(narrow(button))
        column.addLayout(row)
        column.addWidget(self.list)


def idle_pins(entry: SlideEntry) -> list[bool]:
    """Tell of each pin whether it does nothing at the present low."""
    if entry.index is None or entry.probability is None:
        return [False] * len(entry.tuning.edits)
    from slideconcord.segmentation.tuned_pixels import inactive_edits

    idle = inactive_edits(entry.index, entry.tuning)
    return [edit in idle for edit in entry.tuning.edits]


def _edit(item: QListWidgetItem) -> object:
    return item.data(Qt.ItemDataRole.UserRole)
