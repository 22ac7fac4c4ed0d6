"""Area resampling: each new pixel is the mean of the area it covers, down to the fraction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.slides.reader import Rgb

# Pixel sizes this close are the same: pixels are picked, not mixed.
SAME_STEP = 1e-3


@dataclass(frozen=True, slots=True)
class Taps:
    """Which old pixels each new pixel of one axis is made of, with their shares."""

    first: NDArray[np.int64]
    """(new pixel,) index of the first old pixel."""
    shares: NDArray[np.float32]
    """(new pixel, tap); each row sums to 1."""

    @property
    def start(self) -> int:
        return int(self.first[0])

    @property
    def stop(self) -> int:
        """Return the end of the last old pixel that has a share."""
        return int(self.first[-1]) + int(np.flatnonzero(self.shares[-1])[-1]) + 1


def area_taps(start: float, step: float, count: int, *, exact: bool = False) -> Taps:
    """Return the taps of ``count`` new pixels; pixel i covers ``start + [i, i + 1) * step``.

    ``start`` and ``step`` are in old pixels. A step within 0.1 % of 1 picks the pixel under
    each centre, because mixing would only blur; unless ``exact``, which keeps the fraction.
    """
    index = np.arange(count, dtype=np.float64)
    if not exact and abs(step - 1) < SAME_STEP:
        first = np.floor(start + (index + 0.5) * step).astype(np.int64)
        return Taps(first, np.ones((count, 1), np.float32))
    low = _snapped(start + index * step)
    high = _snapped(start + (index + 1) * step)
    first = np.floor(low).astype(np.int64)
    taps = int((np.ceil(high).astype(np.int64) - first).max())
    edges = first[:, None] + np.arange(taps)
    share = np.minimum(edges + 1, high[:, None]) - np.maximum(edges, low[:, None])
    share = np.clip(share, 0, None)
    return Taps(first, (share / share.sum(1, keepdims=True)).astype(np.float32))


def _snapped(edge: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges without the dust of floating point, which would cost a tap each."""
    whole = np.round(edge)
    return np.where(np.abs(edge - whole) < 1e-6, whole, edge)


def resample(rgb: Rgb, rows: Taps, columns: Taps) -> Rgb:
    """Return the area means (y, x, 3) of an image that begins at ``rows.start, columns.start``."""
    picked = rows.shares.shape[1] == columns.shares.shape[1] == 1
    if picked:
        return pick(rgb, rows.first - rows.start, columns.first - columns.start)
    size = len(columns.first), len(rows.first)
    if _whole(rows) and _whole(columns):
        return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    out = np.empty((size[1], 3 * size[0]), np.uint8)
    _kernel()(
        np.ascontiguousarray(rgb).reshape(rgb.shape[0], -1),
        rows.first - rows.start,
        rows.shares,
        columns.first - columns.start,
        columns.shares,
        out,
    )
    return out.reshape(size[1], size[0], 3)


def pick(rgb: Rgb, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Rgb:
    """Return ``rgb[rows[:, None], columns]``."""
    # numpy moves items of three bytes fifty times as fast as rows of three items
    pixels = np.ascontiguousarray(rgb).view("V3")[..., 0]
    picked = pixels.take(columns, axis=1).take(rows, axis=0)
    return picked.view(np.uint8).reshape(len(rows), len(columns), 3)


def _whole(taps: Taps) -> bool:
    """Whether every new pixel is made of the same number of whole old ones, without overlap."""
    n = taps.shares.shape[1]
    return bool((taps.shares == taps.shares[0, 0]).all() and (np.diff(taps.first) == n).all())


@cache
def _kernel() -> Callable[..., None]:
    import numba

    try:
        return numba.njit(_area_mean, nogil=True, cache=True)
    except RuntimeError:  # no place to keep compiled code
        return numba.njit(_area_mean, nogil=True)


def _area_mean(rgb: Any, first_y: Any, share_y: Any, first_x: Any, share_x: Any, out: Any) -> None:
    """Fill ``out`` (row, 3 * column) from ``rgb`` (row, 3 * column); channels are interleaved."""
    line = np.empty(rgb.shape[1], np.float32)
    for i in range(out.shape[0]):
        line[:] = 0
        for k in range(share_y.shape[1]):
            share = share_y[i, k]
            if share > 0:
                source = rgb[first_y[i] + k]
                for x in range(line.shape[0]):
                    line[x] += share * source[x]
        for j in range(first_x.shape[0]):
            red = green = blue = np.float32(0.5)
            at = 3 * first_x[j]
            for k in range(share_x.shape[1]):
                share = share_x[j, k]
                if share > 0:
                    red += share * line[at + 3 * k]
                    green += share * line[at + 3 * k + 1]
                    blue += share * line[at + 3 * k + 2]
            out[i, 3 * j] = np.uint8(red)
            out[i, 3 * j + 1] = np.uint8(green)
            out[i, 3 * j + 2] = np.uint8(blue)


def grid_count(extent: float, step: float) -> int:
    """Return how many whole new pixels fit into an extent, at least 1."""
    return max(floor(extent / step + 1e-6), 1)
