"""What a change must keep to: nothing locked is touched, and all it leaves is named and valid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import shapely

from slideconcord.annotations.annotation import Annotation
from slideconcord.annotations.editing.change import Change, Edit
from slideconcord.annotations.editing.class_list import ClassList
from slideconcord.errors import AnnotationError, MismatchError


def require_allowed(
    change: Change, find: Callable[[str], Annotation | None], classes: ClassList
) -> None:
    """Refuse a change that cannot be made.

    Parameters
    ----------
    change : what is to be made
    find : gives the annotation that has an id now
    classes : as they are now

    Raises
    ------
    AnnotationError
        When it touches something locked, or would leave an annotation that is not valid.
    MismatchError
        When it was made for another state.
    """
    if change.classes is not None and change.classes[0] != classes:
        raise MismatchError("The class list has changed since: make the change again.")
    listed = change.classes[1] if change.classes else classes
    for key, edit in change.edits.items():
        now = find(key)
        if now is not edit.before and now != edit.before:
            raise MismatchError(f"Annotation {key} has changed since: make the change again.")
        if change.classes is None:
            _require_unlocked(edit, classes)
        if edit.after is not None:
            _require_named(key, edit.after, listed)
    _require_valid([edit.after for edit in change.edits.values() if edit.after is not None])


def called(annotation: Annotation) -> str:
    """Return how messages call an annotation."""
    return f"{annotation.name or annotation.class_name or 'annotation'} ({annotation.id[:8]})"


def _require_unlocked(edit: Edit, classes: ClassList) -> None:
    before, after = edit.before, edit.after
    if before is not None and after is not None and before == replace(after, locked=True):
        return  # it is unlocked by this
    for annotation in (before, after):
        if annotation is None:
            continue
        if annotation.class_name in classes.locked:
            what = "draw" if before is None else f"change {called(before)}"
            raise AnnotationError(
                f"The class {annotation.class_name} is locked: unlock it to {what}.",
                feature=annotation.id,
            )
        if annotation is before and annotation.locked:
            raise AnnotationError(
                f"{called(annotation)} is locked: unlock it first.", feature=annotation.id
            )


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
