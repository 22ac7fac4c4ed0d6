"""Aperio ImageScope XML, read: layers of regions; one marked NegativeROA is a hole."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import Annotation, Annotations, Colour
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

ELLIPSE, ARROW, RULER, PIN = "2", "3", "4", "5"
# what ImageScope calls the attribute of every layer; it names no class
_PLAIN_ATTRIBUTE = "description"


def read(path: Path, hints: Hints) -> Annotations:
    """Read an ImageScope file; the names of layers become classes.

    Raises
    ------
    AnnotationError
        When the file is damaged, or a region cannot be understood.
    """
    handler = _Handler(path)
    walk(path, "Annotations", handler)
    return Annotations.of(handler.found, handler.metadata, handler.report)


class _Handler:
    """Collects regions layer by layer as the file is walked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.found: list[Annotation] = []
        self.metadata: dict[str, float] = {}
        self.report: list[str] = []
        self._layer: dict[str, str] = {}
        self._layer_attribute = ""
        self._layers = self._regions = self._vertices = 0
        self._region: dict[str, str] | None = None
        self._points: list[tuple[float, float]] = []
        self._wholes: list[tuple[dict[str, str], BaseGeometry]] = []
        self._holes: list[tuple[BaseGeometry, Report]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "Annotations" and "MicronsPerPixel" in attributes:
            mpp = number(attributes, "MicronsPerPixel", "the file", self._path)
            self.metadata["microns_per_pixel"] = mpp
        elif tag == "Annotation":
            self._begin_layer(attributes)
        elif tag == "Attribute" and self._region is None and not self._layer_attribute:
            self._layer_attribute = attributes.get("Name", "")
        elif tag == "Region":
            self._region, self._points = attributes, []
        elif tag in ("Vertex", "V") and self._region is not None:
            x, y = (number(attributes, axis, self._label, self._path) for axis in "XY")
            self._points.append((x, y))
            self._vertices += 1
            if self._vertices > LIMITS.vertices:
                raise AnnotationError(
                    f"{self._path}: there are more than {LIMITS.vertices:,} points; "
                    "split the file.",
                    self._path,
                )

    def end(self, tag: str) -> None:
        if tag == "Region" and self._region is not None:
            self._end_region(self._region)
            self._region = None
        elif tag == "Annotation":
            self._end_layer()

    @property
    def _label(self) -> str:
        return f"layer {self._layers}, region {self._regions + 1}"

    def _begin_layer(self, attributes: dict[str, str]) -> None:
        self._layer, self._layer_attribute = attributes, ""
        self._layers, self._regions = self._layers + 1, 0
        self._wholes, self._holes = [], []

    def _end_region(self, region: dict[str, str]) -> None:
        label = self._label
        report: Report = lambda line: self.report.append(f"{label}: {line}")  # noqa: E731
        geometry = _geometry(region.get("Type", "0"), self._points, report)
        self._regions += 1
        if geometry is None:
            return
        if region.get("NegativeROA") == "1" and geometry.geom_type.endswith("Polygon"):
            self._holes.append((geometry, report))
        else:
            self._wholes.append((region, geometry))

    def _end_layer(self) -> None:
        areas = [i for i, (_, g) in enumerate(self._wholes) if g.geom_type.endswith("Polygon")]
        cut = cut_holes([self._wholes[i][1] for i in areas], self._holes)
        pieces = dict(zip(areas, cut, strict=True))
        for i, (region, geometry) in enumerate(self._wholes):
            whole = pieces.get(i, geometry)
            if whole.is_empty:
                self.report.append(f"layer {self._layers}: a region was cut away by its holes")
            else:
                self.found.append(self._annotation(region, whole))

    def _annotation(self, region: dict[str, str], geometry: BaseGeometry) -> Annotation:
        named = self._layer.get("Name", "").strip()
        fallback = self._layer_attribute.strip()
        if fallback.lower() == _PLAIN_ATTRIBUTE:
            fallback = ""
        return Annotation(
            geometry=geometry,
            class_name=named or fallback or None,
            colour=_colour(self._layer.get("LineColor", "")),
            name=region.get("Text") or None,
            locked=self._layer.get("ReadOnly") == "1",
            metadata={"layer": self._layer.get("Id") or str(self._layers)},
            is_ellipse=region.get("Type") == ELLIPSE,
        )


def _geometry(kind: str, points: Points, report: Report) -> BaseGeometry | None:
    if not points:
        report("left out, it has no vertices")
        return None
    if kind == PIN or len(points) == 1:
        return shapely.Point(points[0])
    if kind == ELLIPSE and len(points) <= 4:
        return _ellipse(points, report)
    if kind in (ARROW, RULER) or len(points) == 2:
        return shapely.LineString(points)
    return area_of(points, report)


def _ellipse(points: Points, report: Report) -> BaseGeometry | None:
    """Return the ellipse that fills the box around its corners."""
    x0, y0, x1, y1 = shapely.MultiPoint(points).bounds
    angles = np.linspace(0, 2 * math.pi, 256, endpoint=False)
    xs = (x0 + x1) / 2 + (x1 - x0) / 2 * np.cos(angles)
    ys = (y0 + y1) / 2 + (y1 - y0) / 2 * np.sin(angles)
    return area_of(list(zip(xs.tolist(), ys.tolist(), strict=True)), report)


def _colour(text: str) -> Colour | None:
    """Read a Windows COLORREF: red is the lowest byte."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    packed = int(text)
    return packed & 255, packed >> 8 & 255, packed >> 16 & 255
