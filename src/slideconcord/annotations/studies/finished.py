"""The finished readings of a study, for those who compare them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slideconcord.annotations.annotation import Annotations
from slideconcord.annotations.exchange import read_annotations
from slideconcord.annotations.studies.progress import statuses
from slideconcord.annotations.studies.record import Record
from slideconcord.errors import AnnotationError, MismatchError

if TYPE_CHECKING:
    from pathlib import Path

    from slideconcord.annotations.studies.study import Study, StudySlide


@dataclass(frozen=True, slots=True)
class FinishedReading:
    """What an observer found on a slide in a round, for good."""

    slide: StudySlide
    record: Record
    path: Path

    @property
    def observer(self) -> str:
        return self.record.observer

    @property
    def round(self) -> str:
        return self.record.round

    def annotations(self) -> Annotations:
        """Read what was drawn, in level-0 pixels; none is an answer, too."""
        return read_annotations(self.path)


def finished_readings(study: Study, round_name: str | None = None) -> tuple[FinishedReading, ...]:
    """Return all finished readings, or those of one round.

    Raises
    ------
    AnnotationError
        When the file of a reading cannot be understood.
    MismatchError
        When the readings of a slide were made on different files.
    ParameterError
        When the study has no such round.
    """
    wanted = {each.name for each in study.rounds}
    if round_name is not None:
        wanted = {study.round(round_name).name}
    found = []
    for each in statuses(study):
        if each.problem:
            raise AnnotationError(each.problem, each.path)
        if each.record is not None and each.state == "finished" and each.round in wanted:
            found.append(FinishedReading(study.slide(each.slide), each.record, each.path))
    _require_one_file_a_slide(found)
    return tuple(found)


def _require_one_file_a_slide(readings: list[FinishedReading]) -> None:
    first: dict[str, FinishedReading] = {}
    for each in readings:
        other = first.setdefault(each.slide.id, each)
        meant = each.slide.fingerprint or other.record.slide_fingerprint
        if each.record.slide_fingerprint != meant:
            raise MismatchError(
                f"{each.path} and {other.path} were made on different files of the slide "
                f"{each.slide.id}: only readings of one file can be compared."
            )
