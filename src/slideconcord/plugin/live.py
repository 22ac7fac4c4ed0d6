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
from slideconcord.plugin.masks import fits
from slideconcord.segmentation.tuning import Tuning
from slideconcord.slides.level import split_index

if TYPE_CHECKING:
    from napari.layers import Layer

    from slideconcord.plugin.workspace import Exact, Style
    from slideconcord.segmentation.probability import LevelArray, ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
TINY_PX = 48
CHUNK_PX = 512
OUTLINE_PX = 2
INSIDE, GAINED, LOST = 1, 2, 3
"""What the pixels of a mask layer say; 0 is outside."""


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


def probability_levels(
    probability: ProbabilityMap, class_name: str | None = None
) -> list[LiveLevel]:
    """Return the levels of a class of a map, read from its store at every look."""
    return with_tiny_level([_stored_level(array) for array in probability.levels(class_name)])


def _stored_level(array: LevelArray) -> LiveLevel:
    return LiveLevel(array.shape, lambda box: array[box.slices])


class MaskSource:
    """The one place where a tuning turns a map into the pixels of a mask layer.

    Without an index of the map as it should be smoothed every level is thresholded by itself
    within the box that is looked at: a preview, since a region may be held by a peak outside the
    view. Holes are filled as far as they are seen, until the exact mask is there.
    """

    def __init__(
        self,
        probability: ProbabilityMap,
        tuning: Tuning,
        style: Style = "outline",
        class_name: str | None = None,
    ) -> None:
        self.probability = probability
        self.class_name = class_name
        self.frame = probability.frame
        self.tuning = tuning
        self.style = style
        self.index: ThresholdIndex | None = None
        self.exact: Exact | None = None
        self.before: Tuning | None = None
        """What the mask is lit up against while a change is fresh."""
        self._drawn: dict[Any, Bools] = {}
        self._view: tuple[int, Box] | None = None
        arrays = [probability.level(i, class_name) for i in range(probability.level_count)]
        self._arrays = arrays
        self.levels = with_tiny_level([self._level(i) for i in range(len(arrays))])

    @property
    def is_preview(self) -> bool:
        """Whether the exact mask may look a little different."""
        if not fits(self.index, self.tuning):
            return True
        return self.tuning.hole_area_um2 > 0 and not self._has_exact(self.tuning)

    def read(self, level: int, box: Box) -> Bytes:
        """Return a box of a level: INSIDE where the mask, or its outline, is; what is fresh."""
        whole = Box(0, 0, *self.levels[level].shape)
        wide = with_margin(box, whole)
        self._view = level, wide
        mask = self._remembered(level, wide, self.tuning)
        drawn = self._styled(mask)
        if self.before is not None:
            old = self._remembered(level, wide, self.before)
            light_up(drawn, old, mask)
        return drawn[box.shift(-wide.y, -wide.x).slices]

    def look_ahead(self, tuning: Tuning) -> Tuning:
        """Work out, in any thread, what the present view will look like; return the tuning."""
        if self._view is not None:
            self._remembered(*self._view, tuning)
        return tuning

    def _styled(self, mask: Bools) -> Bytes:
        if self.style == "filled":
            return mask.astype(np.uint8)
        return outlined(mask)

    def _remembered(self, level: int, box: Box, tuning: Tuning) -> Bools:
        """Return the mask; those on the screen are kept, for the next is lit up against them."""
        key = level, box, tuning, self.index, self._has_exact(tuning)
        mask = self._drawn.get(key)
        if mask is None:
            mask = self._mask(level, box, tuning)
            kept = {k: m for k, m in self._drawn.items() if k[:2] == key[:2]}
            shown = (self.before, self.tuning)
            fresh = [k for k in kept if k[2] in shown and k != key][-2:]
            self._drawn = {**{k: kept[k] for k in fresh}, key: mask}
        return mask

    def _level(self, level: int) -> LiveLevel:
        return LiveLevel(self._arrays[level].shape, lambda box: self.read(level, box))

    def _has_exact(self, tuning: Tuning) -> bool:
        exact = self.exact
        return exact is not None and exact.tuning == tuning and exact.index is self.index

    def _mask(self, level: int, box: Box, tuning: Tuning) -> Bools:
        index, step = self.index, 2**level
        if index is None or not (fits(index, tuning) or fits(index, Tuning())):
            return self._cut_alone(level, box, tuning)
        if not box.area:
            return np.zeros(box.shape, np.bool_)
        part = Box(box.y * step, box.x * step, box.height * step, box.width * step)
        part = part.intersect(Box(0, 0, *self.probability.shape))
        if self.exact is not None and self._has_exact(tuning):
            return self.exact.pixels[part.slices][::step, ::step]
        from slideconcord.segmentation.preview import preview  # loads numba: only now

        return preview(index, tuning, part, step).pixels

    def _cut_alone(self, level: int, box: Box, tuning: Tuning) -> Bools:
        """Cut the regions of a view by themselves, until the map is indexed as it should be."""
        from slideconcord.segmentation.hysteresis import hysteresis
        from slideconcord.segmentation.smoothing import SmoothedLevel

        values: Any = self._arrays[level]
        if tuning.smoothing_um > 0:
            sigma = [tuning.smoothing_um / side / 2**level for side in self.probability.mpp]
            values = SmoothedLevel(values, (sigma[0], sigma[1]))
        read = np.asarray(values[box.slices])
        return hysteresis(read, tuning.low, tuning.high) if read.size else read > 0


def outlined(mask: Bools) -> Bytes:
    """Return 1 on the outer pixels of a mask (y, x), 0 elsewhere."""
    pixels = mask.view(np.uint8)
    # OpenCV takes what lies beyond the image as mask: the map's edge is no outline.
    inner = cv2.erode(pixels, np.ones((3, 3), np.uint8), iterations=OUTLINE_PX)
    return np.asarray(cv2.subtract(pixels, inner))


def with_margin(box: Box, whole: Box) -> Box:
    """Return a box with what an outline in it depends on."""
    side = OUTLINE_PX
    wide = Box(box.y - side, box.x - side, box.height + 2 * side, box.width + 2 * side)
    return wide.intersect(whole)


def light_up(drawn: Bytes, old: Bools, new: Bools) -> None:
    """Mark in ``drawn`` what a change has added and taken away."""
    np.copyto(drawn, GAINED, where=new & ~old)
    np.copyto(drawn, LOST, where=old & ~new)


def refresh_live(layer: Layer) -> None:
    """Draw a live layer's pixels anew; its place and thumbnail stay."""
    if layer.data_level == len(layer.data) - 1:
        layer.data = list(layer.data)
    else:
        layer.refresh(extent=False, thumbnail=False, highlight=False)
