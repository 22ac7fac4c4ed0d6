"""A virtual tissue: an endless function of place, evaluated box by box at any resolution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Box, Mpp
from slideconcord.samples import anatomy, glands, histology, nuclei
from slideconcord.samples.noise import SOURCES, blot, compiled, fields, kept, wave

Stain = npt.NDArray[np.float32]
Classes = npt.NDArray[np.uint8]

CLASS_NAMES = ("background", "other tissue", "normal epithelium", "tumour")
_BLOCK_PX = 384
_MARGIN_UM = 14.0
# Several points per pixel where a pixel is larger than what it shows.
_POINT_UM, _MOST_POINTS = 0.75, 4
_NUCLEI_SEEN_UM = 4.0
_BLOCK_UM = 4000.0
SMALLEST_UM = 300.0
_PIECE_UM = (5200.0, 7000.0)


@compiled
def _kind(keys, places, origin, y, x, around, gland):  # type: ignore[no-untyped-def]
    """Return the class at tissue point (y, x) µm, and write what surrounds it."""
    nuclei.surroundings(places, origin, y, x, around, gland)
    outline = around[anatomy.OUTLINE]
    if -anatomy.EDGE_UM < outline < anatomy.EDGE_UM and around[anatomy.DEPTH] > 0.12:
        outline += 4.0 * wave(keys[21], y, x, 12.0) + 2.0 * wave(keys[22], y, x, 3.5)
        around[anatomy.OUTLINE] = outline
    if outline > 0.0:
        return histology.BACKGROUND
    if gland[glands.DEPTH] <= 0.0:
        return histology.OTHER
    return histology.TUMOUR if around[anatomy.TUMOUR] > 0.0 else histology.NORMAL


@compiled
def _point(keys, places, origin, found, y, x, around, gland, out):  # type: ignore[no-untyped-def]
    """Write (haematoxylin, eosin) at tissue point (y, x) µm; no ``found`` when far away."""
    out[0], out[1] = 0.0, 0.0
    kind = _kind(keys, places, origin, y, x, around, gland)
    if kind == histology.BACKGROUND:
        return
    near = found[0].size > 0
    nucleus = 0.0
    if near and kind != histology.NORMAL:
        nucleus = nuclei.densest(found[0], origin[6], origin[7], nuclei.ROUND_UM, keys[24], y, x)
    if kind == histology.TUMOUR:
        h, e = histology.tumour_stain(keys, gland, y, x, nucleus)
        if not near and h > 0.21:
            h, e = h + histology.FAR_TUMOUR, e + 0.1 * histology.FAR_TUMOUR
    elif kind == histology.NORMAL:
        h, e = histology.crypt_stain(keys, gland, y, x)
    else:
        h, e = histology.stroma_stain(keys, around, gland, y, x)
        if near:
            step = nuclei.SPINDLE_UM
            long = nuclei.densest(found[1], origin[8], origin[9], step, keys[25], y, x)
            nucleus = max(nucleus, long)
        else:
            nucleus = histology.far_nuclei(around)
        h, e = h + nucleus, e + 0.12 * min(nucleus, 1.0)
    thick = around[anatomy.THICK] * min(0.35 - 0.5 * around[anatomy.OUTLINE], 1.0)
    thick *= 0.89 + 0.22 * blot(keys[26], y, x, 0.9)
    out[0], out[1] = h * thick, e * thick


@compiled
def _extent(m, y, x, height, width):  # type: ignore[no-untyped-def]
    """Return the least and largest tissue coordinates of a box under the affine ``m``, in µm."""
    low_y, low_x, high_y, high_x = 1e18, 1e18, -1e18, -1e18
    for py in (y, y + height):
        for px in (x, x + width):
            ty, tx = m[0] * py + m[1] * px + m[2], m[3] * py + m[4] * px + m[5]
            low_y, high_y = min(low_y, ty), max(high_y, ty)
            low_x, high_x = min(low_x, tx), max(high_x, tx)
    return low_y, low_x, high_y, high_x


@compiled
def _prepare(keys, plan, m, y0, x0, height, width, near):  # type: ignore[no-untyped-def]
    """Return whether tissue is near, and what a box needs: places, their origin, nuclei."""
    low_y, low_x, high_y, high_x = _extent(m, y0, x0, height, width)
    origin, sizes = np.empty(10, np.int64), np.zeros(10, np.int64)
    # A nucleus near the box asks for its own surroundings, so places reach further than nuclei.
    steps = (
        (anatomy.LATTICE_UM, anatomy.LATTICE_UM, 45.0),
        (glands.ROW_UM, glands.CRYPT_UM, 75.0 + 2.0 * glands.CRYPT_UM),
        (glands.TUMOUR_UM, glands.TUMOUR_UM, 75.0 + 2.0 * glands.TUMOUR_UM),
        (nuclei.ROUND_UM, nuclei.ROUND_UM, _MARGIN_UM),
        (nuclei.SPINDLE_UM, nuclei.SPINDLE_UM, _MARGIN_UM),
    )
    for k in range(5 if near else 3):
        sy, sx, margin = steps[k]
        origin[2 * k] = math.floor((low_y - margin) / sy)
        origin[2 * k + 1] = math.floor((low_x - margin) / sx)
        sizes[2 * k] = math.floor((high_y + margin) / sy) + 2 - origin[2 * k]
        sizes[2 * k + 1] = math.floor((high_x + margin) / sx) + 2 - origin[2 * k + 1]
    table, any_tissue = anatomy.lattice(keys, plan, origin[0], origin[1], sizes[0], sizes[1])
    if not any_tissue:
        sizes[2:] = 0
    places = (
        table,
        glands.crypts(keys, plan, origin[2], origin[3], sizes[2], sizes[3]),
        glands.tumour_cells(keys, origin[4], origin[5], sizes[4], sizes[5]),
    )
    found = (
        nuclei.round_nuclei(keys, places, origin, sizes[6], sizes[7]),
        nuclei.spindles(keys, places, origin, sizes[8], sizes[9]),
    )
    return any_tissue, places, origin, found


def _entry_points(sources: int) -> tuple[Any, Any]:
    """Return the two functions that fill a block; their cache on disk is that of ``sources``."""

    @kept
    def stain_block(keys, plan, m, y0, x0, points, near, stain):  # type: ignore[no-untyped-def]
        """Fill (y, x, 2) optical densities; ``m`` maps pixel corners to tissue µm."""
        if sources == 0:
            return
        height, width = stain.shape[:2]
        any_tissue, places, origin, found = _prepare(keys, plan, m, y0, x0, height, width, near)
        if not any_tissue:
            stain[:] = 0.0
            return
        around, gland = np.empty(anatomy.CHANNELS), np.empty(glands.FACTS)
        out = np.empty(2)
        for i in range(height):
            for j in range(width):
                h, e = 0.0, 0.0
                for a in range(points):
                    for b in range(points):
                        py, px = y0 + i + (a + 0.5) / points, x0 + j + (b + 0.5) / points
                        y, x = m[0] * py + m[1] * px + m[2], m[3] * py + m[4] * px + m[5]
                        _point(keys, places, origin, found, y, x, around, gland, out)
                        h, e = h + out[0], e + out[1]
                stain[i, j, 0], stain[i, j, 1] = h / points**2, e / points**2

    @kept
    def class_block(keys, plan, m, y0, x0, classes):  # type: ignore[no-untyped-def]
        """Fill (y, x) classes at the pixels' centres."""
        if sources == 0:
            return
        height, width = classes.shape
        any_tissue, places, origin, _ = _prepare(keys, plan, m, y0, x0, height, width, False)
        if not any_tissue:
            classes[:] = histology.BACKGROUND
            return
        around, gland = np.empty(anatomy.CHANNELS), np.empty(glands.FACTS)
        for i in range(height):
            for j in range(width):
                py, px = y0 + i + 0.5, x0 + j + 0.5
                y, x = m[0] * py + m[1] * px + m[2], m[3] * py + m[4] * px + m[5]
                classes[i, j] = _kind(keys, places, origin, y, x, around, gland)

    return stain_block, class_block


