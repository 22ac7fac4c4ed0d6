"""One place of the glass, marked in every cell at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from slideconcord.plugin.layers import UNITS
from slideconcord.plugin.throttle import Throttle

if TYPE_CHECKING:
    from napari.layers import Vectors

    from slideconcord.plugin.views.stage import Stage

_GAP_PX, _ARM_PX, _WIDTH_PX = 5.0, 22.0, 2.0
_COLOUR = "#ffb000"
_MOVE_MS = 15


class CrossHair(QObject):
    """Follows the mouse; its layers are drawn in screen pixels and only moved."""

    pointed = Signal(float, float)
    """Where the mouse is, (y, x) in µm of the hub."""

    def __init__(self, stage: Stage, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stage = stage
        self._layers: list[Vectors] = []
        self.at_um = tuple(float(v) for v in stage.viewer.scene.camera.center[-2:])
        self._move = Throttle(self._place, _MOVE_MS, self)
        stage.viewer.mouse_move_callbacks.append(self._on_move)
        stage.viewer.scene.camera.events.zoom.connect(self._move.ask)

    def add(self) -> Vectors:
        """Add a cross above the layers added so far."""
        ways = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], float)
        data = np.stack([ways * _GAP_PX, ways * _ARM_PX], 1)
        keywords = {
            "name": "cross-hair",
            "edge_width": _WIDTH_PX,
            "edge_color": _COLOUR,
            "vector_style": "line",
            "units": UNITS,
        }
        layer = self._stage.add((data, keywords, "vectors"))
        self._layers.append(layer)
        self._move.ask()
        return layer

    def close(self) -> None:
        """Let go of mouse and camera."""
        self._stage.viewer.mouse_move_callbacks.remove(self._on_move)
        self._stage.viewer.scene.camera.events.zoom.disconnect(self._move.ask)
        self._move.cancel()

    def point(self, y_um: float, x_um: float) -> None:
        """Mark a place of the hub."""
        self.at_um = y_um, x_um
        self._move.ask()

    def _on_move(self, _viewer: Any, event: Any) -> None:
        self.point(*(float(v) for v in tuple(event.position)[-2:]))
        self.pointed.emit(*self.at_um)

    def _place(self) -> None:
        scale = 1 / self._stage.viewer.scene.camera.zoom
        for layer in self._layers:
            layer.scale = (scale, scale)
            layer.translate = self.at_um
