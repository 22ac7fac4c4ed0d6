"""A study as its analyst sees it: the finished readings of every slide, by everyone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.annotations.studies import FinishedReading, Study, finished_readings, open_study
from slideconcord.comparison.observers.readings import Reader
from slideconcord.plugin.agreement_sources import MODEL, Found, Source, file_sources

if TYPE_CHECKING:
    from slideconcord.annotations.studies import StudySlide
    from slideconcord.slides import Slide


@dataclass(frozen=True, slots=True, eq=False)
class AnalystStudy:
    """A study and what is finished in it."""

    study: Study
    readings: tuple[FinishedReading, ...]

    @classmethod
    def open(cls, folder: Path) -> AnalystStudy:
        """Open a study's folder.

        Raises
        ------
        ParameterError
            When there is no study.
        AnnotationError
            When the file of a reading cannot be understood.
        MismatchError
            When the readings of a slide were made on different files.
        """
        study = open_study(folder)
        return cls(study, finished_readings(study))

    @property
    def slides(self) -> tuple[StudySlide, ...]:
        """The slides that somebody finished."""
        read = {each.slide.id for each in self.readings}
        return tuple(slide for slide in self.study.slides if slide.id in read)

    @property
    def numbers(self) -> dict[str, str]:
        """What each observer goes by, whoever read the slide at hand."""
        return {each.id: self.study.alias(each.id) for each in self.study.observers}

    def place_of(self, slide: Slide) -> StudySlide | None:
        """Return which slide of the study an open slide is; None when it is another."""
        for each in self.slides:
            meant = each.fingerprint or self._prints.get(each.id)
            if meant == slide.fingerprint:
                return each
        return None

    def sources(self, slide: Slide) -> list[Source]:
        """Return the finished readings of an open slide, and what a model found on it."""
        place = self.place_of(slide)
        if place is None:
            return []
        found = [self._source(each) for each in self.readings if each.slide.id == place.id]
        if place.model is not None:
            (source,) = file_sources([place.model], slide)
            found.append(Source(place.model, Reader(MODEL, role="model"), source.read))
        return found

    @property
    def _prints(self) -> dict[str, str]:
        """What readings say of the file that they were made on."""
        return {each.slide.id: each.record.slide_fingerprint for each in self.readings}

    def _source(self, each: FinishedReading) -> Source:
        names = [chosen.name for chosen in self.study.rounds]

        def read() -> Generator[Any, None, Found]:
            yield
            return each.annotations()

        return Source(each.path, Reader(each.observer, names.index(each.round) + 1), read)
