"""The first whole path in one call: a sample case opened, segmented, tuned, exported, pictured."""

from __future__ import annotations

import shutil
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from qtpy.QtWidgets import QApplication

from slideconcord.annotations.exchange import make_folder
from slideconcord.plugin import actions
from slideconcord.plugin.dock import bring_up
from slideconcord.plugin.sample_data import sample_slides
from slideconcord.plugin.threshold_dock import ThresholdDock

SAMPLE = "colon-virtual-small"
LOW, HIGH, MIN_AREA_UM2 = 0.35, 0.8, 400.0
WINDOW = (1600, 1000)
PAINT_S, LONGEST_WAIT_S, IDLE_S = 0.5, 120.0, 0.005


def run_demo(out: Path, *, show: bool, sample: str = SAMPLE) -> list[Path]:
    """Take the sample case through napari and return the files that were made in ``out``.

    Parameters
    ----------
    out
        Folder for the screenshot of the whole window, probability map, mask, GeoJSON and overview.
    show
        Whether to leave the window open until it is closed by hand.
    sample
        A name of `SAMPLES`.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    import napari

    out = Path(out)
    make_folder(out)
    slides = sample_slides(sample, out / "slides")
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*WINDOW)
    try:
        files = [*slides, *_walk(viewer, slides, out)]
        if show:
            napari.run()
    finally:
        if not show:
            viewer.close()
    return files


def _walk(viewer: Any, slides: list[Path], out: Path) -> list[Path]:
    """Open, segment, tune, export; return the results."""
    layers = actions.open_slides(viewer, slides)
    for layer in layers[1:]:
        layer.visible = False
    viewer.layers.selection.active = layers[0]
    docks = actions.open_docks(viewer)
    paint()
    viewer.reset_view()
    entry = actions.slide_entry(viewer)
    for _ in actions.run_segmentation(viewer, folder=out / "runs"):
        paint(0.0)
    actions.set_thresholds(viewer, LOW, HIGH, min_area_um2=MIN_AREA_UM2)
    made = [*actions.export_results(viewer, out), _keep_map(entry, out)]
    threshold = next(dock for dock in docks if isinstance(dock, ThresholdDock))
    bring_up(threshold)
    wait_for(lambda: entry.facts is not None)
    paint()
    picture = out / "window.png"
    viewer.screenshot(str(picture), canvas_only=False, flash=False)
    return [picture, *made]


def _keep_map(entry: Any, out: Path) -> Path:
    """Copy the finished map to where people look for it."""
    target = out / f"{entry.name}.probability.zarr"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(entry.probability.path, target)
    return target


def paint(seconds: float = PAINT_S) -> None:
    """Let the window draw."""
    wait_for(lambda: False, seconds)


def wait_for(condition: Any, seconds: float = LONGEST_WAIT_S) -> None:
    """Let the window live until something holds, or the time is over."""
    until = monotonic() + seconds
    application = QApplication.instance()
    while True:
        application.processEvents()
        if condition() or monotonic() >= until:
            return
        sleep(IDLE_S)
