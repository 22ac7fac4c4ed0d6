"""How well the masks of registered scans agree, for every pair of thresholds.

A pixel is in the mask (low, high) when its *reach*, the peak of its component above low, is above
high. Two masks meet where the smaller of both reaches is above high: so one look at all points per
low, which counts reaches and the smaller of each two, answers every high.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.scan_grid import IndexedScan, Sample, common_grid, sample_all
from slideconcord.compiled import compiled
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation.chosen import by_peak
from slideconcord.segmentation.sharing import share
from slideconcord.segmentation.threshold_index import FIVE_PERCENT, ThresholdIndex
from slideconcord.segmentation.thresholds import Thresholds, grey_level

__all__ = ["IndexedScan", "ScanLandscape", "survey_scans"]

Ratios = NDArray[np.float64]
Counts = NDArray[np.int64]
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class ScanLandscape:
    """Dice of each two scans' masks by [low, high].

    Taken where all scans have map. NaN where low is above high, and where both masks are empty.
    """

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    pairs: tuple[tuple[str, str], ...]
    by_pair: Ratios
    """(pair, low, high)."""
    points: int
    """Points of the common grid that lie on all maps."""
    grid_mpp: float
    """How far apart they are, in µm."""

    @cached_property
    def mean(self) -> Ratios:
        """The mean of all pairs; NaN where one pair has none."""
        return np.asarray(self.by_pair.mean(axis=0))

    @cached_property
    def worst(self) -> Ratios:
        """The smallest of all pairs; NaN where one pair has none."""
        return np.asarray(self.by_pair.min(axis=0))


def survey_scans(
    scans: Sequence[IndexedScan],
    box_um: Box | None = None,
    grid_mpp: float | None = None,
    *,
    lows: Sequence[float] = FIVE_PERCENT,
    highs: Sequence[float] = FIVE_PERCENT,
) -> Generator[float, None, ScanLandscape]:
    """Compare the masks of registered scans with one another for all pairs of thresholds.

    Each mask is the exact one of its own scan's whole map; it is then looked up, nearest pixel, at
    the points of a common grid. Yields the share done; returns the landscape. As both masks of a
    pair are looked up, edges move by up to half a pixel of each: Dice is a little lower than where
    one mask is brought onto the pixels of the other, most for small regions.

    Parameters
    ----------
    scans
        Two or more; thresholds alone make their masks, without what else a tuning may hold.
    box_um
        The part of the hub's frame to compare, µm; what all maps share when None.
    grid_mpp
        The distance of the grid's points, µm; when None a pixel of the coarsest map, or more, so
        that there are at most 4 million.
    lows, highs
        Fractions from 0 to 1; 5 % steps from 0.05 to 0.95 unless given.

    Raises
    ------
    ParameterError
        When there are fewer than two scans, the grid's step is not above 0, or a threshold is no
        fraction.
    MismatchError
        When the maps have no point of the grid in common.
    """
    if len(scans) < 2 or not (grid_mpp is None or grid_mpp > 0):
        raise ParameterError(
            f"{len(scans)} scans on a grid of {grid_mpp} µm cannot be compared: "
            "give two scans or more, and a step above 0."
        )
    for value in (*lows, *highs):
        Thresholds(value, value)
    if box_um is None or grid_mpp is None:
        shared_um, least_mpp = common_grid(scans)
        box_um, grid_mpp = box_um or shared_um, grid_mpp or least_mpp
    samples = yield from _first_half(sample_all(scans, box_um, grid_mpp))
    pairs = np.array(list(combinations(range(len(scans)), 2)))
    high_greys = [grey_level(high) for high in highs]
    found = np.full((len(pairs), len(lows), len(highs)), np.nan)
    for i, low in enumerate(lows):
        own, both = _count_above(scans, samples, grey_level(low), pairs)
        dice = _dice(own[pairs].sum(axis=1), both)[:, high_greys]
        found[:, i] = np.where(low <= np.array(highs), dice, np.nan)
        yield (1 + (i + 1) / len(lows)) / 2
    names = tuple((scans[a].name, scans[b].name) for a, b in pairs)
    points = len(samples[0].values)
    return ScanLandscape(tuple(lows), tuple(highs), names, found, points, grid_mpp)


def _first_half(
    steps: Generator[float, None, list[Sample]],
) -> Generator[float, None, list[Sample]]:
    while True:
        try:
            yield next(steps) / 2
        except StopIteration as end:
            found: list[Sample] = end.value
            return found


def _count_above(
    scans: Sequence[IndexedScan], samples: Sequence[Sample], grey: int, pairs: Counts
) -> tuple[Counts, Counts]:
    """Count points in each scan's mask, and in both of each pair, by the grey level of high."""
    reaches = [_reach(scan.index, grey) for scan in scans]
    own, both = np.zeros((len(scans), 256), np.int64), np.zeros((len(pairs), 256), np.int64)
    lock = threading.Lock()

    def look(first: int) -> None:
        part = slice(first, first + _CHUNK)
        at = np.empty((len(samples), len(samples[0].values[part])), np.uint8)
        for row, sample, reach in zip(at, samples, reaches, strict=True):
            _look_up(sample.values[part], sample.branches[part], reach, grey, row)
        of_own, of_both = np.zeros_like(own), np.zeros_like(both)
        _tally(at, pairs, of_own, of_both)
        with lock:
            own[:] += of_own
            both[:] += of_both

    share(range(0, len(samples[0].values), _CHUNK), look)
    return _above(own), _above(both)


def _reach(index: ThresholdIndex, grey: int) -> NDArray[np.uint8]:
    """Return how high each branch of a map's forest reaches above a grey level."""
    # Not by the index's own memory: that holds what a hand on the sliders asks for next.
    found = by_peak(index.forest, index.joined, grey)
    blocks = np.arange(len(index.forest.highest))
    share([part for part in np.array_split(blocks, 16) if len(part)], found.fill)
    return found.reach.of_branch


def _above(counts: Counts) -> Counts:
    """Return how many are above each grey level."""
    from_here = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    return from_here - counts


def _dice(sizes: Counts, both: Counts) -> Ratios:
    return np.divide(2 * both, sizes, out=np.full(both.shape, np.nan), where=sizes > 0)


@compiled
def _look_up(values: Any, branches: Any, reach: Any, grey: Any, out: Any) -> None:
    """Fill ``out`` with the reach of each point, 0 where it is not above the grey level."""
    for k in range(len(out)):
        out[k] = reach[branches[k]] if values[k] > grey else np.uint8(0)


@compiled
def _tally(reach: Any, pairs: Any, own: Any, both: Any) -> None:
    """Count the reaches (scan, point), and the smaller one of each pair."""
    smaller = np.empty(reach.shape[1], np.uint8)
    for s in range(reach.shape[0]):
        _count(reach[s], own[s])
    for p in range(pairs.shape[0]):
        a, b = reach[pairs[p, 0]], reach[pairs[p, 1]]
        for k in range(len(a)):
            smaller[k] = min(a[k], b[k])
        _count(smaller, both[p])


@compiled
def _count(values: Any, out: Any) -> None:
    # Neighbours are mostly alike, and one counter cannot be raised twice at a time: four can.
    four = np.zeros((4, 256), np.int32)
    end = len(values) // 4 * 4
    for k in range(0, end, 4):
        four[0, values[k]] += 1
        four[1, values[k + 1]] += 1
        four[2, values[k + 2]] += 1
        four[3, values[k + 3]] += 1
    for k in range(end, len(values)):
        four[0, values[k]] += 1
    for value in range(256):
        out[value] += four[0, value] + four[1, value] + four[2, value] + four[3, value]
