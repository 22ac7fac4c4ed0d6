"""The mouse as brush, eraser and wand: what it does is drafted while it moves, kept when it rests.

A tool works while the drawing layer is the active one; the space bar lets the mouse pan.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal

from napari.components._viewer_mouse_bindings import double_click_to_zoom
from qtpy.QtCore import QObject, Signal

from slideconcord.plugin.annotate_keys import Keys
from slideconcord.plugin.strokes import Brush, Eraser
from slideconcord.plugin.wand import Wand

if TYPE_CHECKING:
    from slideconcord.plugin.annotating import Editor

Tool = Literal["select", "polygon", "freehand", "brush", "eraser", "wand", "split"]
Point = tuple[float, float]
_SHAPES_MODES = {
    "polygon": "add_polygon",
    "freehand": "add_polygon_lasso",
    "split": "add_polyline",
}
_ROUND = ("brush", "eraser")
_DRAGGED = (*_ROUND, "wand")


class Tools(QObject):
    """Gives the mouse over one editor's layers to one tool at a time."""

    taken = Signal(str)
    """Another tool."""

    def __init__(self, editor: Editor) -> None:
        super().__init__(editor)
        self.editor = editor
        self.tool: Tool = "select"
        self.radius_um = 20.0
        self._layer = editor.sketch.layer
        self._viewer = editor.session.viewer
        self._viewer.mouse_drag_callbacks.append(self._on_press)
        self._viewer.mouse_double_click_callbacks.append(self._on_double_click)
        self._zooms = double_click_to_zoom in self._viewer.mouse_double_click_callbacks
        if self._zooms:
            self._viewer.mouse_double_click_callbacks.remove(double_click_to_zoom)
        editor.chosen.connect(self._on_chosen)
        self.keys = Keys(editor, self._escape, self._hold_mouse)

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
            self._layer.mouse_pan = self.tool not in _DRAGGED
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
        if self.tool not in _DRAGGED:
            yield from self._click(event)
        elif not self._layer.mouse_pan:
            yield from self._drag(event, self._begin(self._level0(event)))

    def _begin(self, at: Point) -> Brush | Eraser | Wand:
        if self.tool == "brush":
            return Brush(self.editor, self.radius_um, at)
        if self.tool == "eraser":
            return Eraser(self.editor, self.radius_um)
        return Wand(self.editor, at)

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

    def _drag(self, event: Any, stroke: Brush | Eraser | Wand) -> Generator[None, None, None]:
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

    def _escape(self) -> None:
        self.editor.choose(())
        self.take("select")
