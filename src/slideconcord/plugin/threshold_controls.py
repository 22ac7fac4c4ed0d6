"""Low and high on one slider with two handles, with number fields beside it."""

from __future__ import annotations

from dataclasses import fields

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QWidget
from superqt import QLabeledDoubleRangeSlider

from slideconcord.plugin.dock import narrow
from slideconcord.segmentation.thresholds import Thresholds

DECIMALS = 3
_DESCRIBED = {field.name: field.metadata for field in fields(Thresholds)}


class ThresholdControls(QWidget):
    """Shows and changes a pair of thresholds; low never passes high, the one pushes the other."""

    changed = Signal(object)
    """The new Thresholds, while a hand is moving them."""
    settled = Signal()
    """The hand let go."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = QLabeledDoubleRangeSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0.0, 1.0)
        self.slider.setDecimals(2)
        self.slider.setEdgeLabelMode(self.slider.EdgeLabelMode.NoLabel)
        self.slider.setHandleLabelPosition(self.slider.LabelPosition.LabelsAbove)
        self.slider.setToolTip("Low (left handle, Alt+←/→) and high (right handle, Shift+Alt+←/→)")
        self.low = self._field("low")
        self.high = self._field("high")
        self._is_showing = False
        self._lay_out()
        self.show_thresholds(Thresholds())
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderReleased.connect(self.settled)
        self.low.valueChanged.connect(self._on_low)
        self.high.valueChanged.connect(self._on_high)

    @property
    def thresholds(self) -> Thresholds:
        low, high = self.slider.value()
        return Thresholds(min(low, high), high)

    def show_thresholds(self, thresholds: Thresholds) -> None:
        """Show a pair without telling anybody."""
        self._is_showing = True
        self.slider.setValue((thresholds.low, thresholds.high))
        self.low.setValue(thresholds.low)
        self.high.setValue(thresholds.high)
        self._is_showing = False

    def _on_slider(self, pair: tuple[float, float]) -> None:
        if not self._is_showing:
            self._tell(Thresholds(*pair))

    def _on_low(self, low: float) -> None:
        if not self._is_showing:
            self._tell(Thresholds(low, max(low, self.slider.value()[1])))
            self.settled.emit()

    def _on_high(self, high: float) -> None:
        if not self._is_showing:
            self._tell(Thresholds(min(high, self.slider.value()[0]), high))
            self.settled.emit()

    def _tell(self, thresholds: Thresholds) -> None:
        self.show_thresholds(thresholds)
        self.changed.emit(thresholds)

    def _field(self, name: str) -> QDoubleSpinBox:
        about = _DESCRIBED[name]
        field = QDoubleSpinBox()
        field.setRange(about["min"], about["max"])
        field.setSingleStep(about["step"])
        field.setDecimals(DECIMALS)
        field.setKeyboardTracking(False)
        field.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)  # the slider has the steps
        field.setToolTip(about["help"])
        field.setAccessibleName(about["label"])
        return field

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.slider, 0, 0, 1, 4)
        for column, field in ((0, self.low), (2, self.high)):
            label = QLabel(field.accessibleName())
            label.setToolTip(field.toolTip())
            grid.addWidget(label, 1, column)
            grid.addWidget(narrow(field), 1, column + 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
