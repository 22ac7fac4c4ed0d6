"""What the landscape is of: the choice, and the words that say it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from slideconcord.plugin.dock import line, narrow
from slideconcord.plugin.surveying import Surveyor, why_not

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.tuning import Tuning

REFERENCE, MEAN, WORST = "reference", "mean", "worst"
KINDS = {
    REFERENCE: "DSC with the reference",
    MEAN: "Agreement of scanners, mean",
    WORST: "Agreement of scanners, worst pair",
}
NO_SLIDE = "Open and segment a slide first."
NO_REFERENCE = "Choose a reference in the Threshold dock: an annotation, a mask or a file."
COUNTING = "Comparing all pairs of thresholds with the reference…"
NO_SCANS = (
    "Segment and register two scans of one glass slide first: make a case in the Scanners dock."
)
ALONE = "Of thresholds alone: pruning, areas and pins are not in it."


class LandscapeSubject(QWidget):
    """Chooses what the landscape is of, and says so."""

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shows, self.stop = QComboBox(), QPushButton("Stop")
        for kind, text in KINDS.items():
            self.shows.addItem(text, kind)
        self.note = line(name="note")
        row = QHBoxLayout()
        row.addWidget(narrow(self.shows), 1)
        row.addWidget(self.stop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.note)
        self.shows.activated.connect(lambda _index: self.chosen.emit())

    @property
    def kind(self) -> str:
        return str(self.shows.currentData())

    def offer(self, scans: bool) -> None:
        """Offer the agreement of scans, or say by its colour that it cannot be had yet."""
        model = self.shows.model()
        assert isinstance(model, QStandardItemModel)
        for row in range(1, len(KINDS)):
            item = model.item(row)
            item.setEnabled(scans)
            item.setToolTip("" if scans else NO_SCANS)

    def tell(self, text: str, is_running: bool) -> None:
        """Say what is shown, and whether it is still being worked out."""
        self.note.setText(text)
        self.note.setVisible(bool(text))
        self.stop.setVisible(is_running)


def can_survey(surveyor: Surveyor, entry: SlideEntry | None) -> bool:
    """Tell whether the active slide is one of two scans or more that can be compared."""
    case = surveyor.case
    is_of_case = entry is not None and case.find(entry.id) is not None
    return is_of_case and sum(not why_not(scan) for scan in case.scans) >= 2


def missing_for(entry: SlideEntry | None) -> str:
    """Return what is missing before a slide has a landscape; nothing when it has one."""
    if entry is None or entry.probability is None:
        return NO_SLIDE
    if entry.landscape is not None:
        return ""
    return NO_REFERENCE if entry.reference is None else COUNTING


def missing_scans(surveyor: Surveyor, entry: SlideEntry | None) -> str:
    """Return what is missing before the scans have a landscape; nothing when they have one."""
    if not can_survey(surveyor, entry):
        return "\n".join([NO_SCANS, *filter(None, map(why_not, surveyor.case.scans))])
    if surveyor.found is not None:
        return ""
    if surveyor.is_running:
        return f"Comparing the scans at all pairs of thresholds… {surveyor.share:.0%}"
    return f"{surveyor.message} Choose what to show again to begin anew.".strip()


def told_of_reference(_surveyor: Surveyor, entry: SlideEntry | None) -> str:
    """Say which reference the landscape is with."""
    if entry is None or entry.reference is None or missing_for(entry):
        return ""
    alone = "" if is_thresholds_alone(entry.tuning) else f" {ALONE}"
    return f"With {entry.reference.name}.{alone}"


def told_of_scans(surveyor: Surveyor, entry: SlideEntry | None) -> str:
    """Say which scans are compared, where, and what must be said beside it."""
    found, case = surveyor.found, surveyor.case
    if found is None or entry is None:
        return ""
    scans = surveyor.surveyed
    names = ", ".join(each.name for each in scans)
    parts = [
        f"{names}: DSC at {found.points:,} points, {found.grid_mpp:.3g} µm apart, all scans cut at "
        "the same pair. A click cuts all of them there."
    ]
    if any(each.entry.tuning.thresholds != entry.tuning.thresholds for each in scans):
        parts.append("Now they are cut at different pairs.")
    coarse = [s.name for s in scans if s.registration and s.registration.status == "coarse"]
    if coarse:
        parts.append(f"Coarsely registered: {', '.join(coarse)}.")
    if any(not each.complete for each in scans):
        parts.append("So far: a map is still being filled.")
    if not all(is_thresholds_alone(each.entry.tuning) for each in scans):
        parts.append(ALONE)
    left_out = [why for scan in case.scans if (why := why_not(scan))]
    return " ".join([*parts, *left_out, case.virtual]).strip()


def is_thresholds_alone(tuning: Tuning) -> bool:
    """Tell whether nothing but thresholds, and the smoothing they act on, decides."""
    return replace(tuning, smoothing_um=0.0).is_plain
