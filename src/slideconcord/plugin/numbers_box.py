"""The Result group of the Threshold dock: the numbers that matter, live."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from slideconcord.plugin.dock import line, narrow
from slideconcord.plugin.reasons import facts_text, scores_text, share_tip
from slideconcord.plugin.workspace import MaskFacts, Tissue

NONE, FILE = "None", "From file…"
TIPS = {
    "DSC": "Dice similarity of the mask and the reference",
    "Sensitivity": "Part of the reference that is in the mask",
    "Precision": "Part of the mask that is in the reference",
}
FILE_FILTER = "Annotations (*.geojson *.json *.xml);;All files (*)"


class NumbersBox(QGroupBox):
    """Shows area, count and share, agreement with a reference, and why a place is in or out."""

    layer_chosen = Signal(object)
    """The layer to compare with."""
    file_chosen = Signal(object)
    """Path of the file to compare with."""
    dropped = Signal()
    """Compare with nothing."""
    landscape_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Result", parent)
        self.values: dict[str, QLabel] = {}
        self.reference = QComboBox()
        self.landscape = QPushButton("Threshold landscape")
        self.message, self.why, self.note = line(), line(), line(name="note")
        self._lay_out()
        self.show_facts(None, has_reference=False)
        self.reference.activated.connect(self._choose)
        self.landscape.clicked.connect(self.landscape_wanted)

    def show_facts(self, facts: MaskFacts | None, *, has_reference: bool) -> None:
        """Show the numbers; those of a reference only where there is one."""
        for name, text in {**facts_text(facts), **scores_text(facts)}.items():
            self.values[name].setText(text)
        for widget in self._of_reference:
            widget.setVisible(has_reference)

    def show_tissue(self, tissue: Tissue | None) -> None:
        """Say what the share is of."""
        self.values["Share"].setToolTip(share_tip(tissue))

    def tell(self, note: str, message: str) -> None:
        """Show what there is to know about the mask, and about the reference."""
        for label, text in ((self.note, note), (self.message, message)):
            label.setText(text)
            label.setVisible(bool(text))

    def say_why(self, text: str) -> None:
        """Say why the place under the mouse is in or out."""
        self.why.setText(text or "Point at a region to see why it is in or out.")

    def offer(self, layers: list[tuple[str, object]], chosen: str | None) -> None:
        """List what can be compared with; ``chosen`` names the present reference."""
        self.reference.clear()
        self.reference.addItem(NONE, None)
        for name, layer in layers:
            self.reference.addItem(name, layer)
        if chosen is not None and self.reference.findText(chosen) < 0:
            self.reference.addItem(chosen, None)
        self.reference.addItem(FILE, None)
        self.reference.setCurrentText(chosen if chosen is not None else NONE)

    def _choose(self, index: int) -> None:
        layer = self.reference.itemData(index)
        if layer is not None:
            self.layer_chosen.emit(layer)
        elif self.reference.itemText(index) == NONE:
            self.dropped.emit()
        elif self.reference.itemText(index) == FILE:
            self._choose_file()

    def _choose_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Compare with", "", FILE_FILTER)
        self.file_chosen.emit(Path(name) if name else None)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        names = [*facts_text(None), *scores_text(None)]
        self._of_reference: list[QWidget] = []
        for number, name in enumerate(names):
            side, row = divmod(number, 3)
            title, value = QLabel(name), QLabel()
            value.setToolTip(TIPS.get(name, ""))
            title.setToolTip(TIPS.get(name, ""))
            self.values[name] = value
            grid.addWidget(title, row, 2 * side)
            grid.addWidget(value, row, 2 * side + 1)
            if side:
                self._of_reference += [title, value]
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        column.addLayout(grid)
        row_box = QHBoxLayout()
        label = QLabel("Reference")
        self.reference.setToolTip("An annotation or mask of this slide to compare with")
        self.landscape.setToolTip("Show the agreement of all pairs of thresholds")
        row_box.addWidget(label)
        row_box.addWidget(narrow(self.reference), 1)
        column.addLayout(row_box)
        column.addWidget(self.landscape)
        for widget in (self.message, self.note, self.why):
            column.addWidget(widget)
        self.message.hide()
        self.note.hide()
        self.say_why("")
