"""A tile's context: the wider, coarser picture about the same centre that some networks see too.

The context has as many pixels as its tile, each ``downsample`` times as wide, and the centre of
one is the centre of the other, to the half pixel. A tile with its context is one array
(level, y, x, 3) uint8: level 0 the tile, level 1 the context.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slideconcord.geometry import Box
from slideconcord.slides.resample import area_taps, resample

Rgb = NDArray[np.uint8]

LEVELS = 2
"""Pictures of a tile with context."""
WHITE = 255
"""Grey level of what lies beyond an array; beyond a slide is the slide's own background."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Context:
    """What a network sees besides each tile."""

    downsample: Literal[2, 4, 8, 16] = 4
    """How many pixels of the tile a pixel of the context is wide. Levels 1 and 3 of a pyramid
    that halves, as in the multi-level paper, are 4 apart."""

    def first(self, side: int, whole: int) -> float:
        """Return where the context begins, in pixels of the tile from the tile's first edge.

        ``whole`` is what tile and context are padded to, the odd pixel at the end: it is the
        padded pictures that have one centre.
        """
        centre = side / 2 + (whole - side) % 2 / 2
        return centre * (1 - self.downsample)

    def around(self, image: Rgb, box: Box, whole: tuple[int, int]) -> Rgb:
        """Return the context (y, x, 3) of the part ``box`` of an image; beyond it is white.

        Parameters
        ----------
        image
            (y, x, 3) uint8.
        box
            The tile, in pixels of the image; it may reach beyond.
        whole
            What the tile will be padded to, as in `first`.
        """
        places = [
            (start + self.first(side, padded), side)
            for start, side, padded in zip((box.y, box.x), box.shape, whole, strict=True)
        ]
        out = np.full((*box.shape, 3), WHITE, np.uint8)
        step = self.downsample
        kept = [
            (max(floor(-start / step), 0), min(ceil((length - start) / step), side))
            for (start, side), length in zip(places, image.shape[:2], strict=True)
        ]
        if any(stop <= first for first, stop in kept):
            return out
        rows, columns = (
            area_taps(start + first * step + step, step, stop - first)
            for (start, _), (first, stop) in zip(places, kept, strict=True)
        )
        # Pixels that cover the image's edge are mixed with what lies beyond.
        edged = np.pad(image, ((step, step), (step, step), (0, 0)), constant_values=WHITE)
        part = edged[rows.start : rows.stop, columns.start : columns.stop]
        out[slice(*kept[0]), slice(*kept[1])] = resample(part, rows, columns)
        return out


def padded_side(side: int, multiple: int) -> int:
    """Return what a side is padded to: the next multiple."""
    return -(-side // multiple) * multiple
