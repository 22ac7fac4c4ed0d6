"""Virtual scanners: how a camera of known pose, colour and blur sees a virtual tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Box

if TYPE_CHECKING:
    from slideconcord.samples.tissue import Classes, VirtualTissue

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class VirtualScanner:
    """A scanner that does not exist. All of its optics are numbers that are known exactly."""

    name: str
    mpp: float = 0.5
    """µm per pixel, both ways."""
    rotation_deg: float = 0.0
    """Turn of the glass about the tissue's centre; positive moves +x towards +y."""
    shift_um: tuple[float, float] = (0.0, 0.0)
    """Shift (y, x) of the tissue's centre from the scan's centre."""
    flip: bool = False
    """Whether the glass lies mirrored, left to right."""
    haematoxylin: tuple[float, float, float] = (0.65, 0.70, 0.29)
    """Optical density of red, green, blue for one unit of the stain."""
    eosin: tuple[float, float, float] = (0.07, 0.99, 0.11)
    white: tuple[float, float, float] = (244.0, 243.0, 245.0)
    """Grey levels where there is no tissue."""
    gamma: float = 1.0
    """Exponent on the transmitted light."""
    blur_um: float = 0.25
    """Sigma of the point spread."""
    noise: float = 1.0
    """Standard deviation of the camera's noise, in grey levels."""
    seed: int = 0
    """Names the noise."""
    jpeg_quality: int = 85
    margin_um: float = 0.0
    """Glass around the tissue's field that is scanned too."""

    def __post_init__(self) -> None:
        numbers = (self.mpp, self.gamma, self.blur_um + 1, self.noise + 1, self.jpeg_quality)
        if min(numbers) <= 0 or self.jpeg_quality > 100 or min(self.white) <= 0:
            raise ParameterError(
                f"virtual scanner {self.name!r} cannot exist: mpp, gamma and white must be "
                "above 0, blur and noise at least 0, JPEG quality 1 to 100."
            )

    def shape(self, tissue: VirtualTissue) -> tuple[int, int]:
        """Return (height, width) of the scan, level 0 pixels, divisible so that levels halve."""
        return _shape(
            tissue.height_um + 2 * self.margin_um, tissue.width_um + 2 * self.margin_um, self.mpp
        )

    def affine(self, tissue: VirtualTissue) -> Affine:
        """Return the map from tissue µm (y, x) to this scan's level-0 corner coordinates."""
        height, width = self.shape(tissue)
        turn = math.radians(self.rotation_deg)
        cos, sin, mirror = math.cos(turn), math.sin(turn), -1.0 if self.flip else 1.0
        # y' = cos dy + sin (mirror dx), x' = -sin dy + cos (mirror dx), about the centres
        a, b, d, e = cos, sin * mirror, -sin, cos * mirror
        cy, cx = tissue.height_um / 2, tissue.width_um / 2
        sy, sx = self.shift_um
        scale = 1.0 / self.mpp
        return Affine(
            (
                (a * scale, b * scale, height / 2 + (sy - a * cy - b * cx) * scale),
                (d * scale, e * scale, width / 2 + (sx - d * cy - e * cx) * scale),
            )
        )

    def to_tissue(self, tissue: VirtualTissue, mpp: float | None = None) -> Affine:
        """Return the map from corner coordinates of the scan, at ``mpp``, to tissue µm."""
        back = invert(self.affine(tissue))
        factor = (mpp or self.mpp) / self.mpp
        (a, b, c), (d, e, f) = back.matrix
        return Affine(((a * factor, b * factor, c), (d * factor, e * factor, f)))

    def view(self, tissue: VirtualTissue, box: Box) -> Rgb:
        """Return what the camera sees in ``box`` of level 0, (y, x, 3) uint8, before JPEG.

        Neighbouring boxes are slices of one image: blur and noise know no border.
        """
        from slideconcord.samples.camera import develop

        reach = math.ceil(4 * self.blur_um / self.mpp)
        wide = Box(box.y - reach, box.x - reach, box.height + 2 * reach, box.width + 2 * reach)
        stain = tissue.stain(wide, to_tissue=self.to_tissue(tissue))
        return develop(stain, self, box, reach)

    def truth(self, tissue: VirtualTissue, box: Box, mpp: float | None = None) -> Classes:
        """Return the tissue's classes in ``box`` of the scan's grid at ``mpp``, (y, x) uint8."""
        return tissue.truth(box, to_tissue=self.to_tissue(tissue, mpp))


def invert(affine: Affine) -> Affine:
    """Return the inverse of a plane map.

    Raises
    ------
    ParameterError
        When the map folds the plane onto a line.
    """
    (a, b, c), (d, e, f) = affine.matrix
    determinant = a * e - b * d
    if determinant == 0:
        raise ParameterError(f"the map {affine.matrix} cannot be turned back: it folds the plane.")
    ia, ib, id_, ie = e / determinant, -b / determinant, -d / determinant, a / determinant
    return Affine(((ia, ib, -ia * c - ib * f), (id_, ie, -id_ * c - ie * f)))


LEAST_PX = 1024


def level_count(height: int, width: int) -> int:
    """Return how many times a scan can be halved, plus one, until it fits ``LEAST_PX``."""
    return max(math.ceil(math.log2(max(height, width) / LEAST_PX)), 0) + 1


def _shape(height_um: float, width_um: float, mpp: float) -> tuple[int, int]:
    height, width = math.ceil(height_um / mpp), math.ceil(width_um / mpp)
    unit = 1 << (level_count(height, width) - 1)
    return -(-height // unit) * unit, -(-width // unit) * unit


# The character of two scanners of a published comparison, invented and named so.
SCANNERS: dict[str, VirtualScanner] = {
    "virtual-A": VirtualScanner(
        "virtual-A",
        eosin=(0.12, 0.95, 0.28),
        haematoxylin=(0.68, 0.69, 0.25),
        blur_um=0.25,
        seed=1,
        margin_um=20.0,
    ),
    "virtual-B": VirtualScanner(
        "virtual-B",
        mpp=0.46,
        rotation_deg=1.5,
        shift_um=(14.0, -22.0),
        haematoxylin=(0.58, 0.72, 0.38),
        eosin=(0.13, 0.84, 0.52),
        white=(247.0, 243.0, 236.0),
        gamma=0.90,
        blur_um=0.48,
        noise=1.6,
        seed=2,
        jpeg_quality=80,
        margin_um=45.0,
    ),
}
