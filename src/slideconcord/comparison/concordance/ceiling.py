"""The highest Dice that registration error allows: a mask against itself, displaced.

Held-out tiles say how far tissue lies off (median and 90th percentile). A mask is laid on itself
displaced so far, in eight directions; the mean over the distribution of distances is what two
*identical* segmentations would score. Displacements are taken as constant over an object's edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.concordance.overlap import Overlaps, count_pixels
from slideconcord.geometry import Box, Frame
from slideconcord.segmentation.sharing import in_order, workers

if TYPE_CHECKING:
    from slideconcord.annotations.raster import Rasteriser
    from slideconcord.comparison.concordance.overlap import Filled
    from slideconcord.comparison.concordance.placing import Grid

Reals = NDArray[np.float64]
# Opposite directions overlap alike, so four say all of eight.
_DIRECTIONS = 4
_QUANTILES = 24
# The overlap falls almost in a straight line, so few distances say it.
_NODES = np.array([0.0, 0.2, 0.5, 1.0])


@dataclass(frozen=True, slots=True)
class Residual:
    """How far tissue lies off after registration: median and 90th percentile, µm."""

    p50_um: float
    p90_um: float

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.p50_um) and math.isfinite(self.p90_um)

    def distances(self) -> Reals:
        """Return evenly likely distances in µm: of the Weibull distribution with both values."""
        if self.p50_um <= 0 or self.p90_um <= self.p50_um:
            return np.full(_QUANTILES, max(self.p50_um, 0.0))
        ratio = math.log(math.log(10) / math.log(2))
        shape = ratio / math.log(self.p90_um / self.p50_um)
        scale = self.p50_um / math.log(2) ** (1 / shape)
        chance = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        found: Reals = scale * (-np.log1p(-chance)) ** (1 / shape)
        return found


NOTHING = Residual(0.0, 0.0)
"""That of the hub, which lies on itself."""


def pair_distances(first: Residual, second: Residual) -> Reals:
    """Return evenly likely distances between two scans that were each laid on the hub.

    Both errors are taken as independent and without a favourite direction.
    """
    a, b = first.distances()[:, None, None], second.distances()[None, :, None]
    angle = (np.arange(8) + 0.5) * (math.pi / 8)
    squared = a**2 + b**2 + 2 * a * b * np.cos(angle)
    found: Reals = np.sqrt(np.maximum(squared, 0.0)).ravel()
    return found


@dataclass(frozen=True, slots=True, eq=False)
class SelfOverlap:
    """Dice of a mask with itself by how far it is displaced; NaN for an empty mask."""

    distances_um: Reals
    dice: Reals

    def expected(self, distances_um: Reals) -> float:
        """Return the mean over distances."""
        return float(np.interp(distances_um, self.distances_um, self.dice).mean())


def self_overlaps(
    mask: Rasteriser,
    counted: Sequence[Filled],
    grid: Grid,
    boxes: Sequence[Box],
    farthest_um: float,
) -> SelfOverlap:
    """Displace a mask in steps up to ``farthest_um`` and count how much of it stays on itself."""
    distances = _NODES * farthest_um

    def count(box: Box) -> list[Overlaps]:
        kept = np.logical_and.reduce([each.fill(box) for each in counted])
        if not kept.any():
            return [Overlaps.none(len(distances))] * _DIRECTIONS
        return [
            count_pixels(
                np.stack([_displaced(mask, grid, k, d).fill(box) for d in distances]), kept
            )
            for k in range(_DIRECTIONS)
        ]

    totals = [Overlaps.none(len(distances))] * _DIRECTIONS
    for _, found in in_order(count, boxes, workers()):
        totals = [total + each for total, each in zip(totals, found, strict=True)]
    return SelfOverlap(distances, np.mean([total.dice()[0] for total in totals], axis=0))


def _displaced(mask: Rasteriser, grid: Grid, direction: int, distance_um: float) -> Rasteriser:
    """Return the mask moved by a distance.

    Each direction has its own offset from the pixels, so that outlines that run along pixel edges
    do not hide what moves by less than a pixel.
    """
    frame, angle = grid.frame, (direction + 0.5) * math.pi / _DIRECTIONS
    per_um = frame.step_y / grid.mpp.y, frame.step_x / grid.mpp.x
    offset = (direction + 0.5) / _DIRECTIONS - 0.5
    dy = offset * frame.step_y - distance_um * math.sin(angle) * per_um[0]
    dx = -offset * frame.step_x - distance_um * math.cos(angle) * per_um[1]
    moved = Frame(frame.origin_y + dy, frame.origin_x + dx, frame.step_y, frame.step_x)
    return mask.in_frame(moved)
