"""From optical density to grey levels: Beer-Lambert, point spread, noise. Compiled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from slideconcord.samples.noise import SOURCES, compiled, kept, mixed, place_bits

if TYPE_CHECKING:
    from slideconcord.geometry import Box
    from slideconcord.samples.scanner import Rgb, VirtualScanner
    from slideconcord.samples.tissue import Stain

    Light = npt.NDArray[np.float32]


@compiled
def _sixteen(bits, shift):  # type: ignore[no-untyped-def]
    return float((bits >> np.uint64(shift)) & np.uint64(0xFFFF)) / 65535.0


def _entry_points(sources: int) -> tuple[Any, Any]:
    """Return the two steps of the camera; their cache on disk is that of ``sources``."""

    @kept
    def transmit(stain, matrix, light):  # type: ignore[no-untyped-def]
        """Write the transmitted light 0..1 of every colour: 10 ** -(density)."""
        if sources == 0:
            return
        for i in range(stain.shape[0]):
            for j in range(stain.shape[1]):
                h, e = stain[i, j, 0], stain[i, j, 1]
                for c in range(3):
                    light[i, j, c] = math.exp(-2.302585 * (h * matrix[0, c] + e * matrix[1, c]))

    @kept
    def expose(light, white, noise, key, y0, x0, rgb):  # type: ignore[no-untyped-def]
        """Write grey levels; the noise is a function of the pixel's place in the scan."""
        if sources == 0:
            return
        for i in range(rgb.shape[0]):
            for j in range(rgb.shape[1]):
                bits = place_bits(key, y0 + i, x0 + j)
                more = mixed(bits)
                # The sum of three uniforms is close enough to a normal for a camera.
                shared = _sixteen(more, 48) - 1.5
                for c in range(3):
                    own = _sixteen(bits, 16 * c) + _sixteen(more, 16 * c)
                    value = light[i, j, c] * white[c] + 2.0 * noise * (own + shared)
                    rgb[i, j, c] = np.uint8(min(max(value + 0.5, 0.0), 255.0))

    return transmit, expose


_transmit, _expose = _entry_points(SOURCES)


def develop(stain: Stain, scanner: VirtualScanner, box: Box, reach: int) -> Rgb:
    """Return the image of ``box`` from densities that reach ``reach`` px further on every side."""
    light = np.empty((*stain.shape[:2], 3), np.float32)
    matrix = np.array([scanner.haematoxylin, scanner.eosin], np.float32) * scanner.gamma
    _transmit(stain, matrix, light)
    return expose(light, scanner, box, reach)


def expose(light: Light, scanner: VirtualScanner, box: Box, reach: int) -> Rgb:
    """Return the image of ``box`` from the transmitted light, 0 to 1, that reaches further."""
    if reach:
        side, sigma = 2 * reach + 1, scanner.blur_um / scanner.mpp
        light = cv2.GaussianBlur(light, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
        light = light[reach : reach + box.height, reach : reach + box.width].copy()
    rgb = np.empty((*box.shape, 3), np.uint8)
    white = np.array(scanner.white)
    key = np.uint64(7 * scanner.seed + 3)
    _expose(light, white, scanner.noise, key, box.y, box.x, rgb)
    return rgb
