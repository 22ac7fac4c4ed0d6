"""The coordinates of a batch of features as tables, and the shapely geometries made of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations import _json_scan as scan
from slideconcord.annotations.geojson_split import Batch
from slideconcord.annotations.limits import LIMITS

Ints = NDArray[np.int64]
_DEPTHS = {
    "Point": 1,
    "MultiPoint": 2,
    "LineString": 2,
    "MultiLineString": 3,
    "Polygon": 3,
    "MultiPolygon": 4,
}


_KINDS = {
    type(None): "null",
    bool: "a boolean",
    str: "text",
    list: "an array",
    dict: "an object",
}


class GeometryError(Exception):
    """What is wrong with one geometry; the feature that holds it is named by its reader."""


class CoordinateTables:
    """The coordinate arrays of a batch of features.

    ``texts`` are the features with each array replaced by ``[item]``; items have parts, parts
    have rings, rings have positions.
    """

    def __init__(self, batch: Batch) -> None:
        size = int((batch.ends - batch.starts).sum())
        features = batch.starts.size
        # an item's number is shorter than its key
        text = np.empty(2 * size + 64, np.uint8)
        text_ends = np.empty(features, np.int64)
        self.faults = np.empty(features, np.int64)
        self._feature_items = np.empty(features, np.int64)
        # the shortest position is "[1,1],", the shortest ring "[],", the shortest key 14 bytes
        xy = np.empty((size // 6 + 1, 2), np.float64)
        rings, parts = np.empty(size // 3 + 1, np.int64), np.empty(size // 3 + 1, np.int64)
        items, depths = np.empty(size // 14 + 1, np.int64), np.empty(size // 14 + 1, np.int64)
        count = scan.take_coordinates(
            batch.buffer, batch.starts, batch.ends, LIMITS.nesting,
            text, text_ends, self._feature_items, xy, rings, parts, items, depths, self.faults,
        )  # fmt: skip
        self.texts = [
            text[a:b].tobytes() for a, b in zip([0, *text_ends[:-1]], text_ends, strict=True)
        ]
        self._depths = depths[:count]
        self._part_ends = items[:count]
        n_parts = int(self._part_ends[-1]) if count else 0
        self._ring_ends = parts[:n_parts]
        n_rings = int(self._ring_ends[-1]) if n_parts else 0
        self._xy_ends = rings[:n_rings]
        self.xy = xy[: int(self._xy_ends[-1]) if n_rings else 0]

    def items_of(self, feature: int) -> range:
        """Return the items that a feature's geometries can refer to."""
        ends = self._item_ends
        return range(ends[feature - 1] if feature else 0, ends[feature])

    @cached_property
    def _item_ends(self) -> list[int]:
        ends: list[int] = self._feature_items.tolist()
        return ends

    @cached_property
    def _ready(self) -> list[BaseGeometry | None]:
        """The polygon of every item that is one polygon and needs no repair."""
        ready = np.full(self._depths.size, None, object)
        single = (self._depths == 3) & (np.diff(self._part_ends, prepend=0) == 1)
        parts = self._part_ends[single] - 1
        good = self._valid[parts] & ~self._open_rings[parts] & (self._dropped_rings[parts] == 0)
        ready[np.flatnonzero(single)[good]] = self._polygons[parts[good]]
        whole: list[BaseGeometry | None] = ready.tolist()
        return whole

    def geometry(
        self, record: Any, items: range, report: Callable[[str], None]
    ) -> BaseGeometry | None:
        """Return what a GeoJSON geometry object describes; ``None`` when nothing is left of it.

        Raises
        ------
        GeometryError
            When the object is none of GeoJSON's geometries.
        """
        if record is None:
            return None
        if not isinstance(record, dict):
            raise GeometryError(f"has a geometry that is {kind_of(record)}, not an object")
        kind = record.get("type")
        if kind == "GeometryCollection":
            return self._collection(record, items, report)
        if not isinstance(kind, str) or kind not in _DEPTHS:
            raise GeometryError(f"has a geometry of unknown type {str(kind)[:40]!r}")
        item = self._item(record, items)
        if kind == "Polygon" and self._ready[item] is not None:
            return self._ready[item]
        depth = int(self._depths[item])
        if depth == 0:
            return None
        if depth != _DEPTHS[kind]:
            raise GeometryError(
                f"has {kind} coordinates nested {depth} deep instead of {_DEPTHS[kind]}"
            )
        if kind.endswith("Polygon"):
            return self._area(item, report)
        return self._thin(kind, item, report)

    def _collection(
        self, record: dict[str, Any], items: range, report: Callable[[str], None]
    ) -> BaseGeometry | None:
        members = record.get("geometries")
        if not isinstance(members, list):
            raise GeometryError("has a GeometryCollection without its list of geometries")
        geometries = [g for m in members if (g := self.geometry(m, items, report)) is not None]
        return shapely.GeometryCollection(geometries) if geometries else None

    @staticmethod
    def _item(record: dict[str, Any], items: range) -> int:
        value = record.get("coordinates")
        if not isinstance(value, list):
            raise GeometryError(f"has coordinates that are {kind_of(value)}, not an array")
        # a key spelt with escapes hides an array from the scanner
        if len(value) != 1 or not isinstance(value[0], int) or value[0] not in items:
            raise GeometryError("has coordinates that cannot be understood")
        return value[0]

    def _area(self, item: int, report: Callable[[str], None]) -> BaseGeometry | None:
        span = slice(int(self._part_ends[item - 1]) if item else 0, int(self._part_ends[item]))
        if self._open_rings[span].any():
            report("was not closed; its last point was joined to its first")
        if dropped := int(self._dropped_rings[span].sum()):
            report(f"{dropped} ring(s) with fewer than three points were left out")
        parts = [p for p in self._polygons[span] if p is not None]
        if not parts:
            return None
        whole = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
        return whole if self._all_valid(whole, span) else _repaired(whole, report)

    def _all_valid(self, whole: BaseGeometry, span: slice) -> bool:
        if span.stop - span.start > 1:
            return bool(shapely.is_valid(whole))
        return bool(self._valid[span.start])

    def _thin(self, kind: str, item: int, report: Callable[[str], None]) -> BaseGeometry | None:
        lines = self._lines(item)
        if kind == "Point":
            return shapely.Point(lines[0][0])
        if kind == "MultiPoint":
            return shapely.MultiPoint(lines[0])
        whole = [line for line in lines if len(line) >= 2]
        if len(whole) < len(lines):
            report(f"{len(lines) - len(whole)} line(s) with fewer than two points were left out")
        if not whole:
            return None
        return (
            shapely.LineString(whole[0]) if kind == "LineString" else shapely.MultiLineString(whole)
        )

    def _lines(self, item: int) -> list[NDArray[np.float64]]:
        part = int(self._part_ends[item]) - 1
        first = int(self._ring_ends[part - 1]) if part else 0
        stops = self._xy_ends[first : int(self._ring_ends[part])]
        begin = int(self._xy_ends[first - 1]) if first else 0
        return np.split(self.xy[begin : int(stops[-1])], stops[:-1] - begin)

    @cached_property
    def _ring_sizes(self) -> Ints:
        return np.diff(self._xy_ends, prepend=0)

    @cached_property
    def _closed(self) -> NDArray[np.bool_]:
        begins = self._xy_ends - self._ring_sizes
        closed = np.zeros(begins.size, np.bool_)
        some = self._ring_sizes > 1
        closed[some] = (self.xy[begins[some]] == self.xy[self._xy_ends[some] - 1]).all(1)
        return closed

    @cached_property
    def _usable(self) -> NDArray[np.bool_]:
        return np.asarray(self._ring_sizes - self._closed >= 3)

    @cached_property
    def _part_of_ring(self) -> Ints:
        counts = np.diff(self._ring_ends, prepend=0)
        return np.repeat(np.arange(self._ring_ends.size), counts)

    @cached_property
    def _dropped_rings(self) -> Ints:
        return np.bincount(self._part_of_ring[~self._usable], minlength=self._ring_ends.size)

    @cached_property
    def _open_rings(self) -> NDArray[np.bool_]:
        rings = self._part_of_ring[~self._closed & self._usable]
        return np.bincount(rings, minlength=self._ring_ends.size) > 0

    @cached_property
    def _polygons(self) -> NDArray[np.object_]:
        """A polygon for every part, ``None`` where its exterior is no ring."""
        polygons = np.full(self._ring_ends.size, None, object)
        exteriors = np.concatenate([[0], self._ring_ends])[:-1]
        exteriors = exteriors[np.diff(self._ring_ends, prepend=0) > 0]
        headless = self._part_of_ring[exteriors[~self._usable[exteriors]]]
        usable = self._usable & ~np.isin(self._part_of_ring, headless)
        if not usable.any():
            return polygons
        points = np.repeat(usable, self._ring_sizes)
        numbers = np.repeat(np.arange(int(usable.sum())), self._ring_sizes[usable])
        rings = shapely.linearrings(self.xy[points], indices=numbers)
        parts, numbers = np.unique(self._part_of_ring[usable], return_inverse=True)
        polygons[parts] = shapely.polygons(rings, indices=numbers)
        return polygons

    @cached_property
    def _valid(self) -> NDArray[np.bool_]:
        return np.asarray(shapely.is_valid(self._polygons))


def kind_of(value: Any) -> str:
    """Name the JSON type of a value."""
    names = {
        type(None): "null",
        bool: "a boolean",
        str: "text",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "a number")


def _repaired(geometry: BaseGeometry, report: Callable[[str], None]) -> BaseGeometry | None:
    """Return the area a self-crossing outline encloses, holes left out."""
    whole = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    if whole.is_empty:
        return None
    report(
        "has an outline that crosses itself; it was repaired, "
        f"area {geometry.area:.6g} -> {whole.area:.6g} px²"
    )
    return whole
