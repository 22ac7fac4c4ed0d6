"""From optical density to grey levels: Beer-Lambert, point spread, noise. Compiled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numba import njit

from slideconcord.samples.noise import salted, uniform

if TYPE_CHECKING:
    from slideconcord.geometry import Box
    from slideconcord.samples.scanner import Rgb, VirtualScanner
    from slideconcord.samples.tissue import Stain


@njit(cache=True, nogil=True)
def _transmit(stain, matrix, light):  # type: ignore[no-untyped-def]
    """Write the transmitted light 0..1 of every colour: 10 ** -(density)."""
    for i in range(stain.shape[0]):
        for j in range(stain.shape[1]):
            h, e = stain[i, j, 0], stain[i, j, 1]
            for c in range(3):
                light[i, j, c] = math.exp(-2.302585 * (h * matrix[0, c] + e * matrix[1, c]))


@njit(cache=True, nogil=True)
def _expose(light, white, noise, key, y0, x0, rgb):  # type: ignore[no-untyped-def]
    """Write grey levels; the noise is a function of the pixel's place in the scan."""
    for i in range(rgb.shape[0]):
        for j in range(rgb.shape[1]):
            # The sum of three uniforms is close enough to a normal for a camera.
            grain = uniform(key, y0 + i, x0 + j) - 0.5
            for c in range(3):
                own = salted(key, c + 1)
                a = uniform(own, y0 + i, x0 + j) + uniform(own + key, y0 + i, x0 + j) - 1.0
                value = light[i, j, c] * white[c] + 2.0 * noise * (a + grain)
                rgb[i, j, c] = np.uint8(min(max(value + 0.5, 0.0), 255.0))


def develop(stain: Stain, scanner: VirtualScanner, box: Box, reach: int) -> Rgb:
    """Return the image of ``box`` from densities that reach ``reach`` px further on every side."""
    light = np.empty((*stain.shape[:2], 3), np.float32)
    matrix = np.array([scanner.haematoxylin, scanner.eosin], np.float32) * scanner.gamma
    _transmit(stain, matrix, light)
    if reach:
        side, sigma = 2 * reach + 1, scanner.blur_um / scanner.mpp
        light = cv2.GaussianBlur(light, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
        light = light[reach : reach + box.height, reach : reach + box.width]
    rgb = np.empty((*box.shape, 3), np.uint8)
    white = np.array(scanner.white)
    key = np.uint64(7 * scanner.seed + 3)
    _expose(light, white, scanner.noise, key, box.y, box.x, rgb)
    return rgb
