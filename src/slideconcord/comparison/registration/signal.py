"""What of a scan is compared: optical density at an exact pixel size, and where tissue is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from slideconcord.comparison.registration.planes import Matrix, scaling
from slideconcord.geometry import Box, Mpp
from slideconcord.slides import Slide

Signal = NDArray[np.float32]
Bools = NDArray[np.bool_]
OD_CAP = 1.2
"""Darker is pen, fold or dust; it must not outweigh tissue."""
FAINTEST_OD, SUREST_OD = 0.008, 0.04
"""Blurred density from which a pixel may be tissue: Otsu's threshold, kept between these two.

Lower is uneven light on bare glass; higher would lose pale tissue beside dark.
"""
_COARSEST_UM, _OVERVIEW_PX = 8.0, 1500
_BLUR_UM, _BLUR_PX = 12.0, 4.0
_LEAST_SHARE, _LEAST_TEXTURE = 0.002, 0.008


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """All of a scan at a few µm per pixel."""

    density: Signal
    """(y, x) mean optical density over the glass, 0 to `OD_CAP`."""
    tissue: Bools
    """(y, x) for sampling and for counting what is common, not for measuring."""
    mpp: float
    to_um: Matrix
    """Pixel centres to µm of the scan."""
    white: float
    """Grey level of the glass."""


def overview_mpp(*slides: Slide) -> float:
    """Return the pixel size at which scans are first compared: 8 µm, finer for small fields."""
    extent = max(max(np.array(_scanned(s).shape) * np.array(s.mpp)) for s in slides)
    finest = max(max(s.mpp) for s in slides)
    return float(max(min(_COARSEST_UM, extent / _OVERVIEW_PX), finest))


def read_overview(slide: Slide, mpp: float) -> Overview:
    """Return a scan's overview; what its file calls not scanned is left out."""
    step, scanned = np.array(slide.grid_step(mpp)), _scanned(slide)
    start = np.floor(np.array([scanned.y, scanned.x]) / step).astype(int)
    shape = slide.grid_shape(mpp, scanned)
    rgb = slide.read_grid(mpp, Box(int(start[0]), int(start[1]), *shape), on_damage="mark")
    white = glass_level(rgb)
    density = density_of(rgb, white)
    to_um = grid_to_um(slide, Mpp(mpp, mpp), start)
    return Overview(density, rough_tissue(density, mpp), mpp, to_um, white)


def _scanned(slide: Slide) -> Box:
    return slide.bounds or slide.box


def grid_to_um(slide: Slide, pixel: Mpp, start: NDArray[np.int_]) -> Matrix:
    """Return the map from pixel centres of the grid at ``pixel`` µm, from ``start`` on, to µm.

    Pixel i of the grid covers ``i * pixel`` to ``(i + 1) * pixel`` from the scan's *corner*; the
    µm frame begins half a level-0 pixel later, at the centre of the first one.
    """
    matrix = scaling(pixel)
    matrix[:2, 2] = (start + 0.5) * np.array(pixel) - 0.5 * np.array(slide.mpp)
    return matrix


def glass_level(rgb: NDArray[np.uint8]) -> float:
    """Return the grey level of bare glass: what the brightest twentieth begins with."""
    return float(np.percentile(rgb.mean(-1, dtype=np.float32)[::2, ::2], 95))


def density_of(rgb: NDArray[np.uint8], white: float) -> Signal:
    """Return the clipped optical density (y, x) of the mean of the colours, over the glass.

    The mean of the colours sees every stain; a colour space of one stain would not.
    """
    grey = cv2.transform(rgb, np.full((1, 3), 1 / 3, np.float32)).astype(np.float32)
    density = np.log10(np.float32(white + 1)) - np.log10(grey + 1)
    return np.clip(density, 0, OD_CAP).astype(np.float32)


def rough_tissue(density: Signal, mpp: float) -> Bools:
    """Return where tissue probably is, (y, x); all False on a blank slide."""
    smooth = cv2.GaussianBlur(density, (0, 0), max(_BLUR_UM / mpp, _BLUR_PX))
    split = float(threshold_otsu(smooth)) if smooth.max() > smooth.min() else 0.0
    found = smooth > min(max(split, FAINTEST_OD), SUREST_OD)
    textured = found.any() and float((density - smooth)[found].std()) > _LEAST_TEXTURE
    return found if textured and found.mean() > _LEAST_SHARE else np.zeros_like(found)
