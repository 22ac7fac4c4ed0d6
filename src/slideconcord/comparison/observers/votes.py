"""How many readings mark each pixel of a slide, and where two of them differ, box by box.

Nothing is drawn before it is asked for, at the pixel size it is asked for: a slide of any size
can be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations import Annotations
from slideconcord.annotations.raster import Rasteriser
from slideconcord.comparison.views.agreement import A_ONLY, B_ONLY, Kinds
from slideconcord.comparison.views.placed import coarsest_within
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.mask import Mask
from slideconcord.segmentation.reframe import ReframedBools

if TYPE_CHECKING:
    from slideconcord.comparison.observers.placed import Grid
    from slideconcord.comparison.observers.readings import ReadSlide
    from slideconcord.comparison.observers.result import ClassAgreement

Bools = NDArray[np.bool_]
Votes = NDArray[np.uint8]
MOST_READINGS = 255
"""As many as a byte counts."""


class Pixels(Protocol):
    """One reading, drawn at any coarseness."""

    def read(self, box: Box, step: int) -> Bools:
        """Return ``box`` of the pixels that are ``step`` times as large, (y, x)."""
        ...


class ReadingStack:
    """What several observers marked on one slide, laid on one another in one frame.

    Parameters
    ----------
    given
        Masks or annotations by the name of the reading, all of this slide and of one class.
    frame, shape
        Where the finest pixels lie on the slide, and how many there are, (y, x).
    slide_mpp
        Pixel size of the slide's level 0 in µm.
    tissue
        Beyond it nothing counts as marked; everywhere does when None.

    Raises
    ------
    ParameterError
        When there is no reading, or there are more than 255.
    """

    def __init__(
        self,
        given: Mapping[str, Mask | Annotations],
        frame: Frame,
        shape: tuple[int, int],
        slide_mpp: Mpp,
        tissue: Mask | Annotations | None = None,
    ) -> None:
        if not 0 < len(given) <= MOST_READINGS:
            raise ParameterError(
                f"{len(given)} readings cannot be laid on one another: give 1 to {MOST_READINGS}."
            )
        self.frame, self.shape, self.slide_mpp = frame, shape, slide_mpp
        self.names = tuple(given)
        self._pixels: dict[str, Pixels] = {
            name: _pixels_of(each, frame, shape) for name, each in given.items()
        }
        self._tissue = None if tissue is None else _pixels_of(tissue, frame, shape)

    def with_rule(
        self, name: str, rule: Callable[[Bools], Bools], names: Sequence[str]
    ) -> ReadingStack:
        """Return the stack with something that follows from some readings, such as a consensus.

        It can be read and compared as they can, but is none of ``names`` and has no vote.

        Parameters
        ----------
        name
            What it is called.
        rule
            Makes pixels (y, x) of those of the readings (reading, y, x).
        names
            The readings that it asks, in its order.
        """
        other = copy(self)
        asked = tuple(self._pixels[each] for each in names)
        other._pixels = {**self._pixels, name: _Ruled(asked, rule)}
        return other

    @property
    def mpp(self) -> Mpp:
        """Size of the finest pixels in µm, (y, x)."""
        return Mpp(*self.frame.scale_um(self.slide_mpp))

    def shape_at(self, step: int) -> tuple[int, int]:
        """Return how many pixels there are when they are ``step`` times as large."""
        return coarse_shape(self.shape, step)

    def steps(self, coarsest_px: int = 512) -> list[int]:
        """Return 1, 2, 4, ... until no side has more than ``coarsest_px`` pixels."""
        steps = [1]
        while max(self.shape_at(steps[-1])) > coarsest_px:
            steps.append(2 * steps[-1])
        return steps

    def read(self, name: str, box: Box, step: int = 1) -> Bools:
        """Return where one reading marks a box of pixels ``step`` times as large, (y, x).

        Raises
        ------
        ParameterError
            When no reading has this name, or the box does not lie in the pixels.
        """
        if name not in self._pixels:
            raise ParameterError(
                f"No reading is called {name!r}: choose from {', '.join(self._pixels)}."
            )
        if step < 1 or not Box(0, 0, *self.shape_at(step)).contains(box):
            raise ParameterError(
                f"{box} does not lie in the readings, which have {self.shape[0]} x "
                f"{self.shape[1]} px, at step {step}: give a box of {self.shape_at(step)}."
            )
        found = self._pixels[name].read(box, step)
        return found if self._tissue is None else found & self._tissue.read(box, step)

    def votes(self, box: Box, step: int = 1, names: Sequence[str] | None = None) -> Votes:
        """Return how many of the readings (all when None) mark each pixel of a box, (y, x)."""
        counted = np.zeros(box.shape, np.uint8)
        for name in self.names if names is None else names:
            counted += self.read(name, box, step)
        return counted

    def kinds(self, a: str, b: str, box: Box, step: int = 1) -> Kinds:
        """Return (y, x) uint8: 0 neither, 1 A only, 2 B only, 3 both."""
        return np.asarray(
            self.read(a, box, step) * np.uint8(A_ONLY) + self.read(b, box, step) * np.uint8(B_ONLY)
        )


def stack_of(slide: ReadSlide, agreement: ClassAgreement, grid: Grid) -> ReadingStack:
    """Return the readings of one class of a slide that was compared, and the consensus.

    They go by the labels of their readers. ``grid`` is that of the comparison.
    """
    given: dict[str, Mask | Annotations] = {}
    for reading in slide.readings:
        found, class_name = reading.found, agreement.class_name
        if isinstance(found, Annotations):
            found = found.of_class(class_name or None)
        elif found.class_name not in ("", class_name):
            continue
        if reading.reader in agreement.readers:
            given[reading.reader.label] = found
    stack = ReadingStack(given, grid.frame, grid.shape, slide.mpp, slide.tissue)
    rule = agreement.consensus
    if rule is None:
        return stack
    return stack.with_rule(rule.reader.label, rule.of, [each.label for each in rule.readers])


class _Drawn:
    """Annotations, drawn where and as coarsely as they are looked at."""

    def __init__(self, annotations: Annotations, frame: Frame) -> None:
        self._rasteriser, self._frame = Rasteriser(annotations, frame), frame

    def read(self, box: Box, step: int) -> Bools:
        return self._rasteriser.in_frame(self._frame.coarser(step)).fill(box)


class _Stored:
    """A mask, read from the coarsest level of its pyramid that is fine enough."""

    def __init__(self, mask: Mask, frame: Frame, shape: tuple[int, int]) -> None:
        self._mask, self._frame, self._shape = mask, frame, shape
        self._at: dict[int, ReframedBools] = {}

    def read(self, box: Box, step: int) -> Bools:
        if step not in self._at:
            self._at[step] = self._coarse(step)
        return self._at[step][box.slices]

    def _coarse(self, step: int) -> ReframedBools:
        levels = self._mask.levels or (self._mask.array,)
        factors = [2.0**number for number in range(len(levels))]
        own, frame = self._mask.frame, self._frame.coarser(step)
        number = coarsest_within(frame.step_y / own.step_y, factors)
        at_level = replace(self._mask, array=levels[number], frame=own.coarser(factors[number]))
        return ReframedBools(at_level, frame, coarse_shape(self._shape, step))


@dataclass(frozen=True, slots=True, eq=False)
class _Ruled:
    """What follows from other pixels."""

    asked: tuple[Pixels, ...]
    rule: Callable[[Bools], Bools]

    def read(self, box: Box, step: int) -> Bools:
        return self.rule(np.stack([each.read(box, step) for each in self.asked]))


def coarse_shape(shape: tuple[int, int], step: int) -> tuple[int, int]:
    """Return how many pixels ``step`` times as large cover ``shape``."""
    return -(-shape[0] // step), -(-shape[1] // step)


def _pixels_of(given: Mask | Annotations, frame: Frame, shape: tuple[int, int]) -> Pixels:
    return _Drawn(given, frame) if isinstance(given, Annotations) else _Stored(given, frame, shape)
