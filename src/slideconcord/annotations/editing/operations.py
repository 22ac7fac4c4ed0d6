"""What the tools do, each as the change it makes to a sheet; the sheet itself stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import Annotation, new_id
from slideconcord.annotations.classes import AnnotationClass
from slideconcord.annotations.editing import shapes
from slideconcord.annotations.editing.change import Change, Edit
from slideconcord.annotations.editing.class_list import ClassList
from slideconcord.annotations.editing.rules import called
from slideconcord.annotations.editing.sheet import Sheet
from slideconcord.errors import AnnotationError
from slideconcord.geometry import Mpp

Ids = Sequence[str]


def add(annotations: Iterable[Annotation], label: str = "draw") -> Change:
    """Add annotations; those without an area after repair are left out."""
    return Change(label, {a.id: Edit(None, a) for a in annotations})


def delete(sheet: Sheet, ids: Ids) -> Change:
    """Take annotations away."""
    return Change("delete", {key: Edit(sheet[key], None) for key in ids})


def reshape(sheet: Sheet, key: str, geometry: BaseGeometry, label: str = "reshape") -> Change:
    """Give an annotation another outline; it is deleted when that encloses nothing."""
    return Change(label, {key: Edit(sheet[key], _with_area(sheet[key], geometry))})


def set_class(sheet: Sheet, ids: Ids, class_name: str | None) -> Change:
    """Give annotations another class of the list, or none."""
    colour = None if class_name is None else sheet.classes.of(class_name).colour
    return Change(
        "change class",
        {
            key: Edit(sheet[key], replace(sheet[key], class_name=class_name, colour=colour))
            for key in ids
        },
    )


def set_locked(sheet: Sheet, ids: Ids, locked: bool) -> Change:
    """Lock annotations one by one, or unlock them."""
    edits = {
        key: Edit(sheet[key], replace(sheet[key], locked=locked))
        for key in ids
        if sheet[key].locked != locked
    }
    return Change("lock" if locked else "unlock", edits)


def merge(sheet: Sheet, ids: Ids) -> Change:
    """Join annotations into the first of them, which keeps its class and name.

    Raises
    ------
    AnnotationError
        When there are not two or more, or one has no area.
    """
    first, others = _first_and_others(sheet, ids, "merge")
    whole = shapes.joined([_area(sheet[key]) for key in (first, *others)])
    edits = {first: Edit(sheet[first], _with_area(sheet[first], whole))}
    return Change("merge", edits | {key: Edit(sheet[key], None) for key in others})


def subtract(sheet: Sheet, ids: Ids) -> Change:
    """Take the others out of the first annotation; the others stay.

    Raises
    ------
    AnnotationError
        When there are not two or more, or one has no area.
    """
    first, others = _first_and_others(sheet, ids, "subtract")
    away = shapes.joined([_area(sheet[key]) for key in others])
    return reshape(sheet, first, shapes.cut(_area(sheet[first]), away), "subtract")


def split(sheet: Sheet, ids: Ids, line: shapes.Points) -> Change:
    """Cut annotations along a line; the largest piece of each keeps its id.

    Raises
    ------
    AnnotationError
        When the line cuts none of them.
    """
    edits: dict[str, Edit] = {}
    for key in ids:
        old = sheet[key]
        first, *rest = shapes.pieces(_area(old), line)
        if rest:
            edits[key] = Edit(old, _with_area(old, first))
            new = [replace(old, geometry=piece, id=new_id(), is_ellipse=False) for piece in rest]
            edits |= {piece.id: Edit(None, piece) for piece in new}
    if not edits:
        raise AnnotationError(
            "The line cuts none of the chosen annotations: draw it right across one of them."
        )
    return Change("split", edits)


def fill_holes(sheet: Sheet, ids: Ids, mpp: Mpp, max_area_um2: float | None = None) -> Change:
    """Fill the holes of annotations; only those up to ``max_area_um2`` when given."""
    return _each(
        sheet, ids, "fill holes", lambda area: shapes.without_holes(area, mpp, max_area_um2)
    )


def smooth(sheet: Sheet, ids: Ids, radius_um: float, mpp: Mpp) -> Change:
    """Round the corners of annotations to a radius in µm; what is narrower than two goes."""
    return _each(sheet, ids, "smooth", lambda area: shapes.smoothed(area, radius_um, mpp))


def brush(sheet: Sheet, stroke: BaseGeometry, template: Annotation) -> Change:
    """Add a stroke: to the annotation ``template`` where the sheet has it, else as a new one."""
    old = sheet.get(template.id)
    if old is None:
        return Change("brush", {template.id: Edit(None, _with_area(template, stroke))})
    return reshape(sheet, old.id, shapes.joined([_area(old), stroke]), "brush")


def erase(sheet: Sheet, stroke: BaseGeometry, ids: Ids) -> Change:
    """Take a stroke out of annotations; those it covers whole are deleted."""
    return _each(sheet, ids, "erase", lambda area: shapes.cut(area, stroke))


def edit_classes(sheet: Sheet, classes: ClassList, label: str = "edit classes") -> Change:
    """Take another class list; every class in use must be in it."""
    return Change(label, {}, (sheet.classes, classes))


def replace_class(sheet: Sheet, name: str, new: AnnotationClass) -> Change:
    """Rename or recolour a class, and with it its annotations."""
    edits = {
        a.id: Edit(a, replace(a, class_name=new.name))
        for a in sheet
        if a.class_name == name != new.name
    }
    return Change("edit class", edits, (sheet.classes, sheet.classes.replaced(name, new)))


def remove_class(sheet: Sheet, name: str) -> Change:
    """Remove a class with all its annotations.

    Raises
    ------
    AnnotationError
        When it is locked.
    """
    if name in sheet.classes.locked:
        raise AnnotationError(f"The class {name} is locked: unlock it to remove it.")
    edits = {a.id: Edit(a, None) for a in sheet if a.class_name == name}
    return Change("remove class", edits, (sheet.classes, sheet.classes.removed(name)))


def _each(
    sheet: Sheet, ids: Ids, label: str, action: Callable[[BaseGeometry], BaseGeometry]
) -> Change:
    edits = {}
    for key in ids:
        old = sheet[key]
        area = _area(old)
        new = action(area)
        if not new.equals(area):
            edits[key] = Edit(old, _with_area(old, new))
    return Change(label, edits)


def _with_area(annotation: Annotation, geometry: BaseGeometry) -> Annotation | None:
    """Return an annotation with another area; what was measured of the old one is dropped."""
    area = shapes.area_of(geometry)
    if area.is_empty:
        return None
    return replace(annotation, geometry=area, measurements={}, is_ellipse=False, nucleus=None)


def _area(annotation: Annotation) -> BaseGeometry:
    area = annotation.geometry
    if area.geom_type not in ("Polygon", "MultiPolygon"):
        raise AnnotationError(
            f"{called(annotation)} is a {area.geom_type} without an area: choose areas.",
            feature=annotation.id,
        )
    return area


def _first_and_others(sheet: Sheet, ids: Ids, what: str) -> tuple[str, list[str]]:
    first, *others = dict.fromkeys(ids) or [""]
    if not others:
        raise AnnotationError(f"Choose two annotations or more to {what}.")
    return first, others
