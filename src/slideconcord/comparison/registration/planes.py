"""Plane maps as 3 x 3 matrices on (y, x, 1): make, join, take apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Mpp

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]
"""(n, 2) float64, (y, x)."""


@dataclass(frozen=True, slots=True)
class Pose:
    """A plane map in words: what a scanner's stage and optics do to a glass slide."""

    scale: float
    """Mean magnification, the root of the area's."""
    rotation_deg: float
    """Turn, -180 to 180; positive moves +x towards +y."""
    anisotropy: float
    """Larger over smaller magnification, less 1."""
    shear_deg: float
    """How far the axes are from a right angle."""
    mirrored: bool


def matrix_of(affine: Affine) -> Matrix:
    """Return the 3 x 3 matrix of an `Affine`."""
    return np.array([*affine.matrix, (0.0, 0.0, 1.0)])


def affine_of(matrix: Matrix) -> Affine:
    """Return the `Affine` of a 3 x 3 matrix."""
    (a, b, c), (d, e, f) = matrix[:2].tolist()
    return Affine(((a, b, c), (d, e, f)))


def apply(matrix: Matrix, points: Points) -> Points:
    """Map points (n, 2)."""
    moved: Points = points @ matrix[:2, :2].T + matrix[:2, 2]
    return moved


def inverted(matrix: Matrix) -> Matrix:
    """Return the map back.

    Raises
    ------
    ParameterError
        When the map folds the plane onto a line.
    """
    if not abs(np.linalg.det(matrix)) > 1e-12:
        raise ParameterError(f"the map {matrix[:2].tolist()} folds the plane: it has no way back.")
    back: Matrix = np.linalg.inv(matrix).astype(np.float64)
    return back


def scaling(mpp: Mpp) -> Matrix:
    """Return the map from pixel centres to µm."""
    return np.diag([mpp.y, mpp.x, 1.0])


def shifting(dy: float, dx: float) -> Matrix:
    """Return the map that moves everything by (dy, dx)."""
    matrix: Matrix = np.eye(3)
    matrix[:2, 2] = dy, dx
    return matrix


def turning(degrees: float, about: tuple[float, float] = (0.0, 0.0)) -> Matrix:
    """Return the turn about a point (y, x); positive moves +x towards +y."""
    turn, angle = np.eye(3), math.radians(degrees)
    turn[:2, :2] = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    joined: Matrix = shifting(*about) @ turn @ shifting(-about[0], -about[1])
    return joined


def pose_of(matrix: Matrix) -> Pose:
    """Take a map between two frames of the same unit apart."""
    linear = matrix[:2, :2]
    determinant = float(np.linalg.det(linear))
    stretch = np.linalg.svd(linear, compute_uv=False)
    down, along = linear[:, 0], linear[:, 1]
    cosine = float(down @ along / (np.linalg.norm(down) * np.linalg.norm(along)))
    return Pose(
        scale=math.sqrt(abs(determinant)),
        rotation_deg=math.degrees(math.atan2(along[0], along[1])),
        anisotropy=float(stretch[0] / stretch[1]) - 1.0,
        shear_deg=math.degrees(math.asin(min(max(cosine, -1.0), 1.0))),
        mirrored=determinant < 0,
    )
