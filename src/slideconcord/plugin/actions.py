"""Everything the docks can do, as plain functions for scripts and notebooks.

>>> viewer = napari.Viewer()
>>> open_slides(viewer, ["case7.svs"])
>>> for progress in run_segmentation(viewer, model="stain-density"):
...     print(progress.done, "of", progress.total)
>>> set_thresholds(viewer, low=0.3, high=0.8)
>>> export_results(viewer, "case7")
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Box
from slideconcord.plugin.exporting import KINDS, Kind, export
from slideconcord.plugin.layers import slide_layer
from slideconcord.plugin.masks import finish, fits, index_map
from slideconcord.plugin.results import show_mask, show_probability, take_map
from slideconcord.plugin.segmenting import Clock, Progress, SegmentRequest, segment
from slideconcord.plugin.session import session_of
from slideconcord.plugin.settings import results_folder
from slideconcord.plugin.workspace import RunState, SlideEntry
from slideconcord.segmentation.model_files import default_model
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import DESCRIBED
from slideconcord.slides import open_slide

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.slides.colour import Colour

PathLike = str | os.PathLike[str]


def open_slides(
    viewer: ViewerModel,
    paths: PathLike | Iterable[PathLike],
    *,
    mpp: float | Sequence[float] | None = None,
    colour: Colour = "raw",
) -> list[Layer]:
    """Open slides, each as one streaming image layer in µm.

    Parameters
    ----------
    viewer
        A napari viewer, or a ViewerModel without a window.
    paths
        One path or many.
    mpp
        Pixel size in µm, one value or (y, x), for files that do not say it.
    colour
        ``"raw"`` or ``"srgb"``.

    Raises
    ------
    SlideError
        What `open_slide` raises; MissingMppError where a pixel size is missing.
    """
    session_of(viewer)
    many = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    slides = [open_slide(path, mpp=mpp, colour=colour) for path in many]
    layers = []
    for slide in slides:
        data, keywords, _ = slide_layer(slide)
        layers.append(viewer.add_image(data, **keywords))
    return layers


def view_slides(paths: Iterable[PathLike], mpp: float | Sequence[float] | None = None) -> None:
    """Open slides in a new napari window with the docks, and stay until it is closed."""
    import napari

    viewer = napari.Viewer()
    open_slides(viewer, paths, mpp=mpp)
    open_docks(viewer)
    napari.run()


def open_docks(viewer: Any) -> list[Any]:
    """Open the Slide, Segment and Threshold docks of a window, as tabs; return the widgets."""
    from qtpy.QtCore import QTimer

    names = ("Slide", "Segment", "Threshold")
    docks = [
        viewer.window.add_plugin_dock_widget("slideconcord", name, tabify=number > 0)
        for number, name in enumerate(names)
    ]
    QTimer.singleShot(0, docks[0][0].raise_)  # a new tab comes to the front after this
    return [widget for _, widget in docks]


def slide_entry(viewer: ViewerModel, name: str | None = None) -> SlideEntry:
    """Return what is known of an open slide: the one named, or the active one.

    Raises
    ------
    ParameterError
        When there is none, or several of that name.
    """
    workspace = session_of(viewer).workspace
    if name is None:
        if workspace.active is None:
            raise ParameterError("No slide is open: open one first, with open_slides.")
        return workspace.active
    found = [entry for entry in workspace.entries if entry.name == name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(entry.name for entry in workspace.entries) or "none"
    many = "several slides are" if found else "no slide is"
    raise ParameterError(f"{many} called {name!r} here; open are: {names}.")


def run_segmentation(
    viewer: ViewerModel,
    slide: str | None = None,
    *,
    model: str | None = None,
    device: str = "auto",
    box: Box | None = None,
    folder: PathLike | None = None,
) -> Generator[Progress, None, ProbabilityMap]:
    """Segment a slide, tile by tile, and show the probability layer; close it to cancel.

    Parameters
    ----------
    viewer, slide
        The viewer, and the name of a slide in it when it is not the active one.
    model, device
        A model's name or folder (the default model when None), and where it runs.
    box
        The part of level 0 to segment; all of it when None.
    folder
        Where results go; the user's cache folder when None. The same call goes on where an
        earlier one stopped.

    Raises
    ------
    ParameterError, ModelError, OutputError
        As `predict_tiles`.
    """
    entry = slide_entry(viewer, slide)
    model = model or default_model()
    where = Path(folder) if folder is not None else results_folder()
    request = SegmentRequest(model, device, box, where)
    clock = Clock()
    pieces = segment(entry.slide, request)
    with closing(pieces):
        while True:
            try:
                progress = next(pieces)
            except StopIteration as end:
                probability: ProbabilityMap = end.value
                break
            entry.run = clock.state(progress)
            show_probability(viewer, entry, progress.probability)
            yield progress
    show_probability(viewer, entry, probability)
    take_map(entry, probability)
    entry.run = RunState("done", entry.run.total, entry.run.total, str(probability.path))
    return probability


def set_thresholds(
    viewer: ViewerModel,
    low: float | None = None,
    high: float | None = None,
    *,
    slide: str | None = None,
    **tuning: Any,
) -> Layer:
    """Cut a slide's probability map and return the layer of its mask.

    What is not given stays as it is.

    Parameters
    ----------
    viewer, slide
        The viewer, and the name of a slide in it when it is not the active one.
    low, high
        Fractions from 0 to 1.
    **tuning
        The other fields of `Tuning`, such as ``min_area_um2`` or ``edits``.

    Raises
    ------
    MismatchError
        When low is above high, or the slide has no probability map yet.
    ParameterError
        When a value is out of range, or there is no such field.
    """
    entry = slide_entry(viewer, slide)
    if entry.probability is None:
        raise MismatchError(f"{entry.name} has no probability map yet: segment it first.")
    old = entry.tuning.thresholds
    thresholds = Thresholds(old.low if low is None else low, old.high if high is None else high)
    if unknown := set(tuning) - {*DESCRIBED, "edits"}:
        raise ParameterError(
            f"{', '.join(sorted(unknown))}: there is no such setting; there are "
            f"low, high, {', '.join(DESCRIBED)} and edits."
        )
    wanted = replace(entry.tuning, thresholds=thresholds, **tuning)
    if not fits(entry.index, wanted):
        index = finish(index_map(entry.probability, entry.class_name, wanted.smoothing_um))
        entry.index = index
    entry.settle(wanted)
    return show_mask(viewer, entry)


def export_results(
    viewer: ViewerModel,
    folder: PathLike,
    *,
    kinds: Collection[Kind] = KINDS,
    slide: str | None = None,
) -> list[Path]:
    """Write GeoJSON, OME-Zarr mask and PNG overview of what the thresholds make; return them.

    Raises
    ------
    MismatchError
        When the slide has no probability map yet.
    OutputError
        When the folder cannot be written.
    """
    entry = slide_entry(viewer, slide)
    if entry.probability is None:
        raise MismatchError(f"{entry.name} has no probability map yet: segment it first.")
    what = entry.slide, entry.probability, entry.tuning, Path(folder), kinds
    steps = export(*what, entry.index, entry.class_name)
    files: list[Path] = finish(steps)
    return files
