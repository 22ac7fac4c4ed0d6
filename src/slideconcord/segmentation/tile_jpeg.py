"""The pan-cancer paper's step between reading and network: tiles were kept as JPEG files."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

JPEG_QUALITY = 95
"""Methods, "Tiling": "Scan tiles are written as JPG files with 95% quality"."""


def through_jpeg(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a tile (y, x, 3) uint8 as it comes back from a JPEG file of quality 95.

    Of a tile with its context (level, y, x, 3) each picture is a file of its own. What the paper
    does not say is as OpenCV writes: colours at half resolution.
    """
    if rgb.ndim == 4:
        return np.stack([through_jpeg(level) for level in rgb])
    _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    bgr = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(bgr[..., ::-1])
