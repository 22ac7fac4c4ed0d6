"""GeoJSON as QuPath, TIAToolbox and others write it, in all its older forms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from slideconcord.annotations import _json_scan as scan
from slideconcord.annotations.annotation import Annotation, Annotations
from slideconcord.annotations.geojson_feature import FeatureReader
from slideconcord.annotations.geojson_geometry import CoordinateTables
from slideconcord.annotations.geojson_split import Batch, Splitter
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.limits import LIMITS, one_line
from slideconcord.errors import AnnotationError

_GEOMETRIES = {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}


def read(path: Path, hints: Hints) -> Annotations:
    """Read a feature collection, a bare array of features, one feature or one geometry.

    Raises
    ------
    AnnotationError
        When the file is no GeoJSON, or a feature cannot be understood; ``feature`` names it.
    """
    report: list[str] = []
    splitter = Splitter(path)
    found: list[Annotation] = []
    vertices = 0
    for batch in splitter:
        tables = CoordinateTables(batch)
        vertices += len(tables.xy)
        if vertices > LIMITS.vertices:
            raise AnnotationError(
                f"{path}: there are more than {LIMITS.vertices:,} points; split the file.", path
            )
        found.extend(_read_batch(tables, splitter.count, path, report))
    metadata = _read_shell(bytes(splitter.shell), path, found, report)
    return Annotations.of(found, metadata, report)


def _read_batch(
    tables: CoordinateTables, first: int, path: Path, report: list[str]
) -> Iterator[Annotation]:
    for i, text in enumerate(tables.texts):
        label = f"feature {first + i}"
        record = _decode(text, int(tables.faults[i]), label, path, report)
        yield from FeatureReader(tables, i, path, report).read(record, label)


def _read_shell(
    shell: bytes, path: Path, found: list[Annotation], report: list[str]
) -> dict[str, Any]:
    """Read the document around the features; a lone feature or geometry is added to ``found``."""
    if not shell.strip():
        raise AnnotationError(f"{path}: the file is empty.", path)
    whole = np.frombuffer(shell, np.uint8)
    tables = CoordinateTables(Batch(whole, np.array([0]), np.array([whole.size])))
    record = _decode(tables.texts[0], int(tables.faults[0]), "the document", path, report)
    if isinstance(record, list):
        return {}
    kind = record.get("type") if isinstance(record, dict) else None
    if kind in _GEOMETRIES:
        record, kind = {"type": "Feature", "geometry": record}, "Feature"
    if kind == "Feature":
        found.extend(FeatureReader(tables, 0, path, report).read(record, "feature 0"))
        return {}
    if isinstance(record, dict) and isinstance(record.get("features"), list):
        metadata = record.get("metadata")
        return metadata if isinstance(metadata, dict) else {}
    raise AnnotationError(
        f"{path}: this is JSON, but neither a FeatureCollection nor a feature. "
        "In QuPath use File > Export objects as GeoJSON.",
        path,
    )


class _Pairs:
    """Joins the members of a JSON object; keeps what QuPath's repeated ``metadata`` says."""

    def __init__(self) -> None:
        self.repeated: list[str] = []

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        joined = dict(pairs)
        if len(joined) == len(pairs):
            return joined
        joined = {}
        for key, value in pairs:
            if key in joined and isinstance(value, dict) and isinstance(joined[key], dict):
                value = {**joined[key], **value}
            elif key in joined:
                self.repeated.append(key)
            joined[key] = value
        return joined


def _decode(text: bytes, fault: int, label: str, path: Path, report: list[str]) -> Any:
    if fault:
        raise AnnotationError(
            f"{path}: {label} {scan.FAULTS[fault]}. Correct or remove it.", path, label
        )
    pairs = _Pairs()
    try:
        record = json.loads(text.decode(), object_pairs_hook=pairs)
    except ValueError as error:
        raise AnnotationError(
            f"{path}: {label} is not valid JSON: {one_line(error)}.", path, label
        ) from error
    report.extend(
        f"{label}: {key!r} stands twice, its last value was taken" for key in pairs.repeated
    )
    return record
