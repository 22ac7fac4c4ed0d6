"""Ask for a pixel size that the file does not give. Never guess one."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from slideconcord.geometry import LARGEST_MPP, SMALLEST_MPP, Mpp

OBJECTIVES = {
    "40x objective, about 0.25 µm/px": 0.25,
    "20x objective, about 0.50 µm/px": 0.5,
    "10x objective, about 1.0 µm/px": 1.0,
    "5x objective, about 2.0 µm/px": 2.0,
}


class MppDialog(QDialog):
    """Asks for µm per pixel and shows what it makes of the slide's size.

    Parameters
    ----------
    path
        The file in question; its name is shown.
    reason
        Why it is asked: the reader's own words.
    shape
        Height and width of level 0, when known.
    """

    def __init__(
        self,
        path: Path,
        reason: str,
        shape: tuple[int, int] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Pixel size")
        self._shape = shape
        self._objective = QComboBox()
        self._objective.addItem("choose one, or type the value below")
        self._objective.addItems(list(OBJECTIVES))
        self._objective.setToolTip("Usual pixel sizes; the scanner's papers have the exact one")
        self._value = QDoubleSpinBox()
        # The lowest value stands for "not given yet", so that nothing is guessed.
        self._value.setRange(0.0, LARGEST_MPP)
        self._value.setDecimals(4)
        self._value.setSingleStep(0.05)
        self._value.setSuffix(" µm/px")
        self._value.setSpecialValueText("not given")
        self._size = QLabel()
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._lay_out(path, reason)
        self._objective.currentTextChanged.connect(self._take_objective)
        self._value.valueChanged.connect(self._show_size)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._show_size()

    @property
    def mpp(self) -> Mpp | None:
        """What the user entered; None while it is no pixel size."""
        value = self._value.value()
        return Mpp(value, value) if value >= SMALLEST_MPP else None

    def _lay_out(self, path: Path, reason: str) -> None:
        text = QLabel(f"<b>{path.name}</b><br>{reason}<br>How large is one pixel of the scan?")
        text.setWordWrap(True)
        form = QFormLayout()
        form.addRow("Objective", self._objective)
        form.addRow("Pixel size", self._value)
        form.addRow("The image is then", self._size)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addLayout(form)
        layout.addWidget(self._buttons)
        self.setMinimumWidth(420)

    def _take_objective(self, text: str) -> None:
        if text in OBJECTIVES:
            self._value.setValue(OBJECTIVES[text])

    def _show_size(self, _value: float = 0.0) -> None:
        mpp = self.mpp
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(mpp is not None)
        if mpp is None or self._shape is None:
            self._size.setText("?")
            return
        height, width = (side * step / 1000 for side, step in zip(self._shape, mpp, strict=True))
        self._size.setText(f"{width:.2f} × {height:.2f} mm")


def ask_mpp(
    path: Path, reason: str, shape: tuple[int, int] | None = None, parent: QWidget | None = None
) -> Mpp | None:
    """Ask the user for the pixel size of ``path``; None when the question was cancelled."""
    dialog = MppDialog(path, reason, shape, parent)
    try:
        return dialog.mpp if dialog.exec() == QDialog.DialogCode.Accepted else None
    finally:
        dialog.deleteLater()
