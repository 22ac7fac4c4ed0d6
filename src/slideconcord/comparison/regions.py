"""Which regions of a prediction and a reference are the same region (exploratory analysis 3).

A region is a set of 4-connected foreground pixels. Two correspond when their intersection over
union is above one half, and then neither can correspond with any other: of two disjoint regions
only one can cover more than half of a third.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.labelling import BandLabels
from slideconcord.comparison.metrics import dsc, precision, sensitivity
from slideconcord.comparison.operands import bring_together
from slideconcord.comparison.tables import Table, without_nan
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box

if TYPE_CHECKING:
    from slideconcord.comparison.operands import Bools, Comparable, Operands

Ints = NDArray[np.int64]
_BAND_PX = 1 << 22


@dataclass(frozen=True, slots=True)
class RegionPair:
    """Two regions that correspond; numbers are places in `RegionMatches`' areas."""

    prediction: int
    reference: int
    counts: ConfusionCounts
    """Pixels of the two regions; ``tn`` is 0, since a pair has no background of its own."""

    @property
    def iou(self) -> float:
        return self.counts.tp / (self.counts.tp + self.counts.fp + self.counts.fn)


@dataclass(frozen=True, slots=True)
class RegionMatches:
    """The regions of both masks and those that correspond, in reading order."""

    prediction_areas_px: tuple[int, ...] = field(repr=False)
    reference_areas_px: tuple[int, ...] = field(repr=False)
    pairs: tuple[RegionPair, ...] = field(repr=False)

    @property
    def counts(self) -> ConfusionCounts:
        """Regions, not pixels: found, found in vain, missed. There are no true negatives."""
        tp = len(self.pairs)
        return ConfusionCounts(
            tp, len(self.prediction_areas_px) - tp, len(self.reference_areas_px) - tp
        )

    @property
    def precision(self) -> float:
        """Share of predicted regions that correspond; NaN when there are none."""
        return precision(self.counts)

    @property
    def recall(self) -> float:
        """Share of reference regions that correspond; NaN when there are none."""
        return sensitivity(self.counts)

    @property
    def f1(self) -> float:
        """The DSC of regions; NaN when neither mask has any."""
        return dsc(self.counts)

    @property
    def pixel_dsc(self) -> float:
        """DSC of the tables of all pairs added up (Table S9); NaN without a pair."""
        return dsc(reduce(add, (pair.counts for pair in self.pairs), ConfusionCounts()))

    def table(self) -> Table:
        """Return one row per region of either mask; ``corresponds_to`` is empty without a match."""
        sides = (
            ("prediction", self.prediction_areas_px, {p.prediction: p for p in self.pairs}),
            ("reference", self.reference_areas_px, {p.reference: p for p in self.pairs}),
        )
        columns = ("mask", "region", "area_px", "corresponds_to", "iou")
        rows = []
        for side, areas, pair_of in sides:
            for number, area in enumerate(areas):
                pair = pair_of.get(number)
                other = pair and (pair.reference if side == "prediction" else pair.prediction)
                rows.append((side, number, area, other, pair.iou if pair else math.nan))
        return Table(columns, tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Return the counts and ratios as JSON values; what is undefined is null."""
        ratios = {name: getattr(self, name) for name in ("precision", "recall", "f1", "pixel_dsc")}
        return {
            "true_positive": self.counts.tp,
            "false_positive": self.counts.fp,
            "false_negative": self.counts.fn,
            **without_nan(ratios),
        }


def match_regions(
    prediction: Comparable,
    reference: Comparable,
    tissue: Comparable | None = None,
    *,
    min_reference_px: int = 0,
) -> RegionMatches:
    """Find the regions that prediction and reference have in common.

    Memory holds a band of rows and a few numbers per region.

    Parameters
    ----------
    prediction, reference, tissue
        As in `compare_masks`; both masks are cut to the tissue first.
    min_reference_px
        Reference regions of fewer pixels are left out. The paper leaves out those under 1600 at
        5 µm/px, which its background segmentation makes.

    Raises
    ------
    MismatchError
        When the masks lie in different frames or on different slides.
    ParameterError
        When all are annotations, an array is not bool (y, x), or ``min_reference_px`` is negative.
    """
    if min_reference_px < 0:
        raise ParameterError(f"min_reference_px={min_reference_px} must be 0 or more pixels.")
    return match_operands(bring_together(prediction, reference, tissue), min_reference_px)


def match_operands(
    operands: Operands, min_reference_px: int = 0, band_rows: int | None = None
) -> RegionMatches:
    """Do as `match_regions` for what lies in one frame already."""
    labels = BandLabels(), BandLabels()
    overlaps: list[Ints] = []
    for bands in _bands(operands, band_rows):
        a, b = (side.add(band) for side, band in zip(labels, bands, strict=True))
        overlaps.append(_overlaps(a, b))
    regions = tuple(side.finish() for side in labels)
    # (overlap, [prediction, reference, pixels]), each pair of regions once
    found = _merged(overlaps, regions[0].number, regions[1].number)
    return _matches(found, regions[0].areas, regions[1].areas, min_reference_px)


def _bands(operands: Operands, rows: int | None) -> Iterator[tuple[Bools, Bools]]:
    height, width = operands.shape
    rows = rows or max(_BAND_PX // max(width, 1), 1)
    for y in range(0, height if width else 0, rows):
        yield operands.read(Box(y, 0, min(rows, height - y), width))[:2]


def _overlaps(a: Ints, b: Ints) -> Ints:
    """Return the labels that share pixels, and how many: (3, overlap)."""
    both = (a > 0) & (b > 0)
    pairs = np.stack([a[both], b[both]])
    # Neighbours mostly belong to the same two regions: count runs, then sort those alone.
    begins = np.flatnonzero((pairs[:, 1:] != pairs[:, :-1]).any(0)) + 1
    starts = np.concatenate([np.zeros(min(pairs.shape[1], 1), np.int64), begins])
    lengths = np.diff(starts, append=pairs.shape[1])
    return _tally(pairs[:, starts], lengths)


def _tally(pairs: Ints, weights: Ints) -> Ints:
    """Return each distinct column of ``pairs`` once, with the sum of its weights below it."""
    if not pairs.shape[1]:
        return np.empty((3, 0), np.int64)
    last = int(pairs[1].max()) + 1
    keys, inverse = np.unique(pairs[0] * last + pairs[1], return_inverse=True)
    sums = np.zeros(len(keys), np.int64)
    np.add.at(sums, inverse, weights)
    return np.stack([keys // last, keys % last, sums])


def _merged(overlaps: list[Ints], number_a: Ints, number_b: Ints) -> Ints:
    """Add up the overlaps of all bands, under the final numbers of the regions."""
    all_bands = np.concatenate([np.empty((3, 0), np.int64), *overlaps], axis=1)
    pairs = np.stack([number_a[all_bands[0]], number_b[all_bands[1]]])
    return _tally(pairs, all_bands[2])


def _matches(
    found: Ints, prediction_areas: Ints, reference_areas: Ints, min_reference_px: int
) -> RegionMatches:
    large = reference_areas >= min_reference_px
    place = np.cumsum(large) - 1
    a, b, shared = found[:, large[found[1]]]
    union = prediction_areas[a] + reference_areas[b] - shared
    # in whole numbers: exactly one half is not above it
    same = 2 * shared > union
    pairs = tuple(
        RegionPair(
            int(i),
            int(place[j]),
            ConfusionCounts(int(tp), int(prediction_areas[i] - tp), int(reference_areas[j] - tp)),
        )
        for i, j, tp in zip(a[same], b[same], shared[same], strict=True)
    )
    return RegionMatches(
        tuple(prediction_areas.tolist()), tuple(reference_areas[large].tolist()), pairs
    )
