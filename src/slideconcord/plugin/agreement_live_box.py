"""The last part of the Agreement dock: DSC while one draws, and thresholds tuned to a reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QGroupBox, QLabel, QPushButton, QVBoxLayout

from slideconcord.plugin.dock import line, narrow

if TYPE_CHECKING:
    from napari.layers import Layer

    from slideconcord.plugin.agreement_live import LiveScore
    from slideconcord.plugin.agreement_sources import Source

NOTHING = "Nothing"


class LiveBox(QGroupBox):
    """Says what is compared while it changes, and how far it agrees."""

    chosen = Signal()
    """Another drawing or reading is chosen."""
    tune_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("While drawing or tuning")
        self.drawing, self.reading = QComboBox(), QComboBox()
        self.dsc, self.note = QLabel("DSC –"), line(name="live")
        self.tune = QPushButton("Tune thresholds against it")
        self._lay_out()
        for box in (self.drawing, self.reading):
            box.activated.connect(lambda _: self.chosen.emit())
        self.tune.clicked.connect(self.tune_wanted)

    @property
    def source(self) -> Source | None:
        """The reading that is compared with."""
        found: Source | None = self.reading.currentData()
        return found

    def offer(self, drawings: Sequence[Layer], sources: Sequence[Source]) -> None:
        """List what is drawn on and what it can be compared with; choices stay."""
        key = self.source.key if self.source is not None else None
        layer = self.drawing.currentData()
        self.drawing.clear()
        self.reading.clear()
        for box in (self.drawing, self.reading):
            box.addItem(NOTHING, None)
        for each in drawings:
            self.drawing.addItem(each.name, each)
        for source in sources:
            self.reading.addItem(source.reader.label, source)
        keys = [source.key for source in sources]
        self.drawing.setCurrentIndex(drawings.index(layer) + 1 if layer in drawings else 0)
        self.reading.setCurrentIndex(keys.index(key) + 1 if key in keys else 0)

    def show_score(self, live: LiveScore, *, can_tune: bool) -> None:
        """Show how far the drawing agrees, and whether there are thresholds to tune."""
        self.tune.setEnabled(can_tune and self.source is not None)
        self.dsc.setText("DSC –" if math.isnan(live.dsc) else f"DSC {live.dsc:.3f}")
        target, counts = live.target, live.counts
        text = live.task.message
        if target is not None and counts is not None:
            area = target.mpp**2 * 1e-6
            text = (
                f"Both {counts.tp * area:.3f} mm², drawing alone {counts.fp * area:.3f} mm², "
                f"reading alone {counts.fn * area:.3f} mm², on pixels of {target.mpp:.3g} µm."
            )
        self.say(text)

    def say(self, text: str) -> None:
        """Say something in a line, or nothing."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        form = QFormLayout()
        form.addRow("Drawing", narrow(self.drawing))
        form.addRow("Reading", narrow(self.reading))
        column.addLayout(form)
        self.dsc.setStyleSheet("font-size: 20px; font-weight: bold;")
        self.drawing.setToolTip("What is drawn on: a shapes layer, or the Annotate dock's drawing")
        self.reading.setToolTip("The reading that it is compared with after every stroke")
        self.tune.setToolTip("Make the reading the Threshold dock's reference, with live numbers")
        for widget in (self.dsc, self.note, self.tune):
            column.addWidget(widget)
