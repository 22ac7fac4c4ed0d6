"""From a mask to regions: polygons with holes, in level-0 pixels, with area and perimeter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations import Annotation, Annotations
from slideconcord.annotations.annotation import bounds_record
from slideconcord.annotations.contours import Outlines, trace_bands
from slideconcord.errors import ParameterError
from slideconcord.segmentation.mask import Mask

COLOUR = (200, 0, 0)
_BAND_PX = 1 << 24


def find_regions(mask: Mask, min_area_um2: float = 0.0) -> Annotations:
    """Return the 4-connected regions of a mask as polygons with holes.

    Outlines follow pixel edges exactly, so areas are pixel counts. Masks on disk are read once,
    from top to bottom; memory holds a band of rows and the outlines.

    Parameters
    ----------
    mask : of one class
    min_area_um2 : regions with less area in µm², holes left out, are dropped

    Returns
    -------
    Annotations in level-0 corner coordinates (x, y), in reading order, each with "Area um^2" and
    "Perimeter um"; ``metadata`` says what made them, ``report`` how many were dropped.

    Raises
    ------
    ParameterError
        When the minimum area is negative or no number.
    """
    if not (math.isfinite(min_area_um2) and min_area_um2 >= 0):
        raise ParameterError(f"min_area_um2={min_area_um2!r} must be 0 or more, in µm².")
    outlines = trace_bands(_bands(mask), mask.shape[1])
    pixel_um2 = mask.mpp.y * mask.mpp.x
    # a hair's tolerance: 4 pixels of 0.25 µm² are 1 µm², whatever the rounding
    large = outlines.region_areas * pixel_um2 >= min_area_um2 * (1 - 1e-9)
    dropped = int(large.size - large.sum())
    report = [f"{dropped} region(s) under {min_area_um2:g} µm² were left out"] if dropped else []
    return Annotations.of(
        _regions(outlines.select(large), mask), _metadata(mask, min_area_um2), report
    )


def _bands(mask: Mask) -> Iterator[NDArray[np.bool_]]:
    """Read the mask in rows of whole chunks, and pass them on in bands of bounded size."""
    height, width = mask.shape
    rows = max(_BAND_PX // max(width, 1), 1)
    chunk = getattr(mask.array, "chunks", (rows, width))[0]
    for y in range(0, height, chunk):
        read = np.asarray(mask.array[y : y + chunk, :])
        for first in range(0, read.shape[0], rows):
            yield read[first : first + rows]


def _regions(outlines: Outlines, mask: Mask) -> Iterator[Annotation]:
    areas = outlines.region_areas * (mask.mpp.y * mask.mpp.x)
    perimeters = outlines.region_perimeters(mask.mpp.y, mask.mpp.x)
    polygons = outlines.polygons(mask.frame)
    for polygon, area, perimeter in zip(polygons, areas, perimeters, strict=True):
        yield Annotation(
            geometry=polygon,
            class_name=mask.class_name or None,
            colour=COLOUR,
            id=_region_id(mask, polygon.exterior.coords[0], float(area)),
            measurements={"Area um^2": float(area), "Perimeter um": float(perimeter)},
        )


def _region_id(mask: Mask, corner: tuple[float, float], area: float) -> str:
    """Return the same UUID for the same region of the same slide, so that runs can be compared."""
    x, y = (float(v) for v in corner)
    step = mask.frame.step_y, mask.frame.step_x
    made_of = f"{mask.slide_fingerprint}/{mask.class_name}/{step[0]:g}/{step[1]:g}/{x}/{y}/{area!r}"
    return str(uuid5(NAMESPACE_URL, made_of))


def _metadata(mask: Mask, min_area_um2: float) -> dict[str, Any]:
    frame = mask.frame
    noted: dict[str, Any] = {
        "provenance": dict(mask.provenance),
        "min_area_um2": min_area_um2,
        "slide_fingerprint": mask.slide_fingerprint,
        "slide_mpp": list(mask.slide_mpp),
        "frame": [frame.origin_y, frame.origin_x, frame.step_y, frame.step_x],
    }
    if mask.slide_bounds is not None:
        noted["slide_bounds"] = bounds_record(mask.slide_bounds)
    return noted
