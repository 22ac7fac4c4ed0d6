"""The mouse over a mask: it says why a place is in or out, and pins regions by a click."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from math import floor
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal, Slot

from slideconcord.plugin.latest import Latest
from slideconcord.plugin.masks import asked_of, pixel_area
from slideconcord.segmentation.standing import explain

if TYPE_CHECKING:
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.index_values import Standing
    from slideconcord.segmentation.tuning import Tuning

PIN_KEY = "Alt"
STATUS_MS = 60  # napari's own status comes from a thread, a moment after the move


class Pointer(QObject):
    """Follows the mouse in the viewer for the active slide.

    Which regions stay may take longer than a frame to find: it is looked up beside the GUI.
    """

    said = Signal(str)
    """Why what is under the mouse is in or out; empty beside the map."""
    pinned = Signal(object)
    """The Tuning with a pin more, or one less."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.entry: SlideEntry | None = None
        self.pins_by_click = False
        """Whether a plain click pins; one with Alt always does."""
        self._session = session
        self._text = ""
        self._hover, self._click = Latest(self), Latest(self)
        self._hover.answered.connect(self._tell)
        self._click.answered.connect(self._take_pin)
        self._status = QTimer(self)
        self._status.setSingleShot(True)
        self._status.setInterval(STATUS_MS)
        self._status.timeout.connect(self._show_status)
        viewer = session.viewer
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.mouse_drag_callbacks.append(self._on_press)

    def follow(self, entry: SlideEntry | None) -> None:
        """Speak about another slide from now on."""
        self._hover.forget()
        self._click.forget()
        self.entry = entry

    def close(self) -> None:
        """Let go of the viewer, and wait for the threads."""
        self._status.stop()
        self._hover.close()
        self._click.close()
        viewer = self._session.viewer
        viewer.mouse_move_callbacks.remove(self._on_move)
        viewer.mouse_drag_callbacks.remove(self._on_press)

    def say(self, position: Any) -> None:
        """Say soon why a place of the world is in or out."""
        entry, at = self.entry, self._level0(position)
        if entry is not None and at is not None:
            self._hover.ask(lambda: reason_at(entry, at))

    def pin(self, position: Any) -> None:
        """Pin the region at a place of the world to the other side; a second click frees it."""
        entry, at = self.entry, self._level0(position)
        if entry is not None and at is not None:
            before = entry.tuning
            self._click.ask(lambda: (before, toggled(entry, at)))

    @Slot(object)
    def _tell(self, text: str) -> None:
        self._text = text
        self.said.emit(text)
        if text:
            self._status.start()

    @Slot(object)
    def _take_pin(self, answer: tuple[Tuning, Tuning]) -> None:
        before, after = answer
        # Thresholds that moved on meanwhile may give the click another meaning.
        if self.entry is not None and self.entry.tuning == before != after:
            self.pinned.emit(after)

    def _on_move(self, _viewer: Any, event: Any) -> None:
        if not event.is_dragging:
            self.say(event.position)

    def _on_press(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        wanted = self.pins_by_click or PIN_KEY in event.modifiers
        position, has_moved = event.position, False
        yield
        while event.type == "mouse_move":
            has_moved = True
            yield
        if wanted and not has_moved and event.button == 1:
            self.pin(position)

    def _level0(self, position: Any) -> tuple[float, float] | None:
        """Return a place of the world in level-0 corner coordinates (y, x)."""
        layer = self._session.layer_of(self.entry)
        if layer is None:
            return None
        y, x = layer.world_to_data(tuple(position)[-2:])[-2:]
        return float(y) + 0.5, float(x) + 0.5

    def _show_status(self) -> None:
        self._session.viewer.status = self._text


def standing_at(entry: SlideEntry, y_level0: float, x_level0: float) -> Standing | None:
    """Return why a place of a slide is in its mask or not; None beside the map."""
    probability, index = entry.probability, entry.index
    if probability is None or index is None:
        return None
    frame = probability.frame
    y = floor((y_level0 - frame.origin_y) / frame.step_y)
    x = floor((x_level0 - frame.origin_x) / frame.step_x)
    if not (0 <= y < index.shape[0] and 0 <= x < index.shape[1]):
        return None
    return index.standing(y, x, **asked_of(entry.tuning, probability))


def reason_at(entry: SlideEntry, at: tuple[float, float]) -> str:
    """Return why a place (y, x) of a slide is in or out, in a sentence; empty beside the map."""
    standing, probability = standing_at(entry, *at), entry.probability
    if standing is None or probability is None:
        return ""
    sentence = explain(standing, entry.tuning, pixel_area(probability))
    return sentence[:1].upper() + sentence[1:]


def toggled(entry: SlideEntry, at: tuple[float, float]) -> Tuning:
    """Return the tuning with the region at a place pinned to the other side, or freed."""
    standing = standing_at(entry, *at)
    if standing is None or not standing.is_above_low:
        return entry.tuning
    if standing.why in ("pinned in", "pinned out"):
        return without_pins_at(entry, at)
    return entry.tuning.pinned(*at, not standing.is_kept)


def without_pins_at(entry: SlideEntry, at: tuple[float, float]) -> Tuning:
    """Return the tuning without the pins that decide over the region at a place."""
    tuning = entry.tuning
    edits = list(tuning.edits)
    for edit in tuning.edits:
        # A pin holds this region when the place is pinned by it alone, too.
        alone = replace(tuning, edits=(edit,))
        if _is_pinned(entry, at, alone):
            edits.remove(edit)
    return replace(tuning, edits=tuple(edits))


def _is_pinned(entry: SlideEntry, at: tuple[float, float], tuning: Tuning) -> bool:
    probability, index = entry.probability, entry.index
    if probability is None or index is None:
        return False
    frame = probability.frame
    y = floor((at[0] - frame.origin_y) / frame.step_y)
    x = floor((at[1] - frame.origin_x) / frame.step_x)
    return index.standing(y, x, **asked_of(tuning, probability)).why.startswith("pinned")
