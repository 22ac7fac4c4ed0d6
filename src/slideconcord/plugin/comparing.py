"""Bring a reference onto the map and count it, beside the GUI, for live numbers and landscape."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.workspace import Reference

if TYPE_CHECKING:
    from slideconcord.plugin.references import Choice
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.landscape import Landscape
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex

LANDSCAPE_STEPS = tuple(step / 50 for step in range(1, 50))
Compared = tuple[Reference, "Landscape"]


class Comparer(QObject):
    """Compares one slide's map with one reference at a time."""

    changed = Signal()
    """The state is another."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.message = ""
        """What went wrong, in one line."""
        self._job: Job | None = None
        self._entry: SlideEntry | None = None
        self._index: ThresholdIndex | None = None

    @property
    def is_busy(self) -> bool:
        return self._job is not None

    def compare(self, entry: SlideEntry, choice: Choice) -> None:
        """Take a new reference for a slide whose map is indexed."""
        probability, index = entry.probability, entry.index
        if probability is not None and index is not None:
            entry.reference = entry.landscape = None
            self._start(entry, index, lambda: bring(choice, probability, index))

    def count_again(self, entry: SlideEntry) -> None:
        """Count the reference of a slide anew after its index became another."""
        reference, index = entry.reference, entry.index
        if reference is None or index is None or reference.pixels.shape != index.shape:
            return
        self._start(entry, index, lambda: count(reference, index))

    def drop(self, entry: SlideEntry) -> None:
        """Compare with nothing."""
        self.close()
        entry.reference = entry.landscape = None
        self.changed.emit()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        if self._job is not None:
            self._job.close()
        self._job, self.message = None, ""

    def _start(self, entry: SlideEntry, index: ThresholdIndex, steps: Any) -> None:
        self.close()
        self._entry, self._index = entry, index
        self._job = Job(steps)
        self._job.ended.connect(self._take)
        self._job.start()
        self.changed.emit()

    @Slot(object)
    def _take(self, job: Job) -> None:
        if job is not self._job or self._entry is None:
            return
        self._job, entry = None, self._entry
        error = job.error
        if error is not None:
            self.message = str(error)
        elif job.result is not None and entry.index is self._index:
            entry.reference, entry.landscape = job.result
        self.changed.emit()
        if error is not None and not isinstance(error, SlideconcordError):
            raise error  # a fault of ours: napari shows where it happened


def bring(
    choice: Choice, probability: ProbabilityMap, index: ThresholdIndex
) -> Generator[Any, None, Compared]:
    """Bring a reference onto a map's pixels and count it, in steps."""
    pixels = yield from choice.read(probability)
    return (yield from count(Reference(choice.name, pixels), index))


def count(reference: Reference, index: ThresholdIndex) -> Generator[Any, None, Compared]:
    """Count a reference as an index sees it, and survey all pairs of thresholds."""
    from slideconcord.segmentation.reference_counts import count_reference

    counts = yield from count_reference(index, reference.pixels)
    landscape = index.landscape(counts, lows=LANDSCAPE_STEPS, highs=LANDSCAPE_STEPS)
    return replace(reference, counts=counts), landscape
