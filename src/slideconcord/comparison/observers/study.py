"""The finished readings of a study as slides that can be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.annotations import Annotation, Annotations, read_annotations
from slideconcord.annotations.studies import Study, finished_readings, statuses
from slideconcord.comparison.observers.naming import Naming
from slideconcord.comparison.observers.readings import Reader, Reading, ReadSlide
from slideconcord.errors import ParameterError, UnsupportedSlideError
from slideconcord.segmentation.mask import Mask, open_mask
from slideconcord.segmentation.regions import find_regions

if TYPE_CHECKING:
    from slideconcord.annotations.studies import FinishedReading, StudySlide
    from slideconcord.slides import Slide

MASK_NAME = "mask.zarr"
MODEL = "model"


@dataclass(frozen=True, slots=True)
class StudyReadings:
    """The slides of a study that two or more readings can be compared on."""

    study: Study
    readings: dict[str, list[FinishedReading]] = field(repr=False)
    """By the id of the slide."""
    left_out: tuple[str, ...]
    """What is not compared, and why; observers by number."""
    model_masks: Path | None = None
    """Where ``segment --out`` left masks of the slides, if anywhere."""

    @property
    def slides(self) -> tuple[StudySlide, ...]:
        return tuple(slide for slide in self.study.slides if slide.id in self.readings)

    def naming(self, *, keep: bool = False) -> Naming:
        """Return names that say nothing: observers as the study numbers them; ids of slides stay,
        since a study gives them for that.
        """
        observers = {each.id: self.study.alias(each.id) for each in self.study.observers}
        slides = {each.id: each.id for each in self.study.slides}
        return Naming(keep, {"observer": observers, "slide": slides})

    def read(self, place: StudySlide, slide: Slide) -> ReadSlide:
        """Return an open slide with its readings, its tissue and what a model found.

        Raises
        ------
        AnnotationError, SlideError, ParameterError
            When something that the study names cannot be read.
        """
        rounds = {each.name: number for number, each in enumerate(self.study.rounds, 1)}
        given = [
            Reading(Reader(each.observer, rounds[each.round]), each.annotations())
            for each in self.readings[place.id]
        ]
        found = self._model(place, slide)
        if found is not None:
            given.append(Reading(Reader(MODEL, role="model"), found))
        read = ReadSlide.of(
            slide,
            given,
            name=place.id,
            case=place.case,
            classes=[each.name for each in self.study.classes],
            tissue="find" if self.study.agreement.tissue_only else None,
        )
        return read if place.region is None else _inside(read, read_result(place.region, slide))

    def __iter__(self) -> Iterator[ReadSlide]:
        """Open one slide after the other and read what is found on it."""
        for each in self.slides:
            with each.open() as slide:
                yield self.read(each, slide)

    def _model(self, place: StudySlide, slide: Slide) -> Mask | Annotations | None:
        from slideconcord.comparison.concordance.placing import find_on_disk

        path = place.model
        if self.model_masks is not None:
            path = find_on_disk(self.model_masks, slide) or path
        if path is None:
            return None
        return of_class(read_result(path, slide), [each.name for each in self.study.classes])


def readings_of(study: Study, model_masks: Path | None = None) -> StudyReadings:
    """Return the finished readings of a study, and what is left out.

    Raises
    ------
    AnnotationError, MismatchError
        When the file of a reading cannot be understood, or was made on another slide.
    ParameterError
        When no slide has two finished readings.
    """
    found: dict[str, list[FinishedReading]] = defaultdict(list)
    for each in finished_readings(study):
        found[each.slide.id].append(each)
    with_model = {s.id for s in study.slides if s.model is not None or model_masks is not None}
    kept = {name: some for name, some in found.items() if len(some) + (name in with_model) > 1}
    if not kept:
        raise ParameterError(
            f"No slide of the study {study.name} has two finished readings: let observers finish "
            "theirs in the Study dock, or take them in with slideconcord study import --finish."
        )
    unfinished = [
        f"{each.slide} by {study.alias(each.observer)} in round {each.round}: {each.state}"
        for each in statuses(study)
        if each.state != "finished"
    ]
    alone = [f"{name}: one finished reading and no model" for name in found if name not in kept]
    return StudyReadings(study, kept, (*unfinished, *alone), model_masks)


def read_result(path: Path, slide: Slide) -> Mask | Annotations:
    """Read a mask.zarr, the mask in the folder of a result, or annotations.

    Raises
    ------
    ParameterError
        When there is nothing.
    AnnotationError, SlideError
        When it cannot be read.
    """
    if not path.exists():
        raise ParameterError(f"{path} does not exist. Give a mask.zarr or annotations.")
    if path.is_dir():
        try:
            return open_mask(path / MASK_NAME if (path / MASK_NAME).is_dir() else path)
        except UnsupportedSlideError:
            pass  # labels of other programs are annotations
    return read_annotations(path, bounds=slide.bounds, mpp=slide.mpp)


def of_class(found: Mask | Annotations, classes: list[str]) -> Mask | Annotations:
    """Let a mask speak for the only class there is, whatever its model calls it.

    Raises
    ------
    ParameterError
        When there are several, and the mask shows none of them.
    """
    if isinstance(found, Annotations) or found.class_name in classes:
        return found
    if len(classes) > 1:
        raise ParameterError(
            f"A mask shows {found.class_name or 'a class without a name'}, and the study has "
            f"{', '.join(classes)}: give annotations, whose classes have these names."
        )
    return replace(found, class_name=classes[0] if classes else found.class_name)


def _inside(read: ReadSlide, region: Mask | Annotations) -> ReadSlide:
    """Let only what lies in a region count."""
    import shapely

    if read.tissue is None:
        return replace(read, tissue=region)
    parts = [
        shapely.union_all([a.geometry for a in (find_regions(r) if isinstance(r, Mask) else r)])
        for r in (read.tissue, region)
    ]
    return replace(read, tissue=Annotations.of([Annotation(shapely.intersection(*parts))]))
