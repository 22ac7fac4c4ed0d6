"""The Stains dock: how a stain-separation model takes apart what is in view."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QComboBox, QFileDialog, QGroupBox, QHBoxLayout, QPushButton, QVBoxLayout

from slideconcord.errors import ModelError
from slideconcord.geometry import Box
from slideconcord.plugin.dock import Dock, line, narrow
from slideconcord.plugin.segment_dock import model_label
from slideconcord.plugin.stain_layers import hide_stains, show_stains
from slideconcord.plugin.task import Task
from slideconcord.plugin.viewport import visible_box
from slideconcord.plugin.workspace import SlideEntry
from slideconcord.segmentation.stain_maps import MOST_PX, SeparatedRegion, separate_region

ARCHITECTURE = "stain-separation-unet"
ABOUT = (
    "Shows what the model predicts: density and colour of two stains, and how far the picture "
    "rebuilt from them is off. Stain 1 is the one that takes more red away. Nothing makes it be "
    "haematoxylin: the model learns the separation without a truth."
)


class StainsDock(Dock):
    """Takes the visible part of the active slide apart."""

    title = "Stains"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.task = Task(self)
        self.model = QComboBox()
        self.choose = QPushButton("…")
        self.run = QPushButton("Show stains in view")
        self.clear = QPushButton("Remove")
        self.state = line(name="state")
        self.found: SeparatedRegion | None = None
        self._lay_out()
        self._fill()
        self.choose.clicked.connect(self._choose_folder)
        self.run.clicked.connect(self.start)
        self.clear.clicked.connect(self._clear)
        self.task.changed.connect(self._tell)
        self.session.workspace.events.model.connect(self._fill)
        self.follow()

    def let_go(self) -> None:
        self.session.workspace.events.model.disconnect(self._fill)
        self.task.close()

    def show_entry(self, entry: SlideEntry | None) -> None:
        self.found = None
        self._tell()

    def start(self) -> None:
        """Take apart what the window shows of the active slide."""
        entry, layer = self.entry, self.session.layer_of(self.entry)
        if entry is None or layer is None:
            return
        box = visible_box(self.viewer, layer, entry.slide.box)
        if not box.area:
            self.state.setText("The view does not show this slide: move it into view.")
            return
        model = str(self.model.currentData())
        self.found = None
        self.task.start(
            lambda: separate_steps(entry, model, box),
            lambda found: self._show(entry, found),
            "Taking the stains apart…",
        )

    def _show(self, entry: SlideEntry, found: SeparatedRegion) -> None:
        if entry not in self.session.workspace.entries:
            return
        show_stains(self.viewer, entry, found)
        self.found = found
        self._tell()

    def _clear(self) -> None:
        if self.entry is not None:
            hide_stains(self.viewer, self.entry)
        self.found = None
        self._tell()

    def _fill(self, _model: Any = None) -> None:
        """Offer the models that take stains apart; a folder that was chosen stays."""
        from slideconcord.segmentation.model import list_models

        kept = [self.model.itemData(i) for i in range(self.model.count())]
        names = [spec.name for spec in list_models() if spec.architecture == ARCHITECTURE]
        chosen = self.session.workspace.model
        if separates(chosen):
            names = [chosen, *(name for name in names if name != chosen)]
        names += [name for name in kept if name not in names]
        self.model.clear()
        for name in names:
            self.model.addItem(model_label(name) if Path(name).is_dir() else name, name)
        self._tell()

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Model folder (with model.json)")
        if folder:
            self.take_model(folder)

    def take_model(self, folder: str) -> None:
        """Choose a model by its folder."""
        if not separates(folder):
            self.state.setText(f"{Path(folder).name} holds no model of {ARCHITECTURE}.")
            return
        if self.model.findData(folder) < 0:
            self.model.addItem(model_label(folder), folder)
        self.model.setCurrentIndex(self.model.findData(folder))
        self._tell()

    def _tell(self) -> None:
        has_model = self.model.count() > 0
        self.run.setEnabled(self.entry is not None and has_model and not self.task.is_running)
        self.clear.setEnabled(self.found is not None)
        if self.entry is None:
            text = "Open a slide first."
        elif not has_model:
            text = (
                "No model that takes stains apart is known: train one with the recipe "
                "stain-separation, or choose its folder."
            )
        else:
            text = self.task.message or (describe(self.found) if self.found else "")
        self.state.setText(text)

    def _lay_out(self) -> None:
        group = QGroupBox("Stains")
        column = QVBoxLayout(group)
        column.addWidget(line(ABOUT))
        row = QHBoxLayout()
        row.addWidget(narrow(self.model), 1)
        self.choose.setMaximumWidth(32)
        self.choose.setToolTip("Choose the folder of a model")
        row.addWidget(self.choose)
        column.addLayout(row)
        row = QHBoxLayout()
        self.run.setToolTip(f"At most the middle {MOST_PX} x {MOST_PX} px of the model")
        self.clear.setToolTip("Take the layers of stains away")
        row.addWidget(self.run, 1)
        row.addWidget(self.clear)
        column.addLayout(row)
        column.addWidget(self.state)
        self.body.addWidget(group)
        self.body.addStretch(1)


def separates(name_or_folder: str) -> bool:
    """Whether a model, by its name or folder, takes stains apart."""
    from slideconcord.segmentation.model_files import model_folder
    from slideconcord.segmentation.spec import read_spec

    try:
        return read_spec(model_folder(name_or_folder)).architecture == ARCHITECTURE
    except ModelError:
        return False


def separate_steps(
    entry: SlideEntry, model: str, box: Box
) -> Generator[str, None, SeparatedRegion]:
    """Load a model and take a part of a slide apart."""
    from slideconcord.segmentation.model import load_model

    yield "Loading the model…"
    loaded = load_model(model)
    yield "Taking the stains apart…"
    return separate_region(entry.slide, loaded, box)


def describe(found: SeparatedRegion) -> str:
    """Say in words and colours what was found."""
    maps = found.maps
    lines = []
    for number, (colour, density) in enumerate(zip(maps.mean_colours, maps.density, strict=True)):
        name = QColor(*colour.tolist()).name()
        lines.append(
            f'<span style="background-color:{name}">&nbsp;&nbsp;&nbsp;&nbsp;</span> '
            f"stain {number + 1}: {_share(density, maps.density):.0%} of the density"
        )
    error = float(np.sqrt(np.square(maps.error, dtype=np.float64).mean()))
    lines.append(f"The rebuilt picture is off by {error:.3f} ({maps.unit}, root mean square).")
    if found.is_cut:
        lines.append(f"Only the middle {MOST_PX} px of the view: zoom in for all of it.")
    return "<br>".join(lines)


def _share(density: np.ndarray, both: np.ndarray) -> float:
    return float(density.sum() / max(float(both.sum()), 1e-9))
