"""The Show group of the Threshold dock: how mask and probabilities are drawn."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QGroupBox,
    QLabel,
    QRadioButton,
    QWidget,
)

from slideconcord.plugin.dock import narrow
from slideconcord.plugin.workspace import SlideEntry, Style

STYLES: dict[Style, tuple[str, str]] = {
    "outline": ("Outline", "Draw where regions end"),
    "filled": ("Filled", "Colour regions; the tissue shines through"),
    "none": ("None", "Draw no regions"),
}


class LookBox(QGroupBox):
    """Shows and changes how the active slide's results look."""

    class_chosen = Signal(object)
    """Name of the class to tune."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Show", parent)
        self.entry: SlideEntry | None = None
        self.styles = {style: QRadioButton(text) for style, (text, _) in STYLES.items()}
        self.heat = QCheckBox("Heat map")
        self.highlight = QCheckBox("Light up changes")
        self.class_label, self.class_name = QLabel("Class"), QComboBox()
        self._lay_out()
        for style, button in self.styles.items():
            button.toggled.connect(lambda on, style=style: self._take_style(style, on))
        self.heat.toggled.connect(lambda on: self._take(heat=on))
        self.highlight.toggled.connect(lambda on: self._take(highlight=on))
        self.class_name.activated.connect(self._choose_class)

    def show_entry(self, entry: SlideEntry | None) -> None:
        """Speak about another slide, or about other results of it."""
        self.entry = None
        if entry is not None:
            self.styles[entry.style].setChecked(True)
            self.heat.setChecked(entry.heat)
            entry.highlight = self.highlight.isChecked()
        self._offer_classes(entry)
        self.entry = entry

    def _offer_classes(self, entry: SlideEntry | None) -> None:
        probability = entry.probability if entry else None
        classes = probability.classes if probability else ()
        self.class_name.clear()
        for name in classes:
            self.class_name.addItem(name, name)
        if entry is not None and probability is not None:
            self.class_name.setCurrentText(entry.class_name or probability.target)
        for widget in (self.class_label, self.class_name):
            widget.setVisible(len(classes) > 1)

    def _take_style(self, style: Style, on: bool) -> None:
        if on:
            self._take(style=style)

    def _take(self, **changes: Any) -> None:
        if self.entry is not None:
            for name, value in changes.items():
                setattr(self.entry, name, value)

    def _choose_class(self, index: int) -> None:
        self.class_chosen.emit(self.class_name.itemData(index))

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        group = QButtonGroup(self)
        for column, (style, button) in enumerate(self.styles.items()):
            button.setToolTip(STYLES[style][1])
            group.addButton(button)
            grid.addWidget(button, 0, column)
        self.styles["outline"].setChecked(True)
        self.heat.setToolTip("Draw the model's probabilities under the regions")
        self.heat.setChecked(True)
        self.highlight.setChecked(True)
        self.highlight.setToolTip(
            "For a moment, green is what a change added and orange what it took away"
        )
        grid.addWidget(self.heat, 1, 0)
        grid.addWidget(self.highlight, 1, 1, 1, 2)
        grid.addWidget(self.class_label, 2, 0)
        grid.addWidget(narrow(self.class_name), 2, 1, 1, 2)
