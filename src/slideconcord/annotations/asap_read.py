"""ASAP XML, read. ASAP knows no holes: ours are polygons of a group "<class> hole"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import Annotation, Annotations
from slideconcord.annotations.geojson_feature import hex_colour
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.limits import LIMITS
from slideconcord.annotations.outlines import (
    Points,
    Report,
    area_of,
    cut_holes,
)
from slideconcord.annotations.xml_scan import number, walk
from slideconcord.errors import AnnotationError

HOLE = " hole"
NO_GROUP = "None"
_AREAS = {"Polygon", "Spline", "Rectangle"}
_THIN = {"Dot", "PointSet", "Measurement"}


def read(path: Path, hints: Hints) -> Annotations:
    """Read an ASAP file; groups become classes.

    Raises
    ------
    AnnotationError
        When the file is damaged, or an annotation cannot be understood.
    """
    handler = _Handler(path)
    walk(path, "ASAP_Annotations", handler)
    return Annotations.of(handler.assembled(), report=handler.report)


class _Handler:
    """Collects annotations and groups as the file is walked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.report: list[str] = []
        self._found: list[tuple[dict[str, str], BaseGeometry, str]] = []
        self._groups: dict[str, dict[str, str]] = {}
        self._current: dict[str, str] | None = None
        self._points: dict[int, tuple[float, float]] = {}
        self._vertices = self._count = self._splines = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "Annotation":
            self._current, self._points = attributes, {}
        elif tag == "Group" and (name := attributes.get("Name")):
            self._groups[name] = attributes
        elif tag == "Coordinate" and self._current is not None:
            self._add_point(attributes)

    def end(self, tag: str) -> None:
        if tag != "Annotation" or self._current is None:
            return
        label = self._label
        points = [self._points[order] for order in sorted(self._points)]
        geometry = self._geometry(self._current.get("Type", ""), points, label)
        if geometry is not None:
            self._found.append((self._current, geometry, label))
        self._current = None
        self._count += 1

    @property
    def _label(self) -> str:
        name = (self._current or {}).get("Name", "")
        return f"annotation {self._count}" + (f" ({name[:60]})" if name else "")

    def _add_point(self, attributes: dict[str, str]) -> None:
        label = self._label
        order = attributes.get("Order", "")
        index = int(order) if order.isascii() and order.isdigit() and len(order) < 10 else -1
        if index < 0 or index in self._points:
            raise self._error(
                f"{label} has a coordinate of Order={order[:20]!r}, twice or no number"
            )
        x, y = (number(attributes, axis, label, self._path) for axis in "XY")
        self._points[index] = (x, y)
        self._vertices += 1
        if self._vertices > LIMITS.vertices:
            raise self._error(f"there are more than {LIMITS.vertices:,} points; split the file")

    def _geometry(self, kind: str, points: Points, label: str) -> BaseGeometry | None:
        report = self._reporter(label)
        if not points:
            report("left out, it has no coordinates")
            return None
        if kind in _AREAS:
            if kind == "Spline":
                self._splines += 1
            return area_of(points, report)
        if kind == "Measurement" and len(points) >= 2:
            return shapely.LineString(points)
        if kind in _THIN:
            return shapely.MultiPoint(points) if kind == "PointSet" else shapely.Point(points[0])
        raise self._error(f"{label} is of the unknown type {kind[:40]!r}")

    def _reporter(self, label: str) -> Report:
        return lambda line: self.report.append(f"{label}: {line}")

    def assembled(self) -> Iterator[Annotation]:
        """Yield the annotations with their holes taken out."""
        if self._splines:
            # ASAP bends them between their points, which mostly were drawn freehand
            self.report.append(
                f"{self._splines} spline(s) were read as straight lines between their points"
            )
        holes: dict[str, list[tuple[BaseGeometry, Report]]] = {}
        wholes: dict[str, list[int]] = {}
        for i, (attributes, geometry, label) in enumerate(self._found):
            group = attributes.get("PartOfGroup", NO_GROUP)
            if self._is_hole(group):
                parent = group.removesuffix(HOLE) or NO_GROUP
                holes.setdefault(parent, []).append((geometry, self._reporter(label)))
            elif geometry.geom_type.endswith("Polygon"):
                wholes.setdefault(group, []).append(i)
        cut = {i: geometry for i, (_, geometry, _) in enumerate(self._found)}
        for group, found in holes.items():
            members = wholes.get(group, [])
            cut.update(zip(members, cut_holes([cut[i] for i in members], found), strict=True))
        for i, (attributes, _, _) in enumerate(self._found):
            group = attributes.get("PartOfGroup", NO_GROUP)
            if not self._is_hole(group):
                yield self._annotation(attributes, group, cut[i])

    def _is_hole(self, group: str) -> bool:
        parent = self._groups.get(group, {}).get("PartOfGroup", "")
        return group.endswith(HOLE) and parent == (group.removesuffix(HOLE) or NO_GROUP)

    def _annotation(
        self, attributes: dict[str, str], group: str, geometry: BaseGeometry
    ) -> Annotation:
        source = self._groups.get(group, attributes)
        return Annotation(
            geometry=geometry,
            class_name=None if group == NO_GROUP else group,
            colour=hex_colour(source.get("Color", "")),
            name=attributes.get("Name") or None,
        )

    def _error(self, what: str) -> AnnotationError:
        return AnnotationError(
            f"{self._path}: {what}. Correct or remove it.", self._path, self._label
        )
