"""Compiled scanline filling: a pixel belongs to a polygon when its centre does.

A centre exactly on an outline belongs to the polygon on its right, or below: polygons that share
a border share no pixel and leave none between them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@compiled
def fill_polygons(
    xy: Floats, ring_ends: Ints, polygon_ends: Ints, values: NDArray[Any], out: NDArray[Any]
) -> int:
    """Write ``values[k]`` into ``out`` (y, x) wherever polygon k lies; later ones win.

    Returns the number of pixels that another polygon's value was taken from.
    """
    lost = ring = begin = 0
    for polygon in range(polygon_ends.size):
        first, ring = ring, polygon_ends[polygon]
        stop = ring_ends[ring - 1]
        top = _first_centre(xy[begin:stop, 1].min(), out.shape[0])
        bottom = _first_centre(xy[begin:stop, 1].max(), out.shape[0])
        if bottom > top:
            starts, crossings = _crossings(
                xy, ring_ends, first, ring, begin, top, bottom, out.shape[1]
            )
            lost += _fill_rows(starts, crossings, values[polygon], out[top:bottom])
        begin = stop
    return lost


@compiled
def _first_centre(position: float, size: int) -> int:
    """Return the first pixel whose centre is not before ``position``, within 0 to ``size``."""
    return int(min(max(math.ceil(position - 0.5), 0.0), float(size)))


@compiled
def _crossings(
    xy: Floats,
    ring_ends: Ints,
    first: int,
    last: int,
    begin: int,
    top: int,
    bottom: int,
    width: int,
) -> tuple[Ints, Ints]:
    """Return where each row of centres crosses the rings, as columns, sorted by row only.

    The crossings of row i are ``crossings[starts[i]:starts[i + 1]]``.
    """
    starts = np.zeros(bottom - top + 1, np.int64)
    crossings = np.empty(0, np.int64)
    place = starts
    for counting in (True, False):
        at = begin
        for ring in range(first, last):
            end = ring_ends[ring]
            for i in range(at, end):
                j = i + 1 if i + 1 < end else at
                # from the upper end downwards, so that neighbours compute the same crossing
                a, b = (i, j) if xy[i, 1] <= xy[j, 1] else (j, i)
                upper = max(_first_centre(xy[a, 1], bottom), top)
                lower = _first_centre(xy[b, 1], bottom)
                if counting:
                    for row in range(upper, lower):
                        starts[row - top + 1] += 1
                    continue
                slope = (xy[b, 0] - xy[a, 0]) / (xy[b, 1] - xy[a, 1]) if lower > upper else 0.0
                for row in range(upper, lower):
                    x = xy[a, 0] + (row + 0.5 - xy[a, 1]) * slope
                    crossings[place[row - top]] = _first_centre(x, width)
                    place[row - top] += 1
            at = end
        if counting:
            starts = np.cumsum(starts)
            crossings = np.empty(starts[-1], np.int64)
            place = starts[:-1].copy()
    return starts, crossings


@compiled
def _fill_rows(starts: Ints, crossings: Ints, value: Any, out: NDArray[Any]) -> int:
    lost = 0
    for row in range(out.shape[0]):
        line = crossings[starts[row] : starts[row + 1]]
        if line.size > 2:
            line = np.sort(line)
        for i in range(0, line.size - 1, 2):
            for column in range(min(line[i], line[i + 1]), max(line[i], line[i + 1])):
                lost += out[row, column] != 0 and out[row, column] != value
                out[row, column] = value
    return lost
