"""Resample a box of pixels through a plane map, or through one that bends."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.planes import Matrix, Points
from slideconcord.geometry import Box

Pixels = NDArray[np.uint8]
Read = Callable[[Box], Pixels]
"""Give the pixels of a box inside the source."""
# Straight enough between nodes: a residual field bends over hundreds of pixels.
NODE_PX = 16
_XY = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def warp_affine(
    read: Read, shape: tuple[int, int], matrix: Matrix, box: Box, outside: Any, *, nearest: bool
) -> Pixels:
    """Return the pixels of ``box`` whose centre (i, j) shows ``matrix @ (i, j, 1)`` of the source.

    Parameters
    ----------
    read
        Gives a box of the source, (y, x) or (y, x, 3) uint8.
    shape
        Height and width of the source.
    matrix
        Output pixel centres to source pixel centres, (y, x, 1).
    box
        The part of the output that is wanted.
    outside
        Value, or colour, of what the source does not reach.
    nearest
        Whether to pick the nearest pixel (labels) instead of mixing four.
    """
    corners = [(y, x, 1.0) for y in (box.y, box.stop_y - 1) for x in (box.x, box.stop_x - 1)]
    ends = np.array(corners) @ matrix.T
    part = _part(ends, shape)
    if part is None or not box.area:
        return _blank(box, outside)
    shifted = _shift(-part.y, -part.x) @ matrix @ _shift(box.y, box.x)
    flags = (cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(
            np.ascontiguousarray(read(part)),
            (_XY @ shifted @ _XY)[:2],
            (box.width, box.height),
            flags=flags,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=outside,
        )
    )


def warp_bent(
    read: Read,
    shape: tuple[int, int],
    to_source: Callable[[Points], Points],
    box: Box,
    outside: Any,
    *,
    nearest: bool,
) -> Pixels:
    """Do as `warp_affine` for any smooth map of (n, 2) output centres to source centres."""
    if not box.area:
        return _blank(box, outside)
    rows, columns = _nodes(box.y, box.height), _nodes(box.x, box.width)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    nodes = to_source(grid)
    part = _part(nodes, shape)
    if part is None:
        return _blank(box, outside)
    nodes = (nodes - (part.y, part.x)).reshape(len(rows), len(columns), 2)
    down = _between(rows, np.arange(box.y, box.stop_y))
    along = _between(columns, np.arange(box.x, box.stop_x))
    y, x = (np.float32(down @ nodes[..., i] @ along.T) for i in (0, 1))
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    source = np.ascontiguousarray(read(part))
    border = cv2.BORDER_CONSTANT
    return np.asarray(cv2.remap(source, x, y, how, borderMode=border, borderValue=outside))


def _part(ends: Points, shape: tuple[int, int]) -> Box | None:
    """Return the part of the source that a view between these places needs; None for none."""
    (low_y, low_x), (high_y, high_x) = ends[:, :2].min(0), ends[:, :2].max(0)
    y, x = floor(low_y) - 1, floor(low_x) - 1
    part = Box(y, x, ceil(high_y) + 2 - y, ceil(high_x) + 2 - x).intersect(Box(0, 0, *shape))
    return part if part.area else None


def _blank(box: Box, outside: Any) -> Pixels:
    shape = box.shape if np.ndim(outside) == 0 else (*box.shape, len(outside))
    out = np.empty(shape, np.uint8)
    out[:] = outside
    return out


def _shift(dy: float, dx: float) -> Matrix:
    return np.array([[1.0, 0.0, dy], [0.0, 1.0, dx], [0.0, 0.0, 1.0]])


def _nodes(start: int, count: int) -> NDArray[np.float64]:
    return np.linspace(start, start + count - 1, ceil((count - 1) / NODE_PX) + 1)


def _between(nodes: NDArray[np.float64], at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the weights (place, node) of linear interpolation between evenly spaced nodes."""
    if len(nodes) == 1:
        return np.ones((len(at), 1))
    where = (at - nodes[0]) / (nodes[1] - nodes[0])
    return np.clip(1 - np.abs(where[:, None] - np.arange(len(nodes))), 0, None)
