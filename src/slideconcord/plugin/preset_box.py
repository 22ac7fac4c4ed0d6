"""A list of threshold pairs that have proved useful."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from slideconcord.plugin.dock import narrow
from slideconcord.segmentation.thresholds import PRESETS, Thresholds

OWN, MODEL = "As set", "Model's own"


class PresetBox(QComboBox):
    """Offers presets; shows the one that the thresholds are at, or "As set"."""

    chosen = Signal(object)
    """The Thresholds that the user chose."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        narrow(self)
        self.setToolTip("Pairs of thresholds that have proved useful")
        self.activated.connect(self._choose)
        self.offer(None)

    def offer(self, own: Thresholds | None) -> None:
        """List the presets, the model's own first where it is known."""
        self.clear()
        self.addItem(OWN, None)
        if own is not None:
            why = f"Low {own.low:.3g} and high {own.high:.3g}: what the model's makers advise."
            self._add(MODEL, own, why)
        for name, preset in PRESETS.items():
            self._add(name.capitalize(), preset.thresholds, preset.help)

    def show_thresholds(self, thresholds: Thresholds | None) -> None:
        """Show the preset that these thresholds are."""
        fitting = (i for i in range(1, self.count()) if self.itemData(i) == thresholds)
        self.setCurrentIndex(next(fitting, 0))

    def _add(self, name: str, thresholds: Thresholds, why: str) -> None:
        self.addItem(name, thresholds)
        self.setItemData(self.count() - 1, why, Qt.ItemDataRole.ToolTipRole)

    def _choose(self, index: int) -> None:
        if (thresholds := self.itemData(index)) is not None:
            self.chosen.emit(thresholds)
