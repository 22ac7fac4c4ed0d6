"""Annotations: polygons on a slide with class, observer and measurements; plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload
from uuid import uuid4

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from slideconcord.geometry import Box

Colour = tuple[int, int, int]
OBJECT_TYPES = ("annotation", "detection", "cell", "tile", "tmaCore", "root")


def new_id() -> str:
    """Return a UUID that nothing else has."""
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something outlined on a slide, drawn by an observer or found by a model."""

    geometry: BaseGeometry
    """Shapely geometry, (x, y), level-0 pixels, corner convention."""
    class_name: str | None = None
    """What it shows; a class within a class reads "Tumor: Positive"."""
    colour: Colour | None = None
    """(r, g, b), 0 to 255."""
    name: str | None = None
    observer: str | None = None
    id: str = field(default_factory=new_id)
    """UUID."""
    locked: bool = False
    object_type: str = "annotation"
    """One of ``OBJECT_TYPES``, as QuPath names them."""
    measurements: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    nucleus: BaseGeometry | None = None
    """The nucleus, where the object is a cell."""
    plane: tuple[int, int, int] | None = None
    """(channel, z, t) where that is not the only plane."""
    is_ellipse: bool = False
    """Whether the outline approximates the ellipse that fills its bounding box."""

    def shifted(self, dx: float, dy: float) -> Annotation:
        """Return the same annotation moved by whole or part level-0 pixels."""
        if not (dx or dy):
            return self
        return replace(
            self,
            geometry=_shift(self.geometry, dx, dy),
            nucleus=None if self.nucleus is None else _shift(self.nucleus, dx, dy),
        )


def _shift(geometry: BaseGeometry, dx: float, dy: float) -> BaseGeometry:
    import numpy as np
    import shapely

    return shapely.transform(geometry, lambda xy: np.add(xy, (dx, dy)))


@dataclass(frozen=True, slots=True)
class Annotations(Sequence[Annotation]):
    """An ordered collection of annotations with what its file says about all of them."""

    items: tuple[Annotation, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Provenance, frame, bounds: JSON values."""
    report: tuple[str, ...] = ()
    """One line for everything that reading or writing repaired or left out."""

    @classmethod
    def of(
        cls,
        annotations: Iterable[Annotation],
        metadata: Mapping[str, Any] | None = None,
        report: Iterable[str] = (),
    ) -> Annotations:
        return cls(tuple(annotations), dict(metadata or {}), tuple(report))

    @overload
    def __getitem__(self, index: int) -> Annotation: ...
    @overload
    def __getitem__(self, index: slice) -> Annotations: ...
    def __getitem__(self, index: int | slice) -> Annotation | Annotations:
        if isinstance(index, slice):
            return replace(self, items=self.items[index])
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self.items)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes in the order in which they first appear."""
        return tuple(dict.fromkeys(a.class_name for a in self.items if a.class_name is not None))

    def of_class(self, class_name: str | None) -> Annotations:
        """Return the annotations of one class."""
        return replace(self, items=tuple(a for a in self.items if a.class_name == class_name))

    def shifted(self, dx: float, dy: float) -> Annotations:
        """Return all annotations moved by (dx, dy) level-0 pixels."""
        if not (dx or dy):
            return self
        return replace(self, items=tuple(a.shifted(dx, dy) for a in self.items))


def bounds_record(bounds: Box) -> dict[str, int]:
    """Return how files say that a slide's bounds were subtracted from every coordinate."""
    return {"y": bounds.y, "x": bounds.x, "height": bounds.height, "width": bounds.width}
