"""How well the masks of registered scans agree, for every pair of thresholds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation.threshold_index import FIVE_PERCENT, ThresholdIndex

Points = NDArray[np.float64]
Ratios = NDArray[np.float64]
_ROWS = 1024


@dataclass(frozen=True, slots=True)
class IndexedScan:
    """The index of one scan's map, and where the fixed frame's points lie on that map."""

    name: str
    index: ThresholdIndex
    to_map: Callable[[Points, Points], tuple[Points, Points]]
    """(y, x) in µm of the fixed frame to (y, x) in pixels of the map (corner convention), as a
    `geometry.Affine` does, or the way back of a registration."""


@dataclass(frozen=True)
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
    box_um: Box,
    grid_mpp: float,
    *,
    lows: Sequence[float] = FIVE_PERCENT,
    highs: Sequence[float] = FIVE_PERCENT,
) -> Generator[tuple[int, int], None, ScanLandscape]:
    """Compare the masks of registered scans with one another for all pairs of thresholds.

    Each mask is the exact one of its own scan's whole map; it is then looked up, nearest pixel, at
    the points of a common grid. Yields (pairs of thresholds done, all); returns the landscape.

    Parameters
    ----------
    scans
        Two or more.
    box_um
        The part of the fixed frame to compare, µm.
    grid_mpp
        The distance of the grid's points, µm.
    lows, highs
        Fractions from 0 to 1; 5 % steps from 0.05 to 0.95 unless given.

    Raises
    ------
    ParameterError
        When there are fewer than two scans, or the grid's step is not above 0.
    MismatchError
        When the maps have no point of the grid in common.
    """
    if len(scans) < 2 or not grid_mpp > 0:
        raise ParameterError(
            f"{len(scans)} scans on a grid of {grid_mpp} µm cannot be compared: "
            "give two scans or more, and a step above 0."
        )
    places = _common_places(scans, box_um, grid_mpp)
    pairs = list(combinations(range(len(scans)), 2))
    found = np.full((len(pairs), len(lows), len(highs)), np.nan)
    wanted = [(i, j) for i, low in enumerate(lows) for j, high in enumerate(highs) if low <= high]
    for done, (i, j) in enumerate(wanted, 1):
        masks = [
            scan.index.mask(lows[i], highs[j]).ravel()[place]
            for scan, place in zip(scans, places, strict=True)
        ]
        for k, (a, b) in enumerate(pairs):
            both = np.count_nonzero(masks[a]) + np.count_nonzero(masks[b])
            if both:
                found[k, i, j] = 2 * np.count_nonzero(masks[a] & masks[b]) / both
        yield done, len(wanted)
    names = tuple((scans[a].name, scans[b].name) for a, b in pairs)
    return ScanLandscape(tuple(lows), tuple(highs), names, found, len(places[0]))


def _common_places(
    scans: Sequence[IndexedScan], box_um: Box, grid_mpp: float
) -> list[NDArray[np.int64]]:
    """Return of each scan the flat pixel of its map at each point that lies on all maps."""
    x = box_um.x + (np.arange(int(box_um.width / grid_mpp)) + 0.5) * grid_mpp
    parts: list[list[NDArray[np.int64]]] = [[] for _ in scans]
    rows = int(box_um.height / grid_mpp)
    for top in range(0, rows, _ROWS):
        y = box_um.y + (np.arange(top, min(top + _ROWS, rows)) + 0.5) * grid_mpp
        ys, xs = (np.ascontiguousarray(v) for v in np.broadcast_arrays(y[:, None], x[None, :]))
        inside, flat = np.ones(ys.shape, np.bool_), []
        for scan in scans:
            height, width = scan.index.shape
            row, column = (np.floor(v).astype(np.int64) for v in scan.to_map(ys, xs))
            inside &= (row >= 0) & (row < height) & (column >= 0) & (column < width)
            flat.append(row * width + column)
        for part, place in zip(parts, flat, strict=True):
            part.append(place[inside])
    places = [np.concatenate(part) if part else np.zeros(0, np.int64) for part in parts]
    if not len(places[0]):
        raise MismatchError(
            "The registered maps have no place in common: register scans of the same tissue, "
            "or segment the part that they share."
        )
    return places
