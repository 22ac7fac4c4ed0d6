"""Colour of a picture and of a scan's empty glass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from slideconcord.slides import Slide

Rgb = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]
# Grey levels below the brightest that the noise of empty glass may take.
_GLASS_LEVELS = 8


def channel_statistics(rgb: Rgb) -> tuple[Reals, Reals]:
    """Return mean and standard deviation of each channel over all pixels (SCORPION 2.2).

    Parameters
    ----------
    rgb
        (y, x, 3) uint8.

    Returns
    -------
    Two times (3,), grey levels; the deviation is that of the population.
    """
    pixels = rgb.reshape(-1, 3).astype(np.float64)
    return pixels.mean(0), pixels.std(0)


def white_point(slide: Slide) -> Reals:
    """Return the grey levels (3,) of empty glass: the median of what is nearly the brightest.

    Pixels of exactly the slide's background or 255, 255, 255 were not scanned, or are clipped,
    and are left out; where nothing else is there, they are the white.
    """
    pixels = slide.overview(1024).reshape(-1, 3)
    filled = (pixels == 255).all(1) | (pixels == np.array(slide.background)).all(1)
    scanned = pixels[~filled] if not filled.all() else pixels
    grey = scanned.mean(1)
    glass = scanned[grey >= np.quantile(grey, 0.99) - _GLASS_LEVELS]
    return np.median(glass, axis=0).astype(np.float64)
