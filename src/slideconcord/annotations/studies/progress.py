"""How far a study is: every observer, round and slide, read without reading annotations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.annotations.studies.lock import holder
from slideconcord.annotations.studies.owner import Owner
from slideconcord.annotations.studies.record import Record, State, read_record
from slideconcord.errors import AnnotationError

if TYPE_CHECKING:
    from slideconcord.annotations.studies.study import Study


@dataclass(frozen=True, slots=True)
class ReadingStatus:
    """How one reading stands."""

    observer: str
    round: str
    slide: str
    path: Path
    state: State
    record: Record | None = None
    """What the file says of itself; None when there is none, or it says nothing."""
    holder: Owner | None = None
    """Who has it open."""
    problem: str = ""
    """Why its file cannot be understood."""

    @property
    def annotations(self) -> int:
        return self.record.annotations if self.record else 0

    @property
    def finished_at(self) -> datetime | None:
        return self.record.finished_at if self.record else None


@dataclass(frozen=True, slots=True)
class Progress:
    """How many readings of some are in which state."""

    finished: int
    in_progress: int
    total: int

    @property
    def share(self) -> float:
        return self.finished / self.total if self.total else 0.0


def own_record(study: Study, observer: str, round_name: str, slide: str) -> Record | None:
    """Return what a reading says of itself; None when it was not started.

    Raises
    ------
    AnnotationError
        When its file is no reading, or another one.
    """
    path = study.reading_path(observer, round_name, slide)
    return read_record(path, observer, round_name, slide)


def status_of(study: Study, observer: str, round_name: str, slide: str) -> ReadingStatus:
    """Return how one reading stands; a file that cannot be understood is a problem, no error."""
    path = study.reading_path(observer, round_name, slide)
    named = observer, round_name, slide, path
    open_by = holder(path.with_name(f"{path.name}.lock"))
    try:
        record = read_record(path, observer, round_name, slide)
    except AnnotationError as error:
        return ReadingStatus(*named, "in progress", None, open_by, str(error))
    return ReadingStatus(*named, record.state if record else "not started", record, open_by)


def statuses(study: Study) -> tuple[ReadingStatus, ...]:
    """Return every reading of a study, made or not: observers, then rounds, then slides."""
    return tuple(
        status_of(study, observer.id, chosen.name, slide.id)
        for observer in study.observers
        for chosen in study.rounds
        for slide in study.slides
    )


def progress_of(readings: Iterable[ReadingStatus]) -> Progress:
    """Count readings by state."""
    states = [each.state for each in readings]
    return Progress(states.count("finished"), states.count("in progress"), len(states))
