"""A sheet as pixels: drawn tile by tile when looked at, and anew only where it changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from math import ceil, floor
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations.annotation import Annotation
from slideconcord.annotations.editing.change import Bounds
from slideconcord.annotations.editing.sheet import Sheet
from slideconcord.annotations.raster import Rasteriser
from slideconcord.geometry import Box, Frame

TILE_PX, OUTLINE_PX = 512, 2
_KEPT_TILES = 256
_MOST_BOUNDS = 64
_KERNEL = np.ones((3, 3), np.uint8)
Bytes = NDArray[np.uint8]
Overrides = Mapping[str, Annotation | None]


class _Tile(NamedTuple):
    level: int
    row: int
    column: int

    @property
    def box(self) -> Box:
        return Box(self.row * TILE_PX, self.column * TILE_PX, TILE_PX, TILE_PX)


class SheetPicture:
    """Shows a sheet at every level of a pyramid whose sides halve from level to level.

    0 is outside; `value_of` tells what annotations are drawn with, and their outlines have that
    value plus 1. Where annotations overlap the topmost is seen.

    Parameters
    ----------
    sheet : what is shown; tell `spoil` where it changes
    shape : (height, width) of the slide's level 0
    level_count : how many levels there are
    """

    def __init__(self, sheet: Sheet, shape: tuple[int, int], level_count: int) -> None:
        self._sheet = sheet
        height, width = shape
        self.shapes = [(ceil(height / 2**i), ceil(width / 2**i)) for i in range(level_count)]
        # a level's pixels share out level 0 evenly, which is where viewers draw them
        self.frames = [Frame(0.0, 0.0, height / h, width / w) for h, w in self.shapes]
        self._overrides: dict[str, Annotation | None] = {}
        self._tiles: OrderedDict[_Tile, Bytes] = OrderedDict()
        self._stale: dict[_Tile, Box] = {}

    def value_of(self, class_name: str | None) -> int:
        """Return the value inside annotations of a class; odd, the outline's is one more."""
        if class_name is None:
            return 1
        return 2 * (self._sheet.classes.names.index(class_name) % 126) + 3

    def override(self, overrides: Overrides) -> None:
        """Show some annotations otherwise than the sheet has them, or (None) not at all."""
        changed = {*self._overrides, *overrides}
        touched = [self._overrides.get(key) for key in changed]
        self._overrides = dict(overrides)
        touched += [overrides.get(key) for key in changed]
        touched += [self._sheet.get(key) for key in changed]
        self.spoil(a.geometry.bounds for a in touched if a is not None)

    def spoil(self, bounds: Iterable[Bounds]) -> None:
        """Draw what lies in (x0, y0, x1, y1), level-0 pixels, anew when it is looked at next."""
        several = list(bounds)
        if len(several) > _MOST_BOUNDS:
            self.spoil_all()
            return
        for tile in self._tiles:
            for each in several:
                self._spoil(tile, each)

    def spoil_all(self) -> None:
        self._tiles.clear()
        self._stale.clear()

    def read(self, level: int, box: Box) -> Bytes:
        """Return a box (level pixels) of a level, (y, x)."""
        out = np.zeros(box.shape, np.uint8)
        for tile in _tiles_in(level, box):
            part = tile.box.intersect(box)
            pixels = self._tile(tile)
            to, of = part.shift(-box.y, -box.x), part.shift(-tile.box.y, -tile.box.x)
            out[to.slices] = pixels[of.slices]
        return out

    def _tile(self, tile: _Tile) -> Bytes:
        pixels = self._tiles.get(tile)
        if pixels is None:
            pixels = self._draw(tile.level, tile.box)
            self._tiles[tile] = pixels
            while len(self._tiles) > _KEPT_TILES:
                old, _ = self._tiles.popitem(last=False)
                self._stale.pop(old, None)
        elif (stale := self._stale.pop(tile, None)) is not None:
            pixels[stale.shift(-tile.box.y, -tile.box.x).slices] = self._draw(tile.level, stale)
        self._tiles.move_to_end(tile)
        return pixels

    def _spoil(self, tile: _Tile, bounds: Bounds) -> None:
        frame = self.frames[tile.level]
        y0, x0 = (floor(v) - OUTLINE_PX for v in frame.from_level0(bounds[1], bounds[0]))
        y1, x1 = (ceil(v) + OUTLINE_PX for v in frame.from_level0(bounds[3], bounds[2]))
        part = Box(y0, x0, y1 - y0, x1 - x0).intersect(tile.box)
        if part.area:
            self._stale[tile] = _around(self._stale.get(tile, part), part)

    def _draw(self, level: int, box: Box) -> Bytes:
        wide = Box(
            box.y - OUTLINE_PX,
            box.x - OUTLINE_PX,
            box.height + 2 * OUTLINE_PX,
            box.width + 2 * OUTLINE_PX,
        )
        shown = self._shown(self.frames[level].inside(wide), wide)
        if not shown:
            return np.zeros(box.shape, np.uint8)
        numbers = range(1, len(shown) + 1)
        rasteriser = Rasteriser(shown, self.frames[level], numbers)
        # OpenCV knows no whole numbers of 32 bits here; floats hold them exactly up to 2^24
        labels = rasteriser.fill(wide, np.float32)
        by_class = {name: self.value_of(name) for name in {a.class_name for a in shown}}
        values = np.array([0, *(by_class[a.class_name] for a in shown)], np.uint8)
        pixels = values[labels.astype(np.int32)]
        pixels[_edges(labels) & (pixels > 0)] += 1
        return np.ascontiguousarray(pixels[OUTLINE_PX:-OUTLINE_PX, OUTLINE_PX:-OUTLINE_PX])

    def _shown(self, frame: Frame, box: Box) -> list[Annotation]:
        y1, x1 = frame.to_level0(*box.shape)
        bounds = frame.origin_x, frame.origin_y, x1, y1
        found = self._sheet.near(bounds)
        if not self._overrides:
            return found
        hidden = self._sheet.classes.hidden
        drafts = [a for a in self._overrides.values() if a and a.class_name not in hidden]
        return [a for a in found if a.id not in self._overrides] + drafts


def _edges(labels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the pixels that have another label near them."""
    most = cv2.dilate(labels, _KERNEL, iterations=OUTLINE_PX)
    least = cv2.erode(labels, _KERNEL, iterations=OUTLINE_PX)
    return np.asarray(most != least)


def _tiles_in(level: int, box: Box) -> Iterator[_Tile]:
    for row in range(box.y // TILE_PX, ceil(box.stop_y / TILE_PX)):
        for column in range(box.x // TILE_PX, ceil(box.stop_x / TILE_PX)):
            yield _Tile(level, row, column)


def _around(a: Box, b: Box) -> Box:
    y, x = min(a.y, b.y), min(a.x, b.x)
    return Box(y, x, max(a.stop_y, b.stop_y) - y, max(a.stop_x, b.stop_x) - x)
