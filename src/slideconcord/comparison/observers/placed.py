"""The readings of one slide as pixels of one frame, drawn or read box by box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations import Annotations
from slideconcord.annotations.raster import Rasteriser
from slideconcord.comparison.observers.readings import Reader, Reading, ReadSlide
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.mask import BoolArray, Mask
from slideconcord.segmentation.reframe import ReframedBools
from slideconcord.slides.resample import SAME_STEP, grid_count

Bools = NDArray[np.bool_]
# Outlines that were drawn have no pixel size of their own.
DRAWN_MPP = 1.0
UNNAMED = ""


class Plane(Protocol):
    """What gives the bool pixels of a box."""

    def fill(self, box: Box) -> Bools: ...


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixels of a comparison."""

    frame: Frame
    shape: tuple[int, int]
    mpp: Mpp

    @classmethod
    def on(cls, slide: ReadSlide, mpp: float | None) -> Grid:
        """Return the grid over all of a slide, by default at the pixels of its coarsest mask.

        Raises
        ------
        ParameterError
            When the slide is coarser than ``mpp``.
        """
        masks = [r.found.mpp for r in slide.readings if isinstance(r.found, Mask)]
        coarsest = max([max(each) for each in masks] or [DRAWN_MPP])
        target = Mpp.of(mpp or max(coarsest, *slide.mpp))
        steps = [wanted / own for wanted, own in zip(target, slide.mpp, strict=True)]
        if min(steps) < 1 - SAME_STEP:
            raise ParameterError(
                f"{slide.name} has {min(slide.mpp):g} µm per pixel; compare at that or more, not "
                f"{min(target):g}: pixels are never made up."
            )
        height, width = (grid_count(n, s) for n, s in zip(slide.shape, steps, strict=True))
        return cls(Frame(0.0, 0.0, *steps), (height, width), target)

    @property
    def pixel_um2(self) -> float:
        return self.mpp.y * self.mpp.x


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """The readings of one class of one slide, and what counts, on one grid."""

    grid: Grid
    readers: tuple[Reader, ...]
    planes: tuple[Plane, ...]
    tissue: Plane | None

    def read(self, box: Box) -> Bools:
        """Return (reader, y, x): what each marks in a box; only where it counts."""
        return self.marked(box) & self.counted(box)

    def marked(self, box: Box) -> Bools:
        """Return (reader, y, x): what each marks in a box, tissue or not."""
        return np.stack([plane.fill(box) for plane in self.planes])

    def counted(self, box: Box) -> Bools:
        """Return (y, x): which pixels count."""
        return np.ones(box.shape, np.bool_) if self.tissue is None else self.tissue.fill(box)


def classes_of(slides: Iterable[ReadSlide]) -> tuple[str, ...]:
    """Return the classes that were asked for, then those that anyone marked as well."""
    found: dict[str, None] = {}
    for slide in slides:
        found |= dict.fromkeys(slide.classes)
        for reading in slide.readings:
            found |= dict.fromkeys(_classes(reading))
    return tuple(found)


def place(slide: ReadSlide, class_name: str, grid: Grid, *, alone: bool = False) -> Placed:
    """Return the readings of one class.

    Parameters
    ----------
    slide
        The slide and its readings.
    class_name
        The class; "" is what has none.
    grid
        The pixels of the comparison.
    alone
        Whether there is no other class, so that masks without a class name show this one.

    Raises
    ------
    MismatchError
        When something belongs to another slide.
    ParameterError
        When a reader gives two masks of the class.
    """
    planes: dict[Reader, Plane] = {}
    for reading in slide.readings:
        what = f"reading of {reading.reader.label}"
        plane = _plane_of(reading.found, class_name, grid, slide, what, alone)
        if plane is None:
            continue
        if reading.reader in planes:
            raise ParameterError(
                f"{reading.reader.label} reads {class_name or 'the class'} of {slide.name} twice: "
                "give the second reading another round."
            )
        planes[reading.reader] = plane
    readers = tuple(each for each in slide.readers if each in planes)
    return Placed(grid, readers, tuple(planes[each] for each in readers), _tissue(slide, grid))


def _classes(reading: Reading) -> Sequence[str]:
    if isinstance(reading.found, Mask):
        return [reading.found.class_name] if reading.found.class_name else []
    return list(dict.fromkeys(a.class_name or UNNAMED for a in reading.found))


def _plane_of(
    found: Mask | Annotations, class_name: str, grid: Grid, slide: ReadSlide, what: str, alone: bool
) -> Plane | None:
    if isinstance(found, Annotations):
        _require_slide(str(found.metadata.get("slide_fingerprint") or ""), slide, what)
        return Rasteriser(found.of_class(class_name or None), grid.frame)
    if found.class_name != class_name and not (alone and not found.class_name):
        return None
    return _of_mask(found, grid, slide, what)


def _tissue(slide: ReadSlide, grid: Grid) -> Plane | None:
    if slide.tissue is None:
        return None
    if isinstance(slide.tissue, Mask):
        return _of_mask(slide.tissue, grid, slide, "tissue")
    return Rasteriser(slide.tissue, grid.frame)


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """The pixels of a mask in the frame of the comparison."""

    pixels: BoolArray

    def fill(self, box: Box) -> Bools:
        return np.asarray(self.pixels[box.slices])


def _of_mask(mask: Mask, grid: Grid, slide: ReadSlide, what: str) -> Plane:
    _require_slide(mask.slide_fingerprint, slide, what)
    if (mask.frame, mask.shape) == (grid.frame, grid.shape):
        return _Read(mask.array)
    return _Read(ReframedBools(mask, grid.frame, grid.shape))


def _require_slide(fingerprint: str, slide: ReadSlide, what: str) -> None:
    if fingerprint and slide.fingerprint and fingerprint != slide.fingerprint:
        raise MismatchError(
            f"The {what} was made on another slide than {slide.name} (the fingerprints differ): "
            "give what belongs to this slide, or make it again."
        )
