"""The lower part of the Agreement dock: the matrix, what is shown of it, and the walk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
)

from slideconcord.comparison.observers.pairs import EMPTY_RULES
from slideconcord.plugin.agreement_layers import FIRST, SECOND, SHARED, vote_colours
from slideconcord.plugin.agreement_matrix import AgreementMatrix
from slideconcord.plugin.dock import line, narrow

if TYPE_CHECKING:
    from slideconcord.comparison.observers.pairs import PairAgreement
    from slideconcord.comparison.observers.result import ClassAgreement

MEASURES = {
    "dsc": "DSC",
    "iou": "IoU",
    "kappa": "Cohen's kappa",
    "hd95_um": "Hausdorff distance, 95 %, µm",
    "mean_surface_um": "Mean surface distance, µm",
    "surface_dice": "Surface Dice",
    "region_f1": "F1 of regions",
}
NEXT_KEY, BEFORE_KEY = "Alt-N", "Shift-Alt-N"


class LookBox(QGroupBox):
    """Shows how far readings agree, and says what the user wants to see of it."""

    class_chosen = Signal(str)
    measure_chosen = Signal(str)
    pair_chosen = Signal(int, int)
    votes_wanted = Signal(bool)
    step_wanted = Signal(int)
    """1: the next disagreement, -1: the one before."""
    names_wanted = Signal(bool)
    report_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Agreement")
        self.class_name, self.measure = QComboBox(), QComboBox()
        self.matrix, self.caption = AgreementMatrix(), line(name="caption")
        self.votes, self.names = QCheckBox("Vote map"), QCheckBox("Show names")
        self.before, self.after = QPushButton("Previous"), QPushButton("Next disagreement")
        self.report = QPushButton("Write report…")
        self.legend, self.walk = line(name="legend"), line(name="walk")
        self._lay_out()
        self.class_name.activated.connect(
            lambda i: self.class_chosen.emit(self.class_name.itemData(i))
        )
        self.measure.activated.connect(lambda i: self.measure_chosen.emit(self.measure.itemData(i)))
        self.matrix.pair_chosen.connect(self.pair_chosen)
        self.votes.toggled.connect(self.votes_wanted)
        self.names.toggled.connect(self.names_wanted)
        self.before.clicked.connect(lambda: self.step_wanted.emit(-1))
        self.after.clicked.connect(lambda: self.step_wanted.emit(1))
        self.report.clicked.connect(self.report_wanted)

    def show_nothing(self) -> None:
        """Nothing is compared."""
        self.matrix.clear_matrix()
        self.class_name.clear()
        for text in (self.caption, self.legend, self.walk):
            text.setText("")
        self._enable(False)

    def show_classes(self, names: Sequence[str], chosen: str) -> None:
        """List the classes that were compared."""
        self.class_name.clear()
        for name in names:
            self.class_name.addItem(name or "(no class)", name)
        self.class_name.setCurrentIndex(max(self.class_name.findData(chosen), 0))

    def show_agreement(
        self, found: ClassAgreement, measure: str, called: Callable[[str], str]
    ) -> None:
        """Show the matrix of a class; ``called`` gives what a reader is called on the screen."""
        readers = found.readers
        values = found.matrix(measure)

        def why(i: int, j: int) -> str:
            return told(found.pair(readers[i], readers[j]))

        self.matrix.show_matrix(
            [called(each.label) for each in readers],
            values,
            higher_is_better=not measure.endswith("_um"),
            why=why,
        )
        self._enable(True)

    def show_legend(self, pair: tuple[str, str] | None, voters: int) -> None:
        """Say what the colours on the slide mean."""
        parts = []
        if pair is not None:
            colours = (FIRST, SECOND, SHARED)
            texts = (f"{pair[0]} only", f"{pair[1]} only", "both")
            parts += [_swatch(c, t) for c, t in zip(colours, texts, strict=True)]
        if voters:
            parts.append(
                "Votes: "
                + " ".join(
                    _swatch(tuple(round(255 * v) for v in colour[:3]), str(number))
                    for number, colour in vote_colours(voters).items()
                )
            )
        self.legend.setText("<br>".join(parts))
        self.legend.setVisible(bool(parts))

    def say_walk(self, text: str) -> None:
        """Say where the walk is."""
        self.walk.setText(text)
        self.walk.setVisible(bool(text))

    def _enable(self, is_there: bool) -> None:
        for widget in (self.votes, self.before, self.after, self.report, self.class_name):
            widget.setEnabled(is_there)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        form = QFormLayout()
        for name, text in MEASURES.items():
            self.measure.addItem(text, name)
        form.addRow("Class", narrow(self.class_name))
        form.addRow("Measure", narrow(self.measure))
        column.addLayout(form)
        column.addWidget(self.matrix)
        column.addWidget(self.caption)
        row = QHBoxLayout()
        row.addWidget(self.votes)
        row.addWidget(self.names)
        column.addLayout(row)
        row = QHBoxLayout()
        row.addWidget(self.before)
        row.addWidget(self.after, 1)
        column.addLayout(row)
        for widget in (self.walk, self.legend, self.report):
            column.addWidget(widget)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.votes.setToolTip("Colour each place by how many readings mark it")
        self.names.setToolTip("Call observers by their names instead of numbers, here alone")
        key, before = (k.replace("-", "+") for k in (NEXT_KEY, BEFORE_KEY))
        self.after.setToolTip(
            f"Go to the next largest place on which the chosen pair, or all, differ ({key})"
        )
        self.before.setToolTip(f"Go back to the disagreement before ({before})")
        self.report.setToolTip("Write what was measured as HTML, CSV and JSON; observers by number")


def told(pair: PairAgreement) -> str:
    """Say of two readings what both marked and which rule for empty ones holds."""
    areas = f"{pair.first_um2 * 1e-6:.3f} and {pair.second_um2 * 1e-6:.3f} mm²"
    return areas if pair.empty == "none" else f"{areas}; {EMPTY_RULES[pair.empty]}"


def _swatch(colour: Sequence[int], text: str) -> str:
    from html import escape

    red, green, blue = colour
    return f'<span style="color: rgb({red}, {green}, {blue});">■</span> {escape(text)}'
