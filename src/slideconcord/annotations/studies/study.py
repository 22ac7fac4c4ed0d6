"""A study: which observers annotate which slides, in which rounds, with which classes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from slideconcord.annotations.classes import AnnotationClass, require_distinct
from slideconcord.annotations.studies.names import check_id, require_once
from slideconcord.annotations.studies.order import Order
from slideconcord.errors import MismatchError, MissingMppError, ParameterError, SlideError
from slideconcord.geometry import Mpp

if TYPE_CHECKING:
    from slideconcord.annotations.studies.desk import Desk
    from slideconcord.slides import Slide

STUDY_NAME = "study.yaml"
READINGS = "annotations"
ModelOutput = Literal["hidden", "shown"]
_Named = TypeVar("_Named", "StudySlide", "Observer", "Round")


@dataclass(frozen=True, slots=True)
class StudySlide:
    """A slide of a study."""

    id: str
    """What it is called in the study; unlike the file's name it must not name a patient."""
    path: Path
    mpp: Mpp | None = None
    """Pixel size of level 0 in µm, where the file does not say it or says it wrong."""
    case: str = ""
    """Slides of one case are not independent: statistics by case join them."""
    scanner: str = ""
    region: Path | None = None
    """Annotations that outline the part to be read; all of the slide when None."""
    model: Path | None = None
    """What a model found: a mask.zarr, the folder of a result, or annotations."""
    fingerprint: str = ""
    """Of the file that is meant; any file of that name will do when empty."""

    def __post_init__(self) -> None:
        check_id(self.id, "The slide")

    def open(self) -> Slide:
        """Open the slide.

        Raises
        ------
        SlideError
            When it is missing or cannot be opened.
        MissingMppError
            When the file has no believable pixel size and the study names none.
        MismatchError
            When the study means another file of this name.
        """
        from slideconcord.slides import open_slide

        if not self.path.exists():
            raise SlideError(
                f"Slide {self.id} is missing: {self.path} does not exist. Correct its file in "
                f"{STUDY_NAME}, or copy the slide there.",
                self.path,
            )
        try:
            slide = open_slide(self.path, mpp=self.mpp)
        except MissingMppError as error:
            raise MissingMppError(
                f"Slide {self.id} ({self.path.name}) has no believable pixel size: write its mpp "
                f"into {STUDY_NAME}, such as mpp: 0.25.",
                self.path,
            ) from error
        if self.fingerprint and slide.fingerprint != self.fingerprint:
            slide.close()
            raise MismatchError(
                f"{self.path} is not the slide {self.id} that the study means: its content is "
                f"another. Put the right file there, or correct the fingerprint in {STUDY_NAME}."
            )
        return slide


@dataclass(frozen=True, slots=True)
class Observer:
    """Somebody who annotates."""

    id: str
    name: str = ""
    """What the Study dock calls them; no report does."""

    def __post_init__(self) -> None:
        check_id(self.id, "The observer")

    @property
    def shown(self) -> str:
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class Round:
    """One reading of all slides by every observer."""

    name: str
    washout_days: float = 0.0
    """Days between finishing a slide in the round before and opening it in this one."""

    def __post_init__(self) -> None:
        check_id(self.name, "The round")
        if not 0 <= self.washout_days <= 3650:
            raise ParameterError(
                f"The round {self.name} has washout_days {self.washout_days:g}: give days from 0 "
                "to 3650."
            )


@dataclass(frozen=True, slots=True)
class Agreement:
    """On which pixels agreement is measured."""

    mpp: float = 1.0
    """Pixel size in µm; not finer than any slide's own."""
    tissue_only: bool = True
    """Whether background, where all agree on nothing, is left out."""

    def __post_init__(self) -> None:
        Mpp.of(self.mpp)


