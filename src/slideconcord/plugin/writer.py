"""Save shapes and labels as the GeoJSON that QuPath reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from slideconcord.annotations import Annotation, write_annotations
from slideconcord.errors import AnnotationError
from slideconcord.geometry import Frame, Mpp
from slideconcord.plugin.tags import KEY

LayerData = tuple[Any, dict[str, Any], str]
FULL_CIRCLE = 64


def write_geojson(path: str, layers: list[LayerData]) -> list[str]:
    """Write every area on the layers as one annotation, in the slide's level-0 pixels.

    Layers that belong to no slide are taken to be in level-0 pixels already.

    Raises
    ------
    AnnotationError
        When the layers hold nothing that has an area.
    OutputError
        When the file cannot be written.
    """
    found = [annotation for layer in layers for annotation in _annotations(layer)]
    if not found:
        raise AnnotationError(
            f"There is no area to write into {path}: draw polygons, rectangles or ellipses, "
            "or choose a layer with regions.",
            path,
        )
    slides = {id(tag["slide"]): tag["slide"] for _, state, _ in layers if (tag := _tag(state))}
    if len(slides) > 1:
        names = ", ".join(slide.name for slide in slides.values())
        raise AnnotationError(
            f"The layers belong to several slides ({names}): save each slide's layers by itself.",
            path,
        )
    slide = next(iter(slides.values()), None)
    about = {} if slide is None else {"mpp": slide.mpp, "bounds": slide.bounds}
    write_annotations(found, Path(path), **about)
    return [path]


def _annotations(layer: LayerData) -> Iterator[Annotation]:
    data, state, kind = layer
    if kind == "shapes":
        yield from _from_shapes(data, state)
    elif kind == "labels":
        yield from _from_labels(data, state)


def _from_shapes(data: Any, state: dict[str, Any]) -> Iterator[Annotation]:
    from shapely import Polygon

    to_level0 = _to_level0(state)
    names = class_names(state.get("features"))
    for number, (vertices, shape) in enumerate(zip(data, state["shape_type"], strict=True)):
        ring = ring_of(vertices, shape)
        if ring is None:
            continue
        y, x = to_level0(ring).T
        yield Annotation(
            geometry=Polygon(np.stack([x, y], axis=1)),
            class_name=names[number] if names else None,
            is_ellipse=shape == "ellipse",
        )


def _from_labels(data: Any, state: dict[str, Any]) -> Iterator[Annotation]:
    from slideconcord.annotations.contours import polygons_from_mask

    if (source := (_tag(state) or {}).get("source")) is not None:
        yield from _from_source(source)
        return
    values = np.asarray(data[0] if isinstance(data, list | tuple) else data)
    to_level0 = _to_level0(state)
    (y, x), (one_y, one_x) = to_level0(np.array([[-0.5, -0.5], [0.5, 0.5]]))
    frame = Frame(y, x, one_y - y, one_x - x)
    for value in np.unique(values[values != 0]):
        for polygon in polygons_from_mask(values == value, frame):
            yield Annotation(geometry=polygon, name=f"label {value}")


def _from_source(source: Any) -> Iterator[Annotation]:
    """Take what the thresholds give, not how it is drawn (outlines, levels)."""
    from slideconcord.plugin.masks import finish, fits
    from slideconcord.segmentation.exact import exact_mask
    from slideconcord.segmentation.regions import find_regions

    index = source.index if fits(source.index, source.tuning) else None
    making = exact_mask(
        source.probability, source.tuning, class_name=source.class_name, index=index
    )
    yield from find_regions(finish(making))


def _to_level0(state: dict[str, Any]) -> Any:
    """Return the function from a layer's data (pixel centres) to level-0 corner coordinates."""
    tag = _tag(state)
    if tag is None:
        return lambda points: np.asarray(points) + 0.5
    mpp = np.asarray(Mpp(*tag["mpp"]))
    scale, translate = (np.asarray(state[key])[-2:] for key in ("scale", "translate"))
    return lambda points: (np.asarray(points) * scale + translate) / mpp + 0.5


def _tag(state: dict[str, Any]) -> Any:
    return (state.get("metadata") or {}).get(KEY)


def class_names(features: Any) -> list[str] | None:
    """Return the class of every shape from a layer's table of features; None without any."""
    if features is None or "class" not in features:
        return None
    return [str(name) for name in features["class"]]


def ring_of(vertices: Any, shape: str) -> np.ndarray | None:
    """Return the outline (y, x) of a shape in its layer's data; None of what has no area."""
    if shape not in ("polygon", "rectangle", "ellipse"):
        return None
    return _ellipse(vertices) if shape == "ellipse" else np.asarray(vertices)[:, -2:]


def _ellipse(corners: Any) -> np.ndarray:
    """Return the outline of the ellipse in the parallelogram of four corners."""
    a, b, c, d = np.asarray(corners)[:, -2:]
    centre, u, v = (a + c) / 2, (b - a) / 2, (d - a) / 2
    angle = np.linspace(0, 2 * np.pi, FULL_CIRCLE, endpoint=False)[:, None]
    return centre + np.cos(angle) * u + np.sin(angle) * v
