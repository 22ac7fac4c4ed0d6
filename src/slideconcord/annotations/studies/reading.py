"""A reading in hand: locked for its observer, saved whole or not at all, finished by a word."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from slideconcord.annotations.annotation import Annotation, Annotations
from slideconcord.annotations.editing import About, ClassList, Document, read_document
from slideconcord.annotations.exchange import atomic, write_annotations
from slideconcord.annotations.studies.lock import OwnedLock
from slideconcord.annotations.studies.owner import Owner
from slideconcord.annotations.studies.reading_document import ReadingDocument, has_unsaved
from slideconcord.annotations.studies.record import KEY, Record, Step, read_record
from slideconcord.errors import AnnotationError, MismatchError, OutputError

if TYPE_CHECKING:
    from slideconcord.annotations.studies.study import Observer, Round, Study, StudySlide
    from slideconcord.slides import Slide


class Reading:
    """One observer's work on one slide in one round, until it is closed. Made by `Desk`.

    Raises
    ------
    OutputError
        When somebody has it open, or its folder cannot be written.
    MismatchError
        When it was begun on another file of the slide's name.
    AnnotationError
        When its file is damaged or no reading.
    """

    def __init__(
        self, study: Study, observer: Observer, chosen: Round, about: StudySlide, slide: Slide
    ) -> None:
        self.study, self.observer, self.round, self.about = study, observer, chosen, about
        self.path = study.reading_path(observer.id, chosen.name, about.id)
        """The GeoJSON file; nothing but this object and its document writes it."""
        self.recovered: tuple[str, ...] = ()
        """What was said of changes that a crash had left in the journal."""
        self._facts = About(slide.fingerprint, slide.mpp, slide.bounds)
        self._document: ReadingDocument | None = None
        _make_folder(self.path.parent)
        self._lock = OwnedLock(self.path.with_name(f"{self.path.name}.lock"), Owner(observer.id))
        try:
            self.record = self._begin(slide.path.name)
        except BaseException:
            self._lock.release()
            raise

    @property
    def replaced(self) -> Owner | None:
        """Whose forgotten lock was taken over, if any was."""
        return self._lock.replaced

    @property
    def is_open(self) -> bool:
        """Whether it can still be changed."""
        return self.record.state == "in progress"

    def annotations(self) -> Annotations:
        """Return what is there, with every change that was made in `edit`."""
        return read_document(self.path, self._facts)

    def edit(self) -> Document:
        """Open the reading to change it step by step, each on disk before it counts.

        Closing the reading closes the document, too; while it is open, nothing else saves.

        Raises
        ------
        OutputError, MismatchError
            As `save`.
        """
        self._require_open()
        self._lock.renew()
        if self._document is None or self._document.is_closed:
            self._document = self._open_document()
        return self._document

    def renew(self) -> None:
        """Say that somebody is still at work: once a minute is enough.

        Raises
        ------
        OutputError
            When somebody else took the reading over, naming who did.
        """
        self._lock.renew()

    def save(self, annotations: Iterable[Annotation]) -> list[str]:
        """Replace what was saved before; return what was repaired or left out, line by line.

        Raises
        ------
        OutputError
            When the reading was taken over, or its place cannot be written.
        MismatchError
            When it is finished, or is being edited.
        AnnotationError
            When an annotation cannot be written.
        """
        self._require_open()
        self._require_unedited()
        return self._write(annotations)

    def take_in(self, annotations: Iterable[Annotation]) -> list[str]:
        """Save annotations that were drawn in another program; the file remembers that they were.

        Raises
        ------
        OutputError, MismatchError, AnnotationError
            As `save`.
        """
        self._require_open()
        self._require_unedited()
        return self._write(annotations, "imported")

    def finish(self, annotations: Iterable[Annotation] | None = None) -> list[str]:
        """Keep what there is for good; when that is nothing, it says "nothing here".

        Parameters
        ----------
        annotations
            All there is; what was saved or edited last when None.

        Raises
        ------
        OutputError, MismatchError
            As `save`.
        AnnotationError
            When an annotation has no class of the study; it can still be edited then.
        """
        self._require_open()
        if annotations is not None:
            self._require_unedited()
        found = self.annotations() if annotations is None else tuple(annotations)
        self._require_classes(found)
        self._end_editing()
        return self._write(found, "finished")

    def reopen(self) -> None:
        """Let a finished reading be changed again; the file remembers that it was.

        Raises
        ------
        MismatchError
            When it is not finished.
        OutputError
            As `save`.
        """
        if self.record.state != "finished":
            raise MismatchError(f"The reading {self.path} is not finished: go on with it.")
        self._write(self.annotations(), "reopened")

    def close(self) -> None:
        """Make the file whole and give the reading free."""
        try:
            if self._document is not None and self._lock.is_mine:
                self._settle()
        finally:
            if self._document is not None:
                self._document.close(save=False)
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, file: str) -> Record:
        named = self.observer.id, self.round.name, self.about.id
        found = read_record(self.path, *named)
        if found is None:
            self.record = Record(self.study.name, *named, self._facts.slide_fingerprint)
            self._write((), "started")
            return self.record
        if found.slide_fingerprint != self._facts.slide_fingerprint:
            raise MismatchError(
                f"The reading {self.path} was made on another file than {file} is now: put back "
                "the slide that was annotated."
            )
        self.record = found
        if has_unsaved(self.path):
            # a crash left them: from here on the file alone says what there is
            self._document = self._open_document()
            self.recovered = self._document.report
            self._settle()
        return self.record

    def _open_document(self) -> ReadingDocument:
        return ReadingDocument(
            self.path,
            self._facts,
            ClassList(self.study.classes),
            self._metadata(self.record),
            self._lock.require,
        )

    def _settle(self) -> None:
        """Let the file alone say what there is, signed and counted."""
        self._end_editing()
        self._write(self.annotations())

    def _end_editing(self) -> None:
        if self._document is not None:
            self._document.close()
            self._document = None
            if has_unsaved(self.path):
                # a window lets go of a large document without saving it
                self._open_document().close()

    def _require_open(self) -> None:
        if not self.is_open:
            raise MismatchError(
                f"The reading {self.path} is finished: reopen it before you change it."
            )

    def _require_unedited(self) -> None:
        if self._document is not None and not self._document.is_closed:
            raise MismatchError(
                f"The reading {self.path} is being edited: make the change in its document."
            )

    def _require_classes(self, annotations: Iterable[Annotation]) -> None:
        known = {each.name for each in self.study.classes}
        strange = [a for a in annotations if a.class_name not in known]
        if strange:
            given = ", ".join(sorted({str(a.class_name or "no class") for a in strange}))
            raise AnnotationError(
                f"{self.path}: {len(strange)} annotation(s) of other classes ({given}) than the "
                f"study's: give them one of {', '.join(sorted(known))} before you finish.",
                self.path,
                strange[0].id,
            )

    def _write(self, annotations: Iterable[Annotation], step: Step | None = None) -> list[str]:
        # begun anew first: a lock that is about to grow stale is not taken over during the write
        self._lock.renew()
        signed = [replace(a, observer=self.observer.id) for a in annotations]
        record = replace(self.record, annotations=len(signed))
        record = record.after(step) if step else record
        with atomic(self.path) as partial:
            report = write_annotations(
                Annotations.of(signed, self._metadata(record)), partial, bounds=self._facts.bounds
            )
            _to_disk(partial)
            self._lock.require()
        self.record = record
        return report

    def _metadata(self, record: Record) -> dict[str, Any]:
        from slideconcord import __version__

        return {
            "software": "slideconcord",
            "version": __version__,
            "slide_fingerprint": record.slide_fingerprint,
            "slide_mpp": list(self._facts.mpp or ()),
            KEY: record.to_json(),
        }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made: {error.strerror}. Ask whoever keeps the study for "
            "permission.",
            folder,
        ) from error


def _to_disk(path: Path) -> None:
    """Wait until the file is on the disk: it is about to replace the only copy there is."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
