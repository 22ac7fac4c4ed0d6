"""Values of place and size. Level-0 pixels and (y, x) order unless a name says otherwise.

An integer pixel (y, x) names the pixel's centre; its area reaches half a pixel to each side.
Polygons, like GeoJSON's, use the *corner* convention instead: pixel (0, 0) covers 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError

Coordinate = TypeVar("Coordinate", float, npt.NDArray[np.float64])

# Finer than any optics resolves; coarser than any scan of a microscope slide.
SMALLEST_MPP, LARGEST_MPP = 0.02, 50.0


class Mpp(NamedTuple):
    """Micrometres per pixel, (y, x)."""

    y: float
    x: float

    @property
    def is_plausible(self) -> bool:
        """Whether a scan of a microscope slide can have this pixel size."""
        return all(math.isfinite(v) and SMALLEST_MPP <= v <= LARGEST_MPP for v in self)

    @classmethod
    def of(cls, value: float | Sequence[float]) -> Mpp:
        """Read ``0.25`` or ``(0.25, 0.26)``, in µm per pixel, (y, x).

        Raises
        ------
        ParameterError
            When the value is not one or two numbers between 0.02 and 50 µm.
        """
        pair = (value, value) if isinstance(value, int | float) else tuple(value)
        if len(pair) == 2 and (mpp := cls(float(pair[0]), float(pair[1]))).is_plausible:
            return mpp
        raise ParameterError(
            f"mpp={value!r} is not a pixel size: "
            f"give one or two (y, x) values from {SMALLEST_MPP} to {LARGEST_MPP:g} µm per pixel."
        )


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle of whole pixels: it holds rows y to y + height - 1."""

    y: int
    x: int
    height: int
    width: int

    @property
    def stop_y(self) -> int:
        return self.y + self.height

    @property
    def stop_x(self) -> int:
        return self.x + self.width

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def area(self) -> int:
        return max(self.height, 0) * max(self.width, 0)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index an array (y, x, ...) whose origin is this box's frame."""
        return slice(self.y, self.stop_y), slice(self.x, self.stop_x)

    def intersect(self, other: Box) -> Box:
        """Return the common part; its area is 0 when there is none."""
        y, x = max(self.y, other.y), max(self.x, other.x)
        height = max(min(self.stop_y, other.stop_y) - y, 0)
        width = max(min(self.stop_x, other.stop_x) - x, 0)
        return Box(y, x, height, width)

    def contains(self, other: Box) -> bool:
        return self.intersect(other) == other

    def shift(self, dy: int, dx: int) -> Box:
        return Box(self.y + dy, self.x + dx, self.height, self.width)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the pixels of a map or mask lie on their slide.

    Pixel (i, j) covers level-0 rows ``origin_y + i * step_y`` to ``origin_y + (i + 1) * step_y``
    (corner convention), and columns likewise.
    """

    origin_y: float
    """Level-0 row of the first pixel's upper edge."""
    origin_x: float
    """Level-0 column of the first pixel's left edge."""
    step_y: float
    """Level-0 pixels per pixel of the map, vertically: target mpp / slide mpp."""
    step_x: float
    """Level-0 pixels per pixel of the map, horizontally."""

    def coarser(self, factor: float) -> Frame:
        """Return the frame of the same map downsampled by ``factor``."""
        return Frame(self.origin_y, self.origin_x, self.step_y * factor, self.step_x * factor)

    def inside(self, box: Box) -> Frame:
        """Return the frame of the part of the map that ``box`` (map pixels) names."""
        return Frame(
            self.origin_y + box.y * self.step_y,
            self.origin_x + box.x * self.step_x,
            self.step_y,
            self.step_x,
        )

    def to_level0(self, y: float, x: float) -> tuple[float, float]:
        """Map corner coordinates of the map to level-0 corner coordinates."""
        return self.origin_y + y * self.step_y, self.origin_x + x * self.step_x

    def from_level0(self, y: float, x: float) -> tuple[float, float]:
        return (y - self.origin_y) / self.step_y, (x - self.origin_x) / self.step_x

    def scale_um(self, mpp: Mpp) -> tuple[float, float]:
        """Return the layer ``scale`` in µm for a slide of level-0 pixel size ``mpp``."""
        return self.step_y * mpp.y, self.step_x * mpp.x

    def translate_um(self, mpp: Mpp) -> tuple[float, float]:
        """Return the layer ``translate`` in µm: the first pixel's centre, seen from level 0's."""
        return (
            (self.origin_y + (self.step_y - 1) / 2) * mpp.y,
            (self.origin_x + (self.step_x - 1) / 2) * mpp.x,
        )


@dataclass(frozen=True, slots=True)
class Affine:
    """A plane map ``(y, x) -> matrix @ (y, x, 1)``; units are the caller's, named at its use."""

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]] = (
        (1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0),
    )

    def __call__(self, y: Coordinate, x: Coordinate) -> tuple[Coordinate, Coordinate]:
        """Map a point, or arrays of points."""
        (a, b, c), (d, e, f) = self.matrix
        return a * y + b * x + c, d * y + e * x + f

    def __matmul__(self, first: Affine) -> Affine:
        """Return the map that applies ``first``, then this one."""
        (a, b, c), (d, e, f) = self.matrix
        (p, q, r), (s, t, u) = first.matrix
        rows = (a * p + b * s, a * q + b * t, a * r + b * u + c)
        columns = (d * p + e * s, d * q + e * t, d * r + e * u + f)
        return Affine((rows, columns))

    def inverse(self) -> Affine:
        """Return the map back.

        Raises
        ------
        ParameterError
            When the map folds the plane onto a line.
        """
        (a, b, c), (d, e, f) = self.matrix
        determinant = a * e - b * d
        if determinant == 0:
            raise ParameterError(
                f"the map {self.matrix} cannot be turned back: it folds the plane."
            )
        p, q, s, t = e / determinant, -b / determinant, -d / determinant, a / determinant
        return Affine(((p, q, -p * c - q * f), (s, t, -s * c - t * f)))
