"""The Slide dock: what is known of the slide, its colours, and a map to move by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QGroupBox, QHBoxLayout, QPushButton, QVBoxLayout

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.dock import Dock, line, narrow
from slideconcord.plugin.layers import change_colour
from slideconcord.plugin.minimap import Minimap
from slideconcord.plugin.throttle import Throttle
from slideconcord.plugin.viewport import look_at, look_at_box, view_corners
from slideconcord.plugin.workspace import SlideEntry
from slideconcord.slides import Slide

COLOURS = {"raw": "As scanned", "srgb": "Colour-managed (sRGB)"}
OVERVIEW_PX = 512
VIEW_MS = 30


class SlideDock(Dock):
    """Facts, colour switch and minimap of the active slide."""

    title = "Slide"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._facts = QFormLayout()
        self._facts.setLabelAlignment(self._facts.formAlignment())
        self.colour = QComboBox()
        self.minimap = Minimap()
        self.problem = line(name="problem")
        self._lay_out()
        self.colour.activated.connect(self._take_colour)
        self.minimap.pointed.connect(self._look)
        self._view = Throttle(self._show_view, VIEW_MS, self)
        camera = self.viewer.scene.camera.events
        self._watched = (camera.center, camera.zoom, self.viewer.canvas.events.size)
        for event in self._watched:
            event.connect(self._view.ask)
        self.follow()

    def let_go(self) -> None:
        for event in self._watched:
            event.disconnect(self._view.ask)
        self._view.cancel()

    def show_entry(self, entry: SlideEntry | None) -> None:
        while self._facts.rowCount():
            self._facts.removeRow(0)
        slide = entry.slide if entry else None
        for name, text in facts_of(slide):
            self._facts.addRow(name, line(text))
        self.problem.clear()
        self._show_colours(slide)
        if slide is None:
            self.minimap.show_overview(None, (1, 1))
        else:
            self.minimap.show_overview(slide.overview(OVERVIEW_PX), slide.shape)
        self._show_view()

    def _lay_out(self) -> None:
        about = QGroupBox("Slide")
        about.setLayout(self._facts)
        colour = QGroupBox("Colour")
        colours = QVBoxLayout(colour)
        colours.addWidget(narrow(self.colour))
        colours.addWidget(self.problem)
        where = QGroupBox("Map")
        box = QVBoxLayout(where)
        box.addWidget(self.minimap, stretch=1)
        buttons = QHBoxLayout()
        for text, tip, action in (
            ("Whole slide", "Show all of the slide", self._look_at_all),
            ("1:1", "Show one pixel of the scan as one pixel of the screen", self._look_closely),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(action)
            buttons.addWidget(button)
        box.addLayout(buttons)
        self.body.addWidget(where, stretch=1)
        self.body.addWidget(about)
        self.body.addWidget(colour)

    def _show_colours(self, slide: Slide | None) -> None:
        has_profile = slide is not None and slide.info.icc_profile is not None
        self.colour.clear()
        for key, text in COLOURS.items():
            self.colour.addItem(text, key)
        self.colour.setCurrentIndex(self.colour.findData(slide.colour if slide else "raw"))
        self.colour.setEnabled(has_profile)
        self.colour.setToolTip(
            "What is shown and what models see. Colour-managed pixels went through the profile "
            "that the scanner stored."
            if has_profile
            else "This slide holds no colour profile: there is nothing to convert with."
        )

    def _take_colour(self, index: int) -> None:
        layer = self.session.layer_of(self.entry)
        if self.entry is None or layer is None:
            return
        try:
            change_colour(self.entry, layer, self.colour.itemData(index))
        except SlideconcordError as error:
            self.problem.setText(str(error))
        self._show_colours(self.entry.slide)

    def _show_view(self) -> None:
        layer = self.session.layer_of(self.entry)
        self.minimap.show_view(view_corners(self.viewer, layer) if layer is not None else ())

    def _look(self, y: float, x: float) -> None:
        if (layer := self.session.layer_of(self.entry)) is not None:
            look_at(self.viewer, layer, y, x)

    def _look_at_all(self) -> None:
        if self.entry and (layer := self.session.layer_of(self.entry)) is not None:
            look_at_box(self.viewer, layer, self.entry.slide.box)

    def _look_closely(self) -> None:
        if self.entry is not None:
            self.viewer.scene.camera.zoom = 1 / self.entry.slide.mpp.y


def facts_of(slide: Slide | None) -> list[tuple[str, str]]:
    """Return what the dock tells about a slide, as (name, text); no free text of the file."""
    if slide is None:
        return [("", "No slide is open. Drop one onto the window.")]
    height, width = slide.shape
    size_mm = width * slide.mpp.x / 1000, height * slide.mpp.y / 1000
    origin = {"file": "from the file", "given": "given by you"}[slide.mpp_source]
    y, x = slide.mpp
    mpp = f"{x:.4g}" if abs(x - y) < 1e-6 * x else f"{x:.4g} × {y:.4g}"
    power = slide.info.objective_power
    rows = [
        ("Name", slide.name),
        ("File", _file_text(slide.path, slide.info.format)),
        ("Size", f"{width:,} × {height:,} px\n{size_mm[0]:.2f} × {size_mm[1]:.2f} mm"),
        ("Pixel", f"{mpp} µm, {origin}"),
        ("Scanner", slide.scanner or "not named in the file"),
        ("Vendor", slide.vendor or "not named in the file"),
        ("Objective", f"{power:g}×" if power else "not named in the file"),
        ("Levels", f"{len(slide.levels)}, of which {len(slide.native_levels)} in the file"),
    ]
    if slide.damaged:
        rows.append(("Damaged", f"{len(slide.damaged)} tiles could not be read"))
    return rows


def _file_text(path: Path, kind: str) -> str:
    return f"{path.name} ({kind})"
