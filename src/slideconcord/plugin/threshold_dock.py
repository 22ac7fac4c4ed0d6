"""The Threshold dock: turn low and high, see the mask follow, read the numbers, export."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Slot
from qtpy.QtWidgets import (
    QButtonGroup,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
)

from slideconcord.plugin.dock import Dock, line, narrow
from slideconcord.plugin.export_box import ExportBox
from slideconcord.plugin.indexing import Indexer
from slideconcord.plugin.masks import facts_text, measure, model_cut
from slideconcord.plugin.preset_box import PresetBox
from slideconcord.plugin.results import show_mask
from slideconcord.plugin.threshold_controls import ThresholdControls
from slideconcord.plugin.throttle import Throttle
from slideconcord.plugin.workspace import Cut, SlideEntry
from slideconcord.segmentation.thresholds import Thresholds

FRAME_MS = 8
FACTS_MS = 60
LARGEST_AREA_UM2 = 1e9


class ThresholdDock(Dock):
    """Cuts the active slide's probability map into regions."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.controls = ThresholdControls()
        self.preset = PresetBox()
        self.min_area = QDoubleSpinBox()
        self.undo, self.redo, self.reset = (QPushButton(t) for t in ("Undo", "Redo", "Reset"))
        self.outline, self.filled = QRadioButton("Outline"), QRadioButton("Filled")
        self.facts = QFormLayout()
        self.note = line(name="note")
        self.export = ExportBox()
        self.state = line(name="state")
        self._lay_out()
        self._wanted: Cut | None = None
        self._frame = Throttle(self._apply, FRAME_MS, self)
        self._measure = Throttle(self._show_facts, FACTS_MS, self)
        self._indexer = Indexer()
        self._connect()
        self.follow()

    def let_go(self) -> None:
        self._watch_entry(None)
        self._frame.cancel()
        self._measure.cancel()
        self._indexer.close()
        self.export.let_go()

    def show_entry(self, entry: SlideEntry | None) -> None:
        self._watch_entry(entry)
        self.export.show_entry(entry)
        self._frame.cancel()
        self._wanted = None
        self._on_probability()

    # --- what the user does -------------------------------------------------------------------

    @Slot(object)
    def _on_moved(self, thresholds: Thresholds) -> None:
        self._want(thresholds=thresholds)

    def _on_min_area(self, area_um2: float) -> None:
        self._want(min_area_um2=area_um2)
        self._remember()

    def _want(self, **changes: Any) -> None:
        """Have a cut applied with the next frame; of many wishes the last one counts."""
        if self.entry is not None:
            self._wanted = replace(self._wanted or self.entry.cut, **changes)
            self._frame.ask()

    def _apply(self) -> None:
        if self.entry is not None and self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            self.entry.cut = wanted

    def _remember(self) -> None:
        self._frame.flush()
        if self.entry is not None:
            self.entry.history.push(self.entry.cut)
            self._show_history()

    @Slot(object)
    def _take_preset(self, thresholds: Thresholds) -> None:
        self._want(thresholds=thresholds)
        self._remember()

    def _go_back(self) -> None:
        if self.entry is not None:
            self.entry.cut = self.entry.history.undo()

    def _go_forward(self) -> None:
        if self.entry is not None:
            self.entry.cut = self.entry.history.redo()

    def _go_home(self) -> None:
        if self.entry is not None and self.entry.probability is not None:
            self.entry.settle(model_cut(self.entry.probability))

    def _take_style(self, _checked: bool) -> None:
        if self.entry is not None:
            self.entry.outline = self.outline.isChecked()

    # --- what the workspace says ---------------------------------------------------------------

    def _watch_entry(self, entry: SlideEntry | None) -> None:
        for old, signal, slot in getattr(self, "_watched", []):
            getattr(old.events, signal).disconnect(slot)
        self._watched = []
        if entry is None:
            return
        for signal, slot in (
            ("probability", self._on_probability),
            ("index", self._on_index),
            ("cut", self._on_cut),
            ("outline", self._on_style),
        ):
            getattr(entry.events, signal).connect(slot)
            self._watched.append((entry, signal, slot))

    def _on_probability(self, _probability: Any = None) -> None:
        entry = self.entry
        there = entry is not None and entry.probability is not None
        for group in self._groups:
            group.setEnabled(there)
        probability = entry.probability if entry else None
        self.preset.offer(model_cut(probability).thresholds if probability else None)
        self.state.setText("" if there else "Segment a slide first: this needs a probability map.")
        self._on_cut()
        self._on_style()
        if entry is not None and there and entry.index is None:
            self._indexer.build(entry)

    def _on_index(self, _index: Any = None) -> None:
        self._show()

    def _on_cut(self, _cut: Any = None) -> None:
        if self.entry is not None:
            self.controls.show_thresholds(self.entry.cut.thresholds)
            self.min_area.blockSignals(True)
            self.min_area.setValue(self.entry.cut.min_area_um2)
            self.min_area.blockSignals(False)
        self.preset.show_thresholds(self.entry.cut.thresholds if self.entry else None)
        self._show_history()
        self._show()

    def _on_style(self, _outline: Any = None) -> None:
        if self.entry is not None:
            (self.outline if self.entry.outline else self.filled).setChecked(True)
        self._show()

    def _show(self) -> None:
        if self.entry is not None and self.entry.probability is not None:
            show_mask(self.viewer, self.entry)
        self._measure.ask()

    def _show_facts(self) -> None:
        entry = self.entry
        ready = False
        if entry is not None and entry.probability is not None and entry.index is not None:
            ready = True
            entry.facts = measure(entry.probability, entry.index, entry.cut)
        while self.facts.rowCount():
            self.facts.removeRow(0)
        for name, text in facts_text(entry.facts if entry and ready else None):
            self.facts.addRow(name, line(text))
        self.note.setText(_note(entry))
        self.note.setVisible(bool(self.note.text()))

    def _show_history(self) -> None:
        history = self.entry.history if self.entry else None
        self.undo.setEnabled(history is not None and history.can_undo)
        self.redo.setEnabled(history is not None and history.can_redo)

    # --- layout ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.controls.changed.connect(self._on_moved)
        self.controls.settled.connect(self._remember)
        self.preset.chosen.connect(self._take_preset)
        self.min_area.valueChanged.connect(self._on_min_area)
        self.undo.clicked.connect(self._go_back)
        self.redo.clicked.connect(self._go_forward)
        self.reset.clicked.connect(self._go_home)
        self.outline.toggled.connect(self._take_style)
        self.export.starting.connect(self._frame.flush)

    def _lay_out(self) -> None:
        groups = (self._cut_group(), self._look_group(), self._facts_group(), self.export)
        self._groups = groups
        for group in groups:
            self.body.addWidget(group)
        self.body.addWidget(self.state)
        self.body.addStretch(1)

    def _cut_group(self) -> QGroupBox:
        group = QGroupBox("Thresholds")
        column = QVBoxLayout(group)
        column.addWidget(self.controls)
        form = QFormLayout()
        form.addRow("Preset", self.preset)
        self.min_area.setRange(0, LARGEST_AREA_UM2)
        self.min_area.setDecimals(0)
        self.min_area.setSingleStep(100)
        self.min_area.setSuffix(" µm²")
        self.min_area.setKeyboardTracking(False)
        self.min_area.setToolTip("Smaller regions are left out")
        form.addRow("Smallest region", narrow(self.min_area))
        column.addLayout(form)
        row = QHBoxLayout()
        for button, tip in (
            (self.undo, "Go back to the setting before"),
            (self.redo, "Go forward again"),
            (self.reset, "Go to the model's own thresholds"),
        ):
            button.setToolTip(tip)
            row.addWidget(narrow(button))
        column.addLayout(row)
        return group

    def _look_group(self) -> QGroupBox:
        group = QGroupBox("Show")
        row = QHBoxLayout(group)
        styles = QButtonGroup(group)
        for button in (self.outline, self.filled):
            styles.addButton(button)
            row.addWidget(button)
        self.outline.setChecked(True)
        row.addStretch(1)
        return group

    def _facts_group(self) -> QGroupBox:
        group = QGroupBox("Result")
        column = QVBoxLayout(group)
        column.addLayout(self.facts)
        column.addWidget(self.note)
        return group


def _note(entry: SlideEntry | None) -> str:
    if entry is None or entry.probability is None:
        return ""
    if entry.index is None:
        return "Preview: regions are cut at the view's edge until the whole map is indexed."
    if entry.facts is not None and entry.facts.region_count == 0:
        return "No region is left: lower high, or the smallest region."
    return ""
