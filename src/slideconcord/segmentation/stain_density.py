"""The baseline that needs no training: how densely an H&E slide is stained by haematoxylin.

1. Optical density per channel, ``-log10((value + 1) / 256)``.
2. Colour deconvolution with the haematoxylin and eosin vectors of Ruifrok and Johnston (Anal.
   Quant. Cytol. Histol. 2001), least squares over the two: the amount of haematoxylin.
3. Black, grey and green things (folds, dirt, scanner edges, ink) absorb as much blue as green,
   which haematoxylin never does: their amount is limited by what green and blue leave room for.
   One pixel counts at most 1, so that a dark speck does not outshine crowded nuclei.
4. Three box means, nearly a Gaussian: the regional density, not the single nucleus.
5. A logistic curve with fixed constants.

Nothing is measured on the tile, so the result does not depend on how a slide is cut into tiles
(beyond the reach of the box means at a tile's border). In return nothing adapts either: slides
stained far darker than usual are dense almost everywhere, pale or very red ones almost nowhere.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError

Floats = NDArray[np.float32]

_VECTORS: Final = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
STAINS: Final = _VECTORS / np.linalg.norm(_VECTORS, axis=1, keepdims=True)
"""Rows: haematoxylin, eosin; columns: red, green, blue; each of length 1."""
_OD: Final = (-np.log10((np.arange(256) + 1) / 256)).astype(np.float32)
# Fixed point: an integer box mean has no rounding that travels along a row.
_ONE: Final = 50_000
# Rows at once: intermediate images, 20 bytes a pixel, stay in the processor's cache.
_BAND_PX: Final = 64


class StainDensity:
    """Haematoxylin density as a probability; a plain function of RGB.

    Parameters
    ----------
    blur_um
        Standard deviation of the smoothing in µm.
    centre
        Regional haematoxylin density (optical density) that becomes probability 0.5.
    slope
        Change of density over which the odds grow by e.
    mpp
        Pixel size of the input, µm.
    """

    def __init__(self, *, blur_um: float, centre: float, slope: float, mpp: float) -> None:
        if not (blur_um > 0 and slope > 0 and mpp > 0):
            raise ParameterError(
                f"blur_um={blur_um}, slope={slope}, mpp={mpp}: stain density needs positive values."
            )
        amount = np.linalg.pinv(STAINS)[:, 0]
        room = np.array([0.0, 1.0, -1.0]) / (STAINS[0, 1] - STAINS[0, 2])
        self._matrix = np.stack([amount, room]).astype(np.float32)
        # A box of w pixels has the variance (w² - 1) / 12, three of them three times that.
        self._box_px = max(2 * round((np.sqrt(4 * (blur_um / mpp) ** 2 + 1) - 1) / 2) + 1, 1)
        density = np.arange(65_536) / _ONE
        self._curve = (1 / (1 + np.exp((centre - density) / slope))).astype(np.float32)

    @property
    def reach_px(self) -> int:
        """How far a pixel's value depends on its surroundings."""
        return 3 * (self._box_px // 2)

    def __call__(self, rgb: NDArray[np.uint8]) -> Floats:
        """Return the probability (1, y, x) of an image (y, x, 3) uint8."""
        density = self.density(rgb)
        for _ in range(3):
            density = cv2.blur(density, (self._box_px, self._box_px))
        return np.asarray(self._curve[density][None])

    def density(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Return the haematoxylin of single pixels (y, x), 0 to 1 in steps of 1/50000."""
        density = np.empty(rgb.shape[:2], np.uint16)
        for top in range(0, len(rgb), _BAND_PX):
            band = np.ascontiguousarray(rgb[top : top + _BAND_PX])
            both = cv2.transform(cv2.LUT(band, _OD), self._matrix)
            least = np.minimum(both[..., 0], both[..., 1])
            np.clip(least, 0, 1, out=least)
            density[top : top + _BAND_PX] = least * np.float32(_ONE)
        return density
