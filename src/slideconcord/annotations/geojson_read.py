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
    reader = FeatureReader(tables, path, report)
    decoder = _Decoder(path, report)
    for i, (text, fault) in enumerate(zip(tables.texts, tables.faults.tolist(), strict=True)):
        label = f"feature {first + i}"
        yield from reader.read(decoder.decode(text, fault, label), i, label)


def _read_shell(
    shell: bytes, path: Path, found: list[Annotation], report: list[str]
) -> dict[str, Any]:
    """Read the document around the features; a lone feature or geometry is added to ``found``."""
    if not shell.strip():
        raise AnnotationError(f"{path}: the file is empty.", path)
    whole = np.frombuffer(shell, np.uint8)
    tables = CoordinateTables(Batch(whole, np.array([0]), np.array([whole.size])))
    decoder = _Decoder(path, report)
    record = decoder.decode(tables.texts[0], int(tables.faults[0]), "the document")
    if isinstance(record, list):
        return {}
    kind = record.get("type") if isinstance(record, dict) else None
    if kind in _GEOMETRIES:
        record, kind = {"type": "Feature", "geometry": record}, "Feature"
    if kind == "Feature":
        found.extend(FeatureReader(tables, path, report).read(record, 0, "feature 0"))
        return {}
    if isinstance(record, dict) and isinstance(record.get("features"), list):
        metadata = record.get("metadata")
        return metadata if isinstance(metadata, dict) else {}
    raise AnnotationError(
        f"{path}: this is JSON, but neither a FeatureCollection nor a feature. "
        "In QuPath use File > Export objects as GeoJSON.",
        path,
    )


class _Decoder:
    """Decodes JSON texts; joins what QuPath's repeated ``metadata`` says."""

    def __init__(self, path: Path, report: list[str]) -> None:
        self._path, self._report = path, report
        self._repeated: list[str] = []
        self._json = json.JSONDecoder(object_pairs_hook=self._join)

    def decode(self, text: bytes, fault: int, label: str) -> Any:
        """Return the value of a text in which the scanner found ``fault``.

        Raises
        ------
        AnnotationError
            When there is a fault, or the text is no JSON.
        """
        if fault:
            raise AnnotationError(
                f"{self._path}: {label} {scan.FAULTS[fault]}. Correct or remove it.",
                self._path,
                label,
            )
        try:
            record = self._json.decode(text.decode())
        except ValueError as error:
            raise AnnotationError(
                f"{self._path}: {label} is not valid JSON: {one_line(error)}.", self._path, label
            ) from error
        if self._repeated:
            self._report.extend(
                f"{label}: {key[:40]!r} stands twice, its last value was taken"
                for key in self._repeated
            )
            self._repeated.clear()
        return record

    def _join(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        joined = dict(pairs)
        if len(joined) == len(pairs):
            return joined
        joined = {}
        for key, value in pairs:
            if key in joined and isinstance(value, dict) and isinstance(joined[key], dict):
                value = {**joined[key], **value}
            elif key in joined:
                self._repeated.append(key)
            joined[key] = value
        return joined
