"""Where views put their layers: the user's own are out of sight meanwhile, and come back."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from slideconcord.plugin.results import same_selection
from slideconcord.plugin.settings import setting
from slideconcord.plugin.streaming import Stream

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer as NapariLayer

    from slideconcord.plugin.layers import LayerData
    from slideconcord.plugin.session import Session
    from slideconcord.slides import Slide


class Stage(QObject):
    """The layers of the view that is shown, at the beginning of the layer list.

    napari's grid puts layers into cells by their place in the list, so a view's come first.
    """

    broken = Signal()
    """A layer of the view was taken away by hand."""
    told = Signal()
    """The view has something new to say."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.layers: list[NapariLayer] = []
        self._streams: list[Stream] = []
        self._slides: list[Slide] = []
        self._seen: dict[NapariLayer, bool] = {}
        self._grid: dict[str, Any] = {}
        self._is_open = False

    @property
    def viewer(self) -> ViewerModel:
        return self._session.viewer

    @property
    def is_complete(self) -> bool:
        """Whether every streamed layer shows all that it should."""
        return all(stream.view.complete for stream in self._streams)

    def open(self) -> None:
        """Put the user's layers out of sight."""
        if self._is_open:
            return
        self._is_open = True
        self._seen = {layer: layer.visible for layer in self.viewer.layers}
        for layer in self._seen:
            layer.visible = False
        grid = self.viewer.canvas.grid
        self._grid = {
            name: getattr(grid, name) for name in ("enabled", "stride", "shape", "spacing")
        }
        self.viewer.layers.events.removed.connect(self._on_removed)
        self.viewer.layers.events.inserted.connect(self._on_inserted)

    def clear(self) -> None:
        """Take the view's layers away, the stage stays open."""
        layers, self.layers = self.layers, []
        for stream in self._streams:
            stream.close()
        self._streams = []
        self.viewer.canvas.grid.enabled = False
        with _quick_collections():
            for layer in reversed(layers):
                if layer in self.viewer.layers:
                    self.viewer.layers.remove(layer)
        for slide in self._slides:
            slide.close()
        self._slides = []

    def close(self) -> None:
        """Take the view's layers away and show the user's again, as they were."""
        if not self._is_open:
            return
        self._is_open = False
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.clear()
        for layer, visible in self._seen.items():
            if layer in self.viewer.layers:
                layer.visible = visible
        self._seen = {}
        for name, value in self._grid.items():
            setattr(self.viewer.canvas.grid, name, value)

    def add(self, data: LayerData, view: Any = None, owns: Slide | None = None) -> NapariLayer:
        """Add a layer above those added before.

        Parameters
        ----------
        data
            What the layer shows.
        view
            Streams it, where something does.
        owns
            A slide to close with the layer.
        """
        from napari.layers import Layer

        layer = Layer.create(*data)
        self.layers.append(layer)
        with same_selection(self.viewer):
            self.viewer.layers.insert(len(self.layers) - 1, layer)
        if view is not None:
            self._streams.append(Stream(layer, view))
            self._share_waiting()
        if owns is not None:
            self._slides.append(owns)
        return layer

    def ready(self) -> None:
        """Let the docks and keys speak about the first layer of the view."""
        self.viewer.layers.selection.active = self.layers[0]

    def arrange(self, layers_per_cell: int) -> None:
        """Show so many layers at a time in each cell of a grid."""
        grid = self.viewer.canvas.grid
        grid.stride, grid.shape, grid.spacing = layers_per_cell, (-1, -1), 4
        grid.enabled = True

    def _share_waiting(self) -> None:
        """Let all views together wait as long as one may: napari asks them one after another."""
        for stream in self._streams:
            stream.view.wait_s = setting("streaming.wait_ms") / 1000 / len(self._streams)

    def _on_inserted(self, event: Any) -> None:
        """Put out of sight what others add meanwhile, such as a map that is being filled."""
        layer = event.value
        if layer not in self.layers:
            self._seen[layer] = layer.visible
            layer.visible = False

    def _on_removed(self, event: Any) -> None:
        if event.value in self.layers:
            self.layers.remove(event.value)
            self.broken.emit()


@contextmanager
def _quick_collections() -> Iterator[None]:
    """Let napari's garbage collections, one with every removed layer, look at little.

    All of Python's objects take most of a second; what becomes garbage here goes with the next
    ordinary collection.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
