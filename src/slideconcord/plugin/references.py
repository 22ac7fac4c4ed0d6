"""What a mask can be compared with: layers and files, brought onto the pixels of the map."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations import read_annotations
from slideconcord.annotations.raster import rasterise_blocks
from slideconcord.errors import MismatchError
from slideconcord.plugin.tags import tag_of
from slideconcord.segmentation.mask import open_mask

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from slideconcord.annotations import Annotations
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.mask import Mask
    from slideconcord.segmentation.probability import ProbabilityMap

Bools = NDArray[np.bool_]
Steps = Generator[Any, None, Bools]
_ROWS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A reference that can be chosen."""

    name: str
    read: Callable[[ProbabilityMap], Steps]
    """Bring it onto the pixels of a map, in steps, in any thread."""


def layer_choices(viewer: ViewerModel, entry: SlideEntry) -> list[Layer]:
    """Return the layers that a slide's mask could be compared with."""
    return [layer for layer in viewer.layers if _can_compare(layer, entry)]


def _can_compare(layer: Layer, entry: SlideEntry) -> bool:
    from napari.layers import Labels, Shapes

    tag = tag_of(layer)
    is_own = tag is not None and tag["id"] == entry.id and tag["kind"] in ("mask", "area")
    return isinstance(layer, Labels | Shapes) and not is_own


def from_layer(layer: Layer, slide_layer: Layer, entry: SlideEntry) -> Choice:
    """Return a layer as a reference; its data is taken as it is now.

    Raises
    ------
    MismatchError
        When the layer belongs to another slide, or holds no area.
    """
    from napari.layers import Shapes

    tag = tag_of(layer)
    if tag is not None and tag["id"] != entry.id:
        raise MismatchError(
            f"{layer.name} belongs to another slide ({tag['name']}): register the slides first, "
            f"or choose an annotation of {entry.name}."
        )
    to_level0 = affine_between(layer, slide_layer)
    if isinstance(layer, Shapes):
        polygons = _polygons(layer, to_level0)
        if not polygons:
            raise MismatchError(f"{layer.name} holds no area: draw polygons on it first.")
        return Choice(layer.name, lambda probability: _rasterise(polygons, probability))
    values = layer.data[0] if layer.multiscale else layer.data
    return Choice(layer.name, lambda probability: _sample(values, to_level0, probability))


def from_file(path: Path, entry: SlideEntry) -> Choice:
    """Return annotations of any known format, or a saved mask, as a reference.

    Raises
    ------
    SlideconcordError
        When the file cannot be read, or lies on another slide.
    """
    if path.is_dir():
        mask = open_mask(path)
        return Choice(path.name, lambda probability: _of_mask(mask, probability, path.name))
    annotations = read_annotations(path, bounds=entry.slide.bounds)
    named = annotations.metadata.get("slide_fingerprint")
    if named and named != entry.slide.fingerprint:
        raise MismatchError(
            f"{path.name} was made on another slide: register the slides first, "
            f"or choose an annotation of {entry.name}."
        )
    return from_annotations(path.name, annotations)


def from_annotations(name: str, annotations: Annotations) -> Choice:
    """Return annotations of the slide as a reference."""
    return Choice(name, lambda probability: _rasterise(annotations, probability))


def _rasterise(shapes: Annotations | list[Any], probability: ProbabilityMap) -> Steps:
    pixels = np.zeros(probability.shape, bool)
    for box, part in rasterise_blocks(shapes, probability.frame, probability.shape):
        pixels[box.slices] = part
        yield box
    return not_empty(pixels)


def _sample(values: Any, to_level0: NDArray[np.float64], probability: ProbabilityMap) -> Steps:
    """Look up the label at every pixel centre of the map."""
    from_level0 = np.linalg.inv(to_level0)
    frame, (height, width) = probability.frame, probability.shape
    x = frame.origin_x + (np.arange(width) + 0.5) * frame.step_x
    pixels = np.zeros((height, width), bool)
    bottom, right = values.shape[-2:]
    for top in range(0, height, _ROWS):
        rows = np.arange(top, min(top + _ROWS, height))
        y = frame.origin_y + (rows + 0.5) * frame.step_y
        points = np.stack(np.broadcast_arrays(y[:, None], x[None, :], 1.0))
        at = np.floor(np.tensordot(from_level0[:2], points, 1) + 0.5).astype(np.int64)
        inside = (at[0] >= 0) & (at[0] < bottom) & (at[1] >= 0) & (at[1] < right)
        if inside.any():
            first, last = at[0][inside].min(), at[0][inside].max() + 1
            strip = np.asarray(values[first:last])
            pixels[rows[0] : rows[-1] + 1][inside] = (
                strip[at[0][inside] - first, at[1][inside]] != 0
            )
        yield top
    return not_empty(pixels)


def _of_mask(mask: Mask, probability: ProbabilityMap, name: str) -> Steps:
    if mask.slide_fingerprint != probability.slide_fingerprint:
        raise MismatchError(
            f"{name} is a mask of another slide: register the slides first, "
            "or choose a mask of this one."
        )
    if (mask.frame, mask.shape) == (probability.frame, probability.shape):
        pixels = np.zeros(probability.shape, bool)
        for box, part in mask.blocks():
            pixels[box.slices] = part
            yield box
        return not_empty(pixels)
    frame = mask.frame
    offset = frame.step_y / 2 + frame.origin_y, frame.step_x / 2 + frame.origin_x
    to_level0 = np.array([[frame.step_y, 0, offset[0]], [0, frame.step_x, offset[1]], [0, 0, 1]])
    return (yield from _sample(mask.array, to_level0, probability))


def not_empty(pixels: Bools) -> Bools:
    """Return a reference's pixels, or refuse one without any on the map.

    Raises
    ------
    MismatchError
        Saying what to choose.
    """
    if not pixels.any():
        raise MismatchError(
            "The reference and the probability map do not overlap: "
            "choose a reference drawn on the segmented part of this slide."
        )
    return pixels


def affine_between(layer: Layer, slide_layer: Layer) -> NDArray[np.float64]:
    """Return the 3 x 3 matrix from a layer's (y, x, 1) to level-0 corner coordinates."""
    ends = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    lead = (0.0,) * (layer.ndim - 2)
    found = [
        np.add(slide_layer.world_to_data(layer.data_to_world((*lead, *end))[-2:])[-2:], 0.5)
        for end in ends
    ]
    matrix = np.eye(3)
    matrix[:2, 0], matrix[:2, 1] = found[1] - found[0], found[2] - found[0]
    matrix[:2, 2] = found[0]
    return matrix


def _polygons(layer: Layer, to_level0: NDArray[np.float64]) -> list[Any]:
    from shapely import Polygon

    from slideconcord.plugin.writer import ring_of

    polygons = []
    for vertices, kind in zip(layer.data, layer.shape_type, strict=True):
        if (ring := ring_of(vertices, kind)) is not None:
            yx = ring @ to_level0[:2, :2].T + to_level0[:2, 2]
            polygons.append(Polygon(yx[:, ::-1]).buffer(0))
    return polygons
