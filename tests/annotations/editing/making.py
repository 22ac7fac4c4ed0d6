"""Annotations made by code, and strategies that make them."""

from __future__ import annotations

import shapely
from hypothesis import strategies as st

from slideconcord.annotations import Annotation
from slideconcord.annotations.classes import AnnotationClass
from slideconcord.annotations.editing import ClassList
from slideconcord.geometry import Mpp

MPP = Mpp(0.5, 0.25)
TUMOR = AnnotationClass("Tumor", (200, 0, 0), "t")
STROMA = AnnotationClass("Stroma", (0, 160, 70), "s")
CLASSES = ClassList((TUMOR, STROMA))


def square(x: float, y: float, side: float = 10, **more: object) -> Annotation:
    """Return a square whose upper left corner is at (x, y), of the class Tumor."""
    values: dict[str, object] = {"class_name": "Tumor", "colour": TUMOR.colour, **more}
    return Annotation(shapely.box(x, y, x + side, y + side), **values)


def ring(x: float, y: float, side: float = 10, width: float = 2) -> Annotation:
    """Return a square with a square hole."""
    hole = shapely.box(x + width, y + width, x + side - width, y + side - width)
    return Annotation(shapely.box(x, y, x + side, y + side).difference(hole), "Tumor")


coordinates = st.integers(0, 200).map(lambda v: v / 4)
points = st.tuples(coordinates, coordinates)
lines = st.lists(points, min_size=2, max_size=6, unique=True)


def _area(ring: list[tuple[float, float]]) -> shapely.Geometry:
    whole = shapely.make_valid(shapely.Polygon(ring), method="structure", keep_collapsed=False)
    return whole.buffer(0.01)


areas = (
    st.lists(points, min_size=3, max_size=9, unique=True).map(_area).filter(lambda a: a.area > 1)
)
