"""Virtual scanners: how a camera of known pose, colour and blur sees a virtual tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Box
from slideconcord.samples.placement import WHOLE, Part, ScanMap
from slideconcord.samples.stitching import Fields, Stitching

if TYPE_CHECKING:
    from slideconcord.samples.tissue import Classes, VirtualTissue

Rgb = npt.NDArray[np.uint8]
# Grey level of what was not scanned, as most scanners fill it.
NOT_SCANNED = 255
LEAST_PX = 1024


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
    stretch: tuple[float, float] = (1.0, 1.0)
    """(y, x) by which the picture is larger than ``mpp`` says, after the turn."""
    shear_deg: float = 0.0
    """Slant of the scan's columns: rows further down lie further to the right."""
    stitching: Stitching | None = None
    """How fields are put together; None: a perfect stage."""
    crop: Part = WHOLE
    """The part of the whole scan that the file holds."""
    missing: Part | None = None
    """A part of the file that was not scanned and is pure white."""

    def __post_init__(self) -> None:
        positive = (self.mpp, self.gamma, self.jpeg_quality, *self.stretch, *self.white)
        least = min(self.blur_um, self.noise)
        if min(positive) <= 0 or least < 0 or self.jpeg_quality > 100:
            raise ParameterError(
                f"virtual scanner {self.name!r} cannot exist: mpp, gamma, stretch and white must "
                "be above 0, blur and noise at least 0, JPEG quality 1 to 100."
            )

    def shape(self, tissue: VirtualTissue) -> tuple[int, int]:
        """Return (height, width) of the scan, level 0 pixels, divisible so that levels halve."""
        return _halvable(*self.crop.box(self._whole(tissue)).shape)

    def affine(self, tissue: VirtualTissue) -> Affine:
        """Return the map from tissue µm (y, x) to level-0 corner coordinates on a perfect stage."""
        height, width = whole = self._whole(tissue)
        turn = math.radians(self.rotation_deg)
        cos, sin, mirror = math.cos(turn), math.sin(turn), -1.0 if self.flip else 1.0
        # y' = cos dy + sin (mirror dx), x' = -sin dy + cos (mirror dx), about the centres
        stretch_y, stretch_x = self.stretch
        slant = math.tan(math.radians(self.shear_deg))
        a, b = cos * stretch_y, sin * mirror * stretch_y
        d, e = (-sin + slant * cos) * stretch_x, (cos + slant * sin) * mirror * stretch_x
        cy, cx = tissue.height_um / 2, tissue.width_um / 2
        sy, sx = self.shift_um
        scale = 1.0 / self.mpp
        kept = self.crop.box(whole)
        return Affine(
            (
                (a * scale, b * scale, height / 2 + (sy - a * cy - b * cx) * scale - kept.y),
                (d * scale, e * scale, width / 2 + (sx - d * cy - e * cx) * scale - kept.x),
            )
        )

    def map(self, tissue: VirtualTissue) -> ScanMap:
        """Return the exact map between tissue µm and this scan, both ways, seams and all."""
        return _map(self, tissue)

    def fitting(self, tissue: VirtualTissue) -> VirtualScanner:
        """Return the scanner, its margin widened until the tissue's whole field is in the scan."""
        whole = replace(self, crop=WHOLE)
        affine, (height, width) = whole.affine(tissue), whole.shape(tissue)
        corners = product((0.0, tissue.height_um), (0.0, tissue.width_um))
        places = [affine(*corner) for corner in corners]
        down = max(abs(y - height / 2) for y, _ in places) * self.mpp - tissue.height_um / 2
        along = max(abs(x - width / 2) for _, x in places) * self.mpp - tissue.width_um / 2
        return replace(self, margin_um=max(self.margin_um, math.ceil(max(down, along))))

    def view(self, tissue: VirtualTissue, box: Box) -> Rgb:
        """Return what the camera sees in ``box`` of level 0, (y, x, 3) uint8, before JPEG.

        Neighbouring boxes are slices of one image: blur and noise know no border. The point
        spread acts before the fields are put together, so seams stay sharp.
        """
        from slideconcord.samples.camera import develop

        placed = self.map(tissue)
        reach = math.ceil(4 * self.blur_um / self.mpp)
        rgb = np.full((*box.shape, 3), NOT_SCANNED, np.uint8)
        for part, to_tissue in placed.parts(box):
            y, x, height, width = part.y, part.x, part.height, part.width
            wide = Box(y - reach, x - reach, height + 2 * reach, width + 2 * reach)
            stain = tissue.stain(wide, to_tissue=to_tissue)
            rgb[part.shift(-box.y, -box.x).slices] = develop(stain, self, part, reach)
        placed.clear(rgb, box, NOT_SCANNED)
        return rgb

    def truth(self, tissue: VirtualTissue, box: Box, mpp: float | None = None) -> Classes:
        """Return the tissue's classes in ``box`` of the scan's grid at ``mpp``, (y, x) uint8.

        A part that was not scanned is background.
        """
        placed, factor = self.map(tissue), (mpp or self.mpp) / self.mpp
        classes = np.empty(box.shape, np.uint8)
        for part, to_tissue in placed.parts(box, factor):
            found = tissue.truth(part, to_tissue=to_tissue)
            classes[part.shift(-box.y, -box.x).slices] = found
        placed.clear(classes, box, 0, factor)
        return classes

    def _whole(self, tissue: VirtualTissue) -> tuple[int, int]:
        """Return (height, width) of the scan before it is cropped."""
        height, width = (
            math.ceil((side + 2 * self.margin_um) / self.mpp)
            for side in (tissue.height_um, tissue.width_um)
        )
        return _halvable(height, width)


def level_count(height: int, width: int) -> int:
    """Return how many times a scan can be halved, plus one, until it fits ``LEAST_PX``."""
    return max(math.ceil(math.log2(max(height, width) / LEAST_PX)), 0) + 1


def _halvable(height: int, width: int) -> tuple[int, int]:
    """Return the next larger sides of which every level is half the finer one."""
    unit = 1 << (level_count(height, width) - 1)
    return -(-height // unit) * unit, -(-width // unit) * unit


@lru_cache(maxsize=16)
def _map(scanner: VirtualScanner, tissue: VirtualTissue) -> ScanMap:
    shape = scanner.shape(tissue)
    fields = Fields.single(shape)
    if scanner.stitching is not None:
        fields = scanner.stitching.fields(shape, scanner.mpp, scanner.seed)
    missing = scanner.missing.box(shape) if scanner.missing else None
    return ScanMap(shape, scanner.mpp, scanner.affine(tissue), fields, missing)
