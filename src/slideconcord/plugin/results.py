"""Result layers in a viewer: made once per slide, kept in step with the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from slideconcord.plugin.layers import (
    area_layer,
    mask_layer,
    mask_opacity,
    probability_layer,
    shown_map,
)
from slideconcord.plugin.live import MaskSource, probability_levels, refresh_live
from slideconcord.plugin.masks import model_tuning
from slideconcord.plugin.tags import find_layer, tag_of
from slideconcord.plugin.viewport import box_around
from slideconcord.segmentation.tuning import Tuning

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from slideconcord.geometry import Box
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.probability import ProbabilityMap


def show_probability(viewer: ViewerModel, entry: SlideEntry, probability: ProbabilityMap) -> Layer:
    """Return the layer of a map, added when it is not there; one of another map makes way."""
    layer = find_layer(viewer.layers, entry.id, "probability")
    if layer is not None and layer.metadata["slideconcord"]["probability"] is probability:
        return layer
    for kind in ("probability", "mask"):
        if (old := find_layer(viewer.layers, entry.id, kind)) is not None:
            viewer.layers.remove(old)
    model = probability.provenance["model"]["name"]
    data, keywords, _ = probability_layer(probability, entry, f"{entry.name} · {model}")
    with same_selection(viewer):
        return viewer.add_image(data, **keywords)


def take_map(entry: SlideEntry, probability: ProbabilityMap) -> None:
    """Give an entry its map; thresholds nobody has touched become the model's own."""
    if entry.probability is None and entry.tuning == Tuning():
        entry.begin(model_tuning(probability))
    index = entry.index
    is_the_same_so_far = entry.probability is probability and index is not None
    if not is_the_same_so_far:
        entry.index = None
    entry.probability = probability


def show_mask(viewer: ViewerModel, entry: SlideEntry) -> Layer | None:
    """Return the layer of an entry's mask, in step with its tuning; None without a map."""
    layer = find_layer(viewer.layers, entry.id, "mask")
    if entry.probability is None:
        return None
    source = source_of(layer)
    wanted = entry.probability, entry.class_name
    if layer is None or source is None or (source.probability, source.class_name) != wanted:
        if layer is not None:
            viewer.layers.remove(layer)
        source = MaskSource(entry.probability, entry.tuning, entry.style, entry.class_name)
        source.index, source.exact = entry.index, entry.exact
        data, keywords, _ = mask_layer(source, entry, f"{entry.name} · regions")
        with same_selection(viewer):
            return viewer.add_labels(data, visible=entry.style != "none", **keywords)
    style = source.style
    if _bring_up_to_date(source, entry):
        if style != entry.style:  # napari works even when these are set to what they are
            layer.opacity = mask_opacity(entry.style)
            layer.visible = entry.style != "none"
        refresh_live(layer)
    return layer


def _bring_up_to_date(source: MaskSource, entry: SlideEntry) -> bool:
    """Tell a source what is wanted; return whether that is new to it."""
    wanted = entry.tuning, entry.style, entry.index, entry.exact
    if (source.tuning, source.style, source.index, source.exact) == wanted:
        return False
    is_fresh = entry.highlight and source.index is entry.index and source.before is None
    if is_fresh and source.tuning != entry.tuning:
        source.before = source.tuning
    source.tuning, source.style, source.index, source.exact = wanted
    return True


def dim_changes(viewer: ViewerModel, entry: SlideEntry) -> None:
    """Let what a change added or took away look like the rest again."""
    layer = find_layer(viewer.layers, entry.id, "mask")
    source = source_of(layer)
    if source is not None and source.before is not None:
        source.before = None
        refresh_live(layer)


def show_heat(viewer: ViewerModel, entry: SlideEntry) -> None:
    """Show the probabilities of the chosen class, or hide them."""
    layer = find_layer(viewer.layers, entry.id, "probability")
    if layer is None or entry.probability is None:
        return
    tag = layer.metadata["slideconcord"]
    if tag["class_name"] != entry.class_name:
        layer.metadata = {**layer.metadata, "slideconcord": shown_map(entry.probability, entry)}
        layer.data = probability_levels(entry.probability, entry.class_name)
    if layer.visible != entry.heat:
        layer.visible = entry.heat


def source_of(layer: Layer | None) -> MaskSource | None:
    """Return where a mask layer gets its pixels."""
    tag = tag_of(layer)
    return tag.get("source") if tag else None


def show_area(viewer: ViewerModel, entry: SlideEntry) -> Layer:
    """Return the layer to draw a rectangle on, ready to draw."""
    layer = find_layer(viewer.layers, entry.id, "area")
    if layer is None:
        data, keywords, _ = area_layer(entry)
        layer = viewer.add_shapes(data, **keywords)
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
    return layer


def drawn_box(viewer: ViewerModel, entry: SlideEntry) -> Box | None:
    """Return the box (level-0 pixels) around the newest shape drawn on a slide's area layer."""
    layer = find_layer(viewer.layers, entry.id, "area")
    if layer is None or not len(layer.data):
        return None
    corners = layer.data[-1] + 0.5  # napari's whole numbers are pixel centres
    box = box_around(corners.min(0), corners.max(0)).intersect(entry.slide.box)
    return box if box.area else None


@contextmanager
def same_selection(viewer: ViewerModel) -> Iterator[Any]:
    """Leave the user's selection as it is while a layer is added."""
    selected, active = set(viewer.layers.selection), viewer.layers.selection.active
    yield
    if selected:
        viewer.layers.selection = selected
        viewer.layers.selection.active = active
