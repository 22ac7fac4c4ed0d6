"""A set of annotations that can be edited: every change can be undone and done again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import shapely

from slideconcord.annotations.annotation import Annotation, Colour
from slideconcord.annotations.editing.change import Bounds, Change
from slideconcord.annotations.editing.class_list import ClassList
from slideconcord.annotations.editing.rules import require_allowed
from slideconcord.annotations.editing.store import Store


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
        self._store = Store(found)
        self._done: list[Change] = []
        self._undone: list[Change] = []

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[Annotation]:
        """Give the annotations from the lowest to the topmost."""
        return iter(self._store)

    def __contains__(self, key: object) -> bool:
        return key in self._store

    def __getitem__(self, key: str) -> Annotation:
        """Return an annotation by its id.

        Raises
        ------
        AnnotationError
            When there is none.
        """
        return self._store[key]

    def get(self, key: str) -> Annotation | None:
        return self._store.get(key)

    @property
    def counts(self) -> Counter[str | None]:
        """How many annotations each class has."""
        return self._store.counts

    def coloured(self) -> Iterator[Annotation]:
        """Give the annotations in their classes' colours, as files should have them."""
        colours: dict[str | None, Colour] = {each.name: each.colour for each in self.classes}
        for annotation in self:
            colour = colours.get(annotation.class_name, annotation.colour)
            yield annotation if annotation.colour == colour else replace(annotation, colour=colour)

    def near(self, bounds: Bounds, *, hidden: bool = False) -> list[Annotation]:
        """Return what may lie in (x0, y0, x1, y1), lowest first; with ``hidden`` classes or not."""
        found = self._store.near(bounds)
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
            As `require_allowed`; nothing is changed then.
        """
        require_allowed(change, self._store.get, self.classes)
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

    def _make(self, change: Change) -> None:
        if change.classes is not None:
            self.classes = change.classes[1]
        for key, edit in change.edits.items():
            self._store.put(key, edit.after)