_stain_block, _class_block = _entry_points(SOURCES)


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
        matrix, pixel_um = _matrix(mpp, to_tissue)
        points = min(max(math.ceil(pixel_um / _POINT_UM), 1), _MOST_POINTS)
        near = pixel_um <= _NUCLEI_SEEN_UM
        keys, stain = self._keys(), np.empty((*box.shape, 2), np.float32)
        for part, rows, columns in _blocks(box, pixel_um):
            block = np.empty((*part.shape, 2), np.float32)
            _stain_block(keys, self._plan, matrix, part.y, part.x, points, near, block)
            stain[rows, columns] = block
        return stain

    def truth(
        self, box: Box, mpp: float | Mpp = 0.5, *, to_tissue: Affine | None = None
    ) -> Classes:
        """Return the class at every pixel's centre, (y, x) uint8; see ``CLASS_NAMES``.

        Lumina belong to their glands. The classes are those of the tissue itself: no
        scanner, point spread or compression enters. Parameters as of `stain`.
        """
        matrix, pixel_um = _matrix(mpp, to_tissue)
        keys, classes = self._keys(), np.empty(box.shape, np.uint8)
        for part, rows, columns in _blocks(box, pixel_um):
            block = np.empty(part.shape, np.uint8)
            _class_block(keys, self._plan, matrix, part.y, part.x, block)
            classes[rows, columns] = block
        return classes

    def _keys(self) -> npt.NDArray[np.uint64]:
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
