"""Areas under a hand: joined, cut, filled and smoothed. Lengths are µm, coordinates level 0.

Every function returns a valid area, empty when nothing is left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.outlines import polygons_of
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Mpp

Points = Sequence[tuple[float, float]]
_ARC_SEGMENTS = 8
"""Of a quarter circle: a stroke's edge is within 0.5 % of its radius."""


def area_of(geometry: BaseGeometry) -> BaseGeometry:
    """Return what has an area of a geometry: a valid Polygon or MultiPolygon, or empty."""
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    parts = polygons_of(geometry)
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def joined(areas: Sequence[BaseGeometry]) -> BaseGeometry:
    """Return all that lies in any of the areas."""
    return area_of(shapely.union_all(list(areas)))


def cut(area: BaseGeometry, away: BaseGeometry) -> BaseGeometry:
    """Return an area without what lies in another."""
    return area_of(area.difference(away))


def within(area: BaseGeometry, box: Box) -> BaseGeometry:
    """Return what of an area lies in a box of pixels."""
    return area_of(area.intersection(shapely.box(box.x, box.y, box.stop_x, box.stop_y)))


def pieces(area: BaseGeometry, line: Points) -> list[BaseGeometry]:
    """Return what a line cuts an area into, the largest first; one piece when it cuts nothing.

    Parts of the area that the line does not cross stay with the largest piece.
    """
    knife = shapely.LineString(line)
    cut_off: list[BaseGeometry] = []
    whole: list[BaseGeometry] = []
    for part in polygons_of(area):
        found = _pieces_of_part(part, knife) if part.intersects(knife) else [part]
        (cut_off if len(found) > 1 else whole).extend(found)
    if not cut_off:
        return [area]
    cut_off.sort(key=lambda piece: float(piece.area), reverse=True)
    first = shapely.MultiPolygon([cut_off[0], *whole]) if whole else cut_off[0]
    return [first, *cut_off[1:]]


def _pieces_of_part(part: shapely.Polygon, knife: shapely.LineString) -> list[BaseGeometry]:
    edges = shapely.node(shapely.union(part.boundary, knife))
    found = shapely.polygonize([edges]).geoms
    return [piece for piece in found if part.contains(piece.representative_point())]


def without_holes(area: BaseGeometry, mpp: Mpp, max_area_um2: float | None = None) -> BaseGeometry:
    """Return an area with its holes filled; only those up to ``max_area_um2`` when given."""
    most = np.inf if max_area_um2 is None else max_area_um2 / (mpp.y * mpp.x)
    filled = [
        shapely.Polygon(
            part.exterior,
            [ring for ring in part.interiors if shapely.Polygon(ring).area > most],
        )
        for part in polygons_of(area)
    ]
    # what lay as an island in a hole is inside now
    return joined(filled)


def smoothed(area: BaseGeometry, radius_um: float, mpp: Mpp) -> BaseGeometry:
    """Return an area whose corners are rounded to a radius, inwards and outwards.

    It is closed and then opened with a disc of the radius (mathematical morphology): gaps, holes
    and spurs narrower than twice the radius go.
    """
    require_length("radius_um", radius_um)
    in_um = shapely.simplify(_scaled(area, mpp.x, mpp.y), radius_um / 4)
    closed = in_um.buffer(radius_um, _ARC_SEGMENTS).buffer(-radius_um, _ARC_SEGMENTS)
    opened = closed.buffer(-radius_um, _ARC_SEGMENTS).buffer(radius_um, _ARC_SEGMENTS)
    slim = shapely.simplify(opened, radius_um / 50)
    return area_of(_scaled(slim, 1 / mpp.x, 1 / mpp.y))


def stroke(path: Points, radius_um: float, mpp: Mpp) -> BaseGeometry:
    """Return what a round brush covers that is led along a path; a single point gives a disc."""
    require_length("radius_um", radius_um)
    points = list(path)
    led = shapely.Point(points[0]) if len(set(points)) == 1 else shapely.LineString(points)
    in_um = shapely.simplify(_scaled(led, mpp.x, mpp.y), radius_um / 50)
    return area_of(_scaled(in_um.buffer(radius_um, _ARC_SEGMENTS), 1 / mpp.x, 1 / mpp.y))


def require_length(name: str, value: float) -> None:
    """Refuse a length that is none.

    Raises
    ------
    ParameterError
        When it is not a finite number above 0.
    """
    if not (np.isfinite(value) and value > 0):
        raise ParameterError(f"{name}={value!r} must be above 0, in µm.")


def _scaled(geometry: BaseGeometry, x: float, y: float) -> BaseGeometry:
    return shapely.transform(geometry, lambda xy: xy * (x, y))
