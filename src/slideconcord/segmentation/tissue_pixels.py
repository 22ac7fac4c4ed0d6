"""The pan-cancer paper's background segmentation: what of a slide is tissue, on pixels alone.

Skrede et al. 2026, Methods, "Background segmentation". Edges are everywhere in tissue, fat
included, and nowhere in empty glass. So are they in pen marks, dust and air bubbles: the method
takes them for tissue, and says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.segmentation.components import areas_of_runs, label_block, paint_whole

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TissueOptions:
    """The constants of the method, all of the paper's "Background segmentation".

    The counts of pixels are meant for images of 5 µm per pixel.
    """

    mpp: float = 5.0
    """Pixel size of the image, µm."""
    canny_low: int = 10
    """Lower threshold of Canny's hysteresis, on the L1 norm of a 3 x 3 Sobel gradient."""
    canny_high: int = 50
    square_px: int = 9
    """Side of the square that closes and opens the mask."""
    hole_px: int = 10_000
    """Holes of fewer pixels are filled: 0.5 x 0.5 mm²."""
    object_px: int = 1_600
    """Regions of fewer pixels are left out: 0.2 x 0.2 mm²."""

    def __post_init__(self) -> None:
        if not 0 <= self.canny_low <= self.canny_high:
            raise ParameterError(
                f"canny_low={self.canny_low} and canny_high={self.canny_high} are no thresholds: "
                "give 0 or more, low not above high."
            )
        if self.square_px < 1 or min(self.hole_px, self.object_px) < 0:
            raise ParameterError(
                f"square_px={self.square_px} must be 1 or more; hole_px={self.hole_px} and "
                f"object_px={self.object_px} must be 0 or more."
            )

    def facts(self) -> dict[str, Any]:
        """Return all of it for a provenance record."""
        return asdict(self)


PAPER_TISSUE = TissueOptions()


def tissue_pixels(rgb: Bytes, options: TissueOptions = PAPER_TISSUE) -> Bools:
    """Return which pixels are tissue and not white background.

    Canny's edges of the colour image, cleaned by `clean_mask`.

    Parameters
    ----------
    rgb
        (y, x, 3) uint8, at 5 µm per pixel.
    options
        The paper's constants unless given.

    Returns
    -------
    numpy.ndarray
        bool (y, x).

    Raises
    ------
    ParameterError
        When the image is not (y, x, 3) uint8.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise ParameterError(f"A colour image is uint8 (y, x, 3), not {rgb.dtype} {rgb.shape}.")
    # cv2 takes the gradient of the strongest channel, so the order of channels does not matter.
    edges = cv2.Canny(
        np.ascontiguousarray(rgb),
        options.canny_low,
        options.canny_high,
        apertureSize=3,
        L2gradient=False,
    )
    return clean_mask(edges > 0, options)


def clean_mask(mask: Bools, options: TissueOptions = PAPER_TISSUE) -> Bools:
    """Close, fill small holes, open, leave out small regions: the paper's cleanup of masks.

    Holes and regions are 4-connected; a notch at the image's border counts as a hole.
    """
    square = np.ones((options.square_px, options.square_px), np.uint8)
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    closed = cv2.morphologyEx(pixels, cv2.MORPH_CLOSE, square)
    filled = ~without_small(closed == 0, options.hole_px)
    opened = cv2.morphologyEx(filled.view(np.uint8), cv2.MORPH_OPEN, square)
    return without_small(opened != 0, options.object_px)


def without_small(mask: Bools, least_px: int) -> Bools:
    """Return the 4-connected regions of at least ``least_px`` pixels."""
    pixels = np.ascontiguousarray(mask)
    labelled = label_block(pixels, pixels)
    # The image is all there is, so what touches its border is as well known as the rest.
    return paint_whole(labelled, areas_of_runs(labelled) >= least_px)
