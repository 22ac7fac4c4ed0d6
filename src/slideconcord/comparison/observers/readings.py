"""Who read which slide, and what they marked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from slideconcord.annotations import Annotations
from slideconcord.errors import ParameterError
from slideconcord.geometry import Mpp
from slideconcord.samples.origin import virtual_note
from slideconcord.segmentation.mask import Mask

if TYPE_CHECKING:
    from slideconcord.slides import Slide

Role = Literal["observer", "model", "consensus"]


@dataclass(frozen=True, slots=True)
class Reader:
    """An observer in one round of reading, a model, or a consensus."""

    name: str
    round: int = 1
    """Counted from 1; an observer who reads a slide again does so in another round."""
    role: Role = "observer"

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ParameterError("A reader has no name: give each observer and model one.")
        if self.round < 1:
            raise ParameterError(f"{self.name} has round {self.round}: rounds count from 1.")

    @property
    def label(self) -> str:
        """How tables and pictures call it."""
        return self.name if self.round == 1 else f"{self.name}, round {self.round}"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one reader marked on one slide.

    Annotations speak for all classes: of a class that is not among them, nothing was marked. A
    mask speaks for its own class alone; one reader can have a mask for each.
    """

    reader: Reader
    found: Mask | Annotations


@dataclass(frozen=True, slots=True, eq=False)
class ReadSlide:
    """A slide and all readings of it."""

    name: str
    shape: tuple[int, int]
    """(height, width) of level 0."""
    mpp: Mpp
    """Pixel size of level 0 in µm."""
    readings: tuple[Reading, ...]
    case: str = ""
    """The patient: slides of one case are drawn together. A slide without is its own case."""
    fingerprint: str = ""
    tissue: Mask | Annotations | None = field(default=None, repr=False)
    """What counts; all pixels when None."""
    classes: tuple[str, ...] = ()
    """The classes that were asked for. One that nobody marked is compared as well: all agree."""
    virtual: str = ""
    """What must be said wherever results appear, when nobody scanned the slide."""

    @classmethod
    def of(
        cls,
        slide: Slide,
        readings: Iterable[Reading],
        *,
        name: str = "",
        case: str = "",
        classes: Iterable[str] = (),
        tissue: Mask | Annotations | Literal["find"] | None = "find",
    ) -> ReadSlide:
        """Describe an open slide; its tissue is found (`find_tissue`) unless it is given."""
        if isinstance(tissue, str):
            from slideconcord.segmentation.tissue import find_tissue

            tissue = find_tissue(slide, box=slide.bounds)
        return cls(
            name or slide.name,
            slide.shape,
            slide.mpp,
            tuple(readings),
            case,
            slide.fingerprint,
            tissue,
            tuple(classes),
            virtual_note(slide.scanner),
        )

    @property
    def readers(self) -> tuple[Reader, ...]:
        """Everyone who read it: observers by round, then models, each in the order given."""
        found = dict.fromkeys(reading.reader for reading in self.readings)
        return tuple(sorted(found, key=lambda each: (each.role == "model", each.round)))
