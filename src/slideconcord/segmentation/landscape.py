"""How well the mask of every pair of thresholds agrees with a reference, and of every one alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.segmentation.thresholds import Thresholds, grey_level

if TYPE_CHECKING:
    from slideconcord.segmentation.reference_counts import ReferenceCounts

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


def survey(counts: ReferenceCounts, lows: tuple[float, ...], highs: tuple[float, ...]) -> Landscape:
    """Compare the masks of all pairs with a reference; see `ThresholdIndex.landscape`."""
    low_greys = [grey_level(low) for low in lows]
    high_greys = [grey_level(high) for high in highs]
    is_pair = np.array(lows)[:, None] <= np.array(highs)
    outside, inside = (np.where(is_pair, total, 0) for total in (counts.outside, counts.inside))
    false_positive, true_positive = np.where(
        is_pair, counts.by_peak[:, low_greys][:, :, high_greys], 0
    )
    return Landscape(
        lows, highs, true_positive, false_positive,
        inside - true_positive, outside - false_positive,
    )  # fmt: skip


def _ratio(part: Counts, whole: Counts) -> Ratios:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
