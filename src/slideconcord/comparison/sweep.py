"""All pairs of thresholds against a reference (exploratory analysis 10), pruning off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.cohort import Summary, summarise
from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.metrics import METRICS, metric_of
from slideconcord.comparison.tables import Table, without_nan
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Mpp
from slideconcord.segmentation.mask import Mask
from slideconcord.segmentation.threshold_index import FIVE_PERCENT, ThresholdIndex
from slideconcord.segmentation.thresholds import Thresholds

if TYPE_CHECKING:
    from slideconcord.comparison.operands import Comparable
    from slideconcord.segmentation.landscape import Landscape

Ratios = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """The contingency table of every pair of thresholds, low below high."""

    landscape: Landscape
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lows(self) -> tuple[float, ...]:
        return self.landscape.lows

    @property
    def highs(self) -> tuple[float, ...]:
        return self.landscape.highs

    def pairs(self) -> Iterator[tuple[Thresholds, ConfusionCounts]]:
        """Walk the pairs, low first; 171 at 5 % steps."""
        for i, low in enumerate(self.lows):
            for j, high in enumerate(self.highs):
                if low < high:
                    yield Thresholds(low, high), self._counts(i, j)

    def values(self, metric: str = "dsc") -> Ratios:
        """Return a statistic by [low, high]; NaN where undefined, or low is not below high."""
        of = metric_of(metric)
        found = np.full((len(self.lows), len(self.highs)), np.nan)
        for i, low in enumerate(self.lows):
            for j, high in enumerate(self.highs):
                if low < high:
                    found[i, j] = of(self._counts(i, j))
        return found

    def best(self, metric: str = "dsc") -> tuple[Thresholds, float]:
        """Return the pair of the highest value, the first of equals, and that value.

        Raises
        ------
        ParameterError
            When the statistic is defined for no pair.
        """
        return best_of(self.values(metric), self.lows, self.highs)

    def table(self) -> Table:
        """Return one row per pair with counts and all statistics."""
        return Table.of(
            {
                **asdict(pair),
                **asdict(counts),
                **{name: metric(counts) for name, metric in METRICS.items()},
            }
            for pair, counts in self.pairs()
        )

    def to_json(self) -> dict[str, Any]:
        """Return thresholds, DSC by [low][high] and the best pair as JSON values."""
        values = self.values()
        best = None
        if not np.isnan(values).all():
            pair, value = best_of(values, self.lows, self.highs)
            best = {**asdict(pair), "dsc": value}
        return {
            "lows": list(self.lows),
            "highs": list(self.highs),
            "dsc": without_nan(values.tolist()),
            "best": best,
            "provenance": dict(self.provenance),
        }

    def _counts(self, i: int, j: int) -> ConfusionCounts:
        found = self.landscape
        return ConfusionCounts(
            int(found.true_positive[i, j]),
            int(found.false_positive[i, j]),
            int(found.false_negative[i, j]),
            int(found.true_negative[i, j]),
        )


def sweep_thresholds(
    probability: Any,
    reference: Comparable,
    tissue: Comparable | None = None,
    *,
    lows: Sequence[float] = FIVE_PERCENT,
    highs: Sequence[float] = FIVE_PERCENT,
) -> Sweep:
    """Compare the mask of every pair of thresholds with a reference, in one look at the map.

    The paper sweeps the *smoothed* map, without pruning: give that map to do as it did.

    Parameters
    ----------
    probability
        A ProbabilityMap, a plain map (y, x), or the ThresholdIndex of either.
    reference
        A Mask in the map's frame, Annotations, or bool pixels of the map's shape.
    tissue
        What counts, likewise; white background enters no count.
    lows, highs
        Fractions from 0 to 1; 5 % steps from 0.05 to 0.95 unless given. Pairs are those with low
        below high.

    Raises
    ------
    MismatchError
        When reference or tissue lies in another frame or on another slide than the map.
    ParameterError
        When a threshold is no fraction from 0 to 1, or an array is not bool (y, x).
    """
    from slideconcord.comparison.compare import provenance_of
    from slideconcord.comparison.operands import bring_together
    from slideconcord.segmentation.threshold_build import index_thresholds

    is_index = isinstance(probability, ThresholdIndex)
    index = probability if is_index else index_thresholds(probability)
    operands = bring_together(_place_of(index), reference, tissue)
    counted = None if operands.tissue is None else operands.tissue.array
    found = index.landscape(operands.reference.array, counted, lows=lows, highs=highs)
    return Sweep(found, provenance_of(operands))


def mean_sweep(sweeps: Iterable[Sweep], metric: str = "dsc") -> dict[tuple[float, float], Summary]:
    """Return mean and interval over scans for every pair of thresholds.

    Raises
    ------
    MismatchError
        When the sweeps are not of the same thresholds.
    ParameterError
        When there is none.
    """
    all_sweeps = list(sweeps)
    if not all_sweeps:
        raise ParameterError("There is no sweep to average: give one per scan.")
    lows, highs = all_sweeps[0].lows, all_sweeps[0].highs
    if any((sweep.lows, sweep.highs) != (lows, highs) for sweep in all_sweeps):
        raise MismatchError(
            "The sweeps are of different thresholds: make all with the same lows and highs."
        )
    values = np.stack([sweep.values(metric) for sweep in all_sweeps])
    return {
        (low, high): summarise(values[:, i, j])
        for i, low in enumerate(lows)
        for j, high in enumerate(highs)
        if low < high
    }


def best_of(
    values: Ratios, lows: Sequence[float], highs: Sequence[float]
) -> tuple[Thresholds, float]:
    """Return the pair of the highest value by [low, high], the first of equals, and that value.

    Raises
    ------
    ParameterError
        When no pair has a value.
    """
    if np.isnan(values).all():
        raise ParameterError(
            "No pair of thresholds has a value: reference and masks are empty. "
            "Choose a reference that overlaps the map."
        )
    low, high = (int(i) for i in np.unravel_index(np.nanargmax(values), values.shape))
    return Thresholds(lows[low], highs[high]), float(values[low, high])


def _place_of(index: ThresholdIndex) -> Mask | NDArray[np.bool_]:
    """Return an empty mask where the map lies; plain pixels when it does not say where."""
    pixels, place = np.broadcast_to(np.False_, index.shape), index.place
    if place.frame is None:
        return pixels
    mpp = place.slide_mpp or Mpp(1.0, 1.0)
    return Mask(
        pixels,
        place.frame,
        mpp,
        slide_fingerprint=place.slide_fingerprint,
        class_name=place.class_name,
    )
