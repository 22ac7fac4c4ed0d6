"""Which regions of two readings are one region, for all pairs of readings in one pass.

A region is a set of 4-connected pixels; two are one when their intersection over union is above
one half, as in `slideconcord.comparison.regions`. Each reading is labelled once.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.labelling import RunLabels
from slideconcord.comparison.observers.tally import Tally

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class RegionTally:
    """Takes the readings band by band; says afterwards which regions share how many pixels."""

    def __init__(self, readers: int) -> None:
        self._labels = tuple(RunLabels() for _ in range(readers))
        self._parts: list[Tally] = []

    def add(self, marked: Bools, pool: Executor) -> None:
        """Take the next rows of all readings, (reader, y, x)."""
        bands = pool.map(lambda each: each[0].add(each[1]), zip(self._labels, marked, strict=True))
        self._parts.append(Tally.of_runs(list(bands)))

    def matches(
        self, pairs: Iterable[tuple[int, int]], min_region_px: float = 0.0
    ) -> list[ConfusionCounts]:
        """Return for each pair the regions that are one, and those of the first and second alone.

        Regions of fewer pixels than ``min_region_px`` are left out on both sides.
        """
        regions = [each.finish() for each in self._labels]
        found = Tally.total(self._parts, len(regions))
        numbers = np.stack(
            [each.number[column] for each, column in zip(regions, found.rows.T, strict=True)]
        )
        areas = [each.areas for each in regions]
        return [
            _matched(numbers[[i, j]], found.counts, areas[i], areas[j], min_region_px)
            for i, j in pairs
        ]


def _matched(
    numbers: Ints, pixels: Ints, areas_a: Ints, areas_b: Ints, min_region_px: float
) -> ConfusionCounts:
    """Return the regions that are one, given which (2, way) share how many pixels."""
    large_a, large_b = areas_a >= min_region_px, areas_b >= min_region_px
    both = (numbers >= 0).all(axis=0)
    a, b = numbers[:, both]
    keys, place = np.unique(a * max(len(areas_b), 1) + b, return_inverse=True)
    shared = np.zeros(len(keys), np.int64)
    np.add.at(shared, place, pixels[both])
    a, b = np.divmod(keys, max(len(areas_b), 1))
    # in whole numbers: exactly one half is not above it
    same = 3 * shared > areas_a[a] + areas_b[b]
    tp = int(np.count_nonzero(same & large_a[a] & large_b[b]))
    return ConfusionCounts(tp, int(large_a.sum()) - tp, int(large_b.sum()) - tp)
