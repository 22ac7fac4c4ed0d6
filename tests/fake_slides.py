"""Slides made of arrays, for tests that need damage, gates or counted reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock

import numpy as np

from slideconcord.errors import DamagedSlideError
from slideconcord.geometry import Box, Mpp
from slideconcord.slides import Slide, TileCache
from slideconcord.slides.reader import NativeLevel, Rgb, SlideInfo


class ArrayReader:
    """Read levels from arrays; ``damaged`` tiles fail, and a closed ``gate`` holds reads back."""

    def __init__(
        self,
        images: list[Rgb],
        tile: tuple[int, int] = (32, 32),
        damaged: frozenset[tuple[int, int, int]] = frozenset(),
        **info: object,
    ) -> None:
        self.images = images
        self.damaged = damaged
        self.entered = Event()
        self.gate = Event()
        self.gate.set()
        self.read_boxes: list[tuple[int, Box]] = []
        self.closed = False
        self.before_read: Callable[[int, Box], None] | None = None
        self._lock = Lock()
        height, width = images[0].shape[:2]
        levels = tuple(
            NativeLevel(i.shape[:2], (height / i.shape[0], width / i.shape[1]), tile)
            for i in images
        )
        self.info = SlideInfo(format="array", levels=levels, mpp=Mpp(0.5, 0.5), **info)

    def read(self, level: int, box: Box) -> Rgb:
        self.entered.set()
        assert self.gate.wait(20), "a test forgot to open the gate"
        with self._lock:
            self.read_boxes.append((level, box))
        if self.before_read is not None:
            self.before_read(level, box)
        height, width = self.info.levels[level].tile_shape
        for at_level, row, column in self.damaged:
            tile = Box(row * height, column * width, height, width)
            if at_level == level and tile.intersect(box).area:
                raise DamagedSlideError("broken", tiles=[(level, row, column)])
        return self.images[level][box.slices].copy()

    def associated_image(self, name: str) -> Rgb:
        return np.zeros((2, 3, 3), np.uint8)

    def close(self) -> None:
        self.closed = True


def noise(height: int, width: int, seed: int = 0) -> Rgb:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def array_slide(
    images: Rgb | list[Rgb] | None = None, *, cache: TileCache | None = None, **reader: object
) -> Slide:
    """Return a slide over arrays, at 0.5 µm/px, with a cache of its own."""
    if images is None:
        images = noise(1100, 1300)
    images = images if isinstance(images, list) else [images]
    return Slide(
        Path("array.svs"),
        ArrayReader(images, **reader),
        Mpp(0.5, 0.5),
        cache=cache or TileCache(64 << 20, threads=2),
    )
