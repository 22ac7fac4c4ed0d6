"""Round strokes: drafted while the mouse moves, made when it is let go."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing import shapes

if TYPE_CHECKING:
    from slideconcord.annotations import Annotation
    from slideconcord.plugin.annotating import Editor

Point = tuple[float, float]
_STEP = 0.15
"""A stroke's points lie this part of its radius apart, or farther."""


class Stroke:
    """A round brush that is led over the slide."""

    def __init__(self, editor: Editor, radius_um: float) -> None:
        self._editor, self._radius_um = editor, radius_um
        self._mpp = editor.entry.slide.mpp
        self._path: list[Point] = []

    def follow(self, at: Point) -> None:
        if self._path:
            dx, dy = at[0] - self._path[-1][0], at[1] - self._path[-1][1]
            um = ((dx * self._mpp.x) ** 2 + (dy * self._mpp.y) ** 2) ** 0.5
            if um < _STEP * self._radius_um:
                return
        self._path.append(at)
        self.draft()

    @property
    def area(self) -> Any:
        return shapes.stroke(self._path, self._radius_um, self._mpp)

    def draft(self) -> None:
        """Show what the stroke would make."""

    def end(self) -> None:
        """Make it."""


class Brush(Stroke):
    """Adds to what it begins in, or draws anew; nothing beside the slide."""

    def __init__(self, editor: Editor, radius_um: float, at: Point) -> None:
        super().__init__(editor, radius_um)
        disc = shapes.stroke([at], radius_um, self._mpp)
        self._template: Annotation = self._editor.template(disc, at)

    @property
    def area(self) -> Any:
        return shapes.within(super().area, self._editor.entry.slide.box)

    def draft(self) -> None:
        whole = self.area
        if whole.is_empty:
            return
        if self._template.id in self._editor.sheet:
            whole = shapes.joined([self._template.geometry, whole])
        self._editor.draft(replace(self._template, geometry=whole))

    def end(self) -> None:
        area, template = self.area, self._template
        if not area.is_empty:
            self._editor.do(lambda sheet: op.brush(sheet, area, template))


class Eraser(Stroke):
    """Erases what is chosen, else what it touches of the class that is drawn."""

    def draft(self) -> None:
        sheet, area = self._editor.sheet, self.area
        shown: dict[str, Annotation | None] = {}
        for key in self._targets(area):
            left = shapes.cut(sheet[key].geometry, area)
            shown[key] = None if left.is_empty else replace(sheet[key], geometry=left)
        self._editor.override(shown)

    def end(self) -> None:
        area = self.area
        self._editor.do(lambda sheet: op.erase(sheet, area, self._targets(area)))

    def _targets(self, area: Any) -> list[str]:
        chosen = self._editor.selection
        return [
            a.id
            for a in self._editor.sheet.near(area.bounds)
            if (a.id in chosen if chosen else a.class_name == self._editor.class_name)
            and a.geometry.geom_type in ("Polygon", "MultiPolygon")
            and not self._editor.sheet.is_locked(a)
        ]
