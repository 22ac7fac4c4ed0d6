"""What a view shows where a tile is still missing: the finest coarser pixels there are."""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box
from slideconcord.slides.plan import chunks_of
from slideconcord.slides.pyramid import Pyramid, paste
from slideconcord.slides.reader import Rgb
from slideconcord.slides.resample import pick


class StandIn:
    """Enlarge decoded tiles of coarser levels; the coarsest level is always there."""

    def __init__(self, pyramid: Pyramid) -> None:
        self._pyramid = pyramid
        self._last = len(pyramid.plans) - 1
        self._coarsest: Rgb | None = None
        self._lock = Lock()

    @property
    def coarsest(self) -> Rgb:
        """All of the coarsest level, decoded at the first use."""
        with self._lock:
            if self._coarsest is None:
                box = Box(0, 0, *self._pyramid.plans[self._last].shape)
                coarsest = self._pyramid.read_shown(self._last, box)
                coarsest.setflags(write=False)
                self._coarsest = coarsest
            return self._coarsest

    def read(self, level: int, box: Box) -> Rgb:
        """Return a box of a level, made of the next coarser pixels that are decoded."""
        for coarser in range(level + 1, self._last + 1):
            rows, columns = self._under(level, coarser, box)
            there = Box(int(rows[0]), int(columns[0]), _span(rows), _span(columns))
            if (found := self._decoded(coarser, there)) is not None:
                return pick(found, rows - there.y, columns - there.x)
        return np.zeros((*box.shape, 3), np.uint8)

    def _under(
        self, level: int, coarser: int, box: Box
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the coarser level's row and column that lies under each pixel of a box."""
        fine, coarse = self._pyramid.plans[level], self._pyramid.plans[coarser]
        down, across = (f / c for f, c in zip(fine.downsample, coarse.downsample, strict=True))
        rows = ((np.arange(box.y, box.stop_y) + 0.5) * down).astype(np.int64)
        columns = ((np.arange(box.x, box.stop_x) + 0.5) * across).astype(np.int64)
        height, width = coarse.shape
        return np.minimum(rows, height - 1), np.minimum(columns, width - 1)

    def _decoded(self, level: int, box: Box) -> Rgb | None:
        """Return a box of a level if all its tiles are in the cache."""
        if level == self._last:
            return self.coarsest[box.slices]
        plan = self._pyramid.plans[level]
        out = np.empty((*box.shape, 3), np.uint8)
        for row, column in chunks_of(plan.shape, plan.chunk, box):
            tile = self._pyramid.peek(level, row, column)
            if tile is None:
                return None
            shown = self._pyramid.show(tile, level, row, column)
            paste(out, box, shown, self._pyramid.box_of(level, row, column))
        return out


def _span(index: NDArray[np.int64]) -> int:
    return int(index[-1] - index[0]) + 1
