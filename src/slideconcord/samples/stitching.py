"""How a virtual scanner puts its fields together: seams at known pixels, offsets known exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Box

Reals = npt.NDArray[np.float64]
Edges = npt.NDArray[np.int64]
SMALLEST_FIELD_UM = 10.0
# What rounding may move a point across a seam, px.
_ROUNDING_PX = 1e-7


@dataclass(frozen=True, slots=True)
class Stitching:
    """The fields of a scanner, and by how much each lies beside its place.

    A field of infinite height is the strip of a line scanner; one of finite height and width is
    the picture of a tile scanner's camera. Each field shows the tissue at its own offset, so
    that at a seam a little of it is seen twice or not at all, as on real scanners.
    """

    height_um: float = math.inf
    """Height of a field; infinite for strips."""
    width_um: float = math.inf
    jitter_um: float = 0.0
    """Standard deviation of each field's own offset, along y and along x."""
    walk_um: float = 0.0
    """Standard deviation of an error at every joint that adds up from field to field; what is
    left when all fields are put down at the mean advance, as readers do that know no joints."""
    drift_um: float = 0.0
    """Standard deviation of a slow drift along a strip, linear between knots."""
    drift_every_um: float = 2000.0
    """Distance of the knots of the drift."""

    def __post_init__(self) -> None:
        errors = (self.jitter_um, self.walk_um, self.drift_um)
        side = min(self.height_um, self.width_um, self.drift_every_um)
        if not (min(errors) >= 0 and side >= max(10 * max(errors), SMALLEST_FIELD_UM)):
            raise ParameterError(
                f"fields of {self.height_um:g} x {self.width_um:g} µm cannot be off by "
                f"{max(errors):g} µm: give fields of at least {SMALLEST_FIELD_UM:g} µm, and "
                "jitter, walk and drift from 0 to a tenth of a field."
            )
        if self.drift_um and math.isfinite(self.height_um):
            raise ParameterError("drift is of strips: leave height_um infinite, or drift_um at 0.")

    def fields(self, shape: tuple[int, int], mpp: float, seed: int) -> Fields:
        """Return the fields of a scan of (height, width) px; ``seed`` names their offsets."""
        rng = np.random.default_rng((seed, 0x5EA))
        every = self.drift_every_um if self.drift_um else self.height_um
        tops, lefts = _edges(shape[0], every / mpp), _edges(shape[1], self.width_um / mpp)
        rows, columns = len(tops) - 1, len(lefts) - 1
        strips = 1 if self.drift_um else rows
        offset = np.zeros((rows, columns, 2))
        offset += self.jitter_um * rng.standard_normal((strips, columns, 2))
        offset += self.walk_um * _bridge(rng, strips)[:, None]
        offset += self.walk_um * _bridge(rng, columns)[None]
        knots = self.drift_um * rng.standard_normal((rows + 1, columns, 2))
        slope = np.diff(knots, axis=0) / np.diff(tops)[:, None, None]
        return Fields(tops, lefts, (offset + knots[:-1]) / mpp, slope / mpp)


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """The fields of one scan; maps where a pixel lies to where it would lie on a perfect stage.

    Coordinates are level-0 corner coordinates. The outermost fields reach to infinity.
    """

    tops: Edges
    """(rows + 1,) upper edges of the fields, and the end of the last."""
    lefts: Edges
    offset: Reals
    """(rows, columns, 2) px (y, x) that a field shows beside its place, at its upper edge."""
    slope: Reals
    """Change of the offset per px down the field."""

    @classmethod
    def single(cls, shape: tuple[int, int]) -> Fields:
        """Return one field for all: a perfect stage."""
        none = np.zeros((1, 1, 2))
        return cls(np.array([0, shape[0]]), np.array([0, shape[1]]), none, none)

    @property
    def seams(self) -> tuple[Edges, Edges]:
        """Rows and columns at which the picture jumps; not the knots of a drift."""
        jumps = np.abs(self.offset[1:] - self._ends()[:-1]).max((1, 2), initial=0.0) > _ROUNDING_PX
        return self.tops[1:-1][jumps], self.lefts[1:-1]

    def straighten(self, y: Reals, x: Reals) -> tuple[Reals, Reals]:
        """Return where points of the scan would lie on a perfect stage."""
        i, j = _at(self.tops, y), _at(self.lefts, x)
        offset, down = self.offset[i, j], (y - self.tops[i])
        offset = offset + self.slope[i, j] * down[..., None]
        return y + offset[..., 0], x + offset[..., 1]

    def displace(self, y: Reals, x: Reals) -> tuple[Reals, Reals]:
        """Return where the scan shows points of a perfect stage; NaN where no field shows one.

        Of two fields that both show a point, the one that should show it is taken.
        """
        found_y, found_x = np.full(y.shape, np.nan), np.full(y.shape, np.nan)
        i, j = _at(self.tops, y), _at(self.lefts, x)
        for di, dj in self._neighbours():
            row, column = i + di, j + dj
            there = np.isnan(found_y) & (row >= 0) & (row < len(self.tops) - 1)
            there &= (column >= 0) & (column < len(self.lefts) - 1)
            row, column = np.where(there, row, 0), np.where(there, column, 0)
            py, px = self._back(y, x, row, column)
            py, within_y = _clipped(self.tops, row, py)
            px, within_x = _clipped(self.lefts, column, px)
            there &= within_y & within_x
            found_y, found_x = np.where(there, py, found_y), np.where(there, px, found_x)
        return found_y, found_x

    def _back(self, y: Reals, x: Reals, row: Edges, column: Edges) -> tuple[Reals, Reals]:
        offset, slope, top = self.offset[row, column], self.slope[row, column], self.tops[row]
        down = (y - top - offset[..., 0]) / (1.0 + slope[..., 0])
        return top + down, x - offset[..., 1] - slope[..., 1] * down

    def _neighbours(self) -> list[tuple[int, int]]:
        """Return steps to every field that can show a point instead of its own, near ones first."""
        farthest = np.abs(np.stack([self.offset, self._ends()])).max((0, 1, 2))
        sides = (np.diff(self.tops).min(), np.diff(self.lefts).min())
        high, wide = (math.ceil(far / side) for far, side in zip(farthest, sides, strict=True))
        steps = product(range(-high, high + 1), range(-wide, wide + 1))
        return sorted(steps, key=lambda step: abs(step[0]) + abs(step[1]))

    def _ends(self) -> Reals:
        """Return the offsets at the fields' lower edges."""
        ends: Reals = self.offset + self.slope * np.diff(self.tops)[:, None, None]
        return ends

    def parts(self, box: Box, factor: float = 1.0) -> Iterator[tuple[Box, Affine]]:
        """Cut a box into the parts that single fields show.

        Parameters
        ----------
        box
            Pixels of a grid whose pixels are ``factor`` level-0 px wide; each belongs to the
            field its centre lies in.

        Yields
        ------
        A part, and the map from the grid's corner coordinates to those of a perfect stage.
        """
        for i, y, stop_y in _runs(self.tops, box.y, box.stop_y, factor):
            for j, x, stop_x in _runs(self.lefts, box.x, box.stop_x, factor):
                (oy, ox), (sy, sx), top = self.offset[i, j], self.slope[i, j], self.tops[i]
                rows = ((1 + sy) * factor, 0.0, oy - sy * top)
                columns = (sx * factor, factor, ox - sx * top)
                yield Box(y, x, stop_y - y, stop_x - x), Affine((rows, columns))


