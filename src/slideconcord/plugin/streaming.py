"""Sharp tiles arrive in worker threads; the layer that shows them is drawn anew on the GUI's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from slideconcord.plugin.settings import is_set, setting
from slideconcord.plugin.throttle import Throttle
from slideconcord.slides.cache import shared_cache

if TYPE_CHECKING:
    from napari.layers import Layer

    from slideconcord.slides.view import SlideView

REFRESH_MS = 50


class Stream(QObject):
    """Lets a view show coarse pixels first, and draws its layer anew when sharp ones came."""

    ready = Signal()
    """Tiles that the last picture lacked have come; emitted from any thread."""

    def __init__(self, layer: Layer, view: SlideView) -> None:
        super().__init__()
        self._layer = layer
        self.view = view
        self._refresh = Throttle(self._draw, REFRESH_MS, self)
        self.ready.connect(self._refresh.ask)
        if is_set("streaming.tile_cache_mb"):
            shared_cache().max_bytes = setting("streaming.tile_cache_mb") << 20
        view.wait_s = setting("streaming.wait_ms") / 1000
        view.on_ready = self.ready.emit

    def close(self) -> None:
        """Stop drawing, and stop decoding what only this layer wanted."""
        self.view.close()
        self.view.wait_s = None  # whoever still reads it has nobody to call back
        self._refresh.cancel()

    def _draw(self) -> None:
        self._layer.refresh(extent=False, thumbnail=False, highlight=False)
