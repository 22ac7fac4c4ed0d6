"""Layer levels whose pixels change while they are shown: maps being filled, masks being tuned.

napari reads a layer's coarsest level once and keeps it. So every live layer ends in a tiny level
that is only drawn when the whole slide is smaller than a stamp; all others are read afresh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box
from slideconcord.plugin.masks import cut_mask, pixel_area
from slideconcord.slides.level import split_index

if TYPE_CHECKING:
    from napari.layers import Layer

    from slideconcord.plugin.workspace import Cut
    from slideconcord.segmentation.probability import LevelArray, ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex

Bytes = NDArray[np.uint8]
TINY_PX = 48
CHUNK_PX = 512
OUTLINE_PX = 2


class LiveLevel:
    """One level (y, x) uint8 whose boxes are computed when asked for, and never kept."""

    dtype = np.dtype(np.uint8)
    ndim = 2

    def __init__(self, shape: tuple[int, int], read: Callable[[Box], Bytes]) -> None:
        self.shape = shape
        self.chunks = (CHUNK_PX, CHUNK_PX)
        self._read = read

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Bytes:
        box, rest = split_index(index, (*self.shape, 1))
        return self._read(box)[rest[:2]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[:], dtype=dtype)


def with_tiny_level(levels: list[LiveLevel]) -> list[LiveLevel]:
    """Add a last level of at most 48 px a side, sampled from the one before."""
    coarsest = levels[-1]
    factor = -(-max(coarsest.shape) // TINY_PX)
    if factor < 2:
        factor = 2
    shape = tuple(max(side // factor, 1) for side in coarsest.shape)

    def read(box: Box) -> Bytes:
        return coarsest[:][::factor, ::factor][: shape[0], : shape[1]][box.slices]

    return [*levels, LiveLevel((shape[0], shape[1]), read)]


def probability_levels(probability: ProbabilityMap) -> list[LiveLevel]:
    """Return the levels of a map, read from its store at every look."""
    return with_tiny_level([_stored_level(array) for array in probability.levels()])


def _stored_level(array: LevelArray) -> LiveLevel:
    return LiveLevel(array.shape, lambda box: array[box.slices])


class MaskSource:
    """The one place where a cut turns a map into the pixels of a mask layer.

    Without an index (it is still being built) every level is thresholded by itself within the
    box that is looked at: a preview, since a region may be held by a peak outside the view.
    """

    def __init__(self, probability: ProbabilityMap, cut: Cut, outline: bool = True) -> None:
        self.probability = probability
        self.frame = probability.frame
        self.cut = cut
        self.outline = outline
        self.index: ThresholdIndex | None = None
        self._pixel_um2 = pixel_area(probability)
        self.levels = with_tiny_level([self._level(i) for i in range(probability.level_count)])

    @property
    def is_preview(self) -> bool:
        return self.index is None

    def read(self, level: int, box: Box) -> Bytes:
        """Return a box of a level: 1 where the mask, or its outline, is."""
        if not self.outline:
            return self._mask(level, box).view(np.uint8)
        whole = Box(0, 0, *self.levels[level].shape)
        wide = Box(
            box.y - OUTLINE_PX, box.x - OUTLINE_PX,
            box.height + 2 * OUTLINE_PX, box.width + 2 * OUTLINE_PX,
        ).intersect(whole)  # fmt: skip
        mask = self._mask(level, wide).view(np.uint8)
        # OpenCV takes what lies beyond the image as mask: the map's edge is no outline.
        inner = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=OUTLINE_PX)
        return np.asarray(cv2.subtract(mask, inner)[box.shift(-wide.y, -wide.x).slices])

    def _level(self, level: int) -> LiveLevel:
        return LiveLevel(self.probability.level(level).shape, lambda box: self.read(level, box))

    def _mask(self, level: int, box: Box) -> NDArray[np.bool_]:
        if self.index is not None:
            step = 2**level
            part = Box(box.y * step, box.x * step, box.height * step, box.width * step)
            part = part.intersect(Box(0, 0, *self.probability.shape))
            return cut_mask(self.index, self.cut, self._pixel_um2, part, step)
        from slideconcord.segmentation.hysteresis import hysteresis  # loads numba: only now

        values = np.asarray(self.probability.level(level)[box.slices])
        low, high = self.cut.thresholds.low, self.cut.thresholds.high
        return hysteresis(values, low, high) if values.size else np.zeros(values.shape, bool)


def refresh_live(layer: Layer) -> None:
    """Draw a live layer's pixels anew; its place and thumbnail stay."""
    if layer.data_level == len(layer.data) - 1:
        layer.data = list(layer.data)
    else:
        layer.refresh(extent=False, thumbnail=False, highlight=False)
