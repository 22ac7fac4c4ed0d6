"""Pruning a mask's regions by a percentile of the map inside them, in one look at the pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.segmentation.components import label_block, paint_whole

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


def prune_regions(mask: Bools, values: Bytes, percentile: float, above: int) -> Bools:
    """Keep the 8-connected regions in which a percentile of ``values`` lies above a grey level.

    As ``np.percentile(values[region], percentile) > above``, linear between ranks, to the last
    bit. What decides is how many of a region's pixels are not above; only where the percentile
    falls between two ranks on both sides of the level, their values count, too.

    Parameters
    ----------
    mask
        bool (y, x).
    values
        uint8 (y, x).
    percentile
        0 to 100.
    above
        The grey level that must be exceeded.

    Returns
    -------
    numpy.ndarray
        bool (y, x).
    """
    pixels = np.ascontiguousarray(mask)
    labelled = label_block(pixels, pixels, diagonal=True)
    runs = labelled.starts, labelled.stops, labelled.first, labelled.root
    area, low_ranks, most, least = _count(*runs, np.ascontiguousarray(values), above)
    keep = _passes(area, low_ranks, most, least, percentile / 100, above)
    return paint_whole(labelled, keep[labelled.root])


def _passes(
    area: NDArray[np.int64],
    low_ranks: NDArray[np.int64],
    most: NDArray[np.float64],
    least: NDArray[np.float64],
    quantile: float,
    above: int,
) -> Bools:
    # In the words and order of numpy's percentile, so that floats round alike.
    place = np.maximum(area - 1, 0) * quantile
    before = np.floor(place).astype(np.int64)
    t, step = place - before, least - most
    between = np.where(t >= 0.5, least - step * (1 - t), most + step * t)
    is_between = before == low_ranks - 1
    return np.where(is_between & (low_ranks < area), between > above, before >= low_ranks)


@compiled
def _count(starts: Any, stops: Any, first: Any, root: Any, values: Any, above: Any) -> Any:
    """Return of regions, each at its root: pixels, those not above, the largest of these, the
    least of the others.
    """
    count = len(root)
    area, low_ranks = np.zeros(count, np.int64), np.zeros(count, np.int64)
    most, least = np.zeros(count, np.float64), np.full(count, 255.0)
    for y in range(len(first) - 1):
        for i in range(first[y], first[y + 1]):
            low, largest, smallest = 0, np.uint8(0), np.uint8(255)
            for x in range(starts[i], stops[i]):
                value = values[y, x]
                is_low = value <= above
                low += is_low
                largest = max(largest, value if is_low else np.uint8(0))
                smallest = min(smallest, np.uint8(255) if is_low else value)
            at = root[i]
            area[at] += stops[i] - starts[i]
            low_ranks[at] += low
            most[at] = max(most[at], np.float64(largest))
            least[at] = min(least[at], np.float64(smallest))
    return area, low_ranks, most, least
