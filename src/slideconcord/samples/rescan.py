"""Pictures of real tissue as a virtual scanner might have taken them: colour, blur and noise.

The picture's densities are taken apart into two stains, by the vectors of Ruifrok and Johnston, and
what is neither; the scanner's own vectors then stand for the stains. That is one matrix on optical
density. Pose, stitching and JPEG of the scanner play no part: no pixel moves.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.samples.camera import expose
from slideconcord.samples.scanner import Rgb, VirtualScanner

Matrix = npt.NDArray[np.float64]
STAINS = VirtualScanner("reference")
"""Its vectors are those by which pictures are taken apart."""
_DENSITY = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)
_APART = 1 << 16
"""Rows between the noise of two pictures: more than a picture has."""


def rescan(rgb: Rgb, scanner: VirtualScanner, mpp: float, number: int = 0) -> Rgb:
    """Return a picture as a virtual scanner might have taken it.

    Parameters
    ----------
    rgb
        (y, x, 3) uint8, white glass at about 255. Its own blur and noise stay in it.
    scanner
        Its stain vectors, white, gamma, point spread and noise are those of the result.
    mpp
        Pixel size of the picture, µm: how many pixels wide the point spread is.
    number
        Pictures of other numbers have other noise.

    Raises
    ------
    ParameterError
        When the picture is no RGB, or mpp is not above 0.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not mpp > 0:
        raise ParameterError(
            f"A picture to be seen by {scanner.name} must be RGB (y, x, 3) uint8 with mpp above 0, "
            f"not {rgb.shape} {rgb.dtype} at {mpp:g} µm."
        )
    # OpenCV multiplies from the left.
    density = cv2.transform(_DENSITY[rgb], density_matrix(scanner).T.astype(np.float32))
    reach = math.ceil(4 * scanner.blur_um / mpp)
    light = cv2.exp(-density)
    light = cv2.copyMakeBorder(light, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    return expose(light, replace(scanner, mpp=mpp), Box(number * _APART, 0, *rgb.shape[:2]), reach)


def density_matrix(scanner: VirtualScanner) -> Matrix:
    """Return (3, 3): a picture's densities, as a row of red, green, blue, times it are the scan's.

    What is neither stain keeps its density, apart from gamma.
    """
    first, second = np.array(STAINS.haematoxylin), np.array(STAINS.eosin)
    neither = np.cross(first, second)
    taken_apart = np.linalg.inv(np.stack([first, second, neither]))
    put_together = np.stack([scanner.haematoxylin, scanner.eosin, neither])
    matrix: Matrix = taken_apart @ put_together * scanner.gamma
    return matrix
