"""The pins of a tuning drawn on their slide: made with the first, gone with the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.plugin.layers import UNITS
from slideconcord.plugin.results import same_selection
from slideconcord.plugin.tags import KEY, Tag, find_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.tuning import Edit

SIZE_PX = 12
"""On the screen, at any zoom."""
IN_COLOUR, OUT_COLOUR = (0.00, 0.70, 0.15, 1.0), (0.85, 0.00, 0.00, 1.0)
IN_SYMBOL, OUT_SYMBOL = "disc", "x"


def show_pins(viewer: ViewerModel, entry: SlideEntry) -> Layer | None:
    """Return the layer of a slide's pins, in step with its tuning; None where there are none.

    The layer shows them and changes nothing: it cannot be edited.
    """
    layer, edits = find_layer(viewer.layers, entry.id, "pins"), entry.tuning.edits
    if not edits or find_layer(viewer.layers, entry.id, "slide") is None:
        hide_pins(viewer, entry.id)
        return None
    if layer is None:
        with same_selection(viewer):
            layer = viewer.add_points(places(edits), **_keywords(entry))
    elif layer.metadata[KEY]["edits"] == edits:
        return layer
    else:
        layer.data = places(edits)
    # A size fixed on the screen has a border of half that size: it is the border that is seen.
    layer.border_color = np.array([IN_COLOUR if edit.keep else OUT_COLOUR for edit in edits])
    layer.symbol = [IN_SYMBOL if edit.keep else OUT_SYMBOL for edit in edits]
    layer.metadata[KEY]["edits"] = edits
    layer.editable = False
    return layer


def hide_pins(viewer: ViewerModel, slide_id: str) -> None:
    """Take away the pins of the slide opened as ``slide_id``."""
    if (layer := find_layer(viewer.layers, slide_id, "pins")) is not None:
        viewer.layers.remove(layer)


def places(edits: Sequence[Edit]) -> np.ndarray:
    """Return where pins lie in napari's pixels (y, x), whose whole numbers are centres."""
    return np.array([(edit.y_level0, edit.x_level0) for edit in edits]) - 0.5


def _keywords(entry: SlideEntry) -> dict[str, Any]:
    return {
        "name": f"{entry.name} · pins",
        "scale": tuple(entry.slide.mpp),
        "units": UNITS,
        "size": SIZE_PX,
        "canvas_size_limits": (SIZE_PX, SIZE_PX),
        "face_color": "white",
        "metadata": {KEY: Tag("pins", entry.slide, entry.id, edits=())},
    }
