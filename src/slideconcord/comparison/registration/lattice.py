"""Where tiles lie: a square lattice over the tissue that both scans show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.planes import Matrix, Points, inverted
from slideconcord.comparison.registration.signal import Bools, Overview
from slideconcord.comparison.registration.sweep import xy_matrix


@dataclass(frozen=True, slots=True)
class Common:
    """The tissue that both scans show, on the fixed scan's overview."""

    tissue: Bools
    overlap: float
    """Its share of the tissue of the scan that has less."""
    agreement: float
    """Dice of the two tissue masks where both scans have pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Points of a square lattice that lie on tissue."""

    index: NDArray[np.int64]
    """(n, 2) row and column of each point."""
    spacing_um: float
    origin_um: tuple[float, float]

    @property
    def points_um(self) -> Points:
        return np.array(self.origin_um) + self.index * self.spacing_um


def common_tissue(moving: Overview, fixed: Overview, matrix: Matrix) -> Common:
    """Return the tissue that both scans show under a map of µm."""
    back = inverted(moving.to_um) @ inverted(matrix) @ fixed.to_um
    size, flags = fixed.tissue.shape[::-1], cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP

    def moved(mask: Bools) -> Bools:
        warped = cv2.warpAffine(mask.astype(np.uint8), xy_matrix(back), size, flags=flags)
        return np.asarray(warped != 0)

    there, warped = moved(np.ones_like(moving.tissue)), moved(moving.tissue)
    both = warped & fixed.tissue
    pixel = abs(float(np.linalg.det(back)))
    least = min(float(moving.tissue.sum()) / pixel, float(fixed.tissue.sum()))
    either = int(warped.sum()) + int((fixed.tissue & there).sum())
    return Common(
        both,
        float(both.sum() / least) if least else 0.0,
        2.0 * float(both.sum()) / either if either else 0.0,
    )


def lattice_over(tissue: Bools, to_um: Matrix, most: int, least_um: float) -> Lattice:
    """Return at most about ``most`` points on the tissue, at least ``least_um`` apart."""
    pixel = float(to_um[0, 0])
    area = float(tissue.sum()) * pixel**2
    spacing = max(math.sqrt(area / most), least_um)
    rows, columns = (max(math.floor(n * pixel / spacing), 1) for n in tissue.shape)
    # the lattice lies in the middle of the overview
    edges = (np.array(tissue.shape) * pixel - np.array([rows, columns]) * spacing) / 2
    index = np.moveaxis(np.indices((rows, columns)), 0, -1).reshape(-1, 2)
    at = ((index + 0.5) * spacing + edges) / pixel - 0.5
    y, x = np.clip(np.rint(at).astype(int), 0, np.array(tissue.shape) - 1).T
    origin = to_um[:2, 2] + 0.5 * spacing + edges - 0.5 * pixel
    return Lattice(index[tissue[y, x]], spacing, (float(origin[0]), float(origin[1])))
