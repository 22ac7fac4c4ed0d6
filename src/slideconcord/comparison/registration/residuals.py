"""What tiles say of a map: which to believe, and how far off it puts those it has not seen."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.fit import (
    Fit,
    distances,
    fit_affine,
    fit_robustly,
    fit_similarity,
)
from slideconcord.comparison.registration.lattice import Lattice
from slideconcord.comparison.registration.planes import Matrix, Points, apply
from slideconcord.comparison.registration.tiles import Tiles

Bools = NDArray[np.bool_]
Errors = NDArray[np.float64]
LEAST_NCC, MOST_NEEDED_NCC = 0.35, 0.6
"""A tile must correlate as well as the null; at least this, and at most that is asked."""
LEAST_MARGIN = 0.05
"""By so much its peak must top the next one."""
STRAY_UM = 3.0
"""A tile that differs this much more than its neighbours do among themselves is not believed."""
FOLDS = 5
_BLOCKS = 4
_SCATTER_UM = 0.1
_NARROWEST = 0.1


def believable(tiles: Tiles, lattice: Lattice, least_ncc: float) -> Bools:
    """Return which tiles found their place: a high, lone peak, much like their neighbours'."""
    sure = (tiles.ncc >= least_ncc) & (tiles.margin >= LEAST_MARGIN)
    sure &= np.isfinite(tiles.shift_um).all(1)
    return sure & ~_strays(tiles.shift_um, sure, lattice.index)


def _strays(shift_um: Points, sure: Bools, index: NDArray[np.int64]) -> Bools:
    grid = _as_grid(shift_um, sure, index)
    near = _neighbours(grid, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nodes without any neighbour
        middle = np.nanmedian(near, axis=0)
        scatter = np.nanmedian(np.abs(near - middle), axis=0).sum(-1)
    off = np.abs(grid - middle).sum(-1)
    # a tile without neighbours has nobody to vouch for it
    lonely = np.isfinite(near[..., 0]).sum(0) < 2
    stray = lonely | ~(off <= STRAY_UM + 4 * scatter)
    found: Bools = stray[tuple(index.T)]
    return found


def _as_grid(values: Points, sure: Bools, index: NDArray[np.int64]) -> NDArray[np.float64]:
    grid = np.full((*(index.max(0) + 1), 2), np.nan)
    grid[tuple(index[sure].T)] = values[sure]
    return grid


def _neighbours(grid: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return (neighbour, row, column, 2) around every node, without itself; NaN beyond the edge."""
    wide = np.pad(grid, ((reach, reach), (reach, reach), (0, 0)), constant_values=np.nan)
    height, width = grid.shape[:2]
    steps = [(i, j) for i in range(2 * reach + 1) for j in range(2 * reach + 1)]
    steps.remove((reach, reach))
    return np.stack([wide[i : i + height, j : j + width] for i, j in steps])


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Points that belong together, one a believed tile, in µm; ``index`` is the lattice's."""

    source_um: Points
    """On the moving scan."""
    target_um: Points
    """On the fixed scan."""
    index: NDArray[np.int64]
    spacing_um: float
    origin_um: tuple[float, float]

    def __len__(self) -> int:
        return len(self.source_um)

    def part(self, chosen: Bools) -> Pairs:
        return Pairs(
            self.source_um[chosen],
            self.target_um[chosen],
            self.index[chosen],
            self.spacing_um,
            self.origin_um,
        )


def held_out(fit: Fit, pairs: Pairs) -> NDArray[np.float64]:
    """Return how far each pair is off under a map fitted without the block around it."""
    fold = _spatial_folds(pairs.index)
    off = np.full(len(pairs), np.nan)
    for k in range(FOLDS):
        left = fold == k
        if not left.any() or np.count_nonzero(~left) < 4:
            continue
        rest = pairs.part(~left)
        matrix = fit_robustly(fit, rest.source_um, rest.target_um, _SCATTER_UM)
        off[left] = distances(apply(matrix, pairs.source_um[left]), pairs.target_um[left])
    return off


def _spatial_folds(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut the lattice into blocks, and deal the blocks to the folds; neighbours stay together."""
    low, high = index.min(0), index.max(0) + 1
    block = (index - low) * _BLOCKS // np.maximum(high - low, 1)
    folds: NDArray[np.int64] = (2 * block[:, 0] + block[:, 1]) % FOLDS
    return folds


def choose_affine(pairs: Pairs, *, mirrored: bool = False) -> tuple[Matrix, str, Errors]:
    """Return a similarity, or an affine where unseen tiles lie better with it; and their errors.

    ``mirrored`` says that the map turns the tissue over, which a similarity by itself does not.
    """
    flip = np.diag([1.0, -1.0, 1.0]) if mirrored else np.eye(3)
    pairs = replace(pairs, source_um=apply(flip, pairs.source_um))
    fits: dict[str, Fit] = {"similarity": fit_similarity}
    if _spans(pairs):
        fits["affine"] = fit_affine
    errors = {name: held_out(fit, pairs) for name, fit in fits.items()}
    name = min(errors, key=lambda name: rms(errors[name]))
    matrix = fit_robustly(fits[name], pairs.source_um, pairs.target_um, _SCATTER_UM)
    return matrix @ flip, name, errors[name]


def _spans(pairs: Pairs) -> bool:
    """Tell whether pairs lie wide enough both ways: a strip of tissue says nothing of shear."""
    centred = pairs.target_um - pairs.target_um.mean(0)
    wide, narrow = np.linalg.svd(centred, compute_uv=False) / math.sqrt(len(pairs))
    return bool(narrow > max(_NARROWEST * wide, 1.5 * pairs.spacing_um))


def rms(values: NDArray[np.float64]) -> float:
    """Return the root mean square without the worst twentieth, which may be wrong pairs."""
    known = np.sort(values[np.isfinite(values)])
    kept = known[: max(math.ceil(0.95 * len(known)), 1)]
    return float(np.sqrt(np.mean(kept**2))) if len(known) else math.inf
