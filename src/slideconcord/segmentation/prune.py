"""Pruning a mask's regions by a percentile of the map inside them, in one look at the pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

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
    count, labels = cv2.connectedComponents(
        np.ascontiguousarray(mask).view(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    area, low_ranks, most, least = _count(labels, np.ascontiguousarray(values), count, above)
    keep = _passes(area, low_ranks, most, least, percentile / 100, above)
    keep[0] = False  # the background
    out = np.empty(mask.shape, np.bool_)
    _paint(labels, keep, out)
    return out


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
def _count(labels: Any, values: Any, count: Any, above: Any) -> Any:
    """Return per label: pixels, those not above, the largest of these, the least of the others."""
    area, low_ranks = np.zeros(count, np.int64), np.zeros(count, np.int64)
    most, least = np.zeros(count, np.float64), np.full(count, 255.0)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label == 0:
                continue
            value = values[y, x]
            area[label] += 1
            if value > above:
                least[label] = min(least[label], np.float64(value))
            else:
                low_ranks[label] += 1
                most[label] = max(most[label], np.float64(value))
    return area, low_ranks, most, least


@compiled
def _paint(labels: Any, keep: Any, out: Any) -> None:
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            out[y, x] = keep[labels[y, x]]
