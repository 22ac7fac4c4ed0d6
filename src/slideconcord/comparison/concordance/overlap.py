"""How many pixels masks share, pair by pair, in one pass over them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.concordance.options import Empty
from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.geometry import Box
from slideconcord.segmentation.sharing import in_order, workers

Bools = NDArray[np.bool_]
Reals = NDArray[np.float64]
Integers = NDArray[np.int64]


class Filled(Protocol):
    """What gives the bool pixels of a box: a `Rasteriser`."""

    def fill(self, box: Box) -> Bools: ...


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Pixels that count, and how many of them masks share."""

    pixels: int
    """All that count."""
    shared: Integers
    """(mask, mask) pixels that two masks share; on the diagonal the size of each."""

    @classmethod
    def none(cls, masks: int) -> Self:
        return cls(0, np.zeros((masks, masks), np.int64))

    def __add__(self, other: Overlaps) -> Overlaps:
        return Overlaps(self.pixels + other.pixels, self.shared + other.shared)

    @property
    def sizes(self) -> Integers:
        """(mask,) pixels in each mask."""
        return np.diagonal(self.shared)

    def dice(self, empty: Empty = "undefined") -> Reals:
        """Return (mask, mask) Dice; two empty masks are NaN, or 1 by the rule "perfect"."""
        both = self.sizes[:, None] + self.sizes[None]
        with np.errstate(invalid="ignore"):
            found = 2 * self.shared / both
        return np.where(both > 0, found, 1.0 if empty == "perfect" else np.nan)

    def first(self, masks: int) -> Overlaps:
        """Return the counts of the first masks alone."""
        return Overlaps(self.pixels, self.shared[:masks, :masks])

    def counts(self, prediction: int, reference: int) -> ConfusionCounts:
        """Return the contingency table of two of the masks."""
        tp = int(self.shared[prediction, reference])
        fp, fn = (int(self.sizes[i]) - tp for i in (prediction, reference))
        return ConfusionCounts(tp, fp, fn, self.pixels - tp - fp - fn)


def count_pixels(masks: NDArray[np.bool_], counted: Bools) -> Overlaps:
    """Count what masks (mask, y, x) share where ``counted`` (y, x) is true."""
    packed = np.packbits((masks & counted).reshape(len(masks), -1), axis=1)
    shared = np.zeros((len(masks), len(masks)), np.int64)
    for i, row in enumerate(packed):
        common = np.bitwise_count(packed[i:] & row).sum(axis=1, dtype=np.int64)
        shared[i, i:] = shared[i:, i] = common
    return Overlaps(int(np.count_nonzero(counted)), shared)


def count_boxes(
    masks: Sequence[Filled], counted: Sequence[Filled], boxes: Iterable[Box]
) -> Iterable[Overlaps]:
    """Yield the counts of each box; pixels count that all of ``counted`` hold."""

    def count(box: Box) -> Overlaps:
        kept = np.logical_and.reduce([each.fill(box) for each in counted])
        if not kept.any():
            return Overlaps.none(len(masks))
        return count_pixels(np.stack([mask.fill(box) for mask in masks]), kept)

    for _, found in in_order(count, boxes, workers()):
        yield found
