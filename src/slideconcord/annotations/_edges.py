"""The corners of a mask's outline, found row by row; compiled, and free of the GIL.

A lattice point (y, x) is the corner shared by pixels (y-1, x-1), (y-1, x), (y, x-1), (y, x).
Outlines keep the mask on their right as seen on the screen, so exteriors have positive area in
(x, y). Where two pixels touch at a corner only, each keeps its own outline: 4-connected regions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

IntArray = NDArray[np.int32]
NONE = -1


@compiled
def count_corners(above: NDArray[np.uint8], row: NDArray[np.uint8]) -> int:
    """Count the corners between two rows; a diagonal touch counts twice."""
    total = 0
    for x in range(1, row.size):
        a, b, c, d = above[x - 1], above[x], row[x - 1], row[x]
        total += (a ^ b ^ c ^ d) + 2 * ((a ^ b) & (c ^ d) & (a ^ c))
    return total


@compiled
def add_corners(
    above: NDArray[np.uint8],
    row: NDArray[np.uint8],
    y: int,
    first: int,
    open_above: IntArray,
    xy: IntArray,
    following: IntArray,
    beside: IntArray,
) -> int:
    """Add the corners between two rows and link them; return the new number of corners.

    Rows carry one background pixel at each end, so index x is the lattice column x - 1.
    ``open_above[x]`` is the corner from which an unfinished vertical edge comes down.
    ``beside`` gives, for each inner corner (three pixels of mask), the corner above the left
    end of the run of mask that ends there: the way from a hole to the region around it.
    """
    count, pending = first, NONE
    for x in range(1, row.size):
        a, b, c, d = above[x - 1], above[x], row[x - 1], row[x]
        diagonal = (a ^ b) & (c ^ d) & (a ^ c)
        if not ((a ^ b ^ c ^ d) | diagonal):
            continue
        upper = lower = left = right = count
        xy[count, 0], xy[count, 1], beside[count] = x - 1, y, NONE
        count += 1
        if diagonal:
            xy[count, 0], xy[count, 1], beside[count] = x - 1, y, NONE
            lower = count
            left, right = (upper, lower) if a else (lower, upper)
            count += 1
        if a != b:
            start = open_above[x]
            open_above[x] = NONE
            if a:
                following[start] = upper
            else:
                following[upper] = start
        if c != d:
            open_above[x] = lower
        if a != c:
            if c:
                following[pending] = left
            else:
                following[left] = pending
        if b != d:
            pending = right
        if a and b and c:
            run = x - 1
            while row[run - 1]:
                run -= 1
            beside[lower] = open_above[run]
    return count


@compiled
def add_rows(
    above: NDArray[np.uint8],
    rows: NDArray[np.uint8],
    counts: NDArray[np.int64],
    y: int,
    first: int,
    open_above: IntArray,
    xy: IntArray,
    following: IntArray,
    beside: IntArray,
) -> int:
    """Add the corners above each of ``rows``; rows that equal the one above cost nothing."""
    count = first
    for i in range(rows.shape[0]):
        upper = above if i == 0 else rows[i - 1]
        if counts[i]:
            count = add_corners(upper, rows[i], y + i, count, open_above, xy, following, beside)
    return count


@compiled
def count_rows(above: NDArray[np.uint8], rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the corners above each of ``rows``."""
    counts = np.empty(rows.shape[0], np.int64)
    for i in range(rows.shape[0]):
        counts[i] = count_corners(above if i == 0 else rows[i - 1], rows[i])
    return counts


@compiled
def close_rings(
    xy: IntArray, following: IntArray, beside: IntArray
) -> tuple[IntArray, NDArray[np.int64], IntArray, NDArray[np.int64]]:
    """Walk the links into simple rings.

    A ring that meets itself at a diagonal touch is split there, so that none touches itself.

    Returns
    -------
    points : (n, 2) corners (x, y), ring after ring, first point not repeated
    ends : where each ring ends in ``points``
    owners : number of the region each ring belongs to, counted from 0
    areas : signed area of each ring in pixels, positive for exteriors
    """
    n = following.size
    points = np.empty((n, 2), np.int32)
    ends = np.empty(n // 4 + 1, np.int64)
    owners = np.empty(n // 4 + 1, np.int32)
    areas = np.empty(n // 4 + 1, np.int64)
    region_of = np.full(n, NONE, np.int32)
    place = np.full(n, NONE, np.int32)
    path = np.empty(n, np.int32)
    used = rings = regions = 0
    for start in range(n):
        if region_of[start] != NONE:
            continue
        # the first corner of a hole in reading order is an inner one, that of an exterior is not
        if beside[start] == NONE:
            region, regions = regions, regions + 1
        else:
            region = int(region_of[beside[start]])
        depth, corner = 0, start
        while True:
            region_of[corner] = region
            twin = NONE
            for near in (corner - 1, corner + 1):
                same = (
                    0 <= near < n and xy[near, 0] == xy[corner, 0] and xy[near, 1] == xy[corner, 1]
                )
                if same and place[near] != NONE:
                    twin = near
            if twin != NONE:
                base = int(place[twin])
                used = _emit(path, base, depth, xy, points, used, place)
                ends[rings], owners[rings] = used, region
                rings += 1
                depth = base
            path[depth], place[corner] = corner, depth
            depth += 1
            corner = int(following[corner])
            if corner == start:
                break
        used = _emit(path, 0, depth, xy, points, used, place)
        ends[rings], owners[rings] = used, region
        rings += 1
    begin = 0
    for ring in range(rings):
        areas[ring] = _signed_area(points, begin, ends[ring])
        begin = ends[ring]
    return points, ends[:rings], owners[:rings], areas[:rings]


@compiled
def _same_place(xy: IntArray, a: int, b: int) -> bool:
    return xy[a, 0] == xy[b, 0] and xy[a, 1] == xy[b, 1]


@compiled
def _emit(
    path: IntArray,
    base: int,
    depth: int,
    xy: IntArray,
    points: IntArray,
    used: int,
    place: IntArray,
) -> int:
    """Copy the ring on top of the path to ``points`` and take it off; return points used."""
    for i in range(base, depth):
        points[used, 0], points[used, 1] = xy[path[i], 0], xy[path[i], 1]
        place[path[i]] = NONE
        used += 1
    return used


@compiled
def _signed_area(points: IntArray, begin: int, end: int) -> int:
    # every second side is horizontal, so the area is the sum of x steps times height
    total = 0
    for i in range(begin, end):
        j = i + 1 if i + 1 < end else begin
        total += (int(points[i, 0]) - int(points[j, 0])) * int(points[i, 1])
    return total
