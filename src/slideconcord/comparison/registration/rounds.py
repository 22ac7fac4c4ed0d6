"""One round of tiles under one map: where they lie, what they say, which of them to believe."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from slideconcord.comparison.registration.lattice import Lattice, common_tissue, lattice_over
from slideconcord.comparison.registration.outcome import RegistrationStep
from slideconcord.comparison.registration.planes import Matrix, Points, apply, inverted
from slideconcord.comparison.registration.residuals import (
    LEAST_NCC,
    MOST_NEEDED_NCC,
    Pairs,
    believable,
)
from slideconcord.comparison.registration.signal import Bools, Overview
from slideconcord.comparison.registration.tiles import Look, Side, Tiles, joined, measure_tiles


@dataclass(frozen=True, slots=True)
class Both:
    """The two scans, ready to be compared."""

    moving: Side
    fixed: Side
    moving_view: Overview
    fixed_view: Overview


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """What the tiles of one round said."""

    lattice: Lattice
    tiles: Tiles
    source_um: Points
    """(n, 2) places of the moving scan, µm, that each tile says lie on it; NaN where unknown."""

    @property
    def null(self) -> float:
        """99th percentile of the correlation at wrong places; 1 where none was tried."""
        known = self.tiles.null[np.isfinite(self.tiles.null)]
        return float(np.percentile(known, 99)) if len(known) else 1.0

    @property
    def textured(self) -> int:
        return int(np.isfinite(self.tiles.ncc).sum())

    def pairs(self, good: Bools | None = None) -> Pairs:
        """Return the tiles to believe, or those that are ``good``."""
        if good is None:
            least = min(max(LEAST_NCC, self.null), MOST_NEEDED_NCC)
            good = believable(self.tiles, self.lattice, least)
        return Pairs(
            self.source_um[good],
            self.tiles.at_um[good],
            self.lattice.index[good],
            self.lattice.spacing_um,
            self.lattice.origin_um,
        )


def measure_round(
    both: Both, matrix: Matrix, look: Look, most: int, *, apart: float = 1.0
) -> Generator[RegistrationStep, None, Round | None]:
    """Compare tiles under a map of µm; None where no tissue lies on tissue.

    ``apart`` is the least distance of tiles in their widths.
    """
    common = common_tissue(both.moving_view, both.fixed_view, matrix)
    if not common.tissue.any():
        return None
    lattice = lattice_over(common.tissue, both.fixed_view.to_um, most, apart * look.tile_um)
    points = lattice.points_um
    if not len(points):
        return None
    parts, done = [], 0
    for part in measure_tiles(both.moving, both.fixed, matrix, points, look):
        parts.append(part)
        done += len(part.ncc)
        yield RegistrationStep(f"tiles at {look.mpp:.3g} µm", done, len(points))
    tiles = joined(parts)
    return Round(lattice, tiles, apply(inverted(matrix), points + tiles.shift_um))
