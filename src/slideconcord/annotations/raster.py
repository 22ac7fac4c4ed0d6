"""Polygons to pixels, by the rule that a pixel belongs where its centre lies.

The exact inverse of tracing: the outlines of a mask, rasterised in its frame, give the mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations import _fill
from slideconcord.annotations.annotation import Annotation
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame

BLOCK_PX = 2048
Shapes = Iterable[Annotation | BaseGeometry]


class Rasteriser:
    """Polygons indexed by place, to be rasterised box by box however large the slide.

    Points and lines have no area and fill nothing. Where polygons overlap, later values win.
    """

    def __init__(self, shapes: Shapes, frame: Frame, values: Sequence[int] | None = None) -> None:
        geometries = np.array([_geometry(shape) for shape in shapes], object)
        parts, owners = shapely.get_parts(geometries, return_index=True)
        # a collection may hold collections
        parts, inner = shapely.get_parts(parts, return_index=True)
        owners = owners[inner]
        areas = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(
            parts
        )
        self._polygons = parts[areas]
        self._values = np.ones(len(self._polygons), np.int64)
        if values is not None:
            self._values = np.asarray(values, np.int64)[owners[areas]]
        self._frame = frame
        self._tree = shapely.STRtree(self._polygons)
        self.lost = 0
        """Pixels written so far over another polygon's."""

    def in_frame(self, frame: Frame) -> Rasteriser:
        """Return the same polygons, to be rasterised to other pixels."""
        other = copy(self)
        other._frame, other.lost = frame, 0
        return other

    def fill(self, box: Box, dtype: Any = np.bool_) -> NDArray[Any]:
        """Return the pixels of ``box`` (frame pixels), (y, x); 0 where nothing lies."""
        frame = self._frame.inside(box)
        out = np.zeros(box.shape, np.uint8 if dtype == np.bool_ else dtype)
        y0, x0 = frame.to_level0(0, 0)
        y1, x1 = frame.to_level0(*box.shape)
        found = np.sort(self._tree.query(shapely.box(x0, y0, x1, y1)))
        if found.size:
            self._fill(found, frame, out)
        return out.view(np.bool_) if dtype == np.bool_ else out

    def _fill(self, found: NDArray[np.int64], frame: Frame, out: NDArray[Any]) -> None:
        rings, polygon_of_ring = shapely.get_rings(self._polygons[found], return_index=True)
        xy, ring_of_point = shapely.get_coordinates(rings, return_index=True)
        xy = (xy - (frame.origin_x, frame.origin_y)) / (frame.step_x, frame.step_y)
        self.lost += _fill.fill_polygons(
            xy,
            np.cumsum(np.bincount(ring_of_point, minlength=len(rings))),
            np.cumsum(np.bincount(polygon_of_ring, minlength=len(found))),
            self._values[found].astype(out.dtype),
            out,
        )


def rasterise(shapes: Shapes, frame: Frame, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels lie in any of the polygons.

    Parameters
    ----------
    shapes : annotations or shapely geometries, level-0 corner coordinates (x, y)
    frame : where the pixels lie on the slide; ``frame.inside(box)`` gives a part of them
    shape : (height, width) in pixels

    Returns
    -------
    (y, x) bool

    Raises
    ------
    ParameterError
        When the shape is negative.
    """
    if min(shape) < 0:
        raise ParameterError(f"shape={shape} must be (height, width) of 0 or more pixels.")
    return Rasteriser(shapes, frame).fill(Box(0, 0, *shape))


def rasterise_blocks(
    shapes: Shapes, frame: Frame, shape: tuple[int, int], block_px: int = BLOCK_PX
) -> Iterator[tuple[Box, NDArray[np.bool_]]]:
    """Yield a mask block by block, row by row of blocks; memory holds one block."""
    rasteriser = Rasteriser(shapes, frame)
    height, width = shape
    for y in range(0, height, block_px):
        for x in range(0, width, block_px):
            box = Box(y, x, min(block_px, height - y), min(block_px, width - x))
            yield box, rasteriser.fill(box)


def _geometry(shape: Annotation | BaseGeometry) -> BaseGeometry:
    return shape.geometry if isinstance(shape, Annotation) else shape
