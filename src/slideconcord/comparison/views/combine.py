"""Two pictures of one place made into one: blocks, a curtain, a difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.views.balance import Balance
from slideconcord.comparison.views.warped import NOT_SCANNED
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame
from slideconcord.slides.reader import Rgb
from slideconcord.slides.view import SlideView


class Combine(Protocol):
    """Makes one picture of a level's box from the same box of A and of B."""

    def __call__(self, a: SlideView, b: SlideView, level: int, box: Box) -> Rgb:
        """Ask each view once: a view forgets what it was asked before."""
        ...


@dataclass(frozen=True, slots=True)
class Checkerboard:
    """Square blocks of A and B in turn; the block at the hub's first pixel is A's."""

    block_px: tuple[float, float]
    """Side of a block (y, x) in level-0 pixels of the hub."""

    def __post_init__(self) -> None:
        if not min(self.block_px) > 0:
            raise ParameterError(f"block_px={self.block_px}: give sides above 0.")

    def __call__(self, a: SlideView, b: SlideView, level: int, box: Box) -> Rgb:
        picks = is_b_block(box, a.levels[level].level.frame, self.block_px)
        return np.where(picks[..., None], b.read(level, box), a.read(level, box))


@dataclass(frozen=True, slots=True)
class Curtain:
    """A to the left of an upright edge, B to its right."""

    edge_x: float
    """Column of the edge in level-0 corner coordinates of the hub."""

    def __call__(self, a: SlideView, b: SlideView, level: int, box: Box) -> Rgb:
        _, x = a.levels[level].level.frame.from_level0(0.0, self.edge_x)
        # a pixel is A's when its centre lies left of the edge
        width = int(np.clip(np.ceil(x - 0.5) - box.x, 0, box.width))
        left = Box(box.y, box.x, box.height, width)
        right = Box(box.y, box.x + width, box.height, box.width - width)
        return np.concatenate([a.read(level, left), b.read(level, right)], axis=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """Magenta where A absorbs more, green where B does, grey where both absorb alike."""

    balance: Balance

    def __call__(self, a: SlideView, b: SlideView, level: int, box: Box) -> Rgb:
        return magenta_green(a.read(level, box), b.read(level, box), self.balance)


def is_b_block(box: Box, frame: Frame, block_px: tuple[float, float]) -> NDArray[np.bool_]:
    """Return (y, x) bool: which pixels of a level's box belong to B's blocks.

    A pixel goes with the block that its centre lies in.
    """
    y = frame.origin_y + (np.arange(box.y, box.stop_y) + 0.5) * frame.step_y
    x = frame.origin_x + (np.arange(box.x, box.stop_x) + 0.5) * frame.step_x
    rows, columns = np.floor(y / block_px[0]), np.floor(x / block_px[1])
    odd: NDArray[np.bool_] = (rows[:, None] + columns) % 2 == 1
    return odd


def magenta_green(a: Rgb, b: Rgb, balance: Balance) -> Rgb:
    """Return two pictures (y, x, 3) as one, made of their mean optical densities.

    What A absorbs takes the green away, what B absorbs takes red and blue: glass stays white,
    agreement is grey, A alone magenta, B alone green. Where only one was scanned nothing is said.
    """
    light_a, light_b = balance.light_a(a), balance.light_b(b)
    out = np.asarray(cv2.merge([light_b, light_a, light_b]))
    out[is_unscanned(a) | is_unscanned(b)] = NOT_SCANNED
    return out


def is_unscanned(rgb: Rgb) -> NDArray[np.bool_]:
    """Return (y, x) bool: what a warped scan does not reach."""
    return np.asarray(cv2.inRange(np.ascontiguousarray(rgb), NOT_SCANNED, NOT_SCANNED)) != 0
