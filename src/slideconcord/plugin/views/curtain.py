"""Curtain: A to the left of an edge that a hand moves, B to its right."""

from __future__ import annotations

from typing import Any

import numpy as np

from slideconcord.comparison.views.combine import Curtain
from slideconcord.plugin.layers import UNITS
from slideconcord.plugin.views.base import Dial
from slideconcord.plugin.views.composite_view import Composite

_WIDTH_PX = 1.5
_COLOUR = "#ffb000"


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
        self._line = self._add_line()
        self.stage.viewer.scene.camera.events.zoom.connect(self._thin)
        self.stage.viewer.mouse_move_callbacks.append(self._on_move)

    def leave(self) -> None:
        self.stage.viewer.mouse_move_callbacks.remove(self._on_move)
        self.stage.viewer.scene.camera.events.zoom.disconnect(self._thin)
        super().leave()

    def first(self) -> Curtain:
        # µm count from the first pixel's centre, edges from its left side
        return Curtain(self._edge_um / self.hub.entry.slide.mpp.x + 0.5)

    def turn(self, value: float) -> None:
        self._edge_um = value
        self._line.translate = (0.0, value)
        self.combine(self.first())

    def _add_line(self) -> Any:
        slide = self.hub.entry.slide
        keywords = {
            "name": "edge",
            "edge_color": _COLOUR,
            "vector_style": "line",
            "translate": (0.0, self._edge_um),
            "units": UNITS,
        }
        line = np.array([[[0.0, 0.0], [slide.shape[0] * slide.mpp.y, 0.0]]])
        layer = self.stage.add((line, keywords, "vectors"))
        layer.edge_width = self._width_um
        return layer

    @property
    def _width_um(self) -> float:
        return float(_WIDTH_PX / self.stage.viewer.scene.camera.zoom)

    def _thin(self, _event: Any = None) -> None:
        """Keep the line as thin on the screen, however near one looks."""
        self._line.edge_width = self._width_um

    def _on_move(self, _viewer: Any, event: Any) -> None:
        if "Shift" in event.modifiers and not event.is_dragging:
            self.turn(float(event.position[-1]))
