"""Tiles of every level of one slide: decoded natively, or averaged from the next finer level."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from threading import Lock
from uuid import uuid4

import cv2
import numpy as np

from slideconcord.errors import DamagedSlideError
from slideconcord.geometry import Box
from slideconcord.slides.cache import Build, Job, NativeTile, Tile, TileCache, TileKey
from slideconcord.slides.plan import LevelPlan, chunks_of
from slideconcord.slides.reader import Rgb, SlideReader

_HATCH_PX = 24
_HATCH_COLOUR = (200, 60, 160)


class Pyramid:
    """Give decoded tiles of a slide through the shared cache.

    Parameters
    ----------
    reader
        Where pixels come from.
    plans
        The levels, finest first.
    cache
        Keeps the tiles.
    colour
        Turns decoded pixels into those shown and segmented.
    background
        Colour of what is damaged.
    """

    def __init__(
        self,
        reader: SlideReader,
        plans: tuple[LevelPlan, ...],
        cache: TileCache,
        colour: Callable[[Rgb], Rgb],
        background: tuple[int, int, int],
    ) -> None:
        self.plans = plans
        self.cache = cache
        self._damaged: set[NativeTile] = set()
        self._damaged_lock = Lock()
        self._reader = reader
        self._colour = colour
        self._background = background
        self._owner = uuid4().hex

    @property
    def owner(self) -> str:
        """Names this open slide among all, in the cache and in dask's graphs."""
        return self._owner

    @property
    def damaged(self) -> frozenset[NativeTile]:
        """Every native tile that could not be decoded so far."""
        with self._damaged_lock:
            return frozenset(self._damaged)

    def key(self, level: int, row: int, column: int) -> TileKey:
        return TileKey(self._owner, level, row, column)

    def build(self, key: TileKey) -> Build:
        return lambda: self._build(key)

    def box_of(self, level: int, row: int, column: int) -> Box:
        """Return where a tile lies, cut at the level's edge."""
        plan = self.plans[level]
        box = Box(row * plan.chunk[0], column * plan.chunk[1], *plan.chunk)
        return box.intersect(Box(0, 0, *plan.shape))

    def peek(self, level: int, row: int, column: int) -> Tile | None:
        return self.cache.peek(self.key(level, row, column))

    def fetch(self, level: int, row: int, column: int) -> Tile:
        key = self.key(level, row, column)
        return self.cache.fetch(key, self.build(key))

    def schedule(self, level: int, row: int, column: int) -> Job:
        key = self.key(level, row, column)
        return self.cache.schedule(key, self.build(key))

    def read(self, level: int, box: Box) -> Tile:
        """Return a box that lies inside the level; damaged tiles are background, and named."""
        out = np.empty((*box.shape, 3), np.uint8)
        damaged: set[NativeTile] = set()
        for place, tile in self._tiles(level, box):
            damaged |= self._damage_inside(tile, level, box)
            paste(out, box, tile.rgb, place)
        return Tile(out, frozenset(damaged))

    def shown(self, level: int, row: int, column: int) -> Rgb:
        """Return a tile with its damaged parts hatched."""
        return self._show(self.fetch(level, row, column), level, self.box_of(level, row, column))

    def read_shown(self, level: int, box: Box) -> Rgb:
        """Return a box inside the level with its damaged parts hatched."""
        return self._show(self.read(level, box), level, box)

    def show(self, tile: Tile, level: int, row: int, column: int) -> Rgb:
        return self._show(tile, level, self.box_of(level, row, column))

    def close(self) -> None:
        self.cache.forget(self._owner)

    def _tiles(self, level: int, box: Box) -> Iterator[tuple[Box, Tile]]:
        """Yield the tiles of a box in order while the pool decodes a few ahead."""
        plan = self.plans[level]
        places = chunks_of(plan.shape, plan.chunk, box)
        ahead: deque[tuple[Box, Job]] = deque()
        try:
            for place in islice(places, 2 * self.cache.threads + 1):
                ahead.append((self.box_of(level, *place), self.schedule(level, *place)))
            while ahead:
                where, job = ahead.popleft()
                yield where, self.cache.take(job)
                for place in islice(places, 1):
                    ahead.append((self.box_of(level, *place), self.schedule(level, *place)))
        finally:
            for _, job in ahead:
                self.cache.drop(job)

    def _build(self, key: TileKey) -> Tile:
        native = self.plans[key.level].native
        if native is None:
            return self._averaged(key)
        return self._decoded(native, self.box_of(key.level, key.row, key.column))

    def _averaged(self, key: TileKey) -> Tile:
        finer = self.plans[key.level - 1]
        box = self.box_of(key.level, key.row, key.column)
        wide = Box(2 * box.y, 2 * box.x, 2 * box.height, 2 * box.width)
        wide = wide.intersect(Box(0, 0, *finer.shape))
        keys = [self.key(key.level - 1, *at) for at in chunks_of(finer.shape, finer.chunk, wide)]
        tiles = self.cache.fetch_all([(k, self.build(k)) for k in keys])
        fine = np.empty((*wide.shape, 3), np.uint8)
        for k, tile in zip(keys, tiles, strict=True):
            paste(fine, wide, tile.rgb, self.box_of(k.level, k.row, k.column))
        return Tile(halve(fine), frozenset().union(*(t.damaged for t in tiles)))

    def _decoded(self, level: int, box: Box) -> Tile:
        try:
            return Tile(self._colour(self._reader.read(level, box)))
        except DamagedSlideError:
            return self._decoded_singly(level, box)

    def _decoded_singly(self, level: int, box: Box) -> Tile:
        """Decode native tile by native tile, so that a damaged one spoils no other."""
        native = self._reader.info.levels[level]
        out = np.empty((*box.shape, 3), np.uint8)
        out[:] = self._background
        damaged = set()
        for row, column in chunks_of(native.shape, native.tile_shape, box):
            th, tw = native.tile_shape
            part = Box(row * th, column * tw, th, tw).intersect(box)
            try:
                paste(out, box, self._colour(self._reader.read(level, part)), part)
            except DamagedSlideError:
                damaged.add((level, row, column))
        with self._damaged_lock:
            self._damaged |= damaged
        return Tile(out, frozenset(damaged))

    def _damage_inside(self, tile: Tile, level: int, box: Box) -> set[NativeTile]:
        return {t for t in tile.damaged if self._place(t, level).intersect(box).area}

    def _place(self, tile: NativeTile, level: int) -> Box:
        """Return the box of a native tile in pixels of ``level``, rounded outwards."""
        native, row, column = tile
        info = self._reader.info.levels[native]
        (th, tw), (ny, nx) = info.tile_shape, info.downsample
        dy, dx = self.plans[level].downsample
        y, x = int(row * th * ny / dy), int(column * tw * nx / dx)
        stop_y = -int(-((row + 1) * th * ny) // dy)
        stop_x = -int(-((column + 1) * tw * nx) // dx)
        return Box(y, x, stop_y - y, stop_x - x)

    def _show(self, tile: Tile, level: int, box: Box) -> Rgb:
        if not tile.damaged:
            return tile.rgb
        rgb = tile.rgb.copy()
        for native in tile.damaged:
            hatch(rgb, box, self._place(native, level))
        return rgb


def paste(out: Rgb, box: Box, rgb: Rgb, place: Box) -> None:
    """Copy the common part of ``rgb`` (which lies at ``place``) into ``out`` (at ``box``)."""
    common = box.intersect(place)
    into, part = common.shift(-box.y, -box.x), common.shift(-place.y, -place.x)
    out[into.slices] = rgb[part.slices]


def halve(rgb: Rgb) -> Rgb:
    """Return the mean of every 2 x 2 pixels; at an odd edge, of those there are."""
    odd = rgb.shape[0] % 2, rgb.shape[1] % 2
    if any(odd):  # a doubled edge pixel has the mean of the one there is
        rgb = np.pad(rgb, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
    size = rgb.shape[1] // 2, rgb.shape[0] // 2
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def hatch(rgb: Rgb, box: Box, damaged: Box) -> None:
    """Draw diagonal stripes over the damaged part of an image that lies at ``box``."""
    part = box.intersect(damaged)
    y, x = np.ogrid[part.y : part.stop_y, part.x : part.stop_x]
    view = rgb[part.shift(-box.y, -box.x).slices]
    view[(y + x) % _HATCH_PX < _HATCH_PX // 3] = _HATCH_COLOUR
