"""What ties one napari viewer to one workspace, whether or not a dock is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from qtpy.QtWidgets import QApplication

from slideconcord.plugin.compilers import keep_compilers_apart
from slideconcord.plugin.keys import bind_keys
from slideconcord.plugin.layers import slide_layer
from slideconcord.plugin.pins_layer import hide_pins, show_pins
from slideconcord.plugin.results import show_mask
from slideconcord.plugin.scans import Case
from slideconcord.plugin.streaming import Stream
from slideconcord.plugin.tags import KEY, Tag, find_layer, tag_of
from slideconcord.plugin.workspace import SlideEntry, Workspace

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_sessions: WeakKeyDictionary[ViewerModel, Session] = WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of a viewer, made at the first call."""
    # Plugin widgets get a proxy that is made anew each time: the viewer inside is the constant.
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _sessions:
        keep_compilers_apart()
        _sessions[viewer] = Session(viewer)
    return _sessions[viewer]


class Session:
    """Follows the layers of a viewer and keeps the workspace true to them."""

    def __init__(self, viewer: ViewerModel) -> None:
        # Weak: the sessions' table must not keep a closed window alive.
        self._viewer = ref(viewer)
        self.workspace = Workspace()
        self.case = Case()
        """The scans of one glass slide; the Scanners dock fills it."""
        self._streams: dict[Layer, Stream] = {}
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.events.active.connect(self._on_active)
        self.workspace.entries.events.inserted.connect(self._on_entry)
        bind_keys(viewer, self.workspace)
        for layer in viewer.layers:
            self._adopt(layer)
        self._on_active()

    @property
    def viewer(self) -> ViewerModel:
        """The viewer; its docks do not outlive it."""
        viewer = self._viewer()
        if viewer is None:
            raise ReferenceError("This session's viewer is gone: ask session_of for another.")
        return viewer

    def layer_of(self, entry: SlideEntry | None) -> Layer | None:
        """Return the layer that shows an entry's slide."""
        return find_layer(self.viewer.layers, entry.id, "slide") if entry else None

    def close(self) -> None:
        """Let go of the viewer."""
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.viewer.layers.selection.events.active.disconnect(self._on_active)
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
        _sessions.pop(self.viewer, None)

    def _on_entry(self, _index: int, entry: SlideEntry) -> None:
        """Keep a mask that is shown true to its entry, whoever changes the thresholds."""
        follow = partial(self._follow_tuning, entry)
        events = entry.events
        for signal in (events.tuning, events.style, events.index, events.exact):
            signal.connect(follow)
        events.tuning.connect(partial(self._follow_pins, entry))

    def _follow_tuning(self, entry: SlideEntry, _value: Any = None) -> None:
        if find_layer(self.viewer.layers, entry.id, "mask") is not None:
            show_mask(self.viewer, entry)

    def _follow_pins(self, entry: SlideEntry, _tuning: Any) -> None:
        show_pins(self.viewer, entry)

    def _on_inserted(self, event: Any) -> None:
        self._adopt(event.value)

    def _adopt(self, layer: Layer) -> None:
        tag = tag_of(layer)
        if tag is None or tag["kind"] != "slide":
            return
        self.workspace.take_in(tag["id"], tag["slide"])
        self.viewer.canvas.overlays.scale_bar.visible = True
        if QApplication.instance() is not None:
            self._stream(layer, tag)

    def _stream(self, layer: Layer, tag: Tag) -> None:
        """Draw sharp tiles as they come; a copy of a layer gets a view of its own."""
        if any(stream.view is tag["view"] for stream in self._streams.values()):
            data, keywords, _ = slide_layer(tag["slide"], tag["id"])
            layer.metadata = {**layer.metadata, **keywords["metadata"]}
            layer.data = data
        self._streams[layer] = Stream(layer, layer.metadata[KEY]["view"])

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if (stream := self._streams.pop(layer, None)) is not None:
            stream.close()
        tag = tag_of(layer)
        if tag is None or tag["kind"] != "slide":
            return
        if find_layer(self.viewer.layers, tag["id"], "slide") is None:
            self.workspace.forget(tag["id"])
            hide_pins(self.viewer, tag["id"])

    def _on_active(self, _event: Any = None) -> None:
        tag = tag_of(self.viewer.layers.selection.active)
        entry = self.workspace.find(tag["id"]) if tag else None
        if entry is not None:
            self.workspace.active = entry
