"""Points that look alike in two overviews, and the pose that most of them agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.fit import distances, fit_affine, fit_similarity
from slideconcord.comparison.registration.planes import Matrix, Points, apply
from slideconcord.comparison.registration.signal import Overview, Signal

Kind = Literal["sift", "orb"]
_FEATURES = 4000
_RATIO = 0.85
_NEAR_PX = 2.0
_TRIALS = 4000
_SCALES = (0.2, 5.0)
_LEAST_AGREEING = 8
_ROUNDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Where features lie, in µm of their scan, and what each looks like."""

    points_um: Points
    descriptors: NDArray[Any]
    kind: Kind


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """A pose to be verified: µm of the moving scan to µm of the fixed one."""

    matrix: Matrix
    inliers: int
    source: str


def find_features(overview: Overview, kind: Kind = "sift", *, mirrored: bool = False) -> Features:
    """Return the strongest features of a scan; of its mirror image, in the scan's own µm, too."""
    image = as_picture(overview.density)
    if mirrored:
        image = np.ascontiguousarray(image[:, ::-1])
    finder = cv2.SIFT.create(_FEATURES) if kind == "sift" else cv2.ORB.create(_FEATURES)
    found, descriptors = finder.detectAndCompute(image, None)
    points = np.array([key.pt[::-1] for key in found], np.float64).reshape(-1, 2)
    if mirrored:
        points[:, 1] = image.shape[1] - 1 - points[:, 1]
    if descriptors is None:
        descriptors = np.zeros((0, 1), np.uint8 if kind == "orb" else np.float32)
    return Features(apply(overview.to_um, points), descriptors, kind)


def as_picture(density: Signal) -> NDArray[np.uint8]:
    """Return a density as grey levels; the darkest 0.5 % are full."""
    most = max(float(np.percentile(density, 99.5)), 0.1)
    return np.clip(density * (255 / most), 0, 255).astype(np.uint8)


def match(moving: Features, fixed: Features) -> tuple[Points, Points]:
    """Return pairs that choose each other and no other half as well."""
    none = np.empty((0, 2))
    if min(len(moving.points_um), len(fixed.points_um)) < 2:
        return none, none
    norm = cv2.NORM_L2 if moving.kind == "sift" else cv2.NORM_HAMMING
    matcher = cv2.BFMatcher(norm)
    back = {m.queryIdx: m.trainIdx for m in matcher.match(fixed.descriptors, moving.descriptors)}
    two = matcher.knnMatch(moving.descriptors, fixed.descriptors, 2)
    good = [
        (first.queryIdx, first.trainIdx)
        for first, second in two
        if first.distance < _RATIO * second.distance and back[first.trainIdx] == first.queryIdx
    ]
    if not good:
        return none, none
    source, target = np.array(good).T
    return moving.points_um[source], fixed.points_um[target]


def agree(
    source: Points, target: Points, near_um: float, seed: int, *, mirrored: bool = False
) -> tuple[Matrix, NDArray[np.bool_]] | None:
    """Return the similarity that most pairs agree on, and which do; None where too few do."""
    if len(source) < _LEAST_AGREEING:
        return None
    flip = np.diag([1.0, -1.0, 1.0]) if mirrored else np.eye(3)
    start = apply(flip, source)
    inside = _best_trial(start, target, near_um, np.random.default_rng(seed))
    for _ in range(_ROUNDS):
        if np.count_nonzero(inside) < _LEAST_AGREEING:
            return None
        matrix = fit_similarity(start[inside], target[inside])
        inside = distances(apply(matrix, start), target) <= near_um
    if np.count_nonzero(inside) < _LEAST_AGREEING:
        return None
    return matrix @ flip, inside


def _best_trial(
    source: Points, target: Points, near_um: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which pairs agree with the best of many similarities, each made from two pairs."""
    first, second = rng.integers(0, len(source), (2, _TRIALS))
    # as complex numbers a similarity is z -> a z + b
    z, w = (p[:, 1] + 1j * p[:, 0] for p in (source, target))
    apart = z[second] - z[first]
    usable = np.abs(apart) > 10 * near_um
    a = np.where(usable, (w[second] - w[first]) / np.where(usable, apart, 1), 0)
    scale = np.abs(a)
    a, first = (v[(scale > _SCALES[0]) & (scale < _SCALES[1])] for v in (a, first))
    best = np.zeros(len(source), bool)
    for turn, anchor in zip(a, first, strict=True):
        inside = np.abs(turn * (z - z[anchor]) + w[anchor] - w) <= near_um
        if np.count_nonzero(inside) > np.count_nonzero(best):
            best = inside
    return best


def guess_by_features(
    moving: Overview,
    fixed: Overview,
    fixed_features: Features,
    seed: int,
    *,
    mirrored: bool = False,
) -> Guess | None:
    """Return the pose that the features of two overviews agree on."""
    kind = fixed_features.kind
    source, target = match(find_features(moving, kind, mirrored=mirrored), fixed_features)
    near = _NEAR_PX * fixed.mpp
    found = agree(source, target, near, seed, mirrored=mirrored)
    if found is None:
        return None
    matrix, inside = found
    return Guess(matrix, int(np.count_nonzero(inside)), kind)


def guess_by_orb(moving: Overview, fixed: Overview, seed: int) -> Guess | None:
    """Return ORB features and one affine through those that agree: the SCORPION paper's method."""
    source, target = match(find_features(moving, "orb"), find_features(fixed, "orb"))
    found = agree(source, target, _NEAR_PX * fixed.mpp, seed)
    if found is None:
        return None
    inside = found[1]
    affine = fit_affine(source[inside], target[inside])
    return Guess(affine, int(np.count_nonzero(inside)), "orb")
