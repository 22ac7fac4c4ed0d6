"""What the Agreement dock has done beside the GUI: readings read, compared, and drawn."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from slideconcord.comparison.observers.naming import Naming
from slideconcord.comparison.observers.readings import Reading, ReadSlide

if TYPE_CHECKING:
    from pathlib import Path

    from slideconcord.annotations.studies import Study
    from slideconcord.comparison.observers.options import Comparing
    from slideconcord.comparison.observers.result import ClassAgreement, ObserverAgreement
    from slideconcord.comparison.observers.votes import ReadingStack
    from slideconcord.plugin.agreement_sources import Source
    from slideconcord.plugin.live import LiveLevel
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.mask import Mask

Levels = list["LiveLevel"]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The readings of one slide, and how far they agree."""

    slide: ReadSlide
    """Its observers go by numbers."""
    found: ObserverAgreement
    names: Mapping[str, str] = field(repr=False)
    """What each number stands for."""

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.found.class_names

    def of_class(self, class_name: str) -> ClassAgreement:
        return self.found.slides[0].classes[class_name]

    @property
    def tissue(self) -> Mask | None:
        from slideconcord.segmentation.mask import Mask

        return self.slide.tissue if isinstance(self.slide.tissue, Mask) else None


def compare_steps(
    entry: SlideEntry,
    sources: Sequence[Source],
    options: Comparing,
    tissue: Mask | bool,
    numbers: Mapping[str, str] | None = None,
) -> Generator[str, None, Compared]:
    """Read what was chosen and measure how far it agrees.

    Parameters
    ----------
    entry
        An open slide.
    sources
        Its readings; the readers differ.
    options
        How they are compared.
    tissue
        What counts, where that is known; True to find it, False to count all pixels.
    numbers
        What observers go by, where a study numbers them.

    Raises
    ------
    SlideconcordError
        When a reading cannot be read, or what `measure_observers` raises.
    """
    from slideconcord.comparison.observers.measure import measure_observers

    readings = []
    for source in sources:
        yield f"Reading {source.reader.label}…"
        readings.append(Reading(source.reader, (yield from _quiet(source.read()))))
    counted = None
    if tissue is not False:
        yield "Finding the tissue…"
        counted = (yield from _tissue(entry)) if isinstance(tissue, bool) else tissue
    yield "Comparing…"
    slide, naming = entry.slide, Naming(given={"observer": dict(numbers or {})})
    read = naming.slide(ReadSlide.of(slide, readings, name=slide.name, tissue=counted))
    found = yield from _quiet(measure_observers([read], options, names=True))
    return Compared(read, found, naming.names)


def _tissue(entry: SlideEntry) -> Generator[Any, None, Mask]:
    from slideconcord.segmentation.tissue import tissue_steps

    if entry.tissue is not None and entry.tissue.mask is not None:
        return entry.tissue.mask
    return (yield from _quiet(tissue_steps(entry.slide)))


def _quiet(steps: Generator[Any, None, Any]) -> Generator[str, None, Any]:
    """Do the same, and yield nothing that is told: the pieces of parts are not those of all."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield ""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The readings of one class, to be looked at."""

    stack: ReadingStack
    voters: tuple[str, ...]
    """The readings whose votes count: those of observers, where there are two or more."""
    votes: Levels


def drawing_steps(compared: Compared, class_name: str) -> Generator[float, None, Drawn]:
    """Lay the readings of a class on one another, and draw the votes as one sees them from afar."""
    from slideconcord.comparison.observers.votes import stack_of
    from slideconcord.plugin.agreement_layers import vote_levels

    agreement = compared.of_class(class_name)
    stack = stack_of(compared.slide, agreement, compared.found.slides[0].grid)
    observers = tuple(each.label for each in agreement.observers)
    voters = observers if len(observers) > 1 else stack.names
    yield 0.5
    return Drawn(stack, voters, vote_levels(stack, voters))


def pair_steps(
    stack: ReadingStack, first: str, second: str
) -> Generator[float, None, tuple[Levels, Levels]]:
    """Draw where two readings differ, and their outlines, as one sees them from afar."""
    from slideconcord.plugin.agreement_layers import outline_levels, pair_levels

    pair = pair_levels(stack, first, second)
    yield 0.5
    return pair, outline_levels(stack, first, second)


def report_steps(
    entry: SlideEntry, compared: Compared, folder: Path
) -> Generator[str, None, list[Path]]:
    """Picture where readings differ most and write the report; return its files.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    DamagedSlideError
        When a tile of the slide cannot be decoded.
    """
    from slideconcord.comparison.observers.pictures import picture_worst
    from slideconcord.comparison.observers.report import Extras, write_report

    pictures = []
    for picture in picture_worst(compared.found, [(entry.slide, compared.slide)]):
        pictures.append(picture)
        yield f"Picturing {picture.class_name or 'readings'}…"
    yield "Writing…"
    return write_report(compared.found, folder, Extras(pictures))


def study_report_steps(
    study: Study, options: Comparing, folder: Path
) -> Generator[str, None, list[Path]]:
    """Compare the finished readings of all slides of a study and write the report.

    Raises
    ------
    SlideconcordError
        When a slide or reading cannot be read, no slide was read twice, or the folder cannot be
        written.
    """
    from slideconcord.comparison.observers.measure import measure_observers
    from slideconcord.comparison.observers.pictures import picture_worst
    from slideconcord.comparison.observers.report import Extras, write_report
    from slideconcord.comparison.observers.study import readings_of

    read = readings_of(study)
    naming, options = read.naming(), replace(options, mpp=options.mpp or study.agreement.mpp)
    with ExitStack() as opened:
        slides = []
        for each in read.slides:
            yield f"Reading slide {each.id}…"
            slide = opened.enter_context(each.open())
            slides.append((slide, naming.slide(read.read(each, slide))))
        measuring = measure_observers([each for _, each in slides], options, names=True)
        found = yield from _told(measuring, len(slides))
        yield "Picturing…"
        pictures = list(picture_worst(found, slides))
    return write_report(found, folder, Extras(pictures))


def _told(
    measuring: Generator[Any, None, ObserverAgreement], number: int
) -> Generator[str, None, ObserverAgreement]:
    """Say after every slide how many are compared."""
    done = 0
    while True:
        yield f"Comparing: {done} of {number} slides…"
        try:
            next(measuring)
        except StopIteration as end:
            found: ObserverAgreement = end.value
            return found
        done += 1
