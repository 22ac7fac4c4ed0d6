"""A reading in hand: locked for its observer, saved whole or not at all, finished by a word."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from slideconcord.annotations.annotation import Annotation, Annotations
from slideconcord.annotations.exchange import atomic, read_annotations, write_annotations
from slideconcord.annotations.studies.lock import OwnedLock
from slideconcord.annotations.studies.owner import Owner
from slideconcord.annotations.studies.record import KEY, Record, Step, read_record
from slideconcord.errors import AnnotationError, MismatchError, OutputError

if TYPE_CHECKING:
    from slideconcord.annotations.studies.study import Observer, Round, Study, StudySlide
    from slideconcord.geometry import Box, Mpp
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
        """The GeoJSON file; only `save` and its kin write it."""
        self._bounds: Box | None = slide.bounds
        self._mpp: Mpp = slide.mpp
        _make_folder(self.path.parent)
        self._lock = OwnedLock(self.path.with_name(f"{self.path.name}.lock"), Owner(observer.id))
        try:
            self.record = self._begin(slide)
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
        """Read what was saved last."""
        return read_annotations(self.path)

    def require_mine(self) -> None:
        """Refuse to go on when somebody took the reading over; cheap enough for every change.

        Raises
        ------
        OutputError
            Naming who did.
        """
        self._lock.require()

    def save(self, annotations: Iterable[Annotation]) -> list[str]:
        """Replace what was saved before; return what was repaired or left out, line by line.

        Raises
        ------
        OutputError
            When the reading was taken over, or its place cannot be written.
        MismatchError
            When it is finished.
        AnnotationError
            When an annotation cannot be written.
        """
        self._require_open()
        return self._write(annotations)

    def finish(self, annotations: Iterable[Annotation] | None = None) -> list[str]:
        """Save for good, also when nothing was found: an empty reading says "nothing here".

        Parameters
        ----------
        annotations
            All there is; what was saved last when None.

        Raises
        ------
        OutputError, MismatchError
            As `save`.
        AnnotationError
            When an annotation has no class of the study.
        """
        self._require_open()
        given = self.annotations() if annotations is None else tuple(annotations)
        self._require_classes(given)
        return self._write(given, "finished")

    def close(self) -> None:
        """Give the reading free; what was not saved is lost."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, slide: Slide) -> Record:
        named = self.observer.id, self.round.name, self.about.id
        found = read_record(self.path, *named)
        if found is None:
            self.record = Record(self.study.name, *named, slide.fingerprint)
            self._write((), "started")
            return self.record
        if found.slide_fingerprint != slide.fingerprint:
            raise MismatchError(
                f"The reading {self.path} was made on another file than {slide.path.name} is now: "
                "put back the slide that was annotated."
            )
        return found

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

    def take_in(self, annotations: Iterable[Annotation]) -> list[str]:
        """Save annotations that were drawn in another program; the file remembers that they were.

        Raises
        ------
        OutputError, MismatchError, AnnotationError
            As `save`.
        """
        self._require_open()
        return self._write(annotations, "imported")

    def _require_open(self) -> None:
        if not self.is_open:
            raise MismatchError(
                f"The reading {self.path} is finished: reopen it before you change it."
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
                Annotations.of(signed, _metadata(record, self._mpp)), partial, bounds=self._bounds
            )
            _to_disk(partial)
            self._lock.require()
        self.record = record
        return report


def _metadata(record: Record, mpp: Mpp) -> dict[str, Any]:
    from slideconcord import __version__

    return {
        "software": "slideconcord",
        "version": __version__,
        "slide_fingerprint": record.slide_fingerprint,
        "slide_mpp": list(mpp),
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
