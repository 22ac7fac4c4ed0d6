"""The two layers of a slide's annotations: all as pixels, and what a hand is at as shapes."""

from __future__ import annotations

from math import ceil, log2
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations.editing import UNCLASSIFIED
from slideconcord.annotations.editing.picture import SheetPicture
from slideconcord.plugin.layers import UNITS, LayerData
from slideconcord.plugin.live import LiveLevel, with_tiny_level
from slideconcord.plugin.tags import KEY, Tag

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from slideconcord.annotations.classes import AnnotationClass
    from slideconcord.annotations.editing import Sheet
    from slideconcord.plugin.workspace import SlideEntry

INSIDE_ALPHA = 0.25
SKETCH_COLOUR = "#ffd400"
EDGE_PX = 2.5
"""On the screen, at any zoom."""
_COARSEST_PX = 512
Ring = NDArray[np.float64]
"""(n, 2) pixels (y, x) as napari counts them: whole numbers are centres."""


def new_picture(sheet: Sheet, entry: SlideEntry) -> SheetPicture:
    """Return the picture of a sheet at every level that its slide may be seen at."""
    shape = entry.slide.box.shape
    levels = max(ceil(log2(max(shape) / _COARSEST_PX)), 0) + 1
    return SheetPicture(sheet, shape, levels)


def picture_layer(picture: SheetPicture, sheet: Sheet, entry: SlideEntry) -> LayerData:
    """Return the labels layer that shows a sheet, drawn where it is looked at."""
    levels = [_level(picture, level) for level in range(len(picture.shapes))]
    keywords = {
        "name": f"{entry.name} · annotations",
        "multiscale": True,
        "cache": False,
        "colormap": class_colours(picture, sheet),
        "opacity": 1.0,
        "blending": "translucent_no_depth",
        "scale": tuple(entry.slide.mpp),
        "units": UNITS,
        "metadata": {KEY: Tag("annotations", entry.slide, entry.id)},
    }
    return with_tiny_level(levels), keywords, "labels"


def _level(picture: SheetPicture, level: int) -> LiveLevel:
    return LiveLevel(picture.shapes[level], lambda box: picture.read(level, box))


def class_colours(picture: SheetPicture, sheet: Sheet) -> Any:
    """Return the colours of a sheet's picture: outlines opaque, what they enclose a tint."""
    from napari.utils import DirectLabelColormap

    clear = (0.0, 0.0, 0.0, 0.0)
    colours: dict[int | None, tuple[float, ...]] = {0: clear, None: clear}
    named: list[tuple[str | None, AnnotationClass]] = [(each.name, each) for each in sheet.classes]
    for name, each in [(None, UNCLASSIFIED), *named]:
        rgb = tuple(part / 255 for part in each.colour)
        value = picture.value_of(name)
        colours[value], colours[value + 1] = (*rgb, INSIDE_ALPHA), (*rgb, 1.0)
    return DirectLabelColormap(color_dict=colours)


def sketch_layer(entry: SlideEntry) -> LayerData:
    """Return the shapes layer to draw on, which shows what is chosen."""
    keywords = {
        "name": f"{entry.name} · drawing",
        "ndim": 2,
        "scale": tuple(entry.slide.mpp),
        "units": UNITS,
        "edge_color": SKETCH_COLOUR,
        "face_color": "transparent",
        "metadata": {KEY: Tag("sketch", entry.slide, entry.id)},
    }
    return [], keywords, "shapes"


def to_ring(line: BaseGeometry) -> Ring:
    """Return a shapely ring, level-0 corner coordinates (x, y), as napari draws it."""
    xy = np.asarray(line.coords)[:-1]
    return np.asarray(xy[:, 1::-1] - 0.5)


def to_points(ring: Ring) -> list[tuple[float, float]]:
    """Return level-0 corner coordinates (x, y) of what napari draws."""
    return [(float(x), float(y)) for y, x in np.asarray(ring)[:, -2:] + 0.5]
