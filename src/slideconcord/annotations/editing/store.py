"""Annotations by id: in which order they were added, where they lie, how many each class has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from slideconcord.annotations.annotation import Annotation
from slideconcord.annotations.editing.change import Bounds
from slideconcord.annotations.editing.places import Places
from slideconcord.errors import AnnotationError


class Store:
    """Holds annotations, from the lowest to the topmost.

    Raises
    ------
    AnnotationError
        When two annotations have one id.
    """

    def __init__(self, annotations: Iterable[Annotation] = ()) -> None:
        found = tuple(annotations)
        self._by_id: dict[str, Annotation] = {}
        for annotation in found:
            if annotation.id in self._by_id:
                raise AnnotationError(
                    f"Two annotations have the id {annotation.id}: give each its own.",
                    feature=annotation.id,
                )
            self._by_id[annotation.id] = annotation
        self._ranks = {key: rank for rank, key in enumerate(self._by_id)}
        self._places = Places({a.id: a.geometry for a in found})
        self.counts: Counter[str | None] = Counter(a.class_name for a in found)
        """How many annotations each class has."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Annotation]:
        """Give the annotations from the lowest to the topmost."""
        return iter(self.in_order(self._by_id))

    def __contains__(self, key: object) -> bool:
        return key in self._by_id

    def __getitem__(self, key: str) -> Annotation:
        """Return an annotation by its id.

        Raises
        ------
        AnnotationError
            When there is none.
        """
        if key not in self._by_id:
            raise AnnotationError(f"There is no annotation {key}: choose another.", feature=key)
        return self._by_id[key]

    def get(self, key: str) -> Annotation | None:
        return self._by_id.get(key)

    def in_order(self, keys: Iterable[str]) -> list[Annotation]:
        """Return annotations from the lowest to the topmost."""
        return [self._by_id[key] for key in sorted(keys, key=self._ranks.__getitem__)]

    def near(self, bounds: Bounds) -> list[Annotation]:
        """Return what may lie in (x0, y0, x1, y1), lowest first."""
        return self.in_order(self._places.near(bounds))

    def put(self, key: str, annotation: Annotation | None) -> None:
        """Hold an annotation in the place of what was called so; None takes it away."""
        # a rank outlives its annotation: one that comes back lies where it lay
        self._ranks.setdefault(key, len(self._ranks))
        if (before := self._by_id.pop(key, None)) is not None:
            self.counts[before.class_name] -= 1
        if annotation is not None:
            self._by_id[key] = annotation
            self.counts[annotation.class_name] += 1
        self._places.put(key, annotation.geometry if annotation is not None else None)
