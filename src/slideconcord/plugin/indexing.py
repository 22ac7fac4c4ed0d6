"""Build the index of a map beside the GUI, and again now and then while the map is being filled."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal, Slot

from slideconcord.plugin.jobs import Job
from slideconcord.plugin.masks import fits, index_map

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex

LEAST_PAUSE_S = 2.0
PAUSE = 4
"""The index of a growing map is built again after so many times what building it took."""


class Indexer(QObject):
    """Indexes one map at a time; a map that was replaced meanwhile keeps no index."""

    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._entry: SlideEntry | None = None
        self._wanted: tuple[ProbabilityMap, str | None, float, bool] | None = None
        self._began = 0.0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self._build_again)

    def build(self, entry: SlideEntry) -> None:
        """Index the map of an entry when that is needed; another one being indexed is left."""
        probability, class_name = entry.probability, entry.class_name
        if probability is None or is_indexed(entry):
            return
        smoothing_um = entry.tuning.smoothing_um
        wanted = probability, class_name, smoothing_um, probability.complete
        if self._job is not None and self._entry is entry and wanted == self._wanted:
            return
        self.close()
        self._entry, self._wanted, self._began = entry, wanted, monotonic()
        self._job = Job(lambda: index_map(probability, class_name, smoothing_um))
        self._job.ended.connect(self._take)
        self._job.start()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._again.stop()
        if self._job is not None:
            self._job.close()
        self._job = self._entry = self._wanted = None

    @Slot(object)
    def _take(self, job: Job) -> None:
        if job is not self._job or self._entry is None or self._wanted is None:
            return
        entry, (probability, class_name, smoothing_um, _) = self._entry, self._wanted
        self._job = self._wanted = None
        if job.error is not None:
            raise job.error
        index: ThresholdIndex | None = job.result
        now = entry.probability, entry.class_name, entry.tuning.smoothing_um
        if now == (probability, class_name, smoothing_um) and index is not None:
            entry.index = index
            if not index.place.complete:
                pause_s = max(PAUSE * (monotonic() - self._began), LEAST_PAUSE_S)
                self._again.start(int(1000 * pause_s))
        self.ended.emit()

    def _build_again(self) -> None:
        if self._entry is not None:
            self.build(self._entry)


def is_indexed(entry: SlideEntry) -> bool:
    """Tell whether an entry has the index of all of its map, smoothed as it should be."""
    index = entry.index
    return index is not None and index.place.complete and fits(index, entry.tuning)
