"""The mouse as brush, eraser and wand: what it does is drafted while it moves, kept when it rests.

A tool works while the drawing layer is the active one; the space bar lets the mouse pan.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from napari.components._viewer_mouse_bindings import double_click_to_zoom
from qtpy.QtCore import QObject, Signal

from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing import shapes
from slideconcord.plugin.wand import Wand

if TYPE_CHECKING:
    from slideconcord.annotations import Annotation
    from slideconcord.plugin.annotating import Editor

Tool = Literal["select", "polygon", "freehand", "brush", "eraser", "wand", "split"]
Point = tuple[float, float]
_SHAPES_MODES = {
    "polygon": "add_polygon",
    "freehand": "add_polygon_lasso",
    "split": "add_polyline",
}
_ROUND = ("brush", "eraser")
_STEP = 0.15
"""A stroke's points lie this part of its radius apart, or farther."""


class Tools(QObject):
    """Gives the mouse over one editor's layers to one tool at a time."""

    taken = Signal(str)
    """Another tool."""

    def __init__(self, editor: Editor) -> None:
        super().__init__(editor)
        self.editor = editor
        self.tool: Tool = "select"
        self.radius_um = 20.0
        self._class_keys: dict[str, str] = {}
        self._layer = editor.sketch.layer
        self._viewer = editor.session.viewer
        self._viewer.mouse_drag_callbacks.append(self._on_press)
        self._viewer.mouse_double_click_callbacks.append(self._on_double_click)
        self._zooms = double_click_to_zoom in self._viewer.mouse_double_click_callbacks
        if self._zooms:
            self._viewer.mouse_double_click_callbacks.remove(double_click_to_zoom)
        editor.chosen.connect(self._on_chosen)
        self._bind_keys()

    def close(self) -> None:
        """Let go of the mouse."""
        self.editor.chosen.disconnect(self._on_chosen)
        self._viewer.mouse_drag_callbacks.remove(self._on_press)
        self._viewer.mouse_double_click_callbacks.remove(self._on_double_click)
        if self._zooms:
            self._viewer.mouse_double_click_callbacks.append(double_click_to_zoom)

    def take(self, tool: Tool) -> None:
        """Use another tool from now on."""
        self.tool = tool
        self.editor.sketch.splits = tool == "split"
        self._viewer.layers.selection.active = self._layer
        self._layer.mode = _SHAPES_MODES.get(tool, "pan_zoom")
        self._hold_mouse()
        self._conceal(())
        self.taken.emit(tool)

    def set_radius(self, radius_um: float) -> None:
        self.radius_um = radius_um
        self._hold_mouse()

    def pull_vertices(self) -> None:
        """Let the outlines of what is chosen be pulled."""
        self.take("select")
        self._layer.mode = "direct"
        self.editor.sketch.show_selection()
        self._conceal(self.editor.selection)

    def _conceal(self, keys: Any) -> None:
        """Show what is pulled as shapes alone."""
        self.editor.override(dict.fromkeys(keys))

    def _hold_mouse(self) -> None:
        """Let a drag draw, or move the slide."""
        if self._layer.mode == "pan_zoom":
            self._layer.mouse_pan = self.tool == "select"
            is_round = self.tool in _ROUND
            shape = {"wand": "crosshair"}.get(self.tool, "standard")
            self._layer.cursor = "circle" if is_round else shape
        self._layer.cursor_size = 2 * self.radius_um

    def _on_chosen(self) -> None:
        if self.editor.sketch.edits_vertices:
            self._conceal(self.editor.selection)

    # --- the mouse ------------------------------------------------------------------------------

    @property
    def _is_at_work(self) -> bool:
        return self._viewer.layers.selection.active is self._layer and (
            self._layer.mode == "pan_zoom"
        )

    def _on_press(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        if event.button != 1 or not self._is_at_work:
            return
        begin: Callable[[Point], Any] | None = {
            "brush": self._begin_brush,
            "eraser": self._begin_eraser,
            "wand": self._begin_wand,
        }.get(self.tool)
        if begin is None:
            yield from self._click(event)
        elif self._layer.mouse_pan is False:
            yield from self._drag(event, begin(self._level0(event)))

    def _click(self, event: Any) -> Generator[None, None, None]:
        at, more, has_moved = self._level0(event), "Shift" in event.modifiers, False
        yield
        while event.type == "mouse_move":
            has_moved = True
            yield
        if not has_moved:
            self.editor.choose_at(*at, more=more)

    def _on_double_click(self, viewer: Any, event: Any) -> None:
        if not self._is_at_work:
            if self._zooms and viewer.layers.selection.active is not self._layer:
                double_click_to_zoom(viewer, event)
        elif self.tool == "select":
            self.editor.choose_at(*self._level0(event))
            if self.editor.selection:
                self.pull_vertices()

    def _drag(self, event: Any, stroke: Any) -> Generator[None, None, None]:
        stroke.follow(self._level0(event))
        yield
        while event.type == "mouse_move":
            stroke.follow(self._level0(event))
            yield
        self.editor.draft(None)
        stroke.end()

    def _level0(self, event: Any) -> Point:
        """Return a place of the world in level-0 corner coordinates (x, y)."""
        y, x = self._layer.world_to_data(event.position)[-2:]
        return float(x) + 0.5, float(y) + 0.5

    def _begin_brush(self, at: Point) -> _Stroke:
        return _Brush(self, at)

    def _begin_eraser(self, at: Point) -> _Stroke:
        return _Eraser(self, at)

    def _begin_wand(self, at: Point) -> Wand:
        return Wand(self.editor, at)

    # --- the keys -------------------------------------------------------------------------------

    def _bind_keys(self) -> None:
        editor, bind = self.editor, self._layer.bind_key

        def pan(_layer: Any) -> Generator[None, None, None]:
            self._layer.mouse_pan = True
            yield
            self._hold_mouse()

        bind("Space", pan, overwrite=True)
        for key, action in {
            "Control-Z": editor.undo,
            "Control-Shift-Z": editor.redo,
            "Control-Y": editor.redo,
            "Delete": editor.delete_chosen,
            "Backspace": editor.delete_chosen,
            "Escape": self._escape,
        }.items():
            bind(key, _calling(action), overwrite=True)
        self.bind_classes()

    def bind_classes(self) -> None:
        """Let each class be chosen by its key, and no other key choose one."""
        for key in self._class_keys:
            self._layer.bind_key(key, None)
        self._class_keys = {c.key.upper(): c.name for c in self.editor.sheet.classes if c.key}
        for key, name in self._class_keys.items():
            take = partial(self.editor.take_class, name)
            self._layer.bind_key(key, _calling(take), overwrite=True)

    def _escape(self) -> None:
        self.editor.choose(())
        self.take("select")


class _Stroke:
    """A round brush that is led over the slide."""

    def __init__(self, tools: Tools, at: Point) -> None:
        self._tools, self._editor = tools, tools.editor
        self._mpp = tools.editor.entry.slide.mpp
        self._path: list[Point] = []

    def follow(self, at: Point) -> None:
        if self._path:
            dx, dy = at[0] - self._path[-1][0], at[1] - self._path[-1][1]
            um = ((dx * self._mpp.x) ** 2 + (dy * self._mpp.y) ** 2) ** 0.5
            if um < _STEP * self._tools.radius_um:
                return
        self._path.append(at)
        self.draft()

    @property
    def area(self) -> Any:
        return shapes.stroke(self._path, self._tools.radius_um, self._mpp)

    def draft(self) -> None:
        """Show what the stroke would make."""

    def end(self) -> None:
        """Make it."""


class _Brush(_Stroke):
    def __init__(self, tools: Tools, at: Point) -> None:
        super().__init__(tools, at)
        disc = shapes.stroke([at], tools.radius_um, self._mpp)
        self._template: Annotation = self._editor.template(disc, at)

    def draft(self) -> None:
        whole = self.area
        if self._template.id in self._editor.sheet:
            whole = shapes.joined([self._template.geometry, whole])
        self._editor.draft(replace(self._template, geometry=whole))

    def end(self) -> None:
        area, template = self.area, self._template
        self._editor.do(lambda sheet: op.brush(sheet, area, template))


class _Eraser(_Stroke):
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


def _calling(action: Callable[[], Any]) -> Callable[[Any], None]:
    """Return what a key does; a function, since napari asks for its name."""

    def act(_layer: Any) -> None:
        action()

    return act
