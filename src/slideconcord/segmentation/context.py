"""A tile's context: the wider, coarser picture about the same centre that some networks see too.

The context has as many pixels as its tile, each ``downsample`` times as wide, and the centre of
one is the centre of the other, to the half pixel. A tile with its context is one array
(level, y, x, 3) uint8: level 0 the tile, level 1 the context.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.slides.resample import area_taps, resample

if TYPE_CHECKING:
    from slideconcord.slides import Slide

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

    def frame(self, frame: Frame, box: Box, whole: tuple[int, int]) -> Frame:
        """Return where the context of a tile lies on the slide.

        Parameters
        ----------
        frame
            Where the pixels of the tile's grid lie.
        box
            The tile, in pixels of that grid.
        whole
            What the tile will be padded to, as in `first`.
        """
        y, x = (
            start + self.first(side, padded)
            for start, side, padded in zip((box.y, box.x), box.shape, whole, strict=True)
        )
        return Frame(
            frame.origin_y + y * frame.step_y,
            frame.origin_x + x * frame.step_x,
            frame.step_y * self.downsample,
            frame.step_x * self.downsample,
        )

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
        frame = self.frame(Frame(0.0, 0.0, 1.0, 1.0), box, whole)
        places = list(zip((frame.origin_y, frame.origin_x), box.shape, strict=True))
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

    def labels_around(
        self, labels: Rgb, box: Box, whole: tuple[int, int], outside: int
    ) -> NDArray[np.uint8]:
        """Return what is at the centres of the context's pixels in a mask (y, x) uint8.

        Parameters as of `around`; ``outside`` is what lies beyond the mask.
        """
        frame = self.frame(Frame(0.0, 0.0, 1.0, 1.0), box, whole)
        picked = np.full(box.shape, outside, np.uint8)
        places = [
            np.floor(first + (np.arange(side) + 0.5) * self.downsample).astype(int)
            for first, side in zip((frame.origin_y, frame.origin_x), box.shape, strict=True)
        ]
        rows, columns = (
            (place >= 0) & (place < side) for place, side in zip(places, labels.shape, strict=True)
        )
        picked[np.ix_(rows, columns)] = labels[np.ix_(places[0][rows], places[1][columns])]
        return picked


def padded_shape(shape: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return what height and width are padded to: the next multiple."""
    height, width = (-(-side // multiple) * multiple for side in shape)
    return height, width


def read_context(slide: Slide, frame: Frame, shape: tuple[int, int]) -> Rgb:
    """Return the context (y, x, 3) uint8 that lies at `Context.frame` of a slide.

    Beyond the slide is its background, and what is damaged is background and marked.
    """
    mpp = Mpp(frame.step_y * slide.mpp.y, frame.step_x * slide.mpp.x)
    return slide.read_area(frame.origin_y, frame.origin_x, mpp, shape, on_damage="mark")
