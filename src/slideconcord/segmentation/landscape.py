"""How well the mask of every pair of thresholds agrees with a reference.

One look at the map counts, per branch, how many of its pixels exceed each low, inside and outside
the reference. What a pair keeps is then a sum over branches, not over pixels.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.segmentation.component_tree import BLOCK_PX
from slideconcord.segmentation.mask import Mask
from slideconcord.segmentation.sharing import share
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tree_query import reach_of_border

if TYPE_CHECKING:
    from slideconcord.segmentation.threshold_index import ThresholdIndex

Counts = NDArray[np.int64]
Ratios = NDArray[np.float64]


@dataclass(frozen=True)
class Landscape:
    """Agreement with a reference by [low, high].

    Counts are pixels that count as tissue. Where low is above high there is no mask: counts are
    0 and ratios NaN. A ratio is NaN, too, where it would divide by 0.
    """

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    true_positive: Counts
    false_positive: Counts
    false_negative: Counts
    true_negative: Counts

    @property
    def is_pair(self) -> NDArray[np.bool_]:
        """Where low is at most high."""
        return np.array(self.lows)[:, None] <= np.array(self.highs)

    @cached_property
    def dsc(self) -> Ratios:
        wrong = self.false_positive + self.false_negative
        return _ratio(2 * self.true_positive, 2 * self.true_positive + wrong)

    @cached_property
    def iou(self) -> Ratios:
        wrong = self.false_positive + self.false_negative
        return _ratio(self.true_positive, self.true_positive + wrong)

    @cached_property
    def sensitivity(self) -> Ratios:
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @cached_property
    def precision(self) -> Ratios:
        return _ratio(self.true_positive, self.true_positive + self.false_positive)

    def best(self) -> tuple[Thresholds, float]:
        """Return the pair of highest DSC, the first of equals, and that DSC.

        Raises
        ------
        ParameterError
            When the DSC is defined for no pair, because reference and masks are empty.
        """
        if np.isnan(self.dsc).all():
            raise ParameterError(
                "No pair of thresholds has a DSC: the reference is empty and so is every mask. "
                "Choose a reference that overlaps the map."
            )
        low, high = np.unravel_index(np.nanargmax(self.dsc), self.dsc.shape)
        return Thresholds(self.lows[low], self.highs[high]), float(self.dsc[low, high])


def survey(
    index: ThresholdIndex,
    reference: Any,
    tissue: Any,
    lows: tuple[float, ...],
    highs: tuple[float, ...],
) -> Landscape:
    """Compare the masks of all pairs with a reference; see `ThresholdIndex.landscape`."""
    reference = _pixels(index, reference, "reference")
    tissue = None if tissue is None else _pixels(index, tissue, "tissue")
    low_greys = [Thresholds(low, 1.0).low_grey for low in lows]
    tops = [Thresholds(0.0, high).high_grey for high in highs]
    greys = np.unique(low_greys)
    borders = np.stack([reach_of_border(index.joined, grey, 0) for grey in greys])
    passed = np.searchsorted(greys, np.arange(256)).astype(np.uint8)
    # By [inside the reference, low, reach].
    kept = np.zeros((2, len(greys), 257), np.int64)
    totals = np.zeros(2, np.int64)
    lock = threading.Lock()

    def count(top: int) -> None:
        rows = slice(top, min(top + BLOCK_PX, index.shape[0]))
        sides = _sides(reference, tissue, rows)
        level = index.levels[0]
        part = count_row(
            level.values[rows], level.branches[rows], sides, top // BLOCK_PX,
            index.forest, passed, borders, greys,
        )  # fmt: skip
        with lock:
            kept[:, :, :256] += part
            totals[:] += np.bincount(sides.ravel(), minlength=3)[:2]

    share(range(0, index.shape[0], BLOCK_PX), count)
    from_reach = np.cumsum(kept[:, :, ::-1], axis=2)[:, :, ::-1]
    # A mask keeps what reaches above high: from the next grey level on.
    chosen = from_reach[:, np.searchsorted(greys, low_greys)][:, :, np.array(tops) + 1]
    is_pair = np.array(lows)[:, None] <= np.array(highs)
    outside, inside = (np.where(is_pair, total, 0) for total in totals)
    false_positive, true_positive = np.where(is_pair, chosen, 0)
    return Landscape(
        lows, highs, true_positive, false_positive,
        inside - true_positive, outside - false_positive,
    )  # fmt: skip


def _pixels(index: ThresholdIndex, given: Any, what: str) -> Any:
    """Check that a mask or array lies on the map; return its pixels."""
    if isinstance(given, Mask):
        place = index.place
        if place.frame is not None and (given.frame, given.slide_fingerprint) != (
            place.frame,
            place.slide_fingerprint,
        ):
            raise MismatchError(
                f"The {what} lies in another frame or on another slide than the probability map: "
                "make it in the map's frame, or register the slides first."
            )
        given = given.array
    if tuple(given.shape) != index.shape or given.dtype != np.bool_:
        raise MismatchError(
            f"The {what} is {given.dtype} {tuple(given.shape)}, but the map needs bool "
            f"{index.shape}: draw it in the frame of the map."
        )
    return given


def _sides(reference: Any, tissue: Any, rows: slice) -> NDArray[np.uint8]:
    """Return 1 inside the reference, 0 outside of it, 2 where there is no tissue."""
    sides = np.asarray(reference[rows]).astype(np.uint8, order="C")
    if tissue is not None:
        sides[~np.asarray(tissue[rows])] = 2
    return sides


def _ratio(part: Counts, whole: Counts) -> Ratios:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


@compiled
def count_row(
    values: Any, branches: Any, sides: Any, block_row: Any, forest: Any, passed: Any,
    borders: Any, greys: Any,
) -> Any:  # fmt: skip
    """Count a row of blocks: pixels above each low by [side, low, reach].

    ``passed`` gives per value how many of the ``greys`` it exceeds; ``borders`` the reach of all
    border branches by [low, branch].
    """
    height, width = values.shape
    columns = (width + BLOCK_PX - 1) // BLOCK_PX
    lows = len(greys)
    out = np.zeros((2, lows, 256), np.int64)
    highest, starts = forest.highest, forest.start
    for column in range(columns):
        block = block_row * columns + column
        if highest[block] <= greys[0]:
            continue
        first, stop = starts[block], starts[block + 1]
        exceed = np.zeros((stop - first, lows + 1, 2), np.int32)
        for y in range(height):
            for x in range(column * BLOCK_PX, min((column + 1) * BLOCK_PX, width)):
                if sides[y, x] < 2 and values[y, x] > 0:
                    exceed[branches[y, x], passed[values[y, x]], sides[y, x]] += 1
        # From "exceeds so many of the lows" to "exceeds this low".
        for i in range(stop - first):
            for k in range(lows - 1, 0, -1):
                exceed[i, k, 0] += exceed[i, k + 1, 0]
                exceed[i, k, 1] += exceed[i, k + 1, 1]
        peak, saddle = forest.peak[first:stop], forest.saddle[first:stop]
        parent, reach = forest.parent[first:stop], np.zeros(stop - first, np.uint8)
        for k in range(lows):
            for b in range(forest.border_start[block], forest.border_start[block + 1]):
                reach[forest.border_branch[b]] = borders[k, b]
            for i in range(stop - first):
                reach[i] = reach[parent[i]] if saddle[i] > greys[k] else peak[i]
                out[0, k, reach[i]] += exceed[i, k + 1, 0]
                out[1, k, reach[i]] += exceed[i, k + 1, 1]
    return out
