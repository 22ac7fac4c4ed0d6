"""Changes as lines of text: exact, and each with a checksum that shows damage.

A line is ``<CRC-32 of the rest, 8 hex digits> <JSON>``; geometries are WKB in hexadecimal, so
that every coordinate comes back bit by bit.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import fields
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import Annotation
from slideconcord.annotations.editing.change import Change
from slideconcord.annotations.editing.class_list import ClassList

NEWLINE = b"\n"
_GEOMETRIES = ("geometry", "nucleus")


def to_line(record: dict[str, Any]) -> bytes:
    """Return a record as a line with its checksum."""
    text = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode()
    return b"%08x " % zlib.crc32(text) + text + NEWLINE


def from_line(line: bytes) -> dict[str, Any]:
    """Return the record of a line.

    Raises
    ------
    ValueError
        When the checksum does not fit, or it is no record.
    """
    checksum, _, text = line.removesuffix(NEWLINE).partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        raise ValueError("the checksum does not fit")
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("it is no record")
    return record


def record_of(change: Change, number: int) -> dict[str, Any]:
    """Return what a change leaves behind; what was before it is not kept."""
    record: dict[str, Any] = {
        "n": number,
        "label": change.label,
        "after": {
            key: None if edit.after is None else _annotation_record(edit.after)
            for key, edit in change.edits.items()
        },
    }
    if change.classes is not None:
        record["classes"] = change.classes[1].record()
    return record


def annotations_of(record: dict[str, Any]) -> dict[str, Annotation | None]:
    """Return the annotations that a record leaves, None for those that are gone."""
    return {
        key: None if each is None else _annotation(each) for key, each in record["after"].items()
    }


def classes_of(record: dict[str, Any]) -> ClassList | None:
    """Return the class list that a record leaves; None where it did not change."""
    return ClassList.of_record(record["classes"]) if "classes" in record else None


def _annotation_record(annotation: Annotation) -> dict[str, Any]:
    record = {each.name: getattr(annotation, each.name) for each in fields(Annotation)}
    record |= {name: _to_wkb(record[name]) for name in _GEOMETRIES}
    record |= {name: dict(record[name]) for name in ("measurements", "metadata")}
    return {key: value for key, value in record.items() if value not in (None, {}, False)}


def _annotation(record: dict[str, Any]) -> Annotation:
    values = dict(record)
    values |= {name: shapely.from_wkb(values[name]) for name in _GEOMETRIES if name in values}
    values |= {name: tuple(values[name]) for name in ("colour", "plane") if name in values}
    return Annotation(**values)


def _to_wkb(geometry: BaseGeometry | None) -> str | None:
    return None if geometry is None else str(shapely.to_wkb(geometry, hex=True))
