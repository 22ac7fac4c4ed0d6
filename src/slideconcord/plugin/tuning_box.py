"""The Thresholds group of the Threshold dock: everything that turns a map into regions."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from slideconcord.plugin.dock import narrow
from slideconcord.plugin.preset_box import PresetBox
from slideconcord.plugin.threshold_controls import ThresholdControls
from slideconcord.segmentation.tuning import DESCRIBED, Tuning

USUAL_PERCENTILE = 95.0
NUMBERS = ("min_area_um2", "hole_area_um2", "smoothing_um")
BUTTONS = {
    "Undo": "Go back to the setting before",
    "Redo": "Go forward again",
    "Reset": "Go to the model's own thresholds, without pruning, areas, smoothing and pins",
}


class TuningBox(QGroupBox):
    """Shows and changes a tuning."""

    changed = Signal(object)
    """The fields of the tuning that a hand is moving, by name."""
    settled = Signal()
    """The hand let go."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Thresholds", parent)
        self.controls = ThresholdControls()
        self.preset = PresetBox()
        self.prune = QCheckBox("Prune")
        self.percentile = _field("prune_percentile", 0)
        self.fields = {name: _field(name, 0 if name.endswith("um2") else 1) for name in NUMBERS}
        self.undo, self.redo, self.reset = (QPushButton(text) for text in BUTTONS)
        self._is_showing = False
        self._lay_out()
        self._connect()

    def show_tuning(self, tuning: Tuning) -> None:
        """Show a tuning without telling anybody."""
        self._is_showing = True
        self.controls.show_thresholds(tuning.thresholds)
        self.preset.show_tuning(tuning)
        self.prune.setChecked(tuning.prune_percentile is not None)
        self.percentile.setEnabled(tuning.prune_percentile is not None)
        self.percentile.setValue(tuning.prune_percentile or USUAL_PERCENTILE)
        for name, field in self.fields.items():
            field.setValue(getattr(tuning, name))
        self._is_showing = False

    def show_history(self, can_undo: bool, can_redo: bool) -> None:
        """Offer undo and redo where there is something to go to."""
        self.undo.setEnabled(can_undo)
        self.redo.setEnabled(can_redo)

    def _take_prune(self, _value: Any = None) -> None:
        self.percentile.setEnabled(self.prune.isChecked())
        percentile = self.percentile.value() if self.prune.isChecked() else None
        self._tell(prune_percentile=percentile)

    def _take_preset(self, preset: Tuning) -> None:
        self._tell(thresholds=preset.thresholds, prune_percentile=preset.prune_percentile)

    def _tell(self, **changes: Any) -> None:
        if not self._is_showing:
            self.changed.emit(changes)
            self.settled.emit()

    def _connect(self) -> None:
        self.controls.changed.connect(lambda pair: self.changed.emit({"thresholds": pair}))
        self.controls.settled.connect(self.settled)
        self.preset.chosen.connect(self._take_preset)
        self.prune.toggled.connect(self._take_prune)
        self.percentile.valueChanged.connect(self._take_prune)
        for name, field in self.fields.items():
            field.valueChanged.connect(lambda value, name=name: self._tell(**{name: value}))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.addWidget(self.controls)
        form = QFormLayout()
        form.addRow("Preset", self.preset)
        self.prune.setToolTip(DESCRIBED["prune_percentile"]["help"])
        form.addRow(self.prune, narrow(self.percentile))
        for name, field in self.fields.items():
            label = QLabel(DESCRIBED[name]["label"])
            label.setToolTip(DESCRIBED[name]["help"])
            form.addRow(label, narrow(field))
        column.addLayout(form)
        row = QHBoxLayout()
        for button in (self.undo, self.redo, self.reset):
            button.setToolTip(BUTTONS[button.text()])
            row.addWidget(narrow(button))
        column.addLayout(row)


def _field(name: str, decimals: int) -> QDoubleSpinBox:
    about = DESCRIBED[name]
    field = QDoubleSpinBox()
    field.setDecimals(decimals)
    field.setRange(about["min"], about["max"])
    field.setSingleStep(about["step"])
    field.setSuffix(f" {about['unit']}")
    field.setKeyboardTracking(False)
    field.setToolTip(about["help"])
    field.setAccessibleName(about["label"])
    if name != "prune_percentile":
        field.setSpecialValueText("off")
    return field
