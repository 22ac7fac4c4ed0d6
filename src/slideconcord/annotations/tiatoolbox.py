"""TIAToolbox annotation stores: SQLite with zlib-packed WKB; its pickled queries are never run."""

from __future__ import annotations

import json
import math
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import Annotation, Annotations, Colour
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.limits import LIMITS, one_line, short_text
from slideconcord.annotations.outlines import lost_facts, require_finite, valid_area
from slideconcord.errors import AnnotationError, OutputError

_SCHEMA = (
    "CREATE VIRTUAL TABLE rtree USING rtree(id, min_x, max_x, min_y, max_y)",
    "CREATE TABLE annotations(id INTEGER PRIMARY KEY, key TEXT UNIQUE, objtype TEXT, "
    "cx FLOAT NOT NULL, cy FLOAT NOT NULL, geometry BLOB, properties TEXT, area FLOAT NOT NULL)",
    "CREATE TABLE metadata(key TEXT UNIQUE, value TEXT)",
)
_KEY = "slideconcord"


def read(path: Path, hints: Hints) -> Annotations:
    """Read an annotation store; the property ``type`` becomes the class.

    Raises
    ------
    AnnotationError
        When the file is no store, or an annotation in it cannot be understood.
    """
    report: list[str] = []
    # immutable: a store on a read-only share gets no journal beside it
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as store:
            facts = dict(store.execute("SELECT key, value FROM metadata").fetchall())
            packed = _json(facts.get("compression")) == "zlib"
            rows = store.execute("SELECT id, key, cx, cy, geometry, properties FROM annotations")
            found = list(_annotations(rows, packed, path, report))
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise AnnotationError(
            f"{path} is no annotation store of TIAToolbox, or a damaged one: {one_line(error)}.",
            path,
        ) from error
    metadata = _json(facts.get(_KEY))
    return Annotations.of(found, metadata if isinstance(metadata, dict) else {}, report)


def _annotations(
    rows: Iterator[tuple[Any, ...]], packed: bool, path: Path, report: list[str]
) -> Iterator[Annotation]:
    for number, key, x, y, blob, text in rows:
        label = f"annotation {number}"
        geometry = _geometry(blob, (x, y), packed, label, path)
        if geometry.geom_type.endswith("Polygon"):
            geometry = valid_area(geometry, partial(_note, report, label))
        if geometry is None:
            continue
        if geometry.is_empty:
            _note(report, label, "left out, it is empty")
            continue
        properties = _json(short_text(str(text or "{}"), "properties", label, path))
        yield _annotation(geometry, str(key), properties if isinstance(properties, dict) else {})


def _note(report: list[str], label: str, line: str) -> None:
    report.append(f"{label}: {line}")


def _geometry(
    blob: Any, centre: tuple[Any, Any], packed: bool, label: str, path: Path
) -> BaseGeometry:
    try:
        if blob is None:
            geometry = shapely.Point(*(float(v) for v in centre))
        elif isinstance(blob, str):
            geometry = shapely.from_wkt(blob)
        else:
            geometry = shapely.from_wkb(_unpacked(blob) if packed else blob)
    except (shapely.errors.ShapelyError, zlib.error, TypeError, ValueError) as error:
        raise AnnotationError(
            f"{path}: {label} has a geometry that cannot be read: {one_line(error)}. Remove it.",
            path,
            label,
        ) from error
    bounds = geometry.bounds
    if not geometry.is_empty and not all(math.isfinite(v) for v in bounds):
        raise AnnotationError(
            f"{path}: {label} has a coordinate that is not finite. Correct or remove it.",
            path,
            label,
        )
    return geometry


def _unpacked(blob: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(blob, LIMITS.feature_bytes)
    if unpacker.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {LIMITS.feature_bytes >> 20} MiB")
    return data


def _annotation(geometry: BaseGeometry, key: str, properties: Mapping[str, Any]) -> Annotation:
    kind = properties.get("type")
    numbers = {
        k: float(v)
        for k, v in properties.items()
        if isinstance(v, int | float) and not isinstance(v, bool) and k != "type"
    }
    taken = {"type", "color", "name", "observer", *numbers}
    return Annotation(
        geometry=geometry,
        class_name=None if kind is None else str(kind),
        colour=_colour(properties.get("color")),
        name=_text(properties.get("name")),
        observer=_text(properties.get("observer")),
        id=key,
        measurements=numbers,
        metadata={
            k: v if isinstance(v, str) else json.dumps(v)
            for k, v in properties.items()
            if k not in taken
        },
    )


def _colour(value: Any) -> Colour | None:
    if not isinstance(value, list) or len(value) < 3:
        return None
    numbers = [v for v in value[:3] if isinstance(v, int | float) and 0 <= v <= 255]
    if len(numbers) < 3:
        return None
    red, green, blue = (int(v) for v in numbers)
    return red, green, blue


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def write(annotations: Annotations, path: Path, hints: Hints) -> list[str]:
    """Write an annotation store; return what it has no place for.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    require_finite(annotations)
    kept = {"class_name", "name", "observer", "measurements", "metadata"}
    report = lost_facts(annotations, kept, "an annotation store")
    try:
        with closing(sqlite3.connect(path)) as store, store:
            for statement in _SCHEMA:
                store.execute(statement)
            store.executemany("INSERT INTO metadata VALUES (?, ?)", _facts(annotations).items())
            store.executemany(
                "INSERT INTO annotations VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (_row(i, a) for i, a in enumerate(annotations, 1) if not a.geometry.is_empty),
            )
            store.executemany(
                "INSERT INTO rtree VALUES (?, ?, ?, ?, ?)",
                (_bounds(i, a) for i, a in enumerate(annotations, 1) if not a.geometry.is_empty),
            )
    except sqlite3.Error as error:
        raise OutputError(f"{path} cannot be written: {one_line(error)}.", path) from error
    report += [
        f"annotation {i} ({a.name or a.id}): left out, it is empty"
        for i, a in enumerate(annotations)
        if a.geometry.is_empty
    ]
    return report


def _facts(annotations: Annotations) -> dict[str, str]:
    facts = {"version": "1.0.1", "compression": "zlib", "compression_level": 9}
    return {
        **{key: json.dumps(value) for key, value in facts.items()},
        _KEY: json.dumps(dict(annotations.metadata), default=str),
    }


def _row(number: int, annotation: Annotation) -> tuple[Any, ...]:
    geometry = annotation.geometry
    centre = geometry.representative_point()
    # TIAToolbox keeps points as their centre alone
    blob = None if geometry.geom_type == "Point" else zlib.compress(shapely.to_wkb(geometry), 9)
    return (
        number,
        annotation.id,
        geometry.geom_type,
        centre.x,
        centre.y,
        blob,
        json.dumps(_properties(annotation)),
        geometry.area,
    )


def _bounds(number: int, annotation: Annotation) -> tuple[float, ...]:
    x0, y0, x1, y1 = annotation.geometry.bounds
    return number, x0, x1, y0, y1


def _properties(annotation: Annotation) -> dict[str, Any]:
    named = {
        "type": annotation.class_name,
        "color": list(annotation.colour) if annotation.colour is not None else None,
        "name": annotation.name,
        "observer": annotation.observer,
    }
    measured = {k: v for k, v in annotation.measurements.items() if math.isfinite(v)}
    given = {k: v for k, v in named.items() if v is not None}
    return {**annotation.metadata, **measured, **given}
