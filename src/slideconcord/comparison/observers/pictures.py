"""Pictures of the slides on which two readings differ most: all of it, and the largest place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.observers.disputes import Dispute, find_disputes
from slideconcord.comparison.observers.votes import ReadingStack, stack_of
from slideconcord.comparison.overlay import FALSE_NEGATIVE, FALSE_POSITIVE, colours_of_kinds
from slideconcord.geometry import LARGEST_MPP, Box

if TYPE_CHECKING:
    from slideconcord.comparison.observers.pairs import PairAgreement
    from slideconcord.comparison.observers.readings import ReadSlide
    from slideconcord.comparison.observers.result import ObserverAgreement
    from slideconcord.slides import Slide

Rgb = NDArray[np.uint8]
SIDE_PX = 900
FIRST, SECOND = FALSE_POSITIVE, FALSE_NEGATIVE
"""Colours of the two outlines: those of what one reading alone marks."""
_DARK = (20, 20, 20)
_ALPHA = 110
_DASH_PX, _GAP_PX = 14, 10
_AROUND, _LEAST_UM = 1.3, 80.0


@dataclass(frozen=True, slots=True, eq=False)
class PairPicture:
    """Two readings of one class of one slide, over the slide."""

    slide: str
    class_name: str
    pair: tuple[str, str]
    dsc: float
    overview: Rgb
    """All of the slide: one alone, the other alone, both."""
    detail: Rgb | None
    """The largest place on which they differ, with the first outline and the second, dashed."""
    dispute: Dispute | None


@dataclass(frozen=True, slots=True)
class Worst:
    """Where two observers agree least."""

    place: int
    """Number of the slide in the result."""
    class_name: str
    pair: PairAgreement


def worst_pairs(found: ObserverAgreement, most: int) -> list[Worst]:
    """Return the pair with the lowest DSC of every slide and class, the worst first.

    Pairs of observers come before all others: models and consensus count only on slides that one
    observer read. Slides on which no DSC is defined are left out.
    """
    worst = []
    for place, slide in enumerate(found.slides):
        for name, agreement in slide.classes.items():
            inter = [pair for pair in agreement.pairs if pair.kind == "inter"]
            defined = [p for p in inter or agreement.pairs if np.isfinite(p.dsc)]
            if defined:
                worst.append(Worst(place, name, min(defined, key=lambda pair: pair.dsc)))
    return sorted(worst, key=lambda each: each.pair.dsc)[:most]


def picture_worst(
    found: ObserverAgreement, slides: Sequence[tuple[Slide, ReadSlide]], most: int = 4
) -> Iterator[PairPicture]:
    """Yield pictures of the slides on which observers agree least, the worst first.

    Parameters
    ----------
    found
        What was measured.
    slides
        The slides and their readings in the order of ``found``, under the names of ``found``.
    most
        How many pictures there are at most.

    Raises
    ------
    DamagedSlideError
        When a tile of a slide cannot be decoded.
    """
    for each in worst_pairs(found, most):
        slide, read = slides[each.place]
        of_slide = found.slides[each.place]
        stack = stack_of(read, of_slide.classes[each.class_name], of_slide.grid)
        names = each.pair.first.label, each.pair.second.label
        disputes = find_disputes(stack, names, most=1)
        yield PairPicture(
            of_slide.slide,
            each.class_name,
            names,
            each.pair.dsc,
            overview(slide, stack, names),
            detail(slide, stack, names, disputes[0]) if disputes else None,
            disputes[0] if disputes else None,
        )


def overview(slide: Slide, stack: ReadingStack, names: tuple[str, str]) -> Rgb:
    """Return all of a slide (y, x, 3) with what one, the other and both readings mark."""
    step = _step_for(stack, max(stack.shape))
    box = Box(0, 0, *stack.shape_at(step))
    rgb = _read(slide, stack, step, box)
    colours = colours_of_kinds(_ALPHA)[stack.kinds(*names, box, step)].astype(np.float32)
    share = colours[..., 3:] / 255
    mixed: Rgb = (rgb * (1 - share) + colours[..., :3] * share).round().astype(np.uint8)
    return mixed


def detail(slide: Slide, stack: ReadingStack, names: tuple[str, str], place: Dispute) -> Rgb:
    """Return a place of a slide (y, x, 3) with both outlines, the second one dashed."""
    mpp = max(stack.mpp)
    sides_um = [side * own for side, own in zip(place.box.shape, stack.slide_mpp, strict=True)]
    side_px = max(*sides_um, _LEAST_UM) * _AROUND / mpp
    step = _step_for(stack, side_px)
    box = _around(stack, place, step, round(side_px / step))
    rgb = np.ascontiguousarray(_read(slide, stack, step, box))
    for name, colour, dashed in zip(names, (FIRST, SECOND), (False, True), strict=True):
        _outline(rgb, stack.read(name, box, step), colour, dashed=dashed)
    return rgb


def _step_for(stack: ReadingStack, side_px: float) -> int:
    """Return the power of two at which so many pixels fit a picture."""
    step = 1
    while side_px > SIDE_PX * step and 2 * step * max(stack.mpp) <= LARGEST_MPP:
        step *= 2
    return step


def _around(stack: ReadingStack, place: Dispute, step: int, side: int) -> Box:
    frame = stack.frame.coarser(step)
    middle = place.box.y + place.box.height / 2, place.box.x + place.box.width / 2
    y, x = (round(at - side / 2) for at in frame.from_level0(*middle))
    return Box(y, x, side, side).intersect(Box(0, 0, *stack.shape_at(step)))


def _read(slide: Slide, stack: ReadingStack, step: int, box: Box) -> Rgb:
    """Return the slide on the pixels of a stack, whose frame begins where the slide does."""
    return slide.read_grid((stack.mpp.y * step, stack.mpp.x * step), box)


def _outline(
    rgb: Rgb, inside: NDArray[np.bool_], colour: tuple[int, int, int], *, dashed: bool
) -> None:
    rings, _ = cv2.findContours(inside.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    lines = [part for ring in rings for part in _dashes(ring, dashed)]
    # dark below, so that the line is seen on any tissue
    for shade, width in ((_DARK, 4), (colour, 2)):
        cv2.polylines(rgb, lines, not dashed, shade, width, cv2.LINE_AA)


def _dashes(ring: NDArray[np.int32], dashed: bool) -> list[NDArray[np.int32]]:
    if not dashed:
        return [ring]
    every = _DASH_PX + _GAP_PX
    return [ring[at : at + _DASH_PX] for at in range(0, len(ring), every)]
