"""The wand: the part of a probability map around a point that is as likely as a hand wants it."""

from __future__ import annotations

from math import floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.contours import polygons_from_mask
from slideconcord.geometry import Frame


def grow(
    values: NDArray[Any], frame: Frame, x: float, y: float, above: float
) -> BaseGeometry | None:
    """Return the region of a map that holds a point, outlined along pixel edges.

    Parameters
    ----------
    values : (y, x) of the part of the map to stay in
    frame : where that part lies
    x, y : the point, level-0 corner coordinates
    above : in the unit of ``values``; the region is all above it that is 4-connected to the point

    Returns
    -------
    A polygon with holes; None where the point is not above it, or beside the part.
    """
    row, column = (floor(v) for v in frame.from_level0(y, x))
    if not (0 <= row < values.shape[0] and 0 <= column < values.shape[1]):
        return None
    inside = (values > above).view(np.uint8)
    if not inside[row, column]:
        return None
    filled = np.zeros((values.shape[0] + 2, values.shape[1] + 2), np.uint8)
    flags = 4 | (1 << 8) | cv2.FLOODFILL_MASK_ONLY
    cv2.floodFill(inside, filled, (column, row), 0, flags=flags)
    (polygon,) = polygons_from_mask(filled[1:-1, 1:-1].view(np.bool_), frame)
    return polygon
