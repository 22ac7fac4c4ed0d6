"""Measure slides that several observers read: one pass over the pixels answers for all pairs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.comparison.observers.consensus import consensus_of
from slideconcord.comparison.observers.naming import Naming
from slideconcord.comparison.observers.options import Comparing
from slideconcord.comparison.observers.pairs import PairAgreement, all_pairs
from slideconcord.comparison.observers.placed import UNNAMED, Grid, Placed, classes_of, place
from slideconcord.comparison.observers.ratings import RatingAgreement, agreement_of_tally
from slideconcord.comparison.observers.readings import Reader, ReadSlide
from slideconcord.comparison.observers.result import (
    ClassAgreement,
    ObserverAgreement,
    SlideAgreement,
)
from slideconcord.comparison.observers.shapes import shapes_of
from slideconcord.comparison.observers.tally import Tally
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.provenance import record
from slideconcord.segmentation.mask import block_boxes
from slideconcord.segmentation.sharing import in_order, workers

if TYPE_CHECKING:
    from slideconcord.annotations.studies import Study

_BLOCK_PX = 2048


def compare_observers(
    study: Study | Iterable[ReadSlide],
    options: Comparing | None = None,
    *,
    names: bool = False,
) -> ObserverAgreement:
    """Measure how far observers agree with one another, themselves, a consensus and a model.

    Parameters
    ----------
    study
        A study, of which finished readings are compared, at its own pixel size unless the options
        name one; or slides with their readings. A class that is marked on one slide of a list is
        compared on all; an iterator's slides are asked for one at a time, and name their own
        `classes`.
    options
        How to compare.
    names
        Whether observers, slides and cases keep their names. They are numbered otherwise, in the
        order of the study; models, and the ids that a study gives its slides, stay.

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
    study: Study | Iterable[ReadSlide],
    options: Comparing | None = None,
    *,
    names: bool = False,
) -> Generator[SlideAgreement, None, ObserverAgreement]:
    """Do as `compare_observers`; yield every slide that is finished."""
    from slideconcord.annotations.studies import Study
    from slideconcord.comparison.observers.study import readings_of

    options, naming = options or Comparing(), Naming(names)
    if isinstance(study, Study):
        options = replace(options, mpp=options.mpp or study.agreement.mpp)
        study = readings_of(study)
        naming = study.naming(keep=names)
    found = []
    asked = classes_of(study) if isinstance(study, Sequence) else ()
    for slide in study:
        found.append(_slide(naming.slide(slide), options, asked))
        yield found[-1]
    if not found:
        raise ParameterError("There is no slide to compare observers on: give one or more.")
    return ObserverAgreement(
        tuple(found),
        options,
        naming.names,
        _provenance(found, options),
    )


def _provenance(found: Sequence[SlideAgreement], options: Comparing) -> dict[str, Any]:
    return record(
        method="agreement of observers",
        options=asdict(options),
        slides=[
            {
                "slide": each.slide,
                "fingerprint": each.fingerprint,
                "mpp": list(each.grid.mpp),
                "shape": list(each.grid.shape),
                "counted_px": each.counted_px,
            }
            for each in found
        ],
    )


def _slide(slide: ReadSlide, options: Comparing, asked: tuple[str, ...]) -> SlideAgreement:
    grid = Grid.on(slide, options.mpp)
    names = tuple(dict.fromkeys((*asked, *classes_of([slide])))) or (UNNAMED,)
    every = {name: place(slide, name, grid, alone=len(names) == 1) for name in names}
    placed = {name: each for name, each in every.items() if len(each.readers) > 1}
    if not placed:
        raise ParameterError(
            f"{slide.name} has fewer than two readings of one class: give two or more, of classes "
            "of one name."
        )
    classes = {name: _class(name, each, options) for name, each in placed.items()}
    return SlideAgreement(
        slide.name,
        slide.case or slide.name,
        grid,
        next(iter(classes.values())).tally.pixels,
        classes,
        label_agreement(placed) if len(placed) > 1 else {},
        slide.fingerprint,
        slide.virtual,
    )


def label_agreement(placed: Mapping[str, Placed]) -> dict[int, RatingAgreement]:
    """Return by round how far observers agree on which class a pixel is, or none.

    Only observers take part who can have marked every class. Where one marks two classes, the
    later one counts.
    """
    first = next(iter(placed.values()))
    everywhere = [
        reader
        for reader in first.readers
        if reader.role == "observer" and all(reader in each.readers for each in placed.values())
    ]
    rounds: dict[int, list[Reader]] = {}
    for reader in everywhere:
        rounds.setdefault(reader.round, []).append(reader)
    return {
        number: agreement_of_tally(_labels(placed, readers), [each.name for each in readers])
        for number, readers in rounds.items()
        if len(readers) > 1
    }


def _labels(placed: Mapping[str, Placed], readers: Sequence[Reader]) -> Tally:
    one = next(iter(placed.values()))

    def count(box: Box) -> Tally:
        labels = np.zeros((len(readers), *box.shape), np.int32)
        for number, each in enumerate(placed.values(), 1):
            chosen = [each.planes[each.readers.index(reader)] for reader in readers]
            for label, plane in zip(labels, chosen, strict=True):
                label[plane.fill(box)] = number
        return Tally.of(labels, one.counted(box))

    return _total(one, count, len(readers))


def _class(class_name: str, placed: Placed, options: Comparing) -> ClassAgreement:
    tally, readers = tally_of(placed), placed.readers
    agreed = consensus_of(tally, readers, options.consensus)
    if agreed is not None:
        consensus, answer = agreed
        tally, readers = tally.with_column(answer), (*readers, consensus.reader)
    pairs = tuple(all_pairs(readers))
    surfaces, regions = shapes_of(placed, agreed and agreed[0], pairs, options)
    found = tuple(
        PairAgreement(
            readers[i],
            readers[j],
            tally.confusion(i, j),
            placed.grid.pixel_um2,
            surfaces[number] if surfaces else None,
            regions[number] if regions else None,
        )
        for number, (i, j) in enumerate(pairs)
    )
    return ClassAgreement(class_name, readers, tally, found, agreed and agreed[0])


def tally_of(placed: Placed) -> Tally:
    """Count how the pixels of a slide are marked; memory holds a few blocks."""

    def count(box: Box) -> Tally:
        counted = placed.counted(box)
        if not counted.any():
            return Tally.total([], len(placed.readers))
        return Tally.of(placed.marked(box), counted)

    return _total(placed, count, len(placed.readers))


def _total(placed: Placed, count: Callable[[Box], Tally], readers: int) -> Tally:
    boxes = block_boxes(placed.grid.shape, _BLOCK_PX)
    return Tally.total((part for _, part in in_order(count, boxes, workers())), readers)
