"""The middle part of the Scanners dock: which view, of which two scans, and its dial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
)

from slideconcord.plugin.dock import line, narrow
from slideconcord.plugin.looking import PLAIN
from slideconcord.plugin.views.table import VIEWS

if TYPE_CHECKING:
    from slideconcord.plugin.looking import Looking
    from slideconcord.plugin.scans import Case
    from slideconcord.plugin.views.base import Dial

_STEPS = 1000


class ViewBox(QGroupBox):
    """Shows how a case is looked at, and says how it shall be."""

    view_chosen = Signal(str)
    pair_chosen = Signal(str, str)
    """The ids of A and B."""
    turned = Signal(float)
    next_wanted = Signal(int)
    """1: the next disagreement, -1: the one before."""

    def __init__(self) -> None:
        super().__init__("Look")
        self.view = QComboBox()
        self.a, self.b = QComboBox(), QComboBox()
        self.swap = QPushButton("⇄")
        self.dial_text = QLabel()
        self.dial = QSlider(Qt.Orientation.Horizontal)
        self.note = line(name="note")
        self.before, self.after = QPushButton("Previous"), QPushButton("Next disagreement")
        self.walk = line(name="walk")
        self.where = line(name="where")
        self._dial: Dial | None = None
        self._lay_out()
        self.view.activated.connect(lambda i: self.view_chosen.emit(self.view.itemData(i)))
        for box in (self.a, self.b):
            box.activated.connect(
                lambda _: self._choose(self.a.currentData(), self.b.currentData())
            )
        self.swap.clicked.connect(lambda: self._choose(self.b.currentData(), self.a.currentData()))
        self.dial.valueChanged.connect(self._turn)
        self.before.clicked.connect(lambda: self.next_wanted.emit(-1))
        self.after.clicked.connect(lambda: self.next_wanted.emit(1))

    def show_case(self, case: Case) -> None:
        """Fill the choices of A and B."""
        for box, chosen in ((self.a, case.a), (self.b, case.b)):
            box.clear()
            for scan in case.scans:
                box.addItem(scan.name, scan.id)
            if chosen is not None:
                box.setCurrentIndex(box.findData(chosen.id))
        for widget in (self.view, self.a, self.b, self.swap, self.before, self.after):
            widget.setEnabled(bool(case.scans))

    def show_looking(self, looking: Looking) -> None:
        """Show which view there is, and its dial."""
        self.view.setCurrentIndex(self.view.findData(looking.name))
        view = looking.view
        self.note.setText(view.note if view is not None else "")
        self.note.setVisible(view is not None)
        self.walk.setText(looking.walk.message)
        self.walk.setVisible(bool(looking.walk.message))
        self._show_dial(view.dial if view is not None else None)
        if looking.name != "grid":
            self.say_where("")

    def say_where(self, text: str) -> None:
        """Say where the cross-hair is."""
        self.where.setText(text)
        self.where.setVisible(bool(text))

    def _show_dial(self, dial: Dial | None) -> None:
        self._dial = dial
        for widget in (self.dial, self.dial_text):
            widget.setVisible(dial is not None)
        if dial is not None:
            self.dial.blockSignals(True)
            share = (dial.value - dial.low) / (dial.high - dial.low)
            self.dial.setValue(round(share * _STEPS))
            self.dial.blockSignals(False)
            self.dial_text.setText(dial.text(dial.value))

    def _turn(self, step: int) -> None:
        if self._dial is not None:
            value = self._dial.low + (self._dial.high - self._dial.low) * step / _STEPS
            self.dial_text.setText(self._dial.text(value))
            self.turned.emit(value)

    def _choose(self, a: QComboBox, b: QComboBox) -> None:
        self.pair_chosen.emit(a.currentData(), b.currentData())

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        self.view.addItem("Own layers (Alt+0)", PLAIN)
        for number, (name, view) in enumerate(VIEWS.items(), 1):
            self.view.addItem(f"{view.title} ({view.key.replace('-', '+')})", name)
            self.view.setItemData(number, view.tip, Qt.ItemDataRole.ToolTipRole)
        self.view.setToolTip("How the scans are shown; the keys work while the picture has focus")
        column.addWidget(narrow(self.view))
        grid = QGridLayout()
        for number, (letter, box) in enumerate((("A", self.a), ("B", self.b))):
            grid.addWidget(QLabel(letter), number, 0)
            grid.addWidget(narrow(box), number, 1)
            box.setToolTip(f"The scan called {letter} in views of two")
        self.swap.setMaximumWidth(32)
        self.swap.setToolTip("Exchange A and B")
        grid.addWidget(self.swap, 0, 2, 2, 1)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        column.addWidget(self.dial_text)
        self.dial.setRange(0, _STEPS)
        column.addWidget(self.dial)
        column.addWidget(self.note)
        row = QHBoxLayout()
        self.before.setToolTip("Go back to the disagreement before (Shift+N)")
        self.after.setToolTip("Go to the next largest place where the masks of A and B differ (N)")
        row.addWidget(self.before)
        row.addWidget(self.after, stretch=1)
        column.addLayout(row)
        for text in (self.walk, self.where):
            text.hide()
            column.addWidget(text)
