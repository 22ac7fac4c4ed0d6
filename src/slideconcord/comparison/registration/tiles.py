"""Small pieces of both scans laid on one another: where each really lies, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.planes import Matrix, Points, apply, inverted, pose_of
from slideconcord.comparison.registration.signal import Signal, density_of, grid_to_um
from slideconcord.comparison.registration.sweep import xy_matrix
from slideconcord.geometry import Box, Mpp
from slideconcord.slides import Slide
from slideconcord.slides.resample import SAME_STEP

_MARGIN_PX = 3
_LEAST_TEXTURE = 0.015
_SMOOTH_PX = 0.8
_PEAK_PX = 5
_THREADS = 2
_BATCH = 16
_NULL_EVERY = 3


@dataclass(frozen=True, slots=True)
class Look:
    """At what size tiles are compared."""

    mpp: float
    tile_px: int
    search_px: int
    """A tile is looked for so far to every side."""

    @property
    def tile_um(self) -> float:
        return self.mpp * self.tile_px


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """What tiles said, one row each."""

    at_um: Points
    """(n, 2) middle, in µm of the fixed scan."""
    shift_um: Points
    """(n, 2) by how much the moving scan's tissue lies beside it; NaN where nothing can be said."""
    ncc: NDArray[np.float64]
    """Correlation at the best shift; NaN without texture."""
    margin: NDArray[np.float64]
    """How much lower it is at the next-best, other shift."""
    null: NDArray[np.float64]
    """Best correlation with another tile's tissue, where it was tried."""


@dataclass(frozen=True, slots=True)
class Side:
    """One scan, read at one pixel size."""

    slide: Slide
    white: float

    def pixel_like(self, mpp: float) -> Mpp:
        """Return the size to read at: ``mpp``, or the scan's own where that is as good as equal.

        A grid that is hardly coarser than level 0 picks pixels and is up to half a pixel off.
        """
        y, x = (own if mpp < own * (1 + SAME_STEP) else mpp for own in self.slide.mpp)
        return Mpp(y, x)

    def read(self, box: Box, pixel: Mpp) -> Signal:
        """Return the density of a box of the grid at ``pixel``; damaged tiles are glass."""
        return density_of(self.slide.read_grid(pixel, box, on_damage="mark"), self.white)


def measure_tiles(
    moving: Side, fixed: Side, matrix: Matrix, at_um: Points, look: Look
) -> Iterator[Tiles]:
    """Compare tiles of the fixed scan with the moving scan under a map of µm; batch by batch.

    Parameters
    ----------
    matrix
        µm of the moving scan to µm of the fixed one.
    at_um
        (n, 2) where the tiles lie on the fixed scan.
    """
    batches = [at_um[i : i + _BATCH] for i in range(0, len(at_um), _BATCH)]
    with ThreadPoolExecutor(_THREADS) as pool:
        # a few ahead: all at once could not be stopped
        jobs = iter(batches)
        ahead = [pool.submit(_batch, moving, fixed, matrix, b, look) for b in islice(jobs, 4)]
        try:
            while ahead:
                yield ahead.pop(0).result()
                ahead += [
                    pool.submit(_batch, moving, fixed, matrix, b, look) for b in islice(jobs, 1)
                ]
        finally:
            for job in ahead:
                job.cancel()


def joined(parts: list[Tiles]) -> Tiles:
    """Return all batches as one."""
    names = Tiles.__slots__
    return Tiles(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def _batch(moving: Side, fixed: Side, matrix: Matrix, at_um: Points, look: Look) -> Tiles:
    shifts, others = np.full((len(at_um), 2), np.nan), np.full((3, len(at_um)), np.nan)
    stranger: Signal | None = None
    for i, at in enumerate(at_um):
        template, window, pixel = patches(moving, fixed, matrix, at, look)
        if min(float(template.std()), float(window.std())) < _LEAST_TEXTURE:
            continue
        surface = cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
        (y, x), peak, margin = best_shift(surface)
        shifts[i] = (y - look.search_px) * pixel.y, (x - look.search_px) * pixel.x
        others[:2, i] = peak, margin
        if stranger is not None and i % _NULL_EVERY == 0:
            others[2, i] = cv2.matchTemplate(stranger, template, cv2.TM_CCOEFF_NORMED).max()
        stranger = window
    return Tiles(at_um, shifts, *others)


def patches(
    moving: Side, fixed: Side, matrix: Matrix, at_um: Points, look: Look
) -> tuple[Signal, Signal, Mpp]:
    """Return a tile of the fixed scan, the moving scan around it on the same grid, its pixels."""
    pixel, side = fixed.pixel_like(look.mpp), 2 * (look.tile_px // 2 + look.search_px)
    none = np.zeros(2, np.int64)
    fixed_um = grid_to_um(fixed.slide, pixel, none)
    middle = np.rint(apply(inverted(fixed_um), at_um[None])[0]).astype(int)
    start = middle - look.tile_px // 2
    template = fixed.read(Box(int(start[0]), int(start[1]), look.tile_px, look.tile_px), pixel)
    # from pixels of the window to pixels of the moving scan's grid
    from_window = fixed_um.copy()
    from_window[:2, 2] += (start - look.search_px) * np.array(pixel)
    moving_pixel = moving.pixel_like(look.mpp / pose_of(matrix).scale)
    back = inverted(grid_to_um(moving.slide, moving_pixel, none)) @ inverted(matrix) @ from_window
    corners = apply(back, np.array([[0, 0], [0, side], [side, 0], [side, side]], np.float64))
    low = np.floor(corners.min(0)).astype(int) - _MARGIN_PX
    high = np.ceil(corners.max(0)).astype(int) + _MARGIN_PX
    source = moving.read(Box(int(low[0]), int(low[1]), *(int(v) for v in high - low)), moving_pixel)
    back[:2, 2] -= low
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    window = cv2.warpAffine(source, xy_matrix(back), (side, side), flags=flags)
    return _smooth(template), _smooth(window), pixel


def _smooth(density: Signal) -> Signal:
    return np.asarray(cv2.GaussianBlur(density, (0, 0), _SMOOTH_PX), np.float32)


def best_shift(surface: NDArray[np.float32]) -> tuple[tuple[float, float], float, float]:
    """Return place (y, x) and height of a correlation's peak, and how far it tops the next one.

    Between pixels the peak is that of the parabola through its neighbours; at the border there
    is none, and the place is NaN.
    """
    y, x = (int(v) for v in np.unravel_index(int(surface.argmax()), surface.shape))
    peak = float(surface[y, x])
    around = surface.copy()
    around[max(y - _PEAK_PX, 0) : y + _PEAK_PX + 1, max(x - _PEAK_PX, 0) : x + _PEAK_PX + 1] = -1
    margin = peak - float(around.max())
    if not (0 < y < surface.shape[0] - 1 and 0 < x < surface.shape[1] - 1):
        return (math.nan, math.nan), peak, margin
    dy = _vertex(float(surface[y - 1, x]), peak, float(surface[y + 1, x]))
    dx = _vertex(float(surface[y, x - 1]), peak, float(surface[y, x + 1]))
    return (y + dy, x + dx), peak, margin


def _vertex(before: float, peak: float, after: float) -> float:
    bend = before - 2 * peak + after
    return 0.0 if bend >= 0 else 0.5 * (before - after) / bend
