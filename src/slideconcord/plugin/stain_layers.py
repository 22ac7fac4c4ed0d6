"""Layers of a region taken apart: each stain's density in its own colour, matrix and error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.plugin.layers import LayerData, place
from slideconcord.plugin.results import same_selection
from slideconcord.plugin.tags import KEY, Tag, tag_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.stain_maps import SeparatedRegion

_STRONGEST_PERCENT = 99.5
"""Percentile of the pixels that a colour map ends at, so that one dark speck does not fade all."""


def show_stains(viewer: ViewerModel, entry: SlideEntry, found: SeparatedRegion) -> list[Any]:
    """Put a region's layers above its slide, in place of those of another region."""
    hide_stains(viewer, entry)
    with same_selection(viewer):
        return [
            viewer.add_image(data, **keywords) for data, keywords, _ in stain_layers(entry, found)
        ]


def hide_stains(viewer: ViewerModel, entry: SlideEntry) -> None:
    """Take a slide's layers of stains away."""
    for layer in list(viewer.layers):
        tag = tag_of(layer)
        if tag is not None and (tag["id"], tag["kind"]) == (entry.id, "stains"):
            viewer.layers.remove(layer)


def stain_layers(entry: SlideEntry, found: SeparatedRegion) -> list[LayerData]:
    """Return the layers, lowest first; only the first stain's density is visible."""
    maps = found.maps
    shared = {
        "blending": "translucent_no_depth",
        "metadata": {KEY: Tag("stains", entry.slide, entry.id)},
        **place(found.frame, entry.slide),
    }
    made: list[LayerData] = []

    def add(data: Any, name: str, **more: Any) -> None:
        keywords = {"name": f"{entry.name} · {name}", "visible": False, **shared, **more}
        made.append((data, keywords, "image"))

    add(maps.rebuilt, "rebuilt from its stains", rgb=True)
    top = _strongest(maps.error)
    add(maps.error, f"error ({maps.unit})", colormap="inferno", contrast_limits=(0, top))
    for number in (2, 1):
        add(maps.colours[number - 1], f"colour of stain {number}", rgb=True)
    top = _strongest(maps.density)
    for number in (2, 1):
        add(
            maps.density[number - 1],
            f"density of stain {number}",
            colormap=fading_to(maps.mean_colours[number - 1], number),
            contrast_limits=(0, top),
            visible=number == 1,
        )
    return made


def fading_to(colour: np.ndarray, number: int) -> Any:
    """Return the colour map from white, no stain, through a stain's colour to its darkest."""
    from napari.utils import Colormap

    strong = colour / 255
    name = f"stain {number} #{''.join(f'{v:02x}' for v in colour.tolist())}"
    # The colour is that of one unit; twice as much lets its square through (Beer-Lambert).
    steps = np.linspace(0, 2, 9)[:, None]
    rgb = strong[None] ** steps
    return Colormap(np.column_stack([rgb, np.ones(len(rgb))]), name=name, display_name=name)


def _strongest(values: np.ndarray) -> float:
    return max(float(np.percentile(values, _STRONGEST_PERCENT)), 1e-6)
