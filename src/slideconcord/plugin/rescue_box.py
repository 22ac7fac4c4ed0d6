"""The lower part of the Scanners dock: placing a scan by hand, undo, saving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from slideconcord.plugin.dock import line, narrow

if TYPE_CHECKING:
    from slideconcord.plugin.scans import Scan


class RescueBox(QGroupBox):
    """Says how a hand wants to move scan B."""

    mark_wanted = Signal(bool)
    align_wanted = Signal()
    nudged = Signal(float, float)
    """µm (y, x)."""
    rotated = Signal(float)
    """Degrees."""
    undo_wanted = Signal()
    redo_wanted = Signal()
    save_wanted = Signal()
    load_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Place by hand")
        self.mark = QPushButton("Mark point pairs")
        self.mark.setCheckable(True)
        self.align = QPushButton("Align")
        self.step_um, self.step_deg = QDoubleSpinBox(), QDoubleSpinBox()
        self.undo, self.redo = QPushButton("Undo"), QPushButton("Redo")
        self.save, self.load = QPushButton("Save…"), QPushButton("Load…")
        self.note, self.which = line(name="rescue"), line(name="moved")
        self._moves: list[QPushButton] = []
        self._lay_out()
        self.mark.clicked.connect(self.mark_wanted)
        self.align.clicked.connect(self.align_wanted)
        self.undo.clicked.connect(self.undo_wanted)
        self.redo.clicked.connect(self.redo_wanted)
        self.save.clicked.connect(self.save_wanted)
        self.load.clicked.connect(self.load_wanted)

    def show_scan(self, scan: Scan | None) -> None:
        """Show what can be done with the scan that a hand would move."""
        there = scan is not None
        for button in (self.mark, self.load, *self._moves):
            button.setEnabled(there)
        can_undo, can_redo = scan.can_go if scan is not None else (False, False)
        self.undo.setEnabled(can_undo)
        self.redo.setEnabled(can_redo)
        placed = scan is not None and scan.placed.is_aligned
        self.save.setEnabled(placed)
        self.which.setText(f"Moves {scan.name}." if scan is not None else "")
        self.which.setVisible(there)

    def show_marks(self, counts: tuple[int, int] | None, names: tuple[str, str] = ("", "")) -> None:
        """Show how many landmarks there are; None: none are being marked."""
        self.mark.setChecked(counts is not None)
        self.align.setEnabled(counts is not None)
        self.note.setVisible(counts is not None)
        if counts is not None:
            (hub, scan), (on_hub, on_scan) = names, counts
            self.note.setText(
                f"Click the same places in both cells, three or more, far apart: {on_hub} on "
                f"{hub}, {on_scan} on {scan}."
            )

    def move(self, dy: int, dx: int) -> None:
        """Nudge by whole steps."""
        self.nudged.emit(dy * self.step_um.value(), dx * self.step_um.value())

    def turn(self, steps: int) -> None:
        """Rotate by whole steps."""
        self.rotated.emit(steps * self.step_deg.value())

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.addWidget(self.which)
        self.mark.setToolTip("Show hub and scan side by side and mark the same places on both")
        self.align.setToolTip("Lay the scan on the hub by the marked pairs")
        column.addLayout(_row(self.mark, self.align))
        column.addWidget(self.note)
        column.addLayout(self._make_moves())
        column.addLayout(_row(self.undo, self.redo, self.save, self.load))
        self.undo.setToolTip("Go back to the placement before")
        self.redo.setToolTip("Go forward again")
        self.save.setToolTip("Write the placement of this scan as a JSON file")
        self.load.setToolTip("Read a placement of exactly these two scans")

    def _make_moves(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        for spin, value, most, tip in (
            (self.step_um, 1.0, 999.0, "How far a nudge moves the scan (Shift+arrows)"),
            (self.step_deg, 0.05, 180.0, "How far a turn goes (Ctrl+Shift+left, right)"),
        ):
            spin.setDecimals(2)
            spin.setRange(0.01, most)
            spin.setValue(value)
            spin.setToolTip(tip)
            narrow(spin).setMinimumWidth(_SPIN_PX)
        grid.addWidget(QLabel("Nudge, µm"), 0, 0)
        grid.addWidget(self.step_um, 0, 1)
        for column, (text, tip, way) in enumerate(_WAYS, 2):
            grid.addWidget(self._button(text, tip, way), 0, column)
        grid.addWidget(QLabel("Turn, °"), 1, 0)
        grid.addWidget(self.step_deg, 1, 1)
        for column, (text, tip, steps) in enumerate(_TURNS, 2):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, s=steps: self.turn(s))
            grid.addWidget(self._keep(button), 1, column)
        return grid

    def _button(self, text: str, tip: str, way: tuple[int, int]) -> QWidget:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda _=False, w=way: self.move(*w))
        return self._keep(button)

    def _keep(self, button: QPushButton) -> QWidget:
        button.setFixedWidth(28)
        self._moves.append(button)
        return button


_SPIN_PX = 82
_WAYS = (
    ("←", "Nudge to the left (Shift+left)", (0, -1)),
    ("→", "Nudge to the right (Shift+right)", (0, 1)),
    ("↑", "Nudge up (Shift+up)", (-1, 0)),
    ("↓", "Nudge down (Shift+down)", (1, 0)),
)
_TURNS = (
    ("↺", "Turn against the clock (Ctrl+Shift+left)", -1),
    ("↻", "Turn with the clock (Ctrl+Shift+right)", 1),
)


def _row(*buttons: QPushButton) -> QHBoxLayout:
    row = QHBoxLayout()
    for button in buttons:
        row.addWidget(button)
    return row
