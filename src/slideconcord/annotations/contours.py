"""Exact outlines of masks along pixel edges, and the polygons they make.

Regions are 4-connected; coordinates are corners, (x, y); areas equal pixel counts exactly.
Rows are fed in bands, so a mask on disk is traced with memory for its outlines only, and the
result does not depend on how it was cut into bands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations import _edges
from slideconcord.errors import ParameterError
from slideconcord.geometry import Frame

if TYPE_CHECKING:
    from shapely import Polygon

_BAND_PX = 1 << 24
Ring = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Outlines:
    """Rings of the regions of a mask, one after the other, in mask pixels."""

    points: Ring
    """(n, 2) corners (x, y); a ring's first point is not repeated at its end."""
    ends: NDArray[np.int64]
    """Where each ring ends in ``points``."""
    owners: NDArray[np.int32]
    """The region each ring belongs to."""
    areas: NDArray[np.int64]
    """Signed area of each ring in pixels: positive for exteriors, negative for holes."""

    @property
    def region_areas(self) -> NDArray[np.int64]:
        """Pixels in each region, holes left out."""
        areas = np.zeros(int(self.owners.max(initial=-1)) + 1, np.int64)
        np.add.at(areas, self.owners, self.areas)
        return areas

    def region_perimeters(self, step_y: float, step_x: float) -> NDArray[np.float64]:
        """Length of each region's outlines, holes included, for pixels of the size given."""
        following = np.arange(1, len(self.points) + 1)
        following[self.ends - 1] = self.ends - self._sizes
        sides = np.abs(self.points[following].astype(np.int64) - self.points)
        lengths = sides[:, 0] * step_x + sides[:, 1] * step_y
        perimeters = np.zeros(int(self.owners.max(initial=-1)) + 1)
        np.add.at(perimeters, np.repeat(self.owners, self._sizes), lengths)
        return perimeters

    def select(self, wanted: NDArray[np.bool_]) -> Outlines:
        """Return the regions for which ``wanted`` is true, numbered anew."""
        rings = wanted[self.owners]
        points = np.repeat(rings, self._sizes)
        numbers = np.cumsum(wanted, dtype=np.int32) - 1
        return Outlines(
            self.points[points],
            np.cumsum(self._sizes[rings]),
            numbers[self.owners[rings]],
            self.areas[rings],
        )

    @property
    def _sizes(self) -> NDArray[np.int64]:
        return np.diff(self.ends, prepend=0)

    def ordered(self) -> Outlines:
        """Return the same rings region by region, each exterior before its holes."""
        order = np.lexsort((-np.sign(self.areas), self.owners))
        sizes = self._sizes[order]
        begins = (self.ends - self._sizes)[order]
        # offsets within each ring, then the ring's begin: one gather for all points
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        points = self.points[np.repeat(begins, sizes) + within]
        return Outlines(points, np.cumsum(sizes), self.owners[order], self.areas[order])

    def rings(self) -> list[Ring]:
        return np.split(self.points, self.ends[:-1]) if self.ends.size else []

    def polygons(self, frame: Frame) -> list[Polygon]:
        """Return one shapely polygon per region, in level-0 corner coordinates (x, y)."""
        import shapely

        rings = self.ordered()
        if not rings.ends.size:
            return []
        scale = np.array([frame.step_x, frame.step_y])
        coordinates = rings.points * scale + (frame.origin_x, frame.origin_y)
        ring_of_point = np.repeat(np.arange(rings.ends.size), rings._sizes)
        lines = shapely.linearrings(coordinates, indices=ring_of_point)
        return list(shapely.polygons(lines, indices=rings.owners))


class Tracer:
    """Collects the outlines of a mask that arrives from top to bottom in bands of rows."""

    def __init__(self, width: int) -> None:
        self._above = np.zeros(width + 2, np.uint8)
        self._open = np.full(width + 2, -1, np.int32)
        self._xy = np.empty((1024, 2), np.int32)
        self._following = np.empty(1024, np.int32)
        self._beside = np.empty(1024, np.int32)
        self._count = 0
        self._y = 0

    def feed(self, rows: NDArray[np.bool_]) -> None:
        """Add the next rows, (y, x) bool."""
        padded = np.zeros((rows.shape[0], self._above.size), np.uint8)
        padded[:, 1:-1] = rows
        counts = _edges.count_rows(self._above, padded)
        self._reserve(int(counts.sum()))
        self._count = _edges.add_rows(
            self._above,
            padded,
            counts,
            self._y,
            self._count,
            self._open,
            self._xy,
            self._following,
            self._beside,
        )
        self._y += rows.shape[0]
        if rows.shape[0]:
            self._above = padded[-1].copy()

    def finish(self) -> Outlines:
        """Close the outlines below the last row and return them all."""
        self.feed(np.zeros((1, self._above.size - 2), np.bool_))
        used = slice(0, self._count)
        return Outlines(
            *_edges.close_rings(self._xy[used], self._following[used], self._beside[used])
        )

    def _reserve(self, more: int) -> None:
        needed = self._count + more
        if needed > np.iinfo(np.int32).max:
            raise ParameterError(
                f"The mask has over {needed:,} corners: this is noise rather than regions. "
                "Raise the thresholds or smooth the mask first."
            )
        if needed > len(self._xy):
            size = max(needed, 2 * len(self._xy))
            self._xy = np.concatenate(
                [self._xy[: self._count], np.empty((size - self._count, 2), np.int32)]
            )
            grow = np.empty(size - self._count, np.int32)
            self._following = np.concatenate([self._following[: self._count], grow])
            self._beside = np.concatenate([self._beside[: self._count], grow])


def _grown(table: Ring, size: int) -> Ring:
    larger = np.empty((size, *table.shape[1:]), table.dtype)
    larger[: len(table)] = table
    return larger


def trace_bands(bands: Iterable[NDArray[np.bool_]], width: int) -> Outlines:
    """Trace a mask of ``width`` columns given as bands of rows from top to bottom."""
    tracer = Tracer(width)
    for rows in bands:
        tracer.feed(rows)
    return tracer.finish()


def trace(mask: NDArray[np.bool_]) -> Outlines:
    """Trace a whole mask, (y, x) bool."""
    if mask.ndim != 2:
        raise ParameterError(f"A mask has two axes (y, x); this one has the shape {mask.shape}.")
    mask = np.asarray(mask, np.bool_)
    height, width = mask.shape
    step = max(_BAND_PX // max(width, 1), 1)
    return trace_bands((mask[y : y + step] for y in range(0, height, step)), width)


def trace_regions(mask: NDArray[np.bool_]) -> list[tuple[Ring, list[Ring]]]:
    """Return the outline of every region of a mask.

    Parameters
    ----------
    mask : (y, x) bool

    Returns
    -------
    One (exterior, holes) per 4-connected region. Rings are (n, 2) int32 corners (x, y) without
    repeated or collinear points; no ring touches itself, so every polygon is valid.
    """
    outlines = trace(mask).ordered()
    regions: list[tuple[Ring, list[Ring]]] = []
    for ring, area in zip(outlines.rings(), outlines.areas, strict=True):
        if area > 0:
            regions.append((ring, []))
        else:
            regions[-1][1].append(ring)
    return regions


def polygons_from_mask(mask: NDArray[np.bool_], frame: Frame) -> list[Polygon]:
    """Return one shapely polygon per 4-connected region, in level-0 corner coordinates (x, y)."""
    return trace(mask).polygons(frame)
