"""Scans that look alike only loosely: another stain, or the next section.

No tile of them correlates beyond doubt, but many agree on one affine map, which chance does not do.
"""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.facts import Quality
from slideconcord.comparison.registration.fit import distances, fit_affine
from slideconcord.comparison.registration.outcome import RegistrationStep
from slideconcord.comparison.registration.planes import Matrix, Points, apply
from slideconcord.comparison.registration.rounds import Both, Round, measure_round
from slideconcord.comparison.registration.tiles import Look

_TILES = 300
_NEAR_PX = 3.0
_TRIALS = 3000
_LEAST_AGREEING, _LEAST_SHARE = 20, 0.3
_STRETCH = 1.15


def loose_fit(
    both: Both, matrix: Matrix, look: Look, seed: int
) -> Generator[RegistrationStep, None, tuple[Matrix, Quality] | None]:
    """Return an affine map that many tiles agree on, first from afar, then nearer; or None."""
    for each in (Look(2 * look.mpp, 64, 20), Look(2 * look.mpp, 48, 10)):
        tried = yield from measure_round(both, matrix, each, _TILES, apart=0.5)
        found = None if tried is None else _consensus(tried, _NEAR_PX * each.mpp, seed)
        if tried is None or found is None:
            return None
        matrix, agreeing = found
        quality = Quality(
            inliers=agreeing,
            tiles=tried.textured,
            accepted=agreeing,
            ncc=float(np.nanmedian(tried.tiles.ncc)),
            ncc_null=tried.null,
        )
    return matrix, quality


def _consensus(tried: Round, near_um: float, seed: int) -> tuple[Matrix, int] | None:
    known = np.isfinite(tried.source_um).all(1)
    source, target = tried.source_um[known], tried.tiles.at_um[known]
    least = max(_LEAST_AGREEING, math.ceil(_LEAST_SHARE * tried.textured))
    if len(source) < least:
        return None
    inside = _best_of_trials(source, target, near_um, np.random.default_rng(seed))
    for _ in range(5):
        if np.count_nonzero(inside) < least:
            return None
        matrix = fit_affine(source[inside], target[inside])
        inside = distances(apply(matrix, source), target) <= near_um
    agreeing = int(np.count_nonzero(inside))
    return (matrix, agreeing) if agreeing >= least else None


def _best_of_trials(
    source: Points, target: Points, near_um: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which tiles agree with the best of many affine maps, each made from three."""
    best = np.zeros(len(source), bool)
    for three in rng.integers(0, len(source), (_TRIALS, 3)):
        spread = np.linalg.svd(source[three] - source[three].mean(0), compute_uv=False)
        if spread[1] < 20 * near_um:
            continue
        matrix = fit_affine(source[three], target[three])
        stretch = np.linalg.svd(matrix[:2, :2], compute_uv=False)
        if not 1 / _STRETCH < stretch[1] <= stretch[0] < _STRETCH:
            continue
        inside = distances(apply(matrix, source), target) <= near_um
        if np.count_nonzero(inside) > np.count_nonzero(best):
            best = inside
    return best
