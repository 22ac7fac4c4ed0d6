"""The numbers of what is shown, beside the GUI: at once for any tuning, exact when it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Slot

from slideconcord.plugin.finishing import Finisher, facts_of, is_of, needs_finish
from slideconcord.plugin.latest import Latest
from slideconcord.plugin.masks import fits, measure
from slideconcord.plugin.tissue_finder import TissueFinder

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import MaskFacts, SlideEntry


class LiveNumbers(QObject):
    """Keeps the facts of the slide that is tuned true to its tuning, reference and tissue."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._measuring = Latest(self)
        self._measuring.answered.connect(self._take)
        self._finisher, self._tissue = Finisher(self), TissueFinder(self)

    def follow(self, entry: SlideEntry) -> None:
        """Count what an entry shows now, and find what that needs."""
        probability, index, tuning = entry.probability, entry.index, entry.tuning
        reference, tissue, exact = entry.reference, entry.tissue, entry.exact
        if probability is None:
            return
        self._tissue.find(entry)
        self._finisher.follow(entry)
        if index is None or not fits(index, tuning):
            self.forget()
            entry.facts = None
        elif exact is not None and is_of(exact, entry):
            pixels = exact.pixels
            self._measuring.ask(lambda: (entry, facts_of(pixels, probability, reference, tissue)))
        else:
            self._measuring.ask(
                lambda: (entry, measure(probability, index, tuning, reference, tissue))
            )

    def forget(self) -> None:
        """Want no numbers of what was shown so far."""
        self._measuring.forget()

    def close(self) -> None:
        """Stop, and wait for the threads."""
        for worker in (self._measuring, self._finisher, self._tissue):
            worker.close()

    @Slot(object)
    def _take(self, measured: tuple[SlideEntry, MaskFacts]) -> None:
        entry, facts = measured
        entry.facts = facts


def note_for(entry: SlideEntry | None) -> str:
    """Return what is to be known about the mask that is shown, and its numbers."""
    if entry is None or entry.probability is None:
        return ""
    index = entry.index
    if index is None or not fits(index, entry.tuning):
        return "Preview: regions end at the view's edge until the whole map is indexed."
    if needs_finish(entry):
        return "Preview: the exact mask, holes filled, follows. The numbers are without."
    if not index.place.complete:
        return "So far: the map is still being filled."
    if entry.facts is not None and entry.facts.region_count == 0:
        return "No region is left: lower high, or the smallest region."
    return ""
