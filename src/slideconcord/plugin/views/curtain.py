"""Curtain: A to the left of an edge that a hand moves, B to its right."""

from __future__ import annotations

from typing import Any

from slideconcord.comparison.views.combine import Curtain
from slideconcord.plugin.views.base import Dial
from slideconcord.plugin.views.composite_view import Composite


class SwipeCurtain(Composite):
    """Swipe between two scans."""

    key = "Alt-4"
    title = "Swipe curtain"
    tip = "A left of the edge, B right of it. Hold Shift and move the mouse, or use the slider."

    @property
    def dial(self) -> Dial:
        width = self.hub.entry.slide.shape[1] * self.hub.entry.slide.mpp.x
        return Dial("Edge at", 0, width, self._edge_um, "µm")

    def enter(self) -> None:
        self._edge_um = float(self.stage.viewer.scene.camera.center[-1])
        super().enter()
        self.stage.viewer.mouse_move_callbacks.append(self._on_move)

    def leave(self) -> None:
        self.stage.viewer.mouse_move_callbacks.remove(self._on_move)
        super().leave()

    def first(self) -> Curtain:
        # µm count from the first pixel's centre, edges from its left side
        return Curtain(self._edge_um / self.hub.entry.slide.mpp.x + 0.5)

    def turn(self, value: float) -> None:
        self._edge_um = value
        self.combine(self.first())

    def _on_move(self, _viewer: Any, event: Any) -> None:
        if "Shift" in event.modifiers and not event.is_dragging:
            self.turn(float(event.position[-1]))
