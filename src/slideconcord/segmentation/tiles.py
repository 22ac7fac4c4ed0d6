"""Where tiles lie: index arithmetic only.

The rule is that of the pan-cancer paper's code (facts/methods.md, section 1): as few tiles as
cover the side with at least the wanted overlap, whose overlaps differ by one pixel at most, the
larger ones first. A side no longer than a tile makes one tile of that side, not padded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box


class Tiling(NamedTuple):
    """Side of a tile and least overlap, in pixels of 1 µm."""

    tile_px: int
    overlap_px: int


INFERENCE, TRAINING = Tiling(7680, 1024), Tiling(2048, 0)
"""What the pan-cancer paper takes (Methods, "Tiling")."""


def tile_starts(length: int, tile_px: int, overlap_px: int) -> list[int]:
    """Return where tiles begin along a side of ``length`` pixels.

    Parameters
    ----------
    length
        Pixels to cover.
    tile_px
        Side of a tile; a shorter ``length`` is one tile.
    overlap_px
        Least overlap of neighbours.

    Raises
    ------
    ParameterError
        When a size is not positive, or tiles that overlap so much would never get on.
    """
    if length < 1 or tile_px < 1 or overlap_px < 0:
        raise ParameterError(
            f"length {length}, tile_px {tile_px}, overlap_px {overlap_px}: "
            "give a positive length and tile_px, and an overlap_px of 0 or more."
        )
    if length <= tile_px:
        return [0]
    count = -(-length // tile_px)
    if tile_px * count - length < overlap_px * (count - 1):
        if tile_px <= overlap_px:
            raise ParameterError(
                f"overlap_px {overlap_px} must be smaller than tile_px {tile_px}: "
                "tiles that overlap wholly never reach the other side."
            )
        count = -(-(length - overlap_px) // (tile_px - overlap_px))
    overlap, larger = divmod(tile_px * count - length, count - 1)
    return [k * (tile_px - overlap) - min(k, larger) for k in range(count)]


@dataclass(frozen=True)
class TileGrid:
    """The tiles of a map; tile number = row * columns + column. Boxes are in map pixels."""

    shape: tuple[int, int]
    tile_px: int
    overlap_px: int

    @cached_property
    def starts(self) -> tuple[list[int], list[int]]:
        """Where tile rows and tile columns begin."""
        height, width = self.shape
        return (
            tile_starts(height, self.tile_px, self.overlap_px),
            tile_starts(width, self.tile_px, self.overlap_px),
        )

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width in pixels, the same for every tile."""
        return min(self.tile_px, self.shape[0]), min(self.tile_px, self.shape[1])

    @property
    def columns(self) -> int:
        return len(self.starts[1])

    def __len__(self) -> int:
        return len(self.starts[0]) * len(self.starts[1])

    def place(self, index: int) -> tuple[int, int]:
        """Return (row, column) of a tile."""
        return divmod(index, self.columns)

    def box(self, index: int) -> Box:
        row, column = self.place(index)
        return Box(self.starts[0][row], self.starts[1][column], *self.tile_shape)

    def touching(self, box: Box) -> list[int]:
        """Return the tiles that share a pixel with ``box``, in ascending order."""
        rows = touching_starts(self.starts[0], self.tile_shape[0], box.y, box.stop_y)
        columns = touching_starts(self.starts[1], self.tile_shape[1], box.x, box.stop_x)
        return [row * self.columns + column for row in rows for column in columns]

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Centres (tile, 2), as (y, x) in corner coordinates of the map."""
        height, width = self.tile_shape
        rows, columns = (np.asarray(starts, np.float64) for starts in self.starts)
        y, x = np.meshgrid(rows + height / 2, columns + width / 2, indexing="ij")
        return np.stack([y.ravel(), x.ravel()], axis=1)


def touching_starts(starts: list[int], tile: int, start: int, stop: int) -> range:
    """Return the numbers of the tiles along one side that share a pixel with start..stop."""
    first = int(np.searchsorted(starts, start - tile, side="right"))
    return range(first, int(np.searchsorted(starts, stop, side="left")))


class TileQueue:
    """Tiles still to do: in reading order, or nearest to a focus first."""

    def __init__(self, grid: TileGrid, done: Iterable[int] = ()) -> None:
        self._grid = grid
        self._waiting = np.ones(len(grid), bool)
        self._waiting[list(done)] = False
        self._first = 0

    def __len__(self) -> int:
        return int(self._waiting.sum())

    def take(self, focus: tuple[float, float] | None = None) -> int | None:
        """Return the next tile and strike it off; None when none is left.

        ``focus`` is (y, x) in corner coordinates of the map; ties go in reading order.
        """
        index = self._next_in_order() if focus is None else self._nearest(focus)
        if index is not None:
            self._waiting[index] = False
        return index

    def _next_in_order(self) -> int | None:
        while self._first < len(self._waiting):
            if self._waiting[self._first]:
                return self._first
            self._first += 1
        return None

    def _nearest(self, focus: tuple[float, float]) -> int | None:
        waiting = np.flatnonzero(self._waiting)
        if not waiting.size:
            return None
        away = self._grid.centres[waiting] - np.asarray(focus)
        return int(waiting[np.argmin((away * away).sum(axis=1))])
