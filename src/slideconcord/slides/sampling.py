"""Boxes of a slide at any level or pixel size, with background around it."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.geometry import Box
from slideconcord.slides.cache import NativeTile, Tile
from slideconcord.slides.pyramid import Pyramid, paste
from slideconcord.slides.reader import Rgb
from slideconcord.slides.resample import SAME_STEP, Taps, area_taps, resample

if TYPE_CHECKING:
    from collections.abc import Iterator

# A coarse picture of a large box is made band by band, so that memory does not grow with it.
_BAND_PX = 16 << 20


class Sampler:
    """Read boxes that may reach outside the slide, at levels or between them.

    Parameters
    ----------
    pyramid
        Gives the tiles.
    shape
        Height and width of level 0.
    background
        Colour of what lies outside.
    """

    def __init__(
        self, pyramid: Pyramid, shape: tuple[int, int], background: tuple[int, int, int]
    ) -> None:
        self._pyramid = pyramid
        self._shape = shape
        self._background = background

    def at_level(self, level: int, box: Box) -> Tile:
        """Return a box in pixels of a level."""
        whole = Box(0, 0, *self._pyramid.plans[level].shape)
        inside = box.intersect(whole)
        if inside == box:
            return self._pyramid.read(level, box)
        out = np.empty((*box.shape, 3), np.uint8)
        out[:] = self._background
        if not inside.area:
            return Tile(out)
        tile = self._pyramid.read(level, inside)
        paste(out, box, tile.rgb, inside)
        self._extend_edge(out, box, level, inside)
        return Tile(out, tile.damaged)

    def at_step(
        self,
        y: float,
        x: float,
        step: tuple[float, float],
        shape: tuple[int, int],
        *,
        exact: bool = False,
    ) -> Tile:
        """Return ``shape`` pixels of ``step`` level-0 pixels each, from level-0 (y, x) on.

        ``exact``: see `area_taps`.
        """
        return self.from_level(self._level_for(step), y, x, step, shape, exact=exact)

    def from_level(
        self,
        level: int,
        y: float,
        x: float,
        step: tuple[float, float],
        shape: tuple[int, int],
        *,
        exact: bool = False,
    ) -> Tile:
        """Return the same as `at_step`, made of the pixels of one level."""
        down, across = self._pyramid.plans[level].downsample
        rows = area_taps(y / down, step[0] / down, shape[0], exact=exact)
        columns = area_taps(x / across, step[1] / across, shape[1], exact=exact)
        out: list[Rgb] = []
        damaged: set[NativeTile] = set()
        for band in _bands(rows, columns.stop - columns.start):
            box = Box(
                band.start, columns.start, band.stop - band.start, columns.stop - columns.start
            )
            tile = self.at_level(level, box)
            out.append(resample(tile.rgb, band, columns))
            damaged |= tile.damaged
        return Tile(np.concatenate(out) if len(out) > 1 else out[0], frozenset(damaged))

    def _level_for(self, step: tuple[float, float]) -> int:
        """Return the coarsest stored level that is at least as fine as ``step``."""
        allowed = [0]
        for i, plan in enumerate(self._pyramid.plans):
            fine = all(d <= f * (1 + SAME_STEP) for d, f in zip(plan.downsample, step, strict=True))
            if fine and plan.native is not None:
                allowed.append(i)
        return allowed[-1]

    def _extend_edge(self, out: Rgb, box: Box, level: int, inside: Box) -> None:
        """Repeat the last row and column where level 0 reaches further than a rounded level."""
        plan = self._pyramid.plans[level]
        stop_y, stop_x = (
            ceil(side / factor - 1e-6)
            for side, factor in zip(self._shape, plan.downsample, strict=True)
        )
        reach = box.intersect(Box(0, 0, stop_y, stop_x)).shift(-box.y, -box.x)
        there = inside.shift(-box.y, -box.x)
        if inside.stop_y == plan.shape[0] and reach.stop_y > there.stop_y:
            last = out[there.stop_y - 1, there.x : there.stop_x]
            out[there.stop_y : reach.stop_y, there.x : there.stop_x] = last
        if inside.stop_x == plan.shape[1] and reach.stop_x > there.stop_x:
            rows = slice(there.y, max(reach.stop_y, there.stop_y))
            out[rows, there.stop_x : reach.stop_x] = out[rows, there.stop_x - 1 : there.stop_x]


def _bands(rows: Taps, width: int) -> Iterator[Taps]:
    """Cut the taps of the rows so that no band needs more than so many old pixels."""
    old_rows = max(_BAND_PX // max(width, 1), 1)
    step = max((rows.stop - rows.start) / len(rows.first), 1.0)
    height = max(int(old_rows / step), 1)
    for start in range(0, len(rows.first), height):
        yield Taps(rows.first[start : start + height], rows.shares[start : start + height])
