"""GeoJSON as QuPath opens it, written batch by batch.

QuPath wants: UUIDs as ids, ``objectType`` among the properties, a colour in every classification
object, closed rings, valid geometry. It ignores members it does not know, so what concerns all
features (provenance, frame, bounds) stands beside them as ``metadata``.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import IO, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import Annotation, Annotations, Colour
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.limits import one_line
from slideconcord.errors import AnnotationError, ParameterError

Geometries = np.ndarray[tuple[int], np.dtype[np.object_]]
_BATCH = 2048
# 2 decimals as QuPath writes them, more only where the area or validity would suffer
_DECIMALS = (2, 4, 6, 9)
_AREA_TOLERANCE = 1e-7
# QuPath's palette for a class without a colour of its own
_DEFAULT_COLOUR: Colour = (200, 0, 0)


def write(annotations: Annotations, path: Path, hints: Hints) -> list[str]:
    """Write annotations to ``path``; return what was repaired or left out, one line each."""
    report: list[str] = []
    with path.open("wb") as file:
        if path.suffix == ".gz":
            # no name and no time in the header: the same annotations give the same bytes
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                _write_collection(annotations, packed, report)
        else:
            _write_collection(annotations, file, report)
    return report


def _write_collection(
    annotations: Annotations, file: IO[bytes] | gzip.GzipFile, report: list[str]
) -> None:
    head = '{"type":"FeatureCollection",'
    if annotations.metadata:
        head += f'"metadata":{_dump(annotations.metadata)},'
    file.write((head + '"features":[').encode())
    separator = b"\n"
    for start in range(0, len(annotations), _BATCH):
        batch = annotations.items[start : start + _BATCH]
        features = _features(batch, start, report)
        for feature in features:
            file.write(separator + feature.encode())
            separator = b",\n"
    file.write(b"\n]}\n")


def _features(batch: Sequence[Annotation], start: int, report: list[str]) -> Iterator[str]:
    wholes = _writable([a.geometry for a in batch], batch, start, report)
    texts = geometry_texts(wholes)
    for annotation, geometry, text in zip(batch, wholes, texts, strict=True):
        if geometry is not None:
            yield _feature(annotation, geometry, text)


def _feature(annotation: Annotation, geometry: BaseGeometry, text: str) -> str:
    text = text[:-1] + _geometry_extras(annotation, geometry) + "}"
    nucleus = ""
    if annotation.nucleus is not None and not annotation.nucleus.is_empty:
        nucleus = f',"nucleusGeometry":{geometry_texts([annotation.nucleus])[0]}'
    return (
        f'{{"type":"Feature","id":"{_uuid(annotation.id)}","geometry":{text}{nucleus},'
        f'"properties":{_dump(_properties(annotation))}}}'
    )


def _uuid(identifier: str) -> str:
    """Return a UUID; any other text always gives the same one, so that ids stay joinable."""
    try:
        return str(UUID(identifier))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, identifier))


def _geometry_extras(annotation: Annotation, geometry: BaseGeometry) -> str:
    extras = ""
    if annotation.plane is not None:
        extras += ',"plane":' + _dump(dict(zip("czt", annotation.plane, strict=True)))
    if annotation.is_ellipse and is_ellipse_like(geometry):
        extras += ',"isEllipse":true'
    return extras


def is_ellipse_like(geometry: BaseGeometry) -> bool:
    """Whether a polygon fills its bounding box as an ellipse does, to 2 %."""
    x0, y0, x1, y1 = geometry.bounds
    ellipse = math.pi / 4 * (x1 - x0) * (y1 - y0)
    return bool(geometry.geom_type == "Polygon" and abs(geometry.area - ellipse) <= 0.02 * ellipse)


def _properties(annotation: Annotation) -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": annotation.object_type}
    if annotation.name is not None:
        properties["name"] = annotation.name
    if annotation.class_name is not None:
        properties["classification"] = _classification(annotation)
    elif annotation.colour is not None:
        properties["color"] = list(annotation.colour)
    if annotation.locked:
        properties["isLocked"] = True
    if annotation.measurements:
        properties["measurements"] = {k: _number(v) for k, v in annotation.measurements.items()}
    metadata = dict(annotation.metadata)
    if annotation.observer is not None:
        metadata["observer"] = annotation.observer
    if metadata:
        properties["metadata"] = metadata
    return properties


def _classification(annotation: Annotation) -> dict[str, Any]:
    parts = (annotation.class_name or "").split(": ")
    named: dict[str, Any] = {"name": parts[0]} if len(parts) == 1 else {"names": parts}
    return {**named, "color": list(annotation.colour or _DEFAULT_COLOUR)}


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _dump(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
        )
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"The metadata cannot be written as JSON: {one_line(error)}. "
            "Give text and finite numbers."
        ) from error


def _plain(value: Any) -> Any:
    """Turn numpy's numbers and arrays and paths into what JSON knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, PurePath):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _writable(
    geometries: Sequence[BaseGeometry],
    batch: Sequence[Annotation],
    start: int,
    report: list[str],
) -> list[BaseGeometry | None]:
    """Repair what QuPath would refuse; ``None`` stands for what nothing is left of."""
    writable: list[BaseGeometry | None] = list(geometries)
    array = np.asarray(geometries, object)
    _require_finite(array, batch, start)
    for i in np.flatnonzero(~shapely.is_valid(array) | shapely.is_empty(array)).tolist():
        label = f"annotation {start + i} ({batch[i].name or batch[i].id})"
        repaired = shapely.make_valid(geometries[i], method="structure", keep_collapsed=False)
        if repaired.is_empty:
            report.append(f"{label}: left out, its outline encloses nothing")
            writable[i] = None
        else:
            report.append(
                f"{label}: its outline crossed itself and was repaired; "
                f"area {geometries[i].area:.6g} -> {repaired.area:.6g} px²"
            )
            writable[i] = repaired
    return writable


