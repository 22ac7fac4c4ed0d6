"""What a study shows on a slide besides the reading: the part to be read, and a model's output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.annotations import read_annotations
from slideconcord.annotations.outlines import polygons_of
from slideconcord.errors import MismatchError, SlideError
from slideconcord.plugin.layers import UNITS, LayerData, place
from slideconcord.plugin.tags import KEY, Kind, Tag
from slideconcord.segmentation.mask import open_mask

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry

REGION_COLOUR, MODEL_COLOUR = "#ffcc00", "#1ad9f2"
_EDGE_UM = 4.0


def region_layer(path: Path, entry: SlideEntry) -> LayerData:
    """Return the outlines of the part of a slide that is to be read.

    Raises
    ------
    SlideconcordError
        When the file cannot be read, or belongs to another slide.
    """
    _require_there(path, "region", entry)
    return _outlines(path, entry, "region", REGION_COLOUR)


def model_layer(path: Path, entry: SlideEntry) -> LayerData:
    """Return what a model found: a mask, the folder of a result, or annotations.

    Raises
    ------
    SlideconcordError
        When it cannot be read, or belongs to another slide.
    """
    _require_there(path, "model", entry)
    if not path.is_dir():
        return _outlines(path, entry, "model", MODEL_COLOUR)
    inner = path / "mask.zarr"
    mask = open_mask(inner if inner.is_dir() else path)
    _require_slide(mask.slide_fingerprint, path, entry)
    keywords = {"opacity": 0.4, **_keywords(entry, "model"), **place(mask.frame, entry.slide)}
    return np.asarray(mask.array).astype(np.uint8), keywords, "labels"


def _outlines(path: Path, entry: SlideEntry, kind: Kind, colour: str) -> LayerData:
    annotations = read_annotations(path, bounds=entry.slide.bounds, mpp=entry.slide.mpp)
    _require_slide(str(annotations.metadata.get("slide_fingerprint") or ""), path, entry)
    rings = [
        # GeoJSON is (x, y) from corners, napari (y, x) from centres
        np.asarray(ring.coords)[:-1, 1::-1] - 0.5
        for annotation in annotations
        for polygon in polygons_of(annotation.geometry)
        for ring in (polygon.exterior, *polygon.interiors)
    ]
    keywords = {
        "shape_type": "polygon",
        "edge_color": colour,
        "face_color": "transparent",
        "edge_width": _EDGE_UM / max(entry.slide.mpp),
        "scale": tuple(entry.slide.mpp),
        "ndim": 2,
        **_keywords(entry, kind),
    }
    return rings, keywords, "shapes"


def _keywords(entry: SlideEntry, kind: Kind) -> dict[str, Any]:
    return {
        "name": f"{entry.name} · {kind}",
        "units": UNITS,
        "metadata": {KEY: Tag(kind, entry.slide, entry.id)},
    }


def _require_there(path: Path, what: str, entry: SlideEntry) -> None:
    if not path.exists():
        raise SlideError(
            f"The {what} of {entry.name} is missing: {path} does not exist. Correct it in the "
            "study.",
            path,
        )


def _require_slide(fingerprint: str, path: Path, entry: SlideEntry) -> None:
    if fingerprint and fingerprint != entry.slide.fingerprint:
        raise MismatchError(
            f"{path.name} was made on another slide than {entry.name}: correct it in the study."
        )
