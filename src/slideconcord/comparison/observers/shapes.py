"""What asks where pixels lie: borders and regions of all readings, band by band from the top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.observers.consensus import Consensus
from slideconcord.comparison.observers.matching import RegionTally
from slideconcord.comparison.observers.options import Comparing
from slideconcord.comparison.observers.pairs import Surface
from slideconcord.comparison.observers.placed import Placed
from slideconcord.comparison.observers.surfaces import (
    Border,
    Points,
    compare_all_borders,
    find_border,
)
from slideconcord.geometry import Box
from slideconcord.segmentation.sharing import in_order, workers

Bools = NDArray[np.bool_]
_BAND_PX = 1 << 20


def shapes_of(
    placed: Placed,
    consensus: Consensus | None,
    pairs: Sequence[tuple[int, int]],
    options: Comparing,
) -> tuple[list[Surface], list[ConfusionCounts]]:
    """Compare borders and regions of pairs of readers, the consensus being the last of these.

    Either list is empty when the options do not ask for it.
    """
    if not (options.surfaces or options.regions):
        return [], []
    number = len(placed.readers) + (consensus is not None)
    regions = RegionTally(number) if options.regions else None
    borders: list[list[Points]] = [[] for _ in range(number)]
    with ThreadPoolExecutor(workers(), thread_name_prefix="shapes") as pool:
        for top, marked in _bands(placed, consensus):
            if options.surfaces:
                _add_borders(borders, marked, top, pool)
            if regions is not None:
                regions.add(marked[:, 1:-1], pool)
        ready = list(pool.map(lambda parts: Border.of(parts, placed.grid.mpp), borders))
    surfaces = compare_all_borders(ready, pairs, options.tolerance_um) if options.surfaces else []
    least_px = options.min_region_um2 / placed.grid.pixel_um2
    return surfaces, [] if regions is None else regions.matches(pairs, least_px)


def _add_borders(borders: Sequence[list[Points]], marked: Bools, top: int, pool: Executor) -> None:
    found = pool.map(lambda plane: find_border(plane, top), marked)
    for parts, points in zip(borders, found, strict=True):
        parts.append(points)


def _bands(placed: Placed, consensus: Consensus | None) -> Iterator[tuple[int, Bools]]:
    """Yield the first row of each band and its readings, with one more row above and below."""
    height, width = placed.grid.shape
    rows = max(_BAND_PX // max(width, 1), 1)

    def read(top: int) -> Bools:
        first, stop = max(top - 1, 0), min(top + rows + 1, height)
        marked = placed.read(Box(first, 0, stop - first, width))
        if consensus is not None:
            marked = np.concatenate([marked, consensus.of(marked[_asked(placed, consensus)])[None]])
        beyond = (0, 0), (int(top == 0), int(top + rows >= height)), (0, 0)
        return np.pad(marked, beyond) if any(beyond[1]) else marked

    return in_order(read, range(0, height, rows), workers())


def _asked(placed: Placed, consensus: Consensus) -> list[int]:
    return [placed.readers.index(reader) for reader in consensus.readers]
