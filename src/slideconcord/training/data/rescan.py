"""Tiles of real tissue, with their context where they have one, as a virtual scanner shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.samples.rescan import rescan

if TYPE_CHECKING:
    from slideconcord.samples.scanner import VirtualScanner
    from slideconcord.segmentation.context import Context
    from slideconcord.training.data.tile import Rgb

_CONTEXTS = 1 << 32
"""More than there are tiles: the noise of a context is that of no tile."""


def rescan_tile(
    rgb: Rgb, scanner: VirtualScanner, mpp: float, context: Context | None = None, number: int = 0
) -> Rgb:
    """Return a tile (y, x, 3), or with its context (level, y, x, 3), as a scanner might show it.

    Both levels are of one scan: a pixel of the context is the mean of many of the scanner's, so
    the point spread is as many µm wide, and the noise as many times smaller as it is wide.

    Parameters
    ----------
    rgb
        uint8.
    scanner, mpp, number
        As of `samples.rescan`; ``mpp`` is that of the tile.
    context
        How the tile and its context lie, where there is one.

    Raises
    ------
    ParameterError
        When the tile is no RGB, or mpp is not above 0.
    """
    if rgb.ndim == 3 or context is None:
        return rescan(rgb, scanner, mpp, number)
    tile, around = rgb
    step = context.downsample
    coarse = replace(scanner, noise=scanner.noise / step)
    wide = rescan(around, coarse, mpp * step, number + _CONTEXTS)
    return np.stack([rescan(tile, scanner, mpp, number), wide])
