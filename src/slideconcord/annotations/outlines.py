"""What formats without holes need: points to areas, areas to rings, holes to what they cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import Annotation

Points = Sequence[tuple[float, float]]
Report = Callable[[str], None]


def area_of(points: Points, report: Report) -> BaseGeometry | None:
    """Return the area that points enclose; ``None``, reported, when they enclose nothing."""
    if len(set(points)) < 3:
        report("left out, it has fewer than three different points")
        return None
    return valid_area(shapely.Polygon(points), report)


def valid_area(geometry: BaseGeometry, report: Report) -> BaseGeometry | None:
    """Return the area of an outline that may cross itself; what changes is reported."""
    if geometry.is_valid:
        return geometry
    whole = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    if whole.is_empty:
        report("left out, its outline encloses nothing")
        return None
    report(
        "has an outline that crosses itself; it was repaired, "
        f"area {geometry.area:.6g} -> {whole.area:.6g} px²"
    )
    return whole


def cut_holes(
    areas: Sequence[BaseGeometry], holes: Sequence[tuple[BaseGeometry, Report]]
) -> list[BaseGeometry]:
    """Take holes out of areas; a hole belongs to the smallest area around it.

    A hole that no area holds whole cuts those it overlaps, and what lies inside it is kept: an
    island in a hole is an area of its own.
    """
    cut = list(areas)
    tree = shapely.STRtree(cut)
    for hole, report in holes:
        near = sorted(tree.query(hole).tolist())
        around = [i for i in near if cut[i].covers(hole)]
        if around:
            chosen = [min(around, key=lambda i: float(cut[i].area))]
        else:
            chosen = [i for i in near if cut[i].overlaps(hole)]
        if not chosen:
            report("cuts nothing; left out")
        for i in chosen:
            cut[i] = cut[i].difference(hole)
    return cut


def polygons_of(geometry: BaseGeometry) -> list[shapely.Polygon]:
    """Return the polygons of a geometry, however deep they are nested."""
    if geometry.geom_type == "Polygon":
        return [] if geometry.is_empty else [geometry]
    return [polygon for part in getattr(geometry, "geoms", ()) for polygon in polygons_of(part)]


def thin_parts_of(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Return the points, groups of points, and lines of a geometry."""
    if geometry.geom_type in ("Point", "MultiPoint", "LineString"):
        return [] if geometry.is_empty else [geometry]
    return [part for whole in getattr(geometry, "geoms", ()) for part in thin_parts_of(whole)]


def positions(line: BaseGeometry, *, closed: bool = False) -> list[tuple[float, float]]:
    """Return the positions of a line or ring; those of a ring without the repeated first one."""
    xy = shapely.get_coordinates(line).tolist()
    return [(x, y) for x, y in (xy[:-1] if closed else xy)]


def require_finite(annotations: Iterable[Annotation]) -> None:
    """Refuse to write coordinates that are no numbers.

    Raises
    ------
    AnnotationError
        Naming the first such annotation.
    """
    from slideconcord.errors import AnnotationError

    for i, annotation in enumerate(annotations):
        if not np.isfinite(shapely.get_coordinates(annotation.geometry)).all():
            raise AnnotationError(
                f"Annotation {i} ({annotation.name or annotation.id}) has a coordinate that is "
                "not finite: draw it again or remove it.",
                feature=annotation.id,
            )


def lost_facts(annotations: Iterable[Annotation], kept: set[str], program: str) -> list[str]:
    """Say, in one line per fact, what a format has no place for."""
    facts = ("class_name", "name", "observer", "locked", "measurements", "metadata", "nucleus")
    counts = dict.fromkeys((fact for fact in facts if fact not in kept), 0)
    for annotation in annotations:
        for fact in counts:
            counts[fact] += bool(getattr(annotation, fact))
    words = {"class_name": "class"}
    return [
        f"{program} has no place for the {words.get(fact, fact)} of {count} annotation(s)"
        for fact, count in counts.items()
        if count
    ]
