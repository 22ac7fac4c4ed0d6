"""The Export group of the Threshold dock: what to write, where, and how it went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal, Slot
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGroupBox,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.dock import line, link
from slideconcord.plugin.exporting import KINDS, Kind, export, export_files
from slideconcord.plugin.jobs import Job

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry

TEXTS: dict[Kind, tuple[str, str]] = {
    "geojson": ("Regions (GeoJSON)", "Polygons with holes that QuPath opens"),
    "mask": ("Mask (OME-Zarr)", "The mask's pixels, with their place on the slide"),
    "png": ("Overview (PNG)", "A picture of the slide with the outlines"),
}


class ExportBox(QGroupBox):
    """Writes what is shown now, at the map's full resolution, in the background."""

    starting = Signal()
    """An export is about to take the entry's tuning: apply what is still waiting."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Export", parent)
        self.entry: SlideEntry | None = None
        self._job: Job | None = None
        self.kinds = {kind: QCheckBox(text) for kind, (text, _) in TEXTS.items()}
        self.save = QPushButton("Export…")
        self.state = line(name="state")
        column = QVBoxLayout(self)
        for kind, box in self.kinds.items():
            box.setChecked(True)
            box.setToolTip(TEXTS[kind][1])
            column.addWidget(box)
        self.save.setToolTip("Write what is shown, at the map's full resolution, into a folder")
        column.addWidget(self.save)
        column.addWidget(self.state)
        self.state.hide()
        self.save.clicked.connect(self._choose_folder)

    def show_entry(self, entry: SlideEntry | None) -> None:
        """Export this slide's results from now on; an export that runs goes on."""
        self.entry = entry
        if self._job is None:
            self._tell("")

    def export_to(self, folder: Path) -> None:
        """Write the chosen kinds of files into a folder."""
        self.starting.emit()
        entry = self.entry
        if entry is None or entry.probability is None or self._job is not None:
            return
        what = entry.slide, entry.probability, entry.tuning, folder, self._chosen()
        index, class_name = entry.index, entry.class_name
        self._job = Job(lambda: export(*what, index, class_name))
        self._job.ended.connect(self._on_ended)
        self.save.setEnabled(False)
        self._tell("Exporting…")
        self._job.start()

    def let_go(self) -> None:
        """Stop after the file in hand."""
        if self._job is not None:
            self._job.close()
            self._job = None

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export to folder")
        if folder and self._may_replace(Path(folder)):
            self.export_to(Path(folder))

    def _may_replace(self, folder: Path) -> bool:
        if self.entry is None:
            return False
        files = export_files(self.entry.slide, folder, self._chosen()).values()
        there = "\n".join(file.name for file in files if file.exists())
        if not there:
            return True
        answer = QMessageBox.question(self, "Export", f"Replace these files?\n\n{there}")
        return bool(answer == QMessageBox.StandardButton.Yes)

    @Slot(object)
    def _on_ended(self, job: Job) -> None:
        if job is not self._job:
            return
        self._job = None
        self.save.setEnabled(True)
        if job.error is None:
            self._tell(link("Exported.", job.result[0].parent) if job.result else "")
            return
        self._tell(str(job.error))
        if not isinstance(job.error, SlideconcordError):
            raise job.error  # a fault of ours: napari shows where it happened

    def _chosen(self) -> list[Kind]:
        return [kind for kind in KINDS if self.kinds[kind].isChecked()]

    def _tell(self, text: str) -> None:
        self.state.setText(text)
        self.state.setVisible(bool(text))
