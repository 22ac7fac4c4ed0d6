"""A probability map smoothed by a Gaussian, computed where it is read, the same for every tile.

Weights and sums are whole numbers, so that no order of adding up and no cut into tiles changes a
grey level. Results are those of the exact Gaussian, cut off at 4 sigma, rounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.thresholds import check_fractions
from slideconcord.slides.level import split_index

Bytes = NDArray[np.uint8]
_CUT_OFF_SIGMAS = 4
_ONE = 1 << 16


def smoothed(probability: Any, smoothing_um: float) -> Any:
    """Return the map smoothed with a standard deviation in µm; the map itself for 0."""
    return SmoothedMap(probability, smoothing_um) if smoothing_um > 0 else probability


class SmoothedMap:
    """Answers like the ProbabilityMap that it smooths."""

    def __init__(self, probability: Any, smoothing_um: float) -> None:
        self._map = probability
        self.smoothing_um = smoothing_um
        self.frame: Frame = probability.frame
        self.mpp: Mpp = probability.mpp
        self.slide_mpp: Mpp = probability.slide_mpp
        self.slide_fingerprint: str = probability.slide_fingerprint
        self.slide_bounds: Box | None = probability.slide_bounds
        self.target: str = probability.target
        self.shape: tuple[int, int] = probability.shape

    @property
    def complete(self) -> bool:
        return bool(self._map.complete)

    @property
    def provenance(self) -> Mapping[str, Any]:
        return dict(self._map.provenance)

    def level(self, index: int, class_name: str | None = None) -> SmoothedLevel:
        """Return one class at level 0, smoothed when it is read."""
        sigma = self.smoothing_um / self.mpp.y, self.smoothing_um / self.mpp.x
        return SmoothedLevel(self._map.level(index, class_name), sigma)


class SmoothedLevel:
    """A plane (y, x) uint8 that is smoothed box by box."""

    dtype = np.dtype(np.uint8)
    ndim = 2

    def __init__(self, values: Any, sigma_px: tuple[float, float]) -> None:
        self._values = values
        self._weights = gaussian(sigma_px[0]), gaussian(sigma_px[1])
        self.shape: tuple[int, int] = tuple(values.shape)
        self.size = self.shape[0] * self.shape[1]

    def __getitem__(self, key: Any) -> Any:
        box, rest = split_index(key, (*self.shape, 1))
        return self._read(box)[rest[:2]]

    def _read(self, box: Box) -> Bytes:
        over_y, over_x = (len(weights) - 1 for weights in self._weights)
        wide = Box(box.y - over_y, box.x - over_x, box.height + 2 * over_y, box.width + 2 * over_x)
        known = wide.intersect(Box(0, 0, *self.shape))
        values = stored(np.asarray(self._values[known.slices]))
        ends = (
            (known.y - wide.y, wide.stop_y - known.stop_y),
            (known.x - wide.x, wide.stop_x - known.stop_x),
        )
        # The map goes on as its mirror image.
        return convolve(np.pad(values, ends, mode="symmetric"), *self._weights)


def stored(values: NDArray[Any]) -> Bytes:
    """Return values as maps store them: ``floor(255 p)`` of fractions."""
    if values.dtype == np.uint8:
        return values
    check_fractions(values)
    return np.floor(values * 255).astype(np.uint8)


def smooth(values: Bytes, sigma_px: tuple[float, float]) -> Bytes:
    """Smooth a plane (y, x) that is all of a map."""
    return np.asarray(SmoothedLevel(values, sigma_px)[:, :])


def gaussian(sigma_px: float) -> NDArray[np.int64]:
    """Return half a Gaussian from its centre on; with the other half it sums to 65536."""
    reach = int(_CUT_OFF_SIGMAS * sigma_px + 0.5)
    half = np.exp(-0.5 * (np.arange(reach + 1) / max(sigma_px, 1e-9)) ** 2)
    share = half / (2 * half.sum() - half[0])
    weights = np.rint(share * _ONE).astype(np.int64)
    weights[0] = _ONE - 2 * int(weights[1:].sum())
    return weights


def reach_px(smoothing_um: float, mpp: Mpp) -> int:
    """Return how far smoothing looks, in pixels."""
    return math.ceil(_CUT_OFF_SIGMAS * smoothing_um / min(mpp))


@compiled
def convolve(padded: Any, weights_y: Any, weights_x: Any) -> Any:
    """Convolve with two symmetric halves; the result lacks the margin that they reach over."""
    reach_y, reach_x = len(weights_y) - 1, len(weights_x) - 1
    height, width = padded.shape[0] - 2 * reach_y, padded.shape[1] - 2 * reach_x
    out = np.empty((height, width), np.uint8)
    across = np.empty(padded.shape[1], np.uint32)
    sums = np.empty(width, np.uint32)
    for y in range(height):
        centre = y + reach_y
        weight = np.uint32(weights_y[0])
        for x in range(len(across)):
            across[x] = weight * padded[centre, x]
        for k in range(1, reach_y + 1):
            weight, above, below = np.uint32(weights_y[k]), padded[centre - k], padded[centre + k]
            for x in range(len(across)):
                across[x] += weight * (np.uint32(above[x]) + np.uint32(below[x]))
        # Of the 24 bits a column has now, 16 are kept: then sums along the row fit 32.
        for x in range(len(across)):
            across[x] = (across[x] + 128) >> 8
        weight = np.uint32(weights_x[0])
        for x in range(width):
            sums[x] = weight * across[x + reach_x]
        for k in range(1, reach_x + 1):
            weight = np.uint32(weights_x[k])
            left, right = across[reach_x - k :], across[reach_x + k :]
            for x in range(width):
                sums[x] += weight * (left[x] + right[x])
        for x in range(width):
            out[y, x] = (sums[x] + np.uint32(1 << 23)) >> 24
    return out
