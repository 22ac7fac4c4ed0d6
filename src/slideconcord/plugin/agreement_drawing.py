"""One drawing compared with one reading after every stroke, and thresholds tuned against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.agreement_live import LiveScore, drawings_of
from slideconcord.plugin.agreement_live_box import LiveBox
from slideconcord.plugin.agreement_sources import choice_of
from slideconcord.plugin.comparing import Comparer

if TYPE_CHECKING:
    from slideconcord.plugin.agreement_sources import Source
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.mask import Mask

ITSELF = "A drawing always agrees with itself: choose another reading."


class DrawingAgreement(QObject):
    """Does what the box of the live DSC asks for."""

    said = Signal(str)
    """Why thresholds cannot be tuned; "" when they can."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._entry: SlideEntry | None = None
        self.box, self.live, self._comparer = LiveBox(), LiveScore(session, self), Comparer(self)
        self.live.changed.connect(self.show_score)
        self._comparer.changed.connect(lambda: self.said.emit(self._comparer.message))

    def close(self) -> None:
        """Stop, and wait for the threads."""
        self.live.close()
        self._comparer.close()

    def offer(self, entry: SlideEntry | None, sources: Sequence[Source]) -> None:
        """List drawings of a slide and the readings that they can be compared with."""
        self._entry = entry
        if self.live.layer is not None and self.live.layer not in self._session.viewer.layers:
            self.live.drop()
        drawings = [] if entry is None else drawings_of(self._session.viewer, entry)
        self.box.offer(drawings, sources)
        self.show_score()

    def follow(self, entry: SlideEntry, tissue: Mask | None, class_name: str | None) -> None:
        """Compare the chosen drawing with the chosen reading from now on, all classes or one."""
        layer, source = self.box.drawing.currentData(), self.box.source
        if layer is None or source is None:
            self.live.drop()
        elif source.key is layer:
            self.live.drop()
            self.box.say(ITSELF)
        else:
            self.live.follow(entry, layer, source, tissue, class_name)

    def tune(self, entry: SlideEntry) -> None:
        """Make the chosen reading the reference of the Threshold dock."""
        source, layer = self.box.source, self._session.layer_of(entry)
        if source is None or layer is None:
            return
        try:
            self._comparer.compare(entry, choice_of(source, layer, entry))
        except SlideconcordError as error:
            self.said.emit(str(error))

    def show_score(self) -> None:
        """Show how far the drawing agrees, and whether there are thresholds to tune."""
        can_tune = self._entry is not None and self._entry.index is not None
        self.box.show_score(self.live, can_tune=can_tune)
