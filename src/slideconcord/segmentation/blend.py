"""Merging overlapping tiles into one map, as the pan-cancer paper does.

A tile weighs 1 up to an overlap, and inside it ``1 - d / (l + 1)``, where d counts from 0 at the
overlap's inner border and l is its length. The overlap begins at the nearest start of a later
tile. The four sides multiply, and the weights of all tiles at a pixel are divided by their sum.
Tiles are uint8; the result is rounded half to even.

The weights are kept as integers, so sums are exact and a tie is a tie: the result depends neither
on the order of the tiles nor on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box
from slideconcord.segmentation.tiles import TileGrid, touching_starts

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def side_weights(starts: list[int], tile: int, length: int) -> list[Floats]:
    """Return every tile's weights along one side, as whole numbers.

    At each pixel the weights of all tiles carry one common factor, which the division by their
    sum takes out again.
    """
    pairs = [_fractions(starts, tile, number) for number in range(len(starts))]
    common = np.ones(length, np.int64)
    for start, (_, below) in zip(starts, pairs, strict=True):
        part = common[start : start + tile]
        np.lcm(part, below, out=part)
    return [
        (above * (common[start : start + tile] // below)).astype(np.float64)
        for start, (above, below) in zip(starts, pairs, strict=True)
    ]


def _fractions(
    starts: list[int], tile: int, number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one tile's weights along one side as (numerators, denominators)."""
    start = starts[number]
    above, below = np.ones(tile, np.int64), np.ones(tile, np.int64)
    later = [other - start for other in starts[number + 1 :] if other < start + tile]
    if later:
        length = tile - later[0]
        above[later[0] :] *= length + 1 - np.arange(length)
        below[later[0] :] *= length + 1
    earlier = [other + tile - start for other in starts[:number] if other + tile > start]
    if earlier:
        length = earlier[-1]
        above[:length] *= 2 + np.arange(length)
        below[:length] *= length + 1
    return above, below


class Blend:
    """Blending for one grid of tiles."""

    def __init__(self, grid: TileGrid) -> None:
        self.grid = grid
        (rows, columns), (height, width) = grid.starts, grid.tile_shape
        self._rows = side_weights(rows, height, grid.shape[0])
        self._columns = side_weights(columns, width, grid.shape[1])

    def __call__(self, box: Box, pieces: Mapping[int, Bytes]) -> Bytes:
        """Return the map (class, y, x) inside ``box``.

        Parameters
        ----------
        box
            A part of the map, in map pixels.
        pieces
            For each tile, its values (class, y, x) in the common part of tile and box. Where a
            tile is missing the others stand in for it; where all are, the map is 0.
        """
        classes = next(iter(pieces.values())).shape[0]
        merged = np.zeros((classes, *box.shape), np.uint8)
        for part in self._parts(box):
            found = {i: pieces[i] for i in self.grid.touching(part) if i in pieces}
            if found:
                inside = part.shift(-box.y, -box.x).slices
                merged[:, *inside] = self._merge(part, box, found)
        return merged

    def _parts(self, box: Box) -> Iterator[Box]:
        """Split ``box`` where the set of tiles changes."""
        (rows, columns), (height, width) = self.grid.starts, self.grid.tile_shape
        ys = _cuts(rows, height, box.y, box.stop_y)
        xs = _cuts(columns, width, box.x, box.stop_x)
        for y, stop_y in pairwise(ys):
            for x, stop_x in pairwise(xs):
                yield Box(y, x, stop_y - y, stop_x - x)

    def _merge(self, part: Box, box: Box, pieces: Mapping[int, Bytes]) -> Bytes:
        views = {i: self._view(i, part, box, piece) for i, piece in pieces.items()}
        if len(views) == 1:
            return next(iter(views.values()))
        total: Floats | float = 0.0
        weights: Floats | float = 0.0
        for index, view in views.items():
            weight = self._weight(index, part)
            total = total + weight * view
            weights = weights + weight
        # np.rint rounds half to even.
        return np.rint(total / weights).astype(np.uint8)

    def _view(self, index: int, part: Box, box: Box, piece: Bytes) -> Bytes:
        held = self.grid.box(index).intersect(box)
        return piece[:, *part.shift(-held.y, -held.x).slices]

    def _weight(self, index: int, part: Box) -> Floats:
        row, column = self.grid.place(index)
        tile = self.grid.box(index)
        y, x = part.shift(-tile.y, -tile.x).slices
        return self._rows[row][y, None] * self._columns[column][None, x]


def _cuts(starts: list[int], tile: int, start: int, stop: int) -> list[int]:
    cuts = {start, stop}
    for number in touching_starts(starts, tile, start, stop):
        cuts.update({starts[number], starts[number] + tile})
    return sorted(cut for cut in cuts if start <= cut <= stop)
