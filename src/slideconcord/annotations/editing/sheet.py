"""A set of annotations that can be edited: every change can be undone and done again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import shapely

from slideconcord.annotations.annotation import Annotation, Colour
from slideconcord.annotations.editing.change import Bounds, Change, Edit
from slideconcord.annotations.editing.class_list import ClassList
from slideconcord.annotations.editing.places import Places
from slideconcord.errors import AnnotationError, MismatchError


class Sheet:
    """Annotations by id, in the order in which they were added, with their classes.

    Parameters
    ----------
    annotations : what is there at first; their ids must differ
    classes : those that can be drawn; classes that only annotations have are added to them

    Raises
    ------
    AnnotationError
        When two annotations have one id.
    """

    def __init__(
        self, annotations: Iterable[Annotation] = (), classes: ClassList | None = None
    ) -> None:
        found = tuple(annotations)
        self.classes = (classes or ClassList()).with_those_of(found)
        self._by_id: dict[str, Annotation] = {}
        self._done: list[Change] = []
        self._undone: list[Change] = []
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

    def coloured(self) -> Iterator[Annotation]:
        """Give the annotations in their classes' colours, as files should have them."""
        colours: dict[str | None, Colour] = {each.name: each.colour for each in self.classes}
        for annotation in self:
            colour = colours.get(annotation.class_name, annotation.colour)
            yield annotation if annotation.colour == colour else replace(annotation, colour=colour)

    def in_order(self, keys: Iterable[str]) -> list[Annotation]:
        """Return annotations from the lowest to the topmost."""
        return [self._by_id[key] for key in sorted(keys, key=self._ranks.__getitem__)]

    def near(self, bounds: Bounds, *, hidden: bool = False) -> list[Annotation]:
        """Return what may lie in (x0, y0, x1, y1), lowest first; with ``hidden`` classes or not."""
        found = self.in_order(self._places.near(bounds))
        return found if hidden else [a for a in found if a.class_name not in self.classes.hidden]

    def at(self, x: float, y: float) -> list[Annotation]:
        """Return the shown annotations around a level-0 point, the topmost first."""
        point = shapely.Point(x, y)
        found = self.near((x, y, x, y))
        return [a for a in reversed(found) if shapely.intersects(a.geometry, point)]

    def is_locked(self, annotation: Annotation) -> bool:
        """Tell whether an annotation, or its class, cannot be changed."""
        return annotation.locked or annotation.class_name in self.classes.locked

    # --- changes ------------------------------------------------------------------------------

    @property
    def undo_label(self) -> str | None:
        """What undo would take back; None when there is nothing."""
        return self._done[-1].label if self._done else None

    @property
    def redo_label(self) -> str | None:
        return self._undone[-1].label if self._undone else None

    def apply(self, change: Change) -> None:
        """Make a change; what was undone before it is forgotten.

        Raises
        ------
        AnnotationError, MismatchError
            As ``check``; nothing is changed then.
        """
        self.check(change)
        self._make(change)
        self._done.append(change)
        self._undone.clear()

    def undo(self) -> Change | None:
        """Take back the last change; return the change that did it, None without one."""
        if not self._done:
            return None
        change = self._done.pop()
        self._undone.append(change)
        self._make(change.reversed)
        return change.reversed

    def redo(self) -> Change | None:
        """Make the change again that was taken back last; return it, None without one."""
        if not self._undone:
            return None
        change = self._undone.pop()
        self._done.append(change)
        self._make(change)
        return change

    def retract(self) -> None:
        """Take back the last change as if it had never been made."""
        self._make(self._done.pop().reversed)

    def check(self, change: Change) -> None:
        """Refuse a change that cannot be made.

        Raises
        ------
        AnnotationError
            When it touches something locked, or would leave an annotation that is not valid.
        MismatchError
            When it was made for another state of the sheet.
        """
        classes = change.classes[1] if change.classes else self.classes
        if change.classes is not None and change.classes[0] != self.classes:
            raise MismatchError("The class list has changed since: make the change again.")
        for key, edit in change.edits.items():
            now = self._by_id.get(key)
            if now is not edit.before and now != edit.before:
                raise MismatchError(f"Annotation {key} has changed since: make the change again.")
            if change.classes is None:
                self._require_unlocked(edit)
            if edit.after is not None:
                _require_named(key, edit.after, classes)
        _require_valid([edit.after for edit in change.edits.values() if edit.after is not None])

    def _require_unlocked(self, edit: Edit) -> None:
        before, after = edit.before, edit.after
        if before is not None and after is not None and before == replace(after, locked=True):
            return  # it is unlocked by this
        for annotation in (before, after):
            if annotation is None:
                continue
            if annotation.class_name in self.classes.locked:
                what = "draw" if before is None else f"change {called(before)}"
                raise AnnotationError(
                    f"The class {annotation.class_name} is locked: unlock it to {what}.",
                    feature=annotation.id,
                )
            if annotation is before and annotation.locked:
                raise AnnotationError(
                    f"{called(annotation)} is locked: unlock it first.", feature=annotation.id
                )

    def _make(self, change: Change) -> None:
        if change.classes is not None:
            self.classes = change.classes[1]
        for key, edit in change.edits.items():
            self._put(key, edit.after)

    def _put(self, key: str, annotation: Annotation | None) -> None:
        # a rank outlives its annotation: one that comes back lies where it lay
        self._ranks.setdefault(key, len(self._ranks))
        if (before := self._by_id.pop(key, None)) is not None:
            self.counts[before.class_name] -= 1
        if annotation is not None:
            self._by_id[key] = annotation
            self.counts[annotation.class_name] += 1
        self._places.put(key, annotation.geometry if annotation is not None else None)


def called(annotation: Annotation) -> str:
    """Return how messages call an annotation."""
    return f"{annotation.name or annotation.class_name or 'annotation'} ({annotation.id[:8]})"


def _require_named(key: str, annotation: Annotation, classes: ClassList) -> None:
    if annotation.id != key:
        raise AnnotationError(
            f"{called(annotation)} is filed as {key}: use its own id.", feature=annotation.id
        )
    if annotation.class_name is not None and annotation.class_name not in classes.names:
        raise AnnotationError(
            f"{called(annotation)} has a class that is not in the list: add "
            f"{annotation.class_name} to the classes first.",
            feature=annotation.id,
        )


def _require_valid(annotations: list[Annotation]) -> None:
    geometries = np.array([a.geometry for a in annotations], object)
    for i in np.flatnonzero(shapely.is_empty(geometries)):
        raise AnnotationError(
            f"{called(annotations[i])} encloses nothing: draw it again.", feature=annotations[i].id
        )
    for i in np.flatnonzero(~shapely.is_valid(geometries)):
        raise AnnotationError(
            f"{called(annotations[i])} has an outline that is not valid "
            f"({shapely.is_valid_reason(geometries[i])}): draw it again.",
            feature=annotations[i].id,
        )
