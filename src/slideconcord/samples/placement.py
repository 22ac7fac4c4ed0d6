"""Where a virtual scan shows the tissue: the exact map between tissue µm and level-0 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Box
from slideconcord.samples.stitching import Fields, Reals


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of a scan in fractions of its height and width."""

    top: float = 0.0
    left: float = 0.0
    bottom: float = 1.0
    right: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom <= 1 and 0 <= self.left < self.right <= 1):
            raise ParameterError(
                f"{self} is no part of a scan: give fractions from 0 to 1, top above bottom and "
                "left before right."
            )

    def box(self, shape: tuple[int, int]) -> Box:
        """Return the part of an image of (height, width) px in whole pixels."""
        height, width = shape
        y, x = round(self.top * height), round(self.left * width)
        return Box(y, x, round(self.bottom * height) - y, round(self.right * width) - x)


WHOLE = Part()


@dataclass(frozen=True, slots=True, eq=False)
class ScanMap:
    """Tissue µm <-> corner coordinates of a scan's level 0, exact both ways."""

    shape: tuple[int, int]
    """(height, width) of level 0."""
    mpp: float
    affine: Affine
    """From tissue µm to level 0 on a perfect stage."""
    fields: Fields
    """How the fields lie beside their places on that stage."""
    missing: Box | None = None
    """The part of level 0 that was not scanned."""

    def to_scan(self, y: npt.ArrayLike, x: npt.ArrayLike) -> tuple[Reals, Reals]:
        """Map tissue µm to level-0 corner coordinates; NaN in the slit of a seam.

        A point that two fields show is mapped to the one that should show it.
        """
        py, px = self.affine(*_arrays(y, x))
        return self.fields.displace(py, px)

    def to_tissue(self, y: npt.ArrayLike, x: npt.ArrayLike) -> tuple[Reals, Reals]:
        """Map level-0 corner coordinates to tissue µm."""
        py, px = self.fields.straighten(*_arrays(y, x))
        return self.affine.inverse()(py, px)

    def shows(self, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell which points of level 0 lie in the scan and were scanned."""
        py, px = _arrays(y, x)
        inside = (py >= 0) & (py < self.shape[0]) & (px >= 0) & (px < self.shape[1])
        if (gone := self.missing) is not None:
            inside &= ~((py >= gone.y) & (py < gone.stop_y) & (px >= gone.x) & (px < gone.stop_x))
        return inside

    def seam_distance_um(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Reals:
        """Return how far points of level 0 lie from the nearest seam; infinite without one."""
        near = [
            np.abs(np.subtract.outer(values, seams)).min(-1, initial=np.inf)
            for values, seams in zip(_arrays(y, x), self.fields.seams, strict=True)
        ]
        return np.minimum(*near) * self.mpp

    def parts(self, box: Box, factor: float = 1.0) -> Iterator[tuple[Box, Affine]]:
        """Cut a box into parts with one affine each, from its corner coordinates to tissue µm.

        The box is of a grid of ``factor`` level-0 px per pixel.
        """
        back = self.affine.inverse()
        for part, straight in self.fields.parts(box, factor):
            yield part, back @ straight

    def clear(self, pixels: npt.NDArray[Any], box: Box, value: int, factor: float = 1.0) -> None:
        """Overwrite those pixels of a box that were not scanned; the box as of `parts`."""
        if self.missing is None:
            return
        y = (np.arange(box.y, box.stop_y) + 0.5) * factor
        x = (np.arange(box.x, box.stop_x) + 0.5) * factor
        gone = self.missing
        rows, columns = (y >= gone.y) & (y < gone.stop_y), (x >= gone.x) & (x < gone.stop_x)
        pixels[np.ix_(rows, columns)] = value


def _arrays(y: npt.ArrayLike, x: npt.ArrayLike) -> tuple[Reals, Reals]:
    py, px = np.broadcast_arrays(np.asarray(y, np.float64), np.asarray(x, np.float64))
    return py, px
