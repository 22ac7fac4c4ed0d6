"""A list of tunings that have proved useful."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from slideconcord.plugin.dock import narrow
from slideconcord.segmentation.tuning import HasThresholds, Tuning, presets

OWN, MODEL = "As set", "Model's own"


class PresetBox(QComboBox):
    """Offers presets; shows the one that is set, or "As set".

    A preset sets thresholds and pruning; areas, smoothing and pins stay as they are.
    """

    chosen = Signal(object)
    """The Tuning that the user chose."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        narrow(self)
        self.setToolTip("Thresholds that have proved useful")
        self.activated.connect(self._choose)
        self.offer(None)

    def offer(self, model: HasThresholds | None) -> None:
        """List the presets, the model's own first where it is known."""
        self.clear()
        self.addItem(OWN, None)
        known = presets(model)
        for name in sorted(known, key=lambda name: name != "model"):
            preset = known[name]
            self.addItem(MODEL if name == "model" else name.capitalize(), preset.tuning)
            self.setItemData(self.count() - 1, preset.help, Qt.ItemDataRole.ToolTipRole)

    def show_tuning(self, tuning: Tuning | None) -> None:
        """Show the preset that a tuning is."""
        self.setCurrentIndex(0)
        for number in range(1, self.count()):
            if tuning is not None and taken(self.itemData(number), tuning) == tuning:
                self.setCurrentIndex(number)
                return

    def _choose(self, index: int) -> None:
        if (tuning := self.itemData(index)) is not None:
            self.chosen.emit(tuning)


def taken(preset: Tuning, tuning: Tuning) -> Tuning:
    """Return a tuning with what a preset sets."""
    return replace(tuning, thresholds=preset.thresholds, prune_percentile=preset.prune_percentile)
