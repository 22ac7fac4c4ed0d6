"""How far the borders of readings lie apart, in µm and exactly, whatever the size of the slide.

The border of a reading is its pixels that touch a pixel outside it with an edge; outside the frame
and the tissue is outside it. Distances are between centres of such pixels, as in MONAI and
SimpleITK. Memory holds the borders, never a map of distances.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.observers._nearest import (
    border_points,
    box_tree,
    curve_places,
    nearest_distances,
)
from slideconcord.comparison.observers.pairs import Surface
from slideconcord.geometry import Mpp
from slideconcord.segmentation.sharing import in_order, workers

Bools = NDArray[np.bool_]
Reals = NDArray[np.float64]
Points = NDArray[np.int32]
# A distance that equals the tolerance lies within it, whatever floats make of 3 x 0.1.
_SLACK = 1 + 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """The border pixels of one reading, made ready to be searched."""

    points_um: Reals
    """(point, 2) centres (y, x), neighbours near one another."""
    boxes: Reals
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Iterable[Points], mpp: Mpp) -> Self:
        """Take the border pixels of all parts of a slide."""
        points = np.concatenate([np.empty((0, 2), np.int32), *parts])
        points_um = points[np.argsort(curve_places(points), kind="stable")] * np.array(mpp)
        return cls(points_um, *box_tree(points_um))

    def __len__(self) -> int:
        return len(self.points_um)

    def distances(self, other: Border) -> Reals:
        """Return (point,) how far each of its pixels is from the nearest of another border."""
        return nearest_distances(self.points_um, other.points_um, other.boxes, other.starts)


@dataclass(frozen=True, slots=True)
class _OneWay:
    """The distances of one border's pixels to the other border, in a few numbers."""

    number: int
    total_um: float
    largest_um: float
    p95_um: float
    within: int

    @classmethod
    def of(cls, border: Border, other: Border, tolerance_um: float) -> Self:
        if not len(border) or not len(other):
            return cls(len(border), math.nan, math.nan, math.nan, 0)
        distances = border.distances(other)
        return cls(
            len(distances),
            float(distances.sum()),
            float(distances.max()),
            float(np.percentile(distances, 95)),
            int(np.count_nonzero(distances <= tolerance_um * _SLACK)),
        )


def find_border(marked: Bools, top: int = 0) -> Points:
    """Return the border pixels (point, 2) of a reading's rows (y, x).

    Parameters
    ----------
    marked
        Its pixels, with one more row above and below, which are only looked at.
    top
        Number of the first row after the one above.
    """
    return border_points(np.ascontiguousarray(marked).view(np.uint8), top)


def compare_borders(a: Border, b: Border, tolerance_um: float) -> Surface:
    """Return how far two borders lie apart."""
    there, back = _OneWay.of(a, b, tolerance_um), _OneWay.of(b, a, tolerance_um)
    number = there.number + back.number
    return Surface(
        hd_um=max(there.largest_um, back.largest_um),
        hd95_um=max(there.p95_um, back.p95_um),
        mean_um=(there.total_um + back.total_um) / number if number else math.nan,
        dice=(there.within + back.within) / number if number else math.nan,
        first_px=there.number,
        second_px=back.number,
    )


def compare_all_borders(
    borders: Sequence[Border], pairs: Iterable[tuple[int, int]], tolerance_um: float
) -> list[Surface]:
    """Do as `compare_borders` for pairs of places, several at a time."""

    def compare(pair: tuple[int, int]) -> Surface:
        return compare_borders(borders[pair[0]], borders[pair[1]], tolerance_um)

    return [found for _, found in in_order(compare, pairs, workers())]
