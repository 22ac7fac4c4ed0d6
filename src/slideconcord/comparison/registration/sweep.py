"""The pose where features fail: every turn is tried, and correlation finds the shift."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.features import Guess
from slideconcord.comparison.registration.planes import Matrix, inverted, shifting, turning
from slideconcord.comparison.registration.signal import OD_CAP, Overview, Signal

_SIDE_PX = 160
_STEP_DEG = 4.0
_FINE_DEG = (2.0, 1.0, 0.5, 0.25)
_KEPT = 2
SOFT_OD = 0.12
"""Capped here, density is little more than where tissue is, whatever its stain."""


def guesses_by_sweep(
    moving: Overview, fixed: Overview, *, mirrored: bool = False
) -> Iterator[Guess]:
    """Yield the best poses over all turns; scale is what the pixel sizes say.

    First by density, then by where tissue is, which other stains share.
    """
    shrink = max(max(moving.density.shape), max(fixed.density.shape)) / _SIDE_PX
    for cap in (OD_CAP, SOFT_OD):
        small_moving, from_moving = _small(moving, shrink, cap)
        small_fixed, from_fixed = _small(fixed, shrink, cap)
        if mirrored:
            small_moving = np.ascontiguousarray(small_moving[:, ::-1])
            flip = np.diag([1.0, -1.0, 1.0])
            flip[1, 2] = small_moving.shape[1] - 1
            from_moving = from_moving @ flip
        for found in _best_maps(small_moving, small_fixed):
            yield Guess(from_fixed @ found @ inverted(from_moving), 0, "sweep")


def _best_maps(moving: Signal, fixed: Signal) -> Iterator[Matrix]:
    """Yield the maps of pixels, turns and shifts, under which two pictures correlate best."""
    # room for the turned picture beside the other, so that no shift comes back from the far end
    side = math.ceil(2.5 * _SIDE_PX)
    spectrum = np.conj(np.fft.rfft2(_standard(fixed), (side, side)))
    turns = np.arange(0, 360, _STEP_DEG)
    scored = [(_best_shift(moving, turn, spectrum, side)[0], float(turn)) for turn in turns]
    for score, turn in sorted(scored, reverse=True)[:_KEPT]:
        yield _finer(moving, score, turn, spectrum, side)


def _finer(
    moving: Signal, score: float, turn: float, spectrum: NDArray[np.complex128], side: int
) -> Matrix:
    """Return the best map of pixels near a turn."""
    best = score, turn
    for step in _FINE_DEG:
        for near in (best[1] - step, best[1] + step):
            best = max(best, (_best_shift(moving, near, spectrum, side)[0], near))
    return _best_shift(moving, best[1], spectrum, side)[1]


def _small(overview: Overview, shrink: float, cap: float) -> tuple[Signal, Matrix]:
    """Return a small picture, and the map from its pixel centres to µm."""
    density = cv2.GaussianBlur(np.minimum(overview.density, cap), (0, 0), max(0.5 * shrink, 0.5))
    height, width = (max(round(side / shrink), 8) for side in density.shape)
    small = cv2.resize(density, (width, height), interpolation=cv2.INTER_AREA)
    fy, fx = density.shape[0] / height, density.shape[1] / width
    grow = np.array([[fy, 0, (fy - 1) / 2], [0, fx, (fx - 1) / 2], [0, 0, 1.0]])
    return small.astype(np.float32), overview.to_um @ grow


def _standard(picture: Signal) -> Signal:
    centred = picture - picture.mean()
    return centred / (np.linalg.norm(centred) + 1e-9)


def _best_shift(
    moving: Signal, turn: float, spectrum: NDArray[np.complex128], side: int
) -> tuple[float, Matrix]:
    """Return the correlation of the turned picture at its best shift, and the map of pixels."""
    middle = ((moving.shape[0] - 1) / 2, (moving.shape[1] - 1) / 2)
    room = math.ceil(math.hypot(*moving.shape))
    place = shifting((room - 1) / 2 - middle[0], (room - 1) / 2 - middle[1]) @ turning(turn, middle)
    turned = cv2.warpAffine(_standard(moving), xy_matrix(place), (room, room))
    surface = np.fft.irfft2(np.fft.rfft2(turned, (side, side)) * spectrum, (side, side))
    y, x = (int(v) for v in np.unravel_index(int(surface.argmax()), surface.shape))
    dy, dx = (v - side if v > side // 2 else v for v in (y, x))
    return float(surface[y, x]), shifting(-dy, -dx) @ place


def xy_matrix(matrix: Matrix) -> NDArray[np.float64]:
    """Return a (y, x) map as the 2 x 3 (x, y) matrix that OpenCV wants."""
    swapped: NDArray[np.float64] = matrix[np.ix_([1, 0], [1, 0, 2])]
    return swapped
