"""Build the index of a finished map beside the GUI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.plugin.jobs import Job
from slideconcord.plugin.masks import index_map

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.probability import ProbabilityMap


class Indexer(QObject):
    """Indexes one map at a time; a map that was replaced meanwhile keeps no index."""

    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._entry: SlideEntry | None = None
        self._probability: ProbabilityMap | None = None

    def build(self, entry: SlideEntry) -> None:
        """Index the map of an entry; another one that is being indexed is left."""
        probability = entry.probability
        if probability is None or probability is self._probability:
            return
        self.close()
        self._entry, self._probability = entry, probability
        self._job = Job(lambda: index_map(probability))
        self._job.ended.connect(self._take)
        self._job.start()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        if self._job is not None:
            self._job.close()
        self._job = self._entry = self._probability = None

    @Slot(object)
    def _take(self, job: Job) -> None:
        if job is not self._job or self._entry is None:
            return
        entry, probability = self._entry, self._probability
        self._job = self._entry = self._probability = None
        if job.error is not None:
            raise job.error
        if entry.probability is probability and job.result is not None:
            entry.index = job.result
        self.ended.emit()
