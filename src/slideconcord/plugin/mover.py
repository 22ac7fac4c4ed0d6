"""Turns what a hand wants into the entry's tuning, a frame at a time and never late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Slot

from slideconcord.plugin.latest import Latest
from slideconcord.plugin.masks import fits
from slideconcord.plugin.results import source_of
from slideconcord.plugin.tags import find_layer
from slideconcord.plugin.throttle import Throttle
from slideconcord.plugin.watching import Watching

if TYPE_CHECKING:
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.tuning import Tuning

FRAME_MS = 8


class Mover(QObject):
    """Applies the last wish with every frame.

    Where percentiles, holes or another smoothing decide, a view takes longer than a frame: it is
    worked out in a thread of its own, and the picture follows when it is there. A tuning that
    anybody else gives the entry meanwhile counts as the newer wish.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.entry: SlideEntry | None = None
        self._wanted: Tuning | None = None
        self._is_applying = False
        self._watching = Watching()
        self._frame = Throttle(self._apply, FRAME_MS, self)
        self._ahead = Latest(self)
        self._ahead.answered.connect(self._take)

    @property
    def wanted(self) -> Tuning | None:
        """Where the hand is: what waits to be applied, else the entry's tuning."""
        return self._wanted or (self.entry.tuning if self.entry is not None else None)

    def follow(self, entry: SlideEntry | None) -> None:
        """Move another slide's thresholds from now on."""
        self._drop()
        self.entry = entry
        self._watching.follow(entry, {"tuning": self._on_tuning})

    def want(self, **changes: Any) -> None:
        """Have a tuning applied with the next frame; of many wishes the last one counts."""
        if self.wanted is not None:
            self._wanted = replace(self.wanted, **changes)
            self._frame.ask()

    def settle(self, tuning: Tuning | None = None) -> None:
        """Have a tuning, or what is waiting, applied as soon as can be; remember it for undo."""
        tuning = tuning or self.wanted
        if self.entry is not None and tuning is not None:
            self.entry.remember(tuning)
            self._head_for(tuning)

    def undo(self) -> None:
        """Go back to the tuning before."""
        if self.entry is not None:
            self._head_for(self.entry.back())

    def redo(self) -> None:
        """Go forward again."""
        if self.entry is not None:
            self._head_for(self.entry.forward())

    def flush(self) -> None:
        """Apply what is waiting now, however long its picture takes."""
        wanted = self._wanted
        self._drop()
        if wanted is not None:
            self._set(wanted)

    def close(self) -> None:
        """Let go, and wait for the thread."""
        self._watching.follow(None, {})
        self._frame.cancel()
        self._ahead.close()

    def _head_for(self, tuning: Tuning) -> None:
        self._drop()
        self._wanted = tuning
        self._apply()

    def _apply(self) -> None:
        entry, wanted = self.entry, self._wanted
        if entry is None or wanted is None:
            return
        source = source_of(find_layer(self._session.viewer.layers, entry.id, "mask"))
        if source is None or wanted == entry.tuning or not takes_time(entry, wanted):
            self.flush()
        else:
            self._ahead.ask(lambda: source.look_ahead(wanted))

    @Slot(object)
    def _take(self, tuning: Tuning) -> None:
        # What follows the entry's tuning shows a hand that is already farther.
        if self._wanted == tuning:
            self._wanted = None
        self._set(tuning)

    def _set(self, tuning: Tuning) -> None:
        if self.entry is not None:
            self._is_applying = True
            self.entry.tuning = tuning
            self._is_applying = False

    def _on_tuning(self, _tuning: Tuning) -> None:
        if not self._is_applying:
            self._drop()

    def _drop(self) -> None:
        self._frame.cancel()
        self._ahead.forget()
        self._wanted = None


def takes_time(entry: SlideEntry, tuning: Tuning) -> bool:
    """Tell whether a view of a tuning may take longer than a frame."""
    if tuning.prune_percentile is not None or tuning.hole_area_um2 > 0:
        return True
    return not fits(entry.index, tuning)