def _require_finite(array: Geometries, batch: Sequence[Annotation], start: int) -> None:
    xy, owner = shapely.get_coordinates(array, return_index=True)
    bad = owner[~np.isfinite(xy).all(axis=1)]
    if bad.size:
        i = int(bad[0])
        raise AnnotationError(
            f"Annotation {start + i} ({batch[i].name or batch[i].id}) has a coordinate that is "
            "not finite: draw it again or remove it.",
            feature=batch[i].id,
        )


def geometry_texts(geometries: Sequence[BaseGeometry | None]) -> list[str]:
    """Return each geometry as GeoJSON text with as few decimals as keep its area and validity."""
    array = np.asarray(geometries, object)
    rounded = array.copy()
    pending = np.arange(len(array))
    for decimals in _DECIMALS:
        if pending.size:
            candidates = _rounded(array[pending], decimals)
            good = _as_good(candidates, array[pending])
            rounded[pending[good]] = candidates[good]
            pending = pending[~good]
    return [_shorter(text) for text in shapely.to_geojson(rounded)]


def _rounded(geometries: Geometries, decimals: int) -> Geometries:
    return np.asarray(
        shapely.transform(geometries.copy(), lambda xy: np.round(xy, decimals)), object
    )


def _as_good(candidates: Geometries, originals: Geometries) -> np.ndarray[Any, np.dtype[np.bool_]]:
    area = shapely.area(originals)
    same = np.abs(shapely.area(candidates) - area) <= _AREA_TOLERANCE * area
    return np.asarray((same | np.isnan(area)) & shapely.is_valid(candidates))


def _shorter(text: str | None) -> str:
    if text is None:
        return ""
    # GEOS writes 12.0 for 12: QuPath and the eye prefer 12
    return text.replace(".0,", ",").replace(".0]", "]").replace(", ", ",")
