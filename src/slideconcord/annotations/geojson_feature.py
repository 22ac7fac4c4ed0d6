"""One GeoJSON feature, with the properties QuPath gives it, as an annotation."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import OBJECT_TYPES, Annotation, Colour, new_id
from slideconcord.annotations.geojson_geometry import CoordinateTables, GeometryError, kind_of
from slideconcord.annotations.limits import short_text
from slideconcord.errors import AnnotationError

# QuPath 0.2 wrote the Java class of an object as its id
_LEGACY_IDS = {
    "PathAnnotationObject": "annotation",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tmaCore",
    "PathRootObject": "root",
    "tma_core": "tmaCore",
}
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KNOWN = {
    "objectType", "object_type", "type", "name", "color", "colorRGB", "classification", "isLocked",
    "measurements", "metadata", "childObjects", "children",
}  # fmt: skip


class FeatureReader:
    """Turns decoded features of one batch into annotations."""

    def __init__(self, tables: CoordinateTables, path: Path, report: list[str]) -> None:
        self._tables = tables
        self._items = range(0)
        # thousands of features share a few classes
        self._classes: dict[tuple[Any, ...], tuple[str | None, Colour | None]] = {}
        self._path = path
        self._report = report

    def read(self, record: Any, feature: int, label: str) -> Iterator[Annotation]:
        """Yield the batch's ``feature`` and, after it, the features nested in it."""
        self._items = self._tables.items_of(feature)
        yield from self._read(record, label)

    def _read(self, record: Any, label: str) -> Iterator[Annotation]:
        if not isinstance(record, dict):
            raise self._error(label, f"is {kind_of(record)}, not an object")
        properties = self._object(record.get("properties"), "properties", label)
        geometry = self._geometry(record.get("geometry"), label)
        if geometry is None or geometry.is_empty:
            self._report.append(f"{label}: left out, it has no geometry or encloses nothing")
        else:
            yield self._annotation(record, properties, geometry, label)
        children = properties.get("childObjects", properties.get("children"))
        if isinstance(children, list):
            for i, child in enumerate(children):
                yield from self._read(child, f"{label}, child {i}")

    def _annotation(
        self, record: dict[str, Any], properties: dict[str, Any], geometry: BaseGeometry, label: str
    ) -> Annotation:
        class_name, class_colour = self._classification(_class_of(properties), label)
        metadata = self._metadata(properties, label)
        shape = record["geometry"]
        return Annotation(
            geometry=geometry,
            class_name=class_name,
            colour=self._colour(properties, label) or class_colour,
            name=self._text(properties.get("name"), "name", label),
            observer=metadata.pop("observer", None),
            id=self._id(record.get("id")),
            locked=properties.get("isLocked") is True,
            object_type=self._object_type(record, properties, label),
            measurements=self._measurements(properties.get("measurements"), label),
            metadata=metadata,
            nucleus=self._geometry(record.get("nucleusGeometry"), label),
            plane=self._plane(shape.get("plane"), label),
            is_ellipse=shape.get("isEllipse") is True,
        )

    def _geometry(self, record: Any, label: str) -> BaseGeometry | None:
        try:
            return self._tables.geometry(
                record, self._items, lambda line: self._report.append(f"{label}: {line}")
            )
        except GeometryError as fault:
            raise self._error(label, str(fault)) from fault

    def _object(self, value: Any, what: str, label: str) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._error(label, f"has {what} that are {kind_of(value)}, not an object")
        return value

    def _text(self, value: Any, what: str, label: str) -> str | None:
        if value is None:
            return None
        if isinstance(value, dict | list):
            raise self._error(label, f"has a {what} that is {kind_of(value)}, not text")
        return short_text(_plain(value), what, label, self._path)

    @staticmethod
    def _id(value: Any) -> str:
        if isinstance(value, str) and _UUID.fullmatch(value):
            return value
        if value is None or isinstance(value, dict | list) or value in _LEGACY_IDS:
            return new_id()
        try:
            return str(UUID(str(value)[:64]))
        except ValueError:
            return str(value)[:64]

    def _object_type(self, record: dict[str, Any], properties: dict[str, Any], label: str) -> str:
        identifier = record.get("id")
        legacy = identifier if isinstance(identifier, str) and identifier in _LEGACY_IDS else None
        candidates = (
            properties.get("objectType"),
            properties.get("object_type"),
            record.get("objectType"),
            properties.get("type"),
            legacy,
        )
        for value in candidates:
            if isinstance(value, str) and (name := _LEGACY_IDS.get(value, value)) in OBJECT_TYPES:
                return name
        unknown = properties.get("objectType")
        if unknown is not None:
            self._report.append(
                f"{label}: object type {_plain(unknown)[:40]!r} is unknown, read as annotation"
            )
        return "annotation"

    def _classification(self, value: Any, label: str) -> tuple[str | None, Colour | None]:
        if value is None or value == {}:
            return None, None
        if isinstance(value, str | int):
            return self._text(value, "class", label), None
        record = self._object(value, "classification", label)
        key = _classification_key(record)
        if key is None or key not in self._classes:
            found = self._class_name(record, label), self._colour(record, label)
            if key is None:
                return found
            self._classes[key] = found
        return self._classes[key]

    def _class_name(self, record: dict[str, Any], label: str) -> str | None:
        names = record.get("names")
        if isinstance(names, list):
            parts = [self._text(name, "class", label) or "" for name in names]
            return short_text(": ".join(parts), "class", label, self._path) or None
        name = self._text(record.get("name"), "class", label)
        parent = record.get("parentClass")
        if isinstance(parent, dict) and (above := self._class_name(parent, label)):
            return short_text(f"{above}: {name}", "class", label, self._path)
        return name

    def _colour(self, record: dict[str, Any], label: str) -> Colour | None:
        value = record.get("color", record.get("colorRGB"))
        if value is None:
            return None
        if isinstance(value, list) and len(value) in (3, 4):
            red, green, blue = (c if _is_number(c) else -1 for c in value[:3])
            if all(0 <= c <= 255 for c in (red, green, blue)):
                return int(red), int(green), int(blue)
        elif isinstance(value, int) and not isinstance(value, bool):
            return value >> 16 & 255, value >> 8 & 255, value & 255
        elif isinstance(value, str) and (colour := hex_colour(value)):
            return colour
        raise self._error(label, "has a colour that is neither [r, g, b] nor a packed number")

    def _measurements(self, value: Any, label: str) -> dict[str, float]:
        if isinstance(value, list):
            pairs = [(m.get("name"), m.get("value")) for m in value if isinstance(m, dict)]
        else:
            pairs = list(self._object(value, "measurements", label).items())
        measured: dict[str, float] = {}
        for name, raw in pairs:
            number = _number(raw)
            if number is None:
                self._report.append(
                    f"{label}: measurement {str(name)[:60]!r} is no number, left out"
                )
            else:
                measured[sys.intern(self._text(name, "measurement", label) or "")] = number
        return measured

    def _metadata(self, properties: dict[str, Any], label: str) -> dict[str, str]:
        own = {k: v for k, v in properties.items() if k not in _KNOWN and v is not None}
        given = self._object(properties.get("metadata"), "metadata", label)
        return {
            short_text(k, "metadata key", label, self._path): short_text(
                _plain(v), f"value of {k[:40]!r}", label, self._path
            )
            for k, v in {**own, **given}.items()
        }

    def _plane(self, value: Any, label: str) -> tuple[int, int, int] | None:
        if value is None:
            return None
        record = self._object(value, "plane", label)
        c, z, t = (record.get(axis, -1 if axis == "c" else 0) for axis in "czt")
        if not all(_is_number(v) and float(v).is_integer() for v in (c, z, t)):
            raise self._error(label, "has a plane whose c, z or t is not a whole number")
        return int(c), int(z), int(t)

    def _error(self, label: str, what: str) -> AnnotationError:
        return AnnotationError(
            f"{self._path}: {label} {what}. Correct or remove it.", self._path, label
        )


def _class_of(properties: dict[str, Any]) -> Any:
    """Return the class; TIAToolbox keeps it in ``type``, which QuPath uses for the object's."""
    kind = properties.get("type")
    if "classification" in properties or kind in OBJECT_TYPES or kind in _LEGACY_IDS:
        return properties.get("classification")
    return kind


def _classification_key(record: dict[str, Any]) -> tuple[Any, ...] | None:
    """Return what tells classifications as QuPath writes them apart; ``None`` for others."""
    name, colour = record.get("name"), record.get("color")
    if len(record) != 2 or not isinstance(name, str) or not isinstance(colour, list):
        return None
    plain = len(colour) == 3 and all(type(c) is int for c in colour)
    return (name, *colour) if plain else None


def hex_colour(text: str) -> Colour | None:
    """Read "#f4fa58" as (r, g, b); ``None`` for anything else."""
    digits = text.removeprefix("#")
    try:
        packed = int(digits, 16) if len(digits) == 6 else -1
    except ValueError:
        return None
    return None if packed < 0 else (packed >> 16, packed >> 8 & 255, packed & 255)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any) -> float | None:
    """Read a measurement; NaN and infinities may come as text."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
