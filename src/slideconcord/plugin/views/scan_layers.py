"""From scans of a case to napari layer data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.comparison.views.warped import warped_slide
from slideconcord.plugin.layers import UNITS, SharedLevel
from slideconcord.plugin.tags import KEY, Tag
from slideconcord.slides.view import SlideView

if TYPE_CHECKING:
    from slideconcord.comparison.registration.planes import Matrix
    from slideconcord.comparison.views.composite import CompositeView
    from slideconcord.plugin.scans import Scan
    from slideconcord.plugin.views.stage import Stage


def add_scan(stage: Stage, scan: Scan, hub: Scan, *, field: bool = True) -> Any:
    """Add the layer of a scan where it lies on the hub.

    A scan without a residual field is placed by an affine alone: nothing is resampled. One with
    a field is warped chunk by chunk, unless ``field`` says that its affine will do.
    """
    placed = scan.placed
    bends = field and placed.is_aligned and not placed.is_affine
    slide = warped_slide(placed, hub.entry.slide) if bends else placed.slide
    view = SlideView(slide, wait_s=None)
    keywords = {
        "name": scan.name,
        "rgb": True,
        "multiscale": True,
        "cache": False,
        "interpolation2d": "linear",
        "scale": tuple(slide.mpp),
        "affine": np.eye(3) if bends else shown_affine(scan, hub),
        "units": UNITS,
        "metadata": mark(scan),
    }
    levels = [SharedLevel(view, level) for level in slide.levels]
    return stage.add((levels, keywords, "image"), view, slide if bends else None)


def add_composite(stage: Stage, view: CompositeView, scan: Scan) -> Any:
    """Add the layer of two scans seen as one."""
    keywords = {
        "rgb": True,
        "multiscale": True,
        "cache": False,
        "interpolation2d": "linear",
        "scale": tuple(view.hub.mpp),
        "units": UNITS,
        "metadata": mark(scan),
    }
    return stage.add((list(view.levels), keywords, "image"), view)


def shown_affine(scan: Scan, hub: Scan) -> Matrix:
    """Return where a scan is drawn, µm to µm; one that lies nowhere is only put in the middle."""
    placed = scan.placed
    if placed.is_aligned:
        return placed.affine_um
    middles = [
        (np.array(s.entry.slide.shape) - 1) / 2 * np.array(s.entry.slide.mpp) for s in (hub, scan)
    ]
    affine = np.eye(3)
    affine[:2, 2] = middles[0] - middles[1]
    return affine


def mark(scan: Scan) -> dict[str, Any]:
    """Return the metadata of a view's layer: it belongs to the scan, and is none of its own."""
    return {KEY: Tag("comparison", scan.entry.slide, scan.id)}
