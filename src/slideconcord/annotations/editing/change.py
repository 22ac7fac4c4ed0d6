"""What a hand did, as a value: every annotation it touched, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slideconcord.annotations.annotation import Annotation

if TYPE_CHECKING:
    from slideconcord.annotations.editing.class_list import ClassList

Bounds = tuple[float, float, float, float]
"""(x0, y0, x1, y1), level-0 pixels."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One annotation before and after; None where it was not, or is no more."""

    before: Annotation | None
    after: Annotation | None


@dataclass(frozen=True, slots=True)
class Change:
    """A step that can be undone."""

    label: str
    """What was done, as "Undo ..." shows it."""
    edits: Mapping[str, Edit]
    """By the annotation's id."""
    classes: tuple[ClassList, ClassList] | None = None
    """The class list before and after, where it changed."""

    @property
    def reversed(self) -> Change:
        """The change that takes this one back."""
        return Change(
            self.label,
            {key: Edit(edit.after, edit.before) for key, edit in self.edits.items()},
            self.classes[::-1] if self.classes else None,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is otherwise after it."""
        return all(edit.before == edit.after for edit in self.edits.values()) and (
            self.classes is None or self.classes[0] == self.classes[1]
        )

    @property
    def bounds(self) -> list[Bounds]:
        """Around everything that looks otherwise after it, one for each annotation touched."""
        return [
            annotation.geometry.bounds
            for edit in self.edits.values()
            for annotation in (edit.before, edit.after)
            if annotation is not None and not annotation.geometry.is_empty
        ]
