"""A virtual tissue: an endless function of place, evaluated box by box at any resolution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Box, Mpp

Stain = npt.NDArray[np.float32]
Classes = npt.NDArray[np.uint8]

CLASS_NAMES = ("background", "other tissue", "normal epithelium", "tumour")
_BLOCK_PX = 384
# Several points per pixel where a pixel is larger than what it shows.
_POINT_UM, _MOST_POINTS = 0.75, 4
_NUCLEI_SEEN_UM = 4.0
_BLOCK_UM = 4000.0
SMALLEST_UM = 300.0
_PIECE_UM = (5200.0, 7000.0)


@dataclass(frozen=True, slots=True)
class VirtualTissue:
    """A tissue like the wall of a colon, with a tumour, made of nothing but a seed.

    Parameters
    ----------
    seed
        Names the tissue; the same seed and size give the same tissue on every machine.
    height_um, width_um
        Extent of the field that holds it, in µm; at least 300.

    Raises
    ------
    ParameterError
        When the field is too small to hold a tissue.
    """

    seed: int
    height_um: float
    width_um: float

    def __post_init__(self) -> None:
        if not (min(self.height_um, self.width_um) >= SMALLEST_UM and self.seed >= 0):
            raise ParameterError(
                f"a virtual tissue of {self.height_um:g} x {self.width_um:g} µm (seed {self.seed}) "
                f"cannot be made: give at least {SMALLEST_UM:g} µm each way and a seed from 0 up."
            )

    def stain(self, box: Box, mpp: float | Mpp = 0.5, *, to_tissue: Affine | None = None) -> Stain:
        """Return the optical densities of (haematoxylin, eosin) in ``box``.

        Parameters
        ----------
        box
            Whole pixels of the grid of pixel size ``mpp`` whose corner is the tissue's corner.
        to_tissue
            Instead of ``mpp``: maps a pixel's corner coordinates to tissue µm.

        Returns
        -------
        (y, x, 2) float32, area averages where a pixel is larger than what it shows.
        """
        from slideconcord.samples.blocks import stain_block

        matrix, pixel_um = _matrix(mpp, to_tissue)
        points = min(max(math.ceil(pixel_um / _POINT_UM), 1), _MOST_POINTS)
        near = pixel_um <= _NUCLEI_SEEN_UM
        keys, stain = self._keys(), np.empty((*box.shape, 2), np.float32)
        for part, rows, columns in _blocks(box, pixel_um):
            block = np.empty((*part.shape, 2), np.float32)
            stain_block(keys, self._plan, matrix, part.y, part.x, points, near, block)
            stain[rows, columns] = block
        return stain

    def truth(
        self, box: Box, mpp: float | Mpp = 0.5, *, to_tissue: Affine | None = None
    ) -> Classes:
        """Return the class at every pixel's centre, (y, x) uint8; see ``CLASS_NAMES``.

        Lumina belong to their glands. The classes are those of the tissue itself: no
        scanner, point spread or compression enters. Parameters as of `stain`.
        """
        from slideconcord.samples.blocks import class_block

        matrix, pixel_um = _matrix(mpp, to_tissue)
        keys, classes = self._keys(), np.empty(box.shape, np.uint8)
        for part, rows, columns in _blocks(box, pixel_um):
            block = np.empty(part.shape, np.uint8)
            class_block(keys, self._plan, matrix, part.y, part.x, block)
            classes[rows, columns] = block
        return classes

    def _keys(self) -> npt.NDArray[np.uint64]:
        from slideconcord.samples.noise import fields

        return fields(np.uint64(self.seed % (1 << 63)))

    @property
    def _plan(self) -> tuple[float, float, float, float]:
        """Return height, width and into how many rows and columns of pieces they are divided."""
        rows = max(round(self.height_um / _PIECE_UM[0]), 1)
        columns = max(round(self.width_um / _PIECE_UM[1]), 1)
        return float(self.height_um), float(self.width_um), float(rows), float(columns)


def _matrix(
    mpp: float | Mpp, to_tissue: Affine | None
) -> tuple[tuple[float, float, float, float, float, float], float]:
    if to_tissue is None:
        size = Mpp.of(mpp)
        return (size.y, 0.0, 0.0, 0.0, size.x, 0.0), max(size)
    a, b, c, d, e, f = (float(value) for row in to_tissue.matrix for value in row)
    return (a, b, c, d, e, f), math.sqrt(abs(a * e - b * d))


def _blocks(box: Box, pixel_um: float) -> Iterator[tuple[Box, slice, slice]]:
    """Cut a box into blocks whose tables stay small however coarse the pixels are."""
    side = max(min(_BLOCK_PX, int(_BLOCK_UM / pixel_um)), 8)
    for y in range(0, box.height, side):
        for x in range(0, box.width, side):
            part = Box(y, x, min(side, box.height - y), min(side, box.width - x))
            yield part.shift(box.y, box.x), *part.slices
