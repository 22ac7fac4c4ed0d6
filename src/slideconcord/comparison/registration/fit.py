"""Plane maps from pairs of points: least squares, and robust against a few wrong pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.planes import Matrix, Points, apply

Weights = NDArray[np.float64]
Fit = Callable[[Points, Points, Weights | None], Matrix]
_ROUNDS = 20
# Tukey's constant: 95 % as good as least squares where the errors are normal.
_TUKEY = 4.685
_MAD = 1.4826
SEAM_UM = 10.0
"""By so much fields of a scanner may lie beside their places."""


def fit_similarity(source: Points, target: Points, weights: Weights | None = None) -> Matrix:
    """Return the turn, scale and shift that take (n, 2) points nearest to others, unmirrored."""
    w = np.ones(len(source)) if weights is None else weights
    middle, goal = (np.average(p, axis=0, weights=w) for p in (source, target))
    (sy, sx), (ty, tx) = (source - middle).T, (target - goal).T
    size = float(w @ (sy * sy + sx * sx))
    a, b = float(w @ (sy * ty + sx * tx)) / size, float(w @ (sx * ty - sy * tx)) / size
    matrix = np.array([[a, b, 0.0], [-b, a, 0.0], [0.0, 0.0, 1.0]])
    matrix[:2, 2] = goal - matrix[:2, :2] @ middle
    return matrix


def fit_affine(source: Points, target: Points, weights: Weights | None = None) -> Matrix:
    """Return the affine map that takes (n, 2) points nearest to others."""
    w = np.ones(len(source)) if weights is None else weights
    middle = np.average(source, axis=0, weights=w)
    design = np.column_stack([source - middle, np.ones(len(source))]) * np.sqrt(w)[:, None]
    found = np.linalg.lstsq(design, target * np.sqrt(w)[:, None], rcond=None)[0]
    matrix = np.eye(3)
    matrix[:2, :2] = found[:2].T
    matrix[:2, 2] = found[2] - matrix[:2, :2] @ middle
    return matrix


def fit_robustly(fit: Fit, source: Points, target: Points, least_um: float) -> Matrix:
    """Return a least-squares fit without wrong pairs, which Tukey's weights find.

    They are not the fit itself: of strips that a scanner puts down some µm beside their places
    it would follow the larger one alone. Pairs within `SEAM_UM` are never wrong.
    ``least_um`` is the scatter below which pairs are not told apart.
    """
    weights = np.ones(len(source))
    matrix = fit(source, target, weights)
    for _ in range(_ROUNDS):
        off = distances(apply(matrix, source), target)
        scale = max(_MAD * float(np.median(off)), least_um)
        weights = np.clip(1 - (off / (_TUKEY * scale)) ** 2, 0, None) ** 2
        if np.count_nonzero(weights) < 3:
            return matrix
        before, matrix = matrix, fit(source, target, weights)
        if np.abs(matrix - before).max() < 1e-9:
            break
    kept = distances(apply(matrix, source), target) <= max(_TUKEY * scale, SEAM_UM)
    return fit(source, target, kept.astype(np.float64))


def distances(points: Points, others: Points) -> NDArray[np.float64]:
    """Return how far each of (n, 2) points is from its pair."""
    return np.hypot(*(points - others).T)
