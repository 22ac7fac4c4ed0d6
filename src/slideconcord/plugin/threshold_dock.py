"""The Threshold dock: turn low and high, see the mask follow, read the numbers, export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Slot
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
)

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.dock import Dock, line, link, narrow
from slideconcord.plugin.exporting import KINDS, Kind, export, export_files
from slideconcord.plugin.indexing import Indexer
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.masks import facts_text, measure, model_cut
from slideconcord.plugin.results import show_mask
from slideconcord.plugin.threshold_controls import ThresholdControls
from slideconcord.plugin.throttle import Throttle
from slideconcord.plugin.workspace import Cut, SlideEntry
from slideconcord.segmentation.thresholds import PRESETS, Thresholds

FRAME_MS = 8
FACTS_MS = 60
LARGEST_AREA_UM2 = 1e9
MODEL_PRESET, OWN_PRESET = "Model's own", "As set"
EXPORTS: dict[Kind, tuple[str, str]] = {
    "geojson": ("Regions (GeoJSON)", "Polygons with holes that QuPath opens"),
    "mask": ("Mask (OME-Zarr)", "The mask's pixels, with their place on the slide"),
    "png": ("Overview (PNG)", "A picture of the slide with the outlines"),
}


class ThresholdDock(Dock):
    """Cuts the active slide's probability map into regions."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.controls = ThresholdControls()
        self.preset = QComboBox()
        self.min_area = QDoubleSpinBox()
        self.undo, self.redo, self.reset = (QPushButton(t) for t in ("Undo", "Redo", "Reset"))
        self.outline, self.filled = QRadioButton("Outline"), QRadioButton("Filled")
        self.facts = QFormLayout()
        self.note = line(name="note")
        self.kinds = {kind: QCheckBox(text) for kind, (text, _) in EXPORTS.items()}
        self.save = QPushButton("Export…")
        self.state = line(name="state")
        self._lay_out()
        self._wanted: Cut | None = None
        self._frame = Throttle(self._apply, FRAME_MS, self)
        self._measure = Throttle(self._show_facts, FACTS_MS, self)
        self._indexer = Indexer()
        self._export: Job | None = None
        self._connect()
        self.follow()

    def let_go(self) -> None:
        self._watch_entry(None)
        self._frame.cancel()
        self._measure.cancel()
        self._indexer.close()
        if self._export is not None:
            self._export.close()

    def show_entry(self, entry: SlideEntry | None) -> None:
        self._watch_entry(entry)
        self._frame.cancel()
        self._wanted = None
        self._on_probability()

    def export_to(self, folder: Path) -> None:
        """Write the chosen kinds of files for what is shown now, in the background."""
        entry = self.entry
        if entry is None or entry.probability is None or self._export is not None:
            return
        self._frame.flush()
        slide, probability, index = entry.slide, entry.probability, entry.index
        cut, kinds = entry.cut, self._kinds()
        self._export = Job(lambda: export(slide, probability, cut, folder, kinds, index))
        self._export.ended.connect(self._on_exported)
        self.save.setEnabled(False)
        self.state.setText("Exporting…")
        self._export.start()

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

    def _take_preset(self, index: int) -> None:
        if (thresholds := self.preset.itemData(index)) is not None:
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

    def _choose_export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export to folder")
        if folder and self._may_replace(Path(folder)):
            self.export_to(Path(folder))

    def _may_replace(self, folder: Path) -> bool:
        if self.entry is None:
            return False
        files = export_files(self.entry.slide, folder, self._kinds()).values()
        there = [file.name for file in files if file.exists()]
        if not there:
            return True
        question = f"Replace these files?\n\n{chr(10).join(there)}"
        answer = QMessageBox.question(self, "Export", question)
        return bool(answer == QMessageBox.StandardButton.Yes)

    @Slot(object)
    def _on_exported(self, job: Job) -> None:
        self._export = None
        self.save.setEnabled(True)
        error = job.error
        if error is None:
            self.state.setText(link("Exported.", job.result[0].parent) if job.result else "")
        else:
            self.state.setText(str(error))
            if not isinstance(error, SlideconcordError):
                raise error

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
        self._fill_presets()
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
        self._show_preset()
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

    def _fill_presets(self) -> None:
        self.preset.clear()
        self.preset.addItem(OWN_PRESET, None)
        if self.entry is not None and self.entry.probability is not None:
            own = model_cut(self.entry.probability).thresholds
            why = f"Low {own.low:.3g} and high {own.high:.3g}: what the model's makers advise."
            self._add_preset(MODEL_PRESET, own, why)
        for name, preset in PRESETS.items():
            self._add_preset(name.capitalize(), preset.thresholds, preset.help)

    def _add_preset(self, name: str, thresholds: Thresholds, why: str) -> None:
        self.preset.addItem(name, thresholds)
        self.preset.setItemData(self.preset.count() - 1, why, Qt.ItemDataRole.ToolTipRole)

    def _show_preset(self) -> None:
        thresholds = self.entry.cut.thresholds if self.entry else None
        for index in range(1, self.preset.count()):
            if self.preset.itemData(index) == thresholds:
                self.preset.setCurrentIndex(index)
                return
        self.preset.setCurrentIndex(0)

    def _kinds(self) -> list[Kind]:
        return [kind for kind in KINDS if self.kinds[kind].isChecked()]

    # --- layout ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.controls.changed.connect(self._on_moved)
        self.controls.settled.connect(self._remember)
        self.preset.activated.connect(self._take_preset)
        self.min_area.valueChanged.connect(self._on_min_area)
        self.undo.clicked.connect(self._go_back)
        self.redo.clicked.connect(self._go_forward)
        self.reset.clicked.connect(self._go_home)
        self.outline.toggled.connect(self._take_style)
        self.save.clicked.connect(self._choose_export)

    def _lay_out(self) -> None:
        groups = (self._cut_group(), self._look_group(), self._facts_group(), self._export_group())
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
        self.preset.setToolTip("Pairs of thresholds that have proved useful")
        form.addRow("Preset", narrow(self.preset))
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

    def _export_group(self) -> QGroupBox:
        group = QGroupBox("Export")
        column = QVBoxLayout(group)
        for kind, box in self.kinds.items():
            box.setChecked(True)
            box.setToolTip(EXPORTS[kind][1])
            column.addWidget(box)
        self.save.setToolTip("Write what is shown, at the map's full resolution, into a folder")
        column.addWidget(self.save)
        return group


def _note(entry: SlideEntry | None) -> str:
    if entry is None or entry.probability is None:
        return ""
    if entry.index is None:
        return "Preview: regions are cut at the view's edge until the whole map is indexed."
    if entry.facts is not None and entry.facts.region_count == 0:
        return "No region is left: lower high, or the smallest region."
    return ""
