"""Measure slides that several observers read: one pass over the pixels answers for all pairs."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import asdict

from slideconcord.comparison.observers.consensus import consensus_of
from slideconcord.comparison.observers.naming import Naming
from slideconcord.comparison.observers.options import Comparing
from slideconcord.comparison.observers.pairs import PairAgreement, all_pairs
from slideconcord.comparison.observers.placed import Grid, Placed, classes_of, place
from slideconcord.comparison.observers.readings import ReadSlide
from slideconcord.comparison.observers.result import (
    ClassAgreement,
    ObserverAgreement,
    SlideAgreement,
)
from slideconcord.comparison.observers.tally import Tally
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.provenance import record
from slideconcord.segmentation.mask import block_boxes
from slideconcord.segmentation.sharing import in_order, workers

_BLOCK_PX = 2048


def compare_observers(
    study: Iterable[ReadSlide], options: Comparing | None = None, *, names: bool = False
) -> ObserverAgreement:
    """Measure how far observers agree with one another, themselves, a consensus and a model.

    Parameters
    ----------
    study
        Slides with their readings; an iterator's slides are asked for one at a time.
    options
        How to compare.
    names
        Whether observers, slides and cases keep their names. They are numbered otherwise, in the
        order in which they come; models keep theirs.

    Returns
    -------
    ObserverAgreement

    Raises
    ------
    ParameterError
        When there is no slide, or one has fewer than two readings of a class.
    MismatchError
        When a reading belongs to another slide.
    """
    steps = measure_observers(study, options, names=names)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: ObserverAgreement = end.value
            return found


def measure_observers(
    study: Iterable[ReadSlide], options: Comparing | None = None, *, names: bool = False
) -> Generator[SlideAgreement, None, ObserverAgreement]:
    """Do as `compare_observers`; yield every slide that is finished."""
    options, naming = options or Comparing(), Naming(keep=names)
    found = []
    for slide in study:
        found.append(_slide(naming.slide(slide), options))
        yield found[-1]
    if not found:
        raise ParameterError("There is no slide to compare observers on: give one or more.")
    return ObserverAgreement(
        tuple(found),
        options,
        naming.names,
        provenance=record(method="agreement of observers", options=asdict(options)),
    )


def _slide(slide: ReadSlide, options: Comparing) -> SlideAgreement:
    grid = Grid.on(slide, options.mpp)
    names = classes_of([slide])
    classes = {
        name: _class(name, place(slide, name, grid, alone=len(names) == 1), options)
        for name in names
    }
    pixels = next(iter(classes.values())).tally.pixels
    return SlideAgreement(slide.name, slide.case or slide.name, grid, pixels, classes)


def _class(class_name: str, placed: Placed, options: Comparing) -> ClassAgreement:
    tally, readers = tally_of(placed), placed.readers
    agreed = consensus_of(tally, readers, options.consensus)
    if agreed is not None:
        consensus, answer = agreed
        tally, readers = tally.with_column(answer), (*readers, consensus.reader)
    pairs = tuple(
        PairAgreement(readers[i], readers[j], tally.confusion(i, j), placed.grid.pixel_um2)
        for i, j in all_pairs(readers)
    )
    return ClassAgreement(class_name, readers, tally, pairs, agreed and agreed[0])


def tally_of(placed: Placed, block_px: int = _BLOCK_PX) -> Tally:
    """Count how the pixels of a slide are marked; memory holds a few blocks."""

    def count(box: Box) -> Tally:
        counted = placed.counted(box)
        if not counted.any():
            return Tally.total([], len(placed.readers))
        return Tally.of(placed.marked(box), counted)

    boxes = block_boxes(placed.grid.shape, block_px)
    parts = (part for _, part in in_order(count, boxes, workers()))
    return Tally.total(parts, len(placed.readers))
