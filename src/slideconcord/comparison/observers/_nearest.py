"""Compiled search for the nearest of many points: a tree of boxes over points that lie in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
LEAF, FAN = 16, 4


@compiled
def border_points(rows: NDArray[np.uint8], top: int) -> NDArray[np.int32]:
    """Return (point, 2) the pixels (y, x) of a mask that touch a pixel outside it with an edge.

    ``rows`` carry one more row at each end; ``top`` is the number of the second.
    """
    height, width = rows.shape
    points = np.empty((256, 2), np.int32)
    used = 0
    for y in range(1, height - 1):
        for x in range(width):
            if not rows[y, x]:
                continue
            if (
                x > 0
                and x + 1 < width
                and rows[y, x - 1]
                and rows[y, x + 1]
                and rows[y - 1, x]
                and rows[y + 1, x]
            ):
                continue
            if used == len(points):
                more = np.empty((2 * used, 2), np.int32)
                more[:used] = points
                points = more
            points[used, 0], points[used, 1] = top + y - 1, x
            used += 1
    return points[:used].copy()


@compiled
def curve_places(points: NDArray[np.int32]) -> Ints:
    """Return where each point lies on a Z-shaped curve that keeps neighbours together."""
    places = np.empty(len(points), np.int64)
    for i in range(len(points)):
        y, x, place = int(points[i, 0]), int(points[i, 1]), 0
        for bit in range(31):
            place |= ((x >> bit) & 1) << (2 * bit) | ((y >> bit) & 1) << (2 * bit + 1)
        places[i] = place
    return places


@compiled
def box_tree(points: Reals) -> tuple[Reals, Ints]:
    """Return (node, 4) boxes (y0, x0, y1, x1), level by level, and where each level begins.

    The lowest level boxes LEAF points each, every other one FAN nodes of the level below.
    """
    starts = [0]
    count = (len(points) + LEAF - 1) // LEAF
    while True:
        starts.append(starts[-1] + count)
        if count <= 1:
            break
        count = (count + FAN - 1) // FAN
    boxes = np.empty((starts[-1], 4), np.float64)
    boxes[:, :2], boxes[:, 2:] = np.inf, -np.inf
    for i in range(len(points)):
        node = i // LEAF
        for axis in range(2):
            boxes[node, axis] = min(boxes[node, axis], points[i, axis])
            boxes[node, axis + 2] = max(boxes[node, axis + 2], points[i, axis])
    for level in range(1, len(starts) - 1):
        for child in range(starts[level - 1], starts[level]):
            node = starts[level] + (child - starts[level - 1]) // FAN
            for axis in range(2):
                boxes[node, axis] = min(boxes[node, axis], boxes[child, axis])
                boxes[node, axis + 2] = max(boxes[node, axis + 2], boxes[child, axis + 2])
    return boxes, np.array(starts, np.int64)


@compiled
def _to_box(y: float, x: float, box: Reals) -> float:
    dy = max(box[0] - y, 0.0, y - box[2])
    dx = max(box[1] - x, 0.0, x - box[3])
    return dy * dy + dx * dx


@compiled
def _reach(box: Reals, other: Reals) -> float:
    """Return the squared distance between two boxes."""
    dy = max(box[0] - other[2], 0.0, other[0] - box[2])
    dx = max(box[1] - other[3], 0.0, other[1] - box[3])
    return dy * dy + dx * dx


@compiled
def _leaves_within(
    asked: Reals, reach: float, boxes: Reals, starts: Ints, nodes: Ints, levels: Ints, leaves: Ints
) -> int:
    """Write which leaves lie within a squared distance of a box; return how many."""
    nodes[0], levels[0], depth, found = 0, len(starts) - 2, 1, 0
    while depth:
        depth -= 1
        node, level = nodes[depth], levels[depth]
        if _reach(asked, boxes[starts[level] + node]) > reach:
            continue
        if level == 0:
            leaves[found] = node
            found += 1
            continue
        for child in range(node * FAN, min((node + 1) * FAN, starts[level] - starts[level - 1])):
            nodes[depth], levels[depth] = child, level - 1
            depth += 1
    return found


@compiled
def _nearest_in(
    y: float, x: float, near: int, points: Reals, boxes: Reals, leaves: Ints, number: int
) -> int:
    """Return the nearest point in some leaves, or ``near`` when none is nearer than that one."""
    best = (points[near, 0] - y) ** 2 + (points[near, 1] - x) ** 2
    for place in range(number):
        leaf = leaves[place]
        if best == 0.0:
            break
        if _to_box(y, x, boxes[leaf]) < best:
            for k in range(leaf * LEAF, min((leaf + 1) * LEAF, len(points))):
                apart = (points[k, 0] - y) ** 2 + (points[k, 1] - x) ** 2
                if apart < best:
                    best, near = apart, k
    return near


@compiled
def nearest_distances(asked: Reals, points: Reals, boxes: Reals, starts: Ints) -> Reals:
    """Return (asked,) the distance of each asked point to the nearest of ``points``.

    Asked points that follow one another lie near one another: the search goes down the tree once
    for LEAF of them, and the nearest of the last one bounds the next.
    """
    found = np.empty(len(asked), np.float64)
    nodes, levels = np.empty(FAN * len(starts), np.int64), np.empty(FAN * len(starts), np.int64)
    leaves = np.empty(starts[1], np.int64)
    around = np.empty(4, np.float64)
    near = 0
    for first in range(0, len(asked), LEAF):
        stop = min(first + LEAF, len(asked))
        around[:2], around[2:] = asked[first], asked[first]
        for i in range(first, stop):
            for axis in range(2):
                around[axis] = min(around[axis], asked[i, axis])
                around[axis + 2] = max(around[axis + 2], asked[i, axis])
        # no asked point is farther from the last nearest than the far side of their box
        reach = 0.0
        for axis in range(2):
            at = points[near, axis]
            reach += max(abs(at - around[axis]), abs(at - around[axis + 2])) ** 2
        number = _leaves_within(around, reach, boxes, starts, nodes, levels, leaves)
        for i in range(first, stop):
            y, x = asked[i, 0], asked[i, 1]
            near = _nearest_in(y, x, near, points, boxes, leaves, number)
            found[i] = np.sqrt((points[near, 0] - y) ** 2 + (points[near, 1] - x) ** 2)
    return found
