"""Lines of text in the upper left corner of the picture, or of each cell of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from slideconcord.plugin.layers import UNITS
from slideconcord.plugin.throttle import Throttle

if TYPE_CHECKING:
    from napari.layers import Points

    from slideconcord.plugin.views.stage import Stage

# Readable on glass, on tissue and on napari's black.
COLOUR, ALARM = "#1769ff", "#e00020"
_INSET_PX = (8.0, 10.0)
_MOVE_MS = 15


class Captions(QObject):
    """Keeps texts in the corner while the camera moves."""

    def __init__(self, stage: Stage, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stage = stage
        self._layers: list[Points] = []
        self._move = Throttle(self._place, _MOVE_MS, self)
        viewer = stage.viewer
        camera = viewer.scene.camera.events
        self._watched = (camera.center, camera.zoom, viewer.canvas.events.size)
        for event in self._watched:
            event.connect(self._move.ask)

    def add(self, text: str, *, alarm: bool = False) -> Points:
        """Add a line of text above the layers added so far."""
        keywords = {
            "name": f"caption: {text}",
            "ndim": 2,
            "features": {"caption": [text]},
            "text": {
                "string": "{caption}",
                "size": 11,
                "color": ALARM if alarm else COLOUR,
                "anchor": "lower_left",
            },
            "face_color": "transparent",
            "border_color": "transparent",
            "size": 0.01,
            "units": UNITS,
        }
        layer = self._stage.add(([[0.0, 0.0]], keywords, "points"))
        self._layers.append(layer)
        self._move.ask()
        return layer

    def say(self, layer: Points, text: str) -> None:
        """Show another text."""
        layer.features = {"caption": [text]}
        layer.refresh_text()

    def close(self) -> None:
        """Let go of the camera."""
        for event in self._watched:
            event.disconnect(self._move.ask)
        self._move.cancel()

    def _place(self, _event: Any = None) -> None:
        viewer = self._stage.viewer
        height, width = viewer.canvas.viewbox_size(viewer.layers)
        zoom = viewer.scene.camera.zoom
        y, x = viewer.scene.camera.center[-2:]
        top, left = y - (height / 2 - _INSET_PX[0]) / zoom, x - (width / 2 - _INSET_PX[1]) / zoom
        for layer in self._layers:
            layer.translate = (top, left)