def _edges(side_px: int, field_px: float) -> Edges:
    """Return 0, the seams between equal fields, and the side, all whole pixels."""
    count = max(math.ceil(side_px / field_px - 0.5), 1)
    inner = np.rint(np.arange(1, count) * field_px) if count > 1 else np.empty(0)
    return np.concatenate([[0], inner, [side_px]]).astype(np.int64)


def _bridge(rng: np.random.Generator, count: int) -> Reals:
    """Return a random walk of unit steps, (count, 2), less the straight line between its ends."""
    walk = np.cumsum(rng.standard_normal((count, 2)), axis=0)
    if count == 1:
        return np.zeros((1, 2))
    along = np.linspace(0.0, 1.0, count)[:, None]
    bridge: Reals = walk - walk[0] - (walk[-1] - walk[0]) * along
    return bridge


def _at(edges: Edges, values: Reals) -> Edges:
    """Return the field along one axis in which each value lies."""
    return np.searchsorted(edges[1:-1], values, side="right")


def _clipped(edges: Edges, index: Edges, values: Reals) -> tuple[Reals, npt.NDArray[np.bool_]]:
    """Return the values, set right by rounding errors, and which lie in their field."""
    low = np.where(index == 0, -np.inf, edges[index])
    high = np.where(index == len(edges) - 2, np.inf, edges[index + 1])
    within = (values >= low - _ROUNDING_PX) & (values < high + _ROUNDING_PX)
    return np.clip(values, low, np.nextafter(high, -np.inf)), within


def _runs(edges: Edges, start: int, stop: int, factor: float) -> Iterator[tuple[int, int, int]]:
    """Yield (field, first pixel, stop) of pixels start to stop along one axis."""
    # the first pixel whose centre lies at or beyond a seam
    seams = np.ceil(edges[1:-1] / factor - 0.5).astype(np.int64)
    cuts = [start, *np.clip(seams, start, stop).tolist(), stop]
    for field, (first, last) in enumerate(pairwise(cuts)):
        if first < last:
            yield field, first, last