@dataclass(frozen=True, slots=True)
class Study:
    """Plain values; nothing is opened. No observer is ever shown another's work.

    Raises
    ------
    ParameterError
        When there is no slide, observer, class or round, or two of them have one name.
    """

    folder: Path
    name: str
    slides: tuple[StudySlide, ...]
    observers: tuple[Observer, ...]
    classes: tuple[AnnotationClass, ...]
    rounds: tuple[Round, ...] = (Round("first"),)
    instructions: str = ""
    model_output: ModelOutput = "hidden"
    """Whether observers see what a model found."""
    order: Order = field(default_factory=Order)
    agreement: Agreement = field(default_factory=Agreement)

    def __post_init__(self) -> None:
        for what in ("slides", "observers", "classes", "rounds"):
            if not getattr(self, what):
                raise ParameterError(f"The study {self.name} has no {what}: name at least one.")
        require_once((slide.id for slide in self.slides), "The slide")
        require_once((str(slide.path.resolve()) for slide in self.slides), "The file")
        require_once((observer.id for observer in self.observers), "The observer")
        require_once((each.name for each in self.rounds), "The round")
        require_distinct(self.classes)
        if self.rounds[0].washout_days:
            raise ParameterError(
                f"The round {self.rounds[0].name} has washout_days, but none comes before it: "
                "give them to a later round."
            )
        if self.model_output not in get_args(ModelOutput):
            raise ParameterError(
                f"model output is {self.model_output!r}: choose one of "
                f"{', '.join(get_args(ModelOutput))}."
            )

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Study:
        """Read a study: see `open_study`."""
        from slideconcord.annotations.studies.study_files import open_study

        return open_study(folder)

    def slide(self, slide_id: str) -> StudySlide:
        """Return a slide by its id.

        Raises
        ------
        ParameterError
            When the study has none of that id.
        """
        return _find(self.slides, "id", slide_id, "slide")

    def observer(self, observer_id: str) -> Observer:
        """Return an observer by their id; `ParameterError` when there is none."""
        return _find(self.observers, "id", observer_id, "observer")

    def round(self, name: str | None = None) -> Round:
        """Return a round by its name, the first when None; `ParameterError` when there is none."""
        return self.rounds[0] if name is None else _find(self.rounds, "name", name, "round")

    def round_before(self, name: str) -> Round | None:
        """Return the round that comes before one, if any does."""
        at = self.rounds.index(self.round(name))
        return self.rounds[at - 1] if at else None

    def slides_for(self, observer_id: str, round_name: str | None = None) -> tuple[StudySlide, ...]:
        """Return all slides in the order in which an observer reads them in a round."""
        observer, chosen = self.observer(observer_id), self.round(round_name)
        ids = (slide.id for slide in self.slides)
        arranged = self.order.arrange(ids, observer.id, chosen.name)
        return tuple(self.slide(slide_id) for slide_id in arranged)

    def missing(self) -> tuple[StudySlide, ...]:
        """Return the slides whose files are not here."""
        return tuple(slide for slide in self.slides if not slide.path.exists())

    def alias(self, observer_id: str) -> str:
        """Return what reports call an observer, whose id may be a name."""
        return f"observer {self.observers.index(self.observer(observer_id)) + 1}"

    def reading_path(self, observer_id: str, round_name: str, slide_id: str) -> Path:
        """Return where a reading is kept, made or not."""
        observer, chosen = self.observer(observer_id), self.round(round_name)
        name = f"{self.slide(slide_id).id}.geojson"
        return self.folder / READINGS / observer.id / chosen.name / name

    def desk(self, observer_id: str) -> Desk:
        """Return the study as one observer may see it.

        Raises
        ------
        ParameterError
            When the study has no such observer.
        """
        from slideconcord.annotations.studies.desk import Desk

        return Desk(self, self.observer(observer_id))


def _find(among: tuple[_Named, ...], key: str, wanted: str, what: str) -> _Named:
    for each in among:
        if getattr(each, key) == wanted:
            return each
    known = ", ".join(getattr(each, key) for each in among)
    raise ParameterError(f"The study has no {what} {wanted!r}: there are {known}.")
