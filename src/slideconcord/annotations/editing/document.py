"""A sheet that is kept: a snapshot any program can read, and a journal of what came after it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from slideconcord.annotations.annotation import Annotations
from slideconcord.annotations.editing.change import Change
from slideconcord.annotations.editing.class_list import ClassList
from slideconcord.annotations.editing.journal import PRIVATE, Journal, journal_of, open_locked
from slideconcord.annotations.editing.kept import (
    CLASSES,
    NUMBER,
    About,
    read_kept,
    write_private,
)
from slideconcord.annotations.editing.sheet import Sheet
from slideconcord.annotations.exchange import write_annotations
from slideconcord.annotations.formats import FORMATS
from slideconcord.errors import AnnotationError, OutputError, ParameterError
from slideconcord.file_lock import sync_folder

BULK = 2000
"""A change of more annotations is kept as a new snapshot: that is shorter than its record."""


class Document:
    """Annotations of one slide that survive a crash at any moment.

    A change is on disk when `do` returns. Close the document, or use it in a ``with`` statement:
    that makes the snapshot whole, so that any program can read it.

    Parameters
    ----------
    path : the snapshot, QuPath GeoJSON; made when it is first needed
    about : the slide
    classes : those of a new document; one that is there keeps its own, and gains these
    metadata : what else to note in the snapshot
    mode : permissions of what is made; by default nobody else may read it

    Raises
    ------
    AnnotationError
        When the snapshot or its journal is damaged; nothing is changed then.
    MismatchError
        When they belong to another slide.
    OutputError
        When it is open elsewhere, or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        about: About | None = None,
        *,
        classes: ClassList | None = None,
        metadata: Mapping[str, Any] | None = None,
        mode: int = PRIVATE,
    ) -> None:
        self.path = _geojson(Path(path))
        self.about = about or About()
        self._mode = mode
        file = open_locked(journal_of(self.path), mode)
        try:
            kept = read_kept(self.path, self.about)
            self._metadata = {**kept.metadata, **(metadata or {})}
            self.report = kept.report
            """One line for everything that was repaired, cut off or left out."""
            self.sheet = Sheet(kept.annotations, _with(kept.classes, classes))
            self._has_new_classes = self.sheet.classes != kept.classes
            self._journal = Journal(file, journal_of(self.path), kept.journalled, kept.number)
            sync_folder(self.path.parent)
        except BaseException:
            file.close()
            raise

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, so that nothing can be changed any more."""
        return self._journal.is_closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def do(self, change: Change) -> None:
        """Make a change and put it on disk.

        Raises
        ------
        AnnotationError, MismatchError
            When the sheet refuses it.
        OutputError
            When it cannot be written; it is not made then.
        """
        if change.is_empty:
            return
        self.sheet.apply(change)
        try:
            self._keep(change)
        except OutputError:
            self.sheet.retract()
            raise

    def undo(self) -> Change | None:
        """Take back the last change; return what that changed, None without one."""
        change = self.sheet.undo()
        return self._kept(change, self.sheet.redo)

    def redo(self) -> Change | None:
        """Make the change again that was taken back last; return it, None without one."""
        change = self.sheet.redo()
        return self._kept(change, self.sheet.undo)

    def save(self) -> None:
        """Make the snapshot whole, and begin the journal anew.

        Raises
        ------
        OutputError
            When it cannot be written; the journal keeps every change then.
        """
        if not self._journal.is_empty:
            self._snapshot(self._journal.number)

    def save_as(self, path: str | os.PathLike[str], **options: Any) -> list[str]:
        """Write a copy in any known format; see `write_annotations` for what it returns."""
        about = {"mpp": self.about.mpp, "bounds": self.about.bounds}
        return write_annotations(self._annotations(), path, **{**about, **options})

    def close(self, *, save: bool = True) -> None:
        """Make the snapshot whole, unless that is left to the next time, and let go of it."""
        if self.is_closed:
            return
        try:
            if save:
                self.save()
        finally:
            self._journal.close()

    def abandon(self) -> None:
        """Let go of the file and leave all as it is: it is somebody else's now."""
        self._journal.abandon()

    def _kept(self, change: Change | None, back: Any) -> Change | None:
        if change is not None:
            try:
                self._keep(change)
            except OutputError:
                back()
                raise
        return change

    def _keep(self, change: Change) -> None:
        if len(change.edits) > BULK:
            self._snapshot(self._journal.number + 1)
        else:
            if self._has_new_classes and change.classes is None:
                change = replace(change, classes=(self.sheet.classes, self.sheet.classes))
            self._journal.append(change)
        self._has_new_classes = False

    def _snapshot(self, number: int) -> None:
        noted = {NUMBER: number, CLASSES: self.sheet.classes.record()}
        write_private(self._annotations(noted), self.path, self.about, self._mode)
        self._journal.begin(number)

    def _annotations(self, noted: Mapping[str, Any] | None = None) -> Annotations:
        metadata = {**self._metadata, **(noted or {})}
        if self.about.slide_fingerprint:
            metadata["slide_fingerprint"] = self.about.slide_fingerprint
        return Annotations.of(self.sheet.coloured(), metadata)


def read_document(path: str | os.PathLike[str], about: About | None = None) -> Annotations:
    """Return what a document holds, also when nobody has closed it; it is not changed.

    Raises
    ------
    AnnotationError
        When there is none, or it is damaged.
    MismatchError
        When it belongs to another slide.
    """
    path = Path(path)
    if not path.exists() and not journal_of(path).exists():
        raise AnnotationError(f"{path} does not exist.", path)
    kept = read_kept(path, about or About())
    sheet = Sheet(kept.annotations, kept.classes)
    return Annotations.of(sheet.coloured(), {CLASSES: sheet.classes.record()}, kept.report)


def _with(kept: ClassList, wanted: ClassList | None) -> ClassList:
    for each in wanted or ():
        if each.name not in kept.names:
            kept = kept.added(each)
    return kept


def _geojson(path: Path) -> Path:
    suffixes = FORMATS["geojson"].suffixes
    if not path.name.lower().endswith(suffixes):
        raise ParameterError(
            f"{path.name} is no place to edit annotations in: take a name that ends in "
            f"{' or '.join(suffixes)}. Other formats can be opened, and saved as copies."
        )
    return path
