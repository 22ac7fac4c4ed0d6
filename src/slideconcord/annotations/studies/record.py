"""What a reading says of itself: whose it is, of which slide, and what was done when.

It stands in the reading's own file, so that the two are always of one moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from slideconcord.annotations.geojson_head import read_metadata
from slideconcord.annotations.studies.owner import now
from slideconcord.errors import AnnotationError

KEY = "reading"
State = Literal["not started", "in progress", "finished"]
Step = Literal["started", "imported", "finished", "reopened"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something an observer did with a reading."""

    step: Step
    at: datetime
    """In UTC."""


@dataclass(frozen=True, slots=True)
class Record:
    """One observer's reading of one slide in one round."""

    study: str
    observer: str
    round: str
    slide: str
    slide_fingerprint: str
    """Of the file that was annotated."""
    events: tuple[Event, ...] = ()
    """Oldest first."""
    annotations: int = 0
    """How many there were when the file was written."""

    @property
    def state(self) -> State:
        if not self.events:
            return "not started"
        return "finished" if self.events[-1].step == "finished" else "in progress"

    @property
    def finished_at(self) -> datetime | None:
        """When it was finished, if it is."""
        return self.events[-1].at if self.state == "finished" else None

    def after(self, step: Step, at: datetime | None = None) -> Record:
        """Return the record with one more event."""
        return replace(self, events=(*self.events, Event(step, at or now())))

    def to_json(self) -> dict[str, Any]:
        events = [{"step": e.step, "at": e.at.isoformat()} for e in self.events]
        return {**asdict(self), "events": events}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Record:
        """Read what `to_json` made; ValueError, KeyError or TypeError when it is something else."""
        events = tuple(Event(e["step"], datetime.fromisoformat(e["at"])) for e in facts["events"])
        if any(event.step not in get_args(Step) for event in events):
            raise ValueError("a step that nobody knows")
        return cls(**{**facts, "events": events})


def read_record(path: Path, observer: str, round_name: str, slide: str) -> Record | None:
    """Return the record of a reading; None when it was not started.

    Raises
    ------
    AnnotationError
        When the file is no reading, is another one, or says nothing that can be understood.
    """
    if not path.exists():
        return None
    facts = read_metadata(path).get(KEY)
    if not isinstance(facts, Mapping):
        raise AnnotationError(
            f"{path} was not written as a reading: move it elsewhere, then take it in with "
            "'slideconcord study import'.",
            path,
            "metadata",
        )
    try:
        record = Record.of(facts)
    except (ValueError, KeyError, TypeError) as error:
        raise AnnotationError(
            f"{path}: what it says of its reading cannot be understood ({error}): take the file "
            "from a backup.",
            path,
            "metadata",
        ) from error
    if (record.observer, record.round, record.slide) != (observer, round_name, slide):
        raise AnnotationError(
            f"{path} is the reading of {record.slide} by {record.observer} in round "
            f"{record.round}: put it back where it belongs.",
            path,
            "metadata",
        )
    return record
