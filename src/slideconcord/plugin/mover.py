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

if TYPE_CHECKING:
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.tuning import Tuning

FRAME_MS = 8


class Mover(QObject):
    """Applies the last wish with every frame.

    Where percentiles, holes or another smoothing decide, a view takes longer than a frame: it is
    worked out in a thread of its own, and the picture follows when it is there.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.entry: SlideEntry | None = None
        self._wanted: Tuning | None = None
        self._frame = Throttle(self._apply, FRAME_MS, self)
        self._ahead = Latest(self)
        self._ahead.answered.connect(self._take)

    def follow(self, entry: SlideEntry | None) -> None:
        """Move another slide's thresholds from now on."""
        self._frame.cancel()
        self._ahead.forget()
        self.entry, self._wanted = entry, None

    def want(self, **changes: Any) -> None:
        """Have a tuning applied with the next frame; of many wishes the last one counts."""
        if self.entry is not None:
            self._wanted = replace(self._wanted or self.entry.tuning, **changes)
            self._frame.ask()

    def settle(self) -> None:
        """Apply what is waiting now, and remember it for undo."""
        self._ahead.forget()
        self._frame.cancel()
        if self.entry is not None:
            wanted, self._wanted = self._wanted or self.entry.tuning, None
            self.entry.settle(wanted)

    def flush(self) -> None:
        """Apply what is waiting now."""
        self._ahead.forget()
        self._frame.cancel()
        if self.entry is not None and self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            self.entry.tuning = wanted

    def close(self) -> None:
        """Let go, and wait for the thread."""
        self._frame.cancel()
        self._ahead.close()

    def _apply(self) -> None:
        entry, wanted = self.entry, self._wanted
        if entry is None or wanted is None:
            return
        layer = find_layer(self._session.viewer.layers, entry.id, "mask")
        source = source_of(layer)
        if source is None or not takes_time(entry, wanted):
            self.flush()
        else:
            self._ahead.ask(lambda: source.look_ahead(wanted))

    @Slot(object)
    def _take(self, tuning: Tuning) -> None:
        if self.entry is None:
            return
        self.entry.tuning = tuning
        if self._wanted == tuning:
            self._wanted = None


def takes_time(entry: SlideEntry, tuning: Tuning) -> bool:
    """Tell whether a view of a tuning may take longer than a frame."""
    if tuning.prune_percentile is not None or tuning.hole_area_um2 > 0:
        return True
    return not fits(entry.index, tuning)
