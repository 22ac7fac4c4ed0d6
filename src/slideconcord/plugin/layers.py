"""From slides, maps and masks to napari layer data: (data, keywords, layer type)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slideconcord.plugin.live import GAINED, INSIDE, LOST, MaskSource, probability_levels
from slideconcord.plugin.tags import KEY, Tag
from slideconcord.slides import Slide, open_slide
from slideconcord.slides.view import SlideView, ViewLevel

if TYPE_CHECKING:
    from napari.layers import Layer

    from slideconcord.geometry import Frame
    from slideconcord.plugin.workspace import SlideEntry, Style
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.slides.colour import Colour

LayerData = tuple[Any, dict[str, Any], Literal["image", "labels", "shapes", "points", "vectors"]]
UNITS = ("um", "um")
PROBABILITY_OPACITY, OUTLINE_OPACITY, FILLED_OPACITY = 0.6, 1.0, 0.5
MASK_COLOUR = (0.10, 0.85, 0.95, 1.0)
GAINED_COLOUR, LOST_COLOUR = (0.30, 0.95, 0.35, 0.75), (1.00, 0.45, 0.10, 0.75)
_RAMP = (
    (0.00, (0.00, 0.00, 0.02, 0.00)),
    (0.20, (0.27, 0.06, 0.42, 0.35)),
    (0.45, (0.60, 0.15, 0.48, 0.70)),
    (0.70, (0.93, 0.38, 0.28, 0.90)),
    (1.00, (0.99, 0.91, 0.52, 1.00)),
)


class SharedLevel(ViewLevel):
    """A level of a view that napari may copy with its layer; a slide is never copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedLevel:
        return self


def slide_layer(slide: Slide, slide_id: str = "") -> LayerData:
    """Return the image layer of a slide: all levels, in µm.

    Its view waits for every tile until a window's session takes it over (see `Stream`).
    """
    view = SlideView(slide, wait_s=None)
    keywords = {
        "name": slide.name,
        "rgb": True,
        "multiscale": True,
        "cache": False,
        "interpolation2d": "linear",
        "scale": tuple(slide.mpp),
        "units": UNITS,
        "metadata": {KEY: Tag("slide", slide, slide_id, view=view)},
    }
    return [SharedLevel(view, level) for level in slide.levels], keywords, "image"


def probability_layer(probability: ProbabilityMap, entry: SlideEntry, name: str) -> LayerData:
    """Return the image layer of a probability map; where it is 0 nothing is drawn."""
    keywords = {
        "name": name,
        "rgb": False,
        "multiscale": True,
        "cache": False,
        "colormap": probability_colormap(),
        "contrast_limits": (0, 255),
        "opacity": PROBABILITY_OPACITY,
        "blending": "translucent_no_depth",
        "metadata": {KEY: shown_map(probability, entry)},
        **place(probability.frame, entry.slide),
    }
    return probability_levels(probability, entry.class_name), keywords, "image"


def shown_map(probability: ProbabilityMap, entry: SlideEntry) -> Tag:
    """Return the mark of the layer that shows the chosen class of a map."""
    class_name = entry.class_name
    return Tag("probability", entry.slide, entry.id, probability=probability, class_name=class_name)


def mask_layer(source: MaskSource, entry: SlideEntry, name: str) -> LayerData:
    """Return the labels layer that shows what the thresholds make of a map."""
    keywords = {
        "name": name,
        "multiscale": True,
        "cache": False,
        "colormap": mask_colormap(),
        "opacity": mask_opacity(source.style),
        "blending": "translucent_no_depth",
        "metadata": {KEY: Tag("mask", entry.slide, entry.id, source=source)},
        **place(source.frame, entry.slide),
    }
    return source.levels, keywords, "labels"


def mask_opacity(style: Style) -> float:
    """Return how opaque a mask is: a filled one lets the tissue through."""
    return FILLED_OPACITY if style == "filled" else OUTLINE_OPACITY


def area_layer(entry: SlideEntry) -> LayerData:
    """Return an empty shapes layer, in the slide's level-0 pixels, to draw a rectangle on."""
    keywords = {
        "name": f"Area of {entry.name}",
        "ndim": 2,
        "scale": tuple(entry.slide.mpp),
        "units": UNITS,
        "edge_color": "#ffcc00",
        "face_color": "transparent",
        "edge_width": 3 / max(entry.slide.mpp),
        "metadata": {KEY: Tag("area", entry.slide, entry.id)},
    }
    return [], keywords, "shapes"


def place(frame: Frame, slide: Slide) -> dict[str, Any]:
    """Return where a map or mask lies: its first pixel's centre is not level 0's."""
    return {
        "scale": frame.scale_um(slide.mpp),
        "translate": frame.translate_um(slide.mpp),
        "units": UNITS,
    }


def probability_colormap() -> Any:
    """Return a magma-like colour map that begins transparent."""
    from napari.utils import Colormap

    return Colormap(
        colors=np.array([colour for _, colour in _RAMP]),
        controls=[at for at, _ in _RAMP],
        name="slideconcord probability",
        display_name="slideconcord probability",
    )


def mask_colormap() -> Any:
    """Return the colours of a mask: transparent outside, one colour inside, two for changes."""
    from napari.utils import DirectLabelColormap

    clear = (0.0, 0.0, 0.0, 0.0)
    colours: dict[int | None, tuple[float, ...]] = {0: clear, None: clear}
    colours |= {INSIDE: MASK_COLOUR, GAINED: GAINED_COLOUR, LOST: LOST_COLOUR}
    return DirectLabelColormap(color_dict=colours)


def change_colour(entry: SlideEntry, layer: Layer, colour: Colour) -> None:
    """Show a slide with or without colour management; models see it so from then on.

    Raises
    ------
    SlideError
        When the slide cannot be opened anew, or its profile cannot be used.
    """
    old = entry.slide
    if colour == old.colour:
        return
    given = old.mpp if old.mpp_source == "given" else None
    slide = open_slide(old.path, mpp=given, colour=colour)
    data, keywords, _ = slide_layer(slide, entry.id)
    layer.metadata = {**layer.metadata, **keywords["metadata"]}
    layer.data = data
    entry.slide = slide
