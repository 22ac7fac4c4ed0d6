"""What menus and keys do in the window in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from slideconcord.errors import ParameterError
from slideconcord.plugin import actions
from slideconcord.plugin.reader import current_viewer
from slideconcord.plugin.results import show_area

SLIDE_FILTER = (
    "Slides (*.svs *.ndpi *.mrxs *.scn *.bif *.svslide *.vms *.vmu *.czi *.dcm *.tif *.tiff *.btf "
    "*.png *.jpg *.jpeg);;All files (*)"
)


def open_slide() -> None:
    """Ask for slides and open them."""
    viewer = _viewer()
    paths, _ = QFileDialog.getOpenFileNames(None, "Open slides", "", SLIDE_FILTER)
    if paths:
        viewer.open(paths, plugin="slideconcord")


def open_slide_folder() -> None:
    """Ask for the folder of a DICOM slide or OME-Zarr and open it."""
    viewer = _viewer()
    folder = QFileDialog.getExistingDirectory(None, "Open slide folder (DICOM or OME-Zarr)")
    if folder:
        viewer.open(folder, plugin="slideconcord")


def draw_area() -> None:
    """Let the user draw the rectangle to segment on the active slide."""
    viewer = _viewer()
    show_area(viewer, actions.slide_entry(viewer))


def export_results() -> None:
    """Ask for a folder and export what the thresholds make of the active slide's map."""
    from napari.utils.notifications import show_info

    viewer = _viewer()
    entry = actions.slide_entry(viewer)
    folder = QFileDialog.getExistingDirectory(None, f"Export results of {entry.name}")
    if folder:
        files = actions.export_results(viewer, Path(folder))
        show_info(f"Exported {', '.join(file.name for file in files)} to {folder}")


def _viewer() -> Any:
    viewer = current_viewer()
    if viewer is None:
        raise ParameterError("There is no napari window: open one first.")
    return viewer
