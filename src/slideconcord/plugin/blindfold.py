"""While a reading is open, an observer sees the slide and their own drawing, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slideconcord.plugin.tags import tag_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Layer

_OWN = ("slide", "region", "annotations", "sketch")


class Blindfold:
    """Hides every layer but those of one slide that show it or are drawn on it.

    Parameters
    ----------
    viewer
        The viewer.
    slide_id
        The opening of the slide that is read.
    say
        Told, in a sentence, when a layer is kept hidden that somebody wanted to see.
    """

    def __init__(self, viewer: ViewerModel, slide_id: str, say: Callable[[str], None]) -> None:
        self._viewer, self._slide_id, self._say = viewer, slide_id, say
        self._hidden: dict[Layer, bool] = {}
        """What was hidden, and whether it was visible before."""
        for layer in viewer.layers:
            self._hide(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)

    def take_off(self) -> None:
        """Show again what was visible before."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for layer, was_visible in self._hidden.items():
            layer.events.visible.disconnect(self._on_visible)
            layer.visible = was_visible
        self._hidden.clear()

    def _hide(self, layer: Layer) -> None:
        tag = tag_of(layer)
        if tag is not None and tag["id"] == self._slide_id and tag["kind"] in _OWN:
            return
        self._hidden[layer] = layer.visible
        layer.visible = False
        layer.events.visible.connect(self._on_visible)

    def _on_inserted(self, event: Any) -> None:
        self._hide(event.value)
        if event.value in self._hidden:
            self._tell(event.value)

    def _on_removed(self, event: Any) -> None:
        if self._hidden.pop(event.value, None) is not None:
            event.value.events.visible.disconnect(self._on_visible)

    def _on_visible(self, event: Any) -> None:
        layer = event.source
        if layer.visible:
            layer.visible = False
            self._tell(layer)

    def _tell(self, layer: Layer) -> None:
        self._say(f"{layer.name} stays hidden until you close the reading: the study is blinded.")
