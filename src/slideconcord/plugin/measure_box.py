"""The last part of the Scanners dock: how far the masks of the scans agree, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal, Slot
from qtpy.QtWidgets import QCheckBox, QGroupBox, QHBoxLayout, QPushButton, QVBoxLayout

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.dock import line
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.measuring import matrix_html, measure, told

if TYPE_CHECKING:
    from slideconcord.comparison.concordance.result import Concordance
    from slideconcord.plugin.scans import Case


class Measurer(QObject):
    """Measures a case beside the GUI."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.found: Concordance | None = None
        self.message = ""
        self._job: Job | None = None

    @property
    def is_running(self) -> bool:
        return self._job is not None

    def start(self, case: Case, *, accept_coarse: bool) -> None:
        """Measure the masks as they are now.

        Raises
        ------
        ParameterError
            When there is no case.
        """
        from slideconcord.comparison.concordance.options import Measuring

        self.close()
        steps = measure(case, Measuring(accept_coarse=accept_coarse))
        self.found = None
        self._job = Job(lambda: steps)
        self._job.advanced.connect(self._advance)
        self._job.ended.connect(self._take)
        self._job.start()
        self._say("Measuring…")

    def close(self) -> None:
        """Stop, and wait for the thread."""
        if self._job is not None:
            self._job.close()
            self._job = None

    def forget(self) -> None:
        """What was measured no longer holds."""
        self.close()
        self.found = None
        self._say("")

    @Slot(object)
    def _advance(self, step: Any) -> None:
        name = getattr(step, "name", "masks")
        self._say(f"Measuring: {name}…")

    @Slot(object)
    def _take(self, job: Job) -> None:
        if job is not self._job:
            return
        self._job = None
        error = job.error
        self.found = job.result if error is None else None
        self._say("" if error is None else str(error))
        if error is not None and not isinstance(error, SlideconcordError):
            raise error  # a fault of ours: napari shows where it happened

    def _say(self, text: str) -> None:
        self.message = text
        self.changed.emit()


class MeasureBox(QGroupBox):
    """Shows the matrix of a case, and says that it shall be measured or reported."""

    measure_wanted = Signal(bool)
    """Whether scans whose registration is only coarse count, too."""
    report_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Measure")
        self.measure = QPushButton("Measure")
        self.report = QPushButton("Report…")
        self.coarse = QCheckBox("Coarse registrations, too")
        self.matrix, self.text = line(name="matrix"), line(name="measured")
        column = QVBoxLayout(self)
        row = QHBoxLayout()
        self.measure.setToolTip(
            "Dice of all pairs of scans, of the masks as they are tuned now, on what all scans "
            "show; below each number (≤) the ceiling that registration error alone allows"
        )
        self.report.setToolTip("Write the report (HTML, JSON, CSV) into a folder and open it")
        self.coarse.setToolTip("Their disagreement may be displacement")
        row.addWidget(self.measure)
        row.addWidget(self.report)
        column.addLayout(row)
        column.addWidget(self.coarse)
        column.addWidget(self.matrix)
        column.addWidget(self.text)
        self.measure.clicked.connect(lambda: self.measure_wanted.emit(self.coarse.isChecked()))
        self.report.clicked.connect(self.report_wanted)

    def show_measurer(self, measurer: Measurer, *, has_case: bool) -> None:
        """Show what was measured, or how far that is."""
        found = measurer.found
        self.measure.setEnabled(has_case and not measurer.is_running)
        self.report.setEnabled(found is not None)
        self.matrix.setText(matrix_html(found) if found is not None else "")
        self.matrix.setVisible(found is not None)
        self.text.setText(told(found) if found is not None else measurer.message)
        self.text.setVisible(bool(self.text.text()))
