"""The upper part of the Agreement dock: which readings are compared, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
)

from slideconcord.comparison.observers.options import Comparing
from slideconcord.plugin.dock import line, narrow

if TYPE_CHECKING:
    from slideconcord.plugin.agreement_sources import Source
    from slideconcord.plugin.task import Task

_ROW_PX, _ROWS = 22, 6
RULES = {"majority": "Majority", "staple": "STAPLE"}
_AUTOMATIC_MPP = 0.0


class SetupBox(QGroupBox):
    """Lists readings, and says which are to be compared in which way."""

    files_wanted = Signal()
    study_wanted = Signal()
    slide_wanted = Signal(str)
    """The id of a slide of the study."""
    report_wanted = Signal()
    """A report of all slides of the study."""
    compare_wanted = Signal()
    cancel_wanted = Signal()
    chosen = Signal()
    """Other readings are ticked."""

    def __init__(self) -> None:
        super().__init__("Readings")
        self.list = QListWidget()
        self.files, self.study = QPushButton("Files…"), QPushButton("Study…")
        self.slide, self.report = QComboBox(), QPushButton("Report of the study…")
        self.mpp, self.tolerance = QDoubleSpinBox(), QDoubleSpinBox()
        self.rule, self.tissue_only = QComboBox(), QCheckBox("Count tissue only")
        self.compare, self.cancel = QPushButton("Compare"), QPushButton("Cancel")
        self.bar, self.message = QProgressBar(), line(name="message")
        self._sources: list[Source] = []
        self._lay_out()
        self.files.clicked.connect(self.files_wanted)
        self.study.clicked.connect(self.study_wanted)
        self.slide.activated.connect(lambda i: self.slide_wanted.emit(self.slide.itemData(i)))
        self.report.clicked.connect(self.report_wanted)
        self.compare.clicked.connect(self.compare_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)
        self.list.itemChanged.connect(lambda _: self.chosen.emit())

    @property
    def ticked(self) -> list[Source]:
        """The readings to be compared."""
        items = [self.list.item(row) for row in range(self.list.count())]
        return [
            source
            for source, item in zip(self._sources, items, strict=True)
            if item is not None and item.checkState() == Qt.CheckState.Checked
        ]

    @property
    def options(self) -> Comparing:
        """How they are compared."""
        return Comparing(
            mpp=self.mpp.value() or None,
            consensus=self.rule.currentData(),
            tolerance_um=self.tolerance.value(),
        )

    def offer(self, sources: Sequence[Source]) -> None:
        """List readings; ticks stay, and new readings are ticked."""
        left_out = {s.key for s in self._sources} - {s.key for s in self.ticked}
        self.list.blockSignals(True)
        self.list.clear()
        self._sources = list(sources)
        for source in sources:
            item = QListWidgetItem(source.reader.label)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            is_in = source.key not in left_out
            item.setCheckState(Qt.CheckState.Checked if is_in else Qt.CheckState.Unchecked)
            self.list.addItem(item)
        self.list.blockSignals(False)
        self.chosen.emit()

    def show_study(self, ids: Sequence[str], chosen: str) -> None:
        """List the slides of a study; ``chosen`` is the one at hand, or none."""
        self.slide.clear()
        for each in ids:
            self.slide.addItem(f"Slide {each}", each)
        self.slide.setCurrentIndex(self.slide.findData(chosen))
        for widget in (self.slide, self.report):
            widget.setVisible(bool(ids))

    def show_task(self, task: Task, missing: str) -> None:
        """Show how far the work is, or what is missing before it can begin."""
        self.bar.setVisible(task.is_running)
        self.bar.setRange(0, 0 if task.share is None else 100)
        self.bar.setValue(round(100 * (task.share or 0)))
        self.cancel.setVisible(task.is_running)
        self.compare.setEnabled(not task.is_running and not missing)
        self.report.setEnabled(not task.is_running)
        self.say(task.message or missing)

    def say(self, text: str) -> None:
        """Say something in a line, or nothing."""
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        self.list.setFixedHeight(_ROW_PX * _ROWS + 6)
        self.list.setAccessibleName("Readings of this slide; ticked ones are compared")
        self.list.setToolTip("Layers, files and the mask of the Threshold dock: tick two or more")
        column.addWidget(self.list)
        row = QHBoxLayout()
        self.files.setToolTip("Add annotation files (QuPath, ASAP, ImageScope, masks) as readings")
        self.study.setToolTip("Add the readings of this slide in a study, as its analyst")
        row.addWidget(self.files)
        row.addWidget(self.study)
        column.addLayout(row)
        self.slide.setToolTip("The slides of the study that somebody finished")
        self.report.setToolTip("Compare the finished readings of all slides and write the report")
        row = QHBoxLayout()
        row.addWidget(narrow(self.slide), 1)
        row.addWidget(self.report)
        column.addLayout(row)
        self.show_study((), "")
        column.addLayout(self._form())
        self.tissue_only.setChecked(True)
        self.tissue_only.setToolTip("Leave white background out of all counts")
        column.addWidget(self.tissue_only)
        row = QHBoxLayout()
        row.addWidget(self.compare, 1)
        row.addWidget(self.cancel)
        column.addLayout(row)
        for widget in (self.bar, self.message):
            column.addWidget(widget)

    def _form(self) -> QFormLayout:
        facts: dict[str, Any] = Comparing.__dataclass_fields__
        for name, text in RULES.items():
            self.rule.addItem(text, name)
        self.mpp.setRange(_AUTOMATIC_MPP, 50.0)
        self.mpp.setSpecialValueText("automatic")
        self.tolerance.setRange(facts["tolerance_um"].metadata["min"], 1000.0)
        self.tolerance.setValue(facts["tolerance_um"].default)
        form = QFormLayout()
        for box, unit in ((self.mpp, " µm/px"), (self.tolerance, " µm")):
            box.setSuffix(unit)
            box.setDecimals(2)
        rows = {"mpp": self.mpp, "tolerance_um": self.tolerance, "consensus": self.rule}
        titles = {"mpp": "Pixel size", "tolerance_um": "Tolerance", "consensus": "Consensus"}
        for name, widget in rows.items():
            widget.setToolTip(facts[name].metadata["help"])
            form.addRow(titles[name], narrow(widget))
        return form
