"""A study as one observer may see it: their own readings, and no round from within a later one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from slideconcord.annotations.annotation import Annotations
from slideconcord.annotations.editing import read_document
from slideconcord.annotations.exchange import read_annotations
from slideconcord.annotations.studies.owner import now
from slideconcord.annotations.studies.progress import ReadingStatus, own_record, status_of
from slideconcord.annotations.studies.reading import Reading
from slideconcord.annotations.studies.record import Record
from slideconcord.errors import AnnotationError, MismatchError

if TYPE_CHECKING:
    from slideconcord.annotations.studies.study import Observer, Round, Study, StudySlide
    from slideconcord.slides import Slide


class Desk:
    """Where an observer works. Made by `Study.desk`; nothing here leads to another's readings."""

    def __init__(
        self, study: Study, observer: Observer, clock: Callable[[], datetime] = now
    ) -> None:
        self.study, self.observer = study, observer
        self._clock = clock

    def slides(self, round_name: str | None = None) -> tuple[ReadingStatus, ...]:
        """Return how each slide stands, in this observer's order."""
        chosen = self.study.round(round_name)
        slides = self.study.slides_for(self.observer.id, chosen.name)
        return tuple(status_of(self.study, self.observer.id, chosen.name, s.id) for s in slides)

    def next_slide(self, round_name: str | None = None) -> StudySlide | None:
        """Return what to read next: the first slide in hand or not started that may be opened."""
        waiting = [each for each in self.slides(round_name) if each.state != "finished"]
        for each in waiting:
            if not self.obstacle(each.slide, each.round):
                return self.study.slide(each.slide)
        return None

    def obstacle(self, slide_id: str, round_name: str | None = None) -> str:
        """Return why a slide may not be opened in a round now; empty when it may."""
        about, chosen = self.study.slide(slide_id), self.study.round(round_name)
        if not about.path.exists():
            return f"Slide {about.id} is missing: {about.path.name} is not where the study says."
        try:
            return self._too_late(about, chosen) or self._too_early(about, chosen)
        except AnnotationError as error:  # another round's file is damaged
            return str(error)

    def open(self, slide_id: str, round_name: str | None = None) -> Reading:
        """Open a reading to work on it, begun when there is none; close it when done.

        Raises
        ------
        MismatchError
            When it is finished, the slide is another file, or the round may not be read now.
        OutputError
            When it is open elsewhere, or its folder cannot be written.
        SlideError
            When the slide is missing or cannot be opened.
        AnnotationError
            When its file is damaged or no reading.
        """
        reading = self._locked(slide_id, round_name)
        if not reading.is_open:
            reading.close()
            raise MismatchError(
                f"{self.observer.id} finished {slide_id} in round {reading.round.name}: reopen it "
                "to change it."
            )
        return reading

    def reopen(self, slide_id: str, round_name: str | None = None) -> Reading:
        """Open a finished reading to change it; the wash-out of the next round begins anew.

        Raises
        ------
        MismatchError, OutputError, SlideError, AnnotationError
            As `open`; and when it is not finished.
        """
        chosen = self.study.round(round_name)
        if self._record(slide_id, chosen) is None:
            raise MismatchError(f"{self.observer.id} has not read {slide_id} yet: open it.")
        reading = self._locked(slide_id, round_name)
        try:
            reading.reopen()
        except BaseException:
            reading.close()
            raise
        return reading

    def take_in(
        self,
        slide_id: str,
        path: str | os.PathLike[str],
        round_name: str | None = None,
        *,
        finish: bool = False,
    ) -> list[str]:
        """Make a file from another program this observer's reading; return what was repaired.

        Raises
        ------
        MismatchError
            When there are annotations in the reading already, or as `open`.
        OutputError, SlideError, AnnotationError
            As `open`.
        """
        with self.study.slide(slide_id).open() as slide:
            given = read_annotations(path, bounds=slide.bounds)
        with self.open(slide_id, round_name) as reading:
            if reading.record.annotations:
                raise MismatchError(
                    f"{self.observer.id} has drawn {reading.record.annotations} annotations on "
                    f"{slide_id} already: remove them first, or choose another round."
                )
            report = [*given.report, *reading.take_in(given)]
            if finish:
                report += reading.finish()
        return report

    def read(self, slide_id: str, round_name: str | None = None) -> Annotations | None:
        """Return what this observer drew, as saved last; None when they did not begin.

        Raises
        ------
        MismatchError
            When a later round of the slide was begun, which must not see this one.
        AnnotationError
            When the file is damaged.
        """
        about, chosen = self.study.slide(slide_id), self.study.round(round_name)
        if reason := self._too_late(about, chosen):
            raise MismatchError(reason)
        path = self.study.reading_path(self.observer.id, chosen.name, about.id)
        return read_document(path) if path.exists() else None

    def _locked(self, slide_id: str, round_name: str | None) -> Reading:
        about, chosen = self.study.slide(slide_id), self.study.round(round_name)
        if reason := self._too_late(about, chosen) or self._too_early(about, chosen):
            raise MismatchError(reason)
        slide: Slide = about.open()
        with closing(slide):
            return Reading(self.study, self.observer, chosen, about, slide)

    def _too_late(self, about: StudySlide, chosen: Round) -> str:
        rounds = self.study.rounds
        for later in rounds[rounds.index(chosen) + 1 :]:
            if self._record(about.id, later) is not None:
                return (
                    f"{self.observer.id} has begun {about.id} in round {later.name}, which must "
                    f"not see round {chosen.name}: it stays closed."
                )
        return ""

    def _too_early(self, about: StudySlide, chosen: Round) -> str:
        before = self.study.round_before(chosen.name)
        if before is None:
            return ""
        record = self._record(about.id, before)
        if record is None or record.finished_at is None:
            return f"{self.observer.id} must finish {about.id} in round {before.name} first."
        free = record.finished_at + timedelta(days=chosen.washout_days)
        if self._clock() >= free:
            return ""
        return (
            f"Round {chosen.name} of {about.id} may begin on {free:%Y-%m-%d at %H:%M} UTC, "
            f"{chosen.washout_days:g} days after round {before.name} was finished."
        )

    def _record(self, slide_id: str, chosen: Round) -> Record | None:
        return own_record(self.study, self.observer.id, chosen.name, slide_id)
