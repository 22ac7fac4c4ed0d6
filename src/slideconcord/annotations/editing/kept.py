"""What is kept of a document: read from its snapshot and journal, written as a new snapshot."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slideconcord.annotations.annotation import Annotation, Annotations, bounds_record
from slideconcord.annotations.editing.class_list import ClassList
from slideconcord.annotations.editing.journal import (
    Journalled,
    journal_of,
    open_private,
    read_journal,
)
from slideconcord.annotations.editing.records import annotations_of, classes_of
from slideconcord.annotations.exchange import atomic, read_annotations
from slideconcord.annotations.geojson_write import write
from slideconcord.annotations.hints import Hints
from slideconcord.errors import AnnotationError, MismatchError
from slideconcord.file_lock import sync_folder
from slideconcord.geometry import Box, Mpp

NUMBER, CLASSES = "journal_number", "classes"
"""In a snapshot's metadata: the last change it holds, and the class list."""


@dataclass(frozen=True, slots=True)
class About:
    """What a document notes about its slide; all of it may be unknown."""

    slide_fingerprint: str = ""
    mpp: Mpp | None = None
    """Pixel size of level 0, µm."""
    bounds: Box | None = None
    """The slide's ``openslide.bounds-*``, from whose corner QuPath counts."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a document holds."""

    annotations: list[Annotation]
    classes: ClassList
    number: int
    journalled: Journalled | None
    report: tuple[str, ...]
    metadata: Mapping[str, Any]
    """What else the snapshot notes."""


def write_private(annotations: Annotations, path: Path, about: About, mode: int) -> None:
    """Replace a snapshot, on disk and whole when this returns, for its owner alone."""
    if about.bounds is not None:
        noted = {**annotations.metadata, "bounds": bounds_record(about.bounds)}
        shifted = annotations.shifted(-about.bounds.x, -about.bounds.y)
        annotations = replace(shifted, metadata=noted)
    with atomic(path) as partial, open_private(partial, mode) as file:
        write(annotations, partial, Hints(mpp=about.mpp))
        os.fsync(file.fileno())
    sync_folder(path.parent)


def read_kept(path: Path, about: About) -> Kept:
    """Read a snapshot and make the changes in its journal; nothing is written."""
    there = path.exists()
    snapshot = read_annotations(path, bounds=about.bounds) if there else Annotations()
    _check_slide(snapshot, about, path)
    number, classes = _noted(snapshot, path)
    own = (NUMBER, CLASSES, "bounds")
    noted = {key: value for key, value in snapshot.metadata.items() if key not in own}
    held = read_journal(journal_of(path))
    report = list(snapshot.report)
    if held is not None and held.torn:
        report.append(
            f"{journal_of(path).name}: the last change was being written when the program "
            f"ended; its {held.torn} bytes were cut off"
        )
    if held is None or (not held.records and held.start != number):
        return Kept(list(snapshot), classes, number, None, tuple(report), noted)
    _check_order(held, number, path)
    try:
        annotations, classes = _replay(snapshot, classes, held.records[number - held.start :])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnnotationError(
            f"{journal_of(path)} holds a change that makes no sense ({error}): "
            "it was not written by slideconcord.",
            path,
        ) from error
    return Kept(annotations, classes, number, held, tuple(report), noted)


def _check_slide(snapshot: Annotations, about: About, path: Path) -> None:
    named = snapshot.metadata.get("slide_fingerprint")
    if named and about.slide_fingerprint and named != about.slide_fingerprint:
        raise MismatchError(f"{path} was drawn on another slide: choose the slide it belongs to.")


def _check_order(held: Journalled, number: int, path: Path) -> None:
    if not held.start <= number <= held.last:
        raise AnnotationError(
            f"{path} was replaced since its journal was begun: the journal follows change "
            f"{held.start}, the file holds {number}. Restore the file, or move "
            f"{journal_of(path).name} away to go on without the changes in it.",
            path,
        )


def _noted(snapshot: Annotations, path: Path) -> tuple[int, ClassList]:
    number, record = snapshot.metadata.get(NUMBER, 0), snapshot.metadata.get(CLASSES, [])
    try:
        return int(number), ClassList.of_record(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnnotationError(
            f"{path}: the metadata of the file name classes that make no sense ({error}).",
            path,
            "metadata",
        ) from error


def _replay(
    snapshot: Iterable[Annotation], classes: ClassList, records: Iterable[dict[str, Any]]
) -> tuple[list[Annotation], ClassList]:
    by_id: dict[str, Annotation | None] = {each.id: each for each in snapshot}
    for record in records:
        by_id.update(annotations_of(record))
        classes = classes_of(record) or classes
    return [each for each in by_id.values() if each is not None], classes
