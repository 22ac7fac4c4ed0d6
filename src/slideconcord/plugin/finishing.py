"""When the hand rests: the exact mask at full resolution, where a view alone cannot give it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Slot

from slideconcord.plugin.jobs import Job
from slideconcord.plugin.masks import fits, pixel_area
from slideconcord.plugin.tissue_finder import share_of
from slideconcord.plugin.workspace import Exact, MaskFacts

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import Reference, SlideEntry, Tissue
    from slideconcord.segmentation.probability import ProbabilityMap

REST_MS = 250


class Finisher(QObject):
    """Makes one exact mask at a time; whoever moves on meanwhile gets the next one.

    Only filled holes need it: everything else is exact while the hand moves.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._entry: SlideEntry | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._begin)

    def follow(self, entry: SlideEntry) -> None:
        """Make the exact mask of an entry once its tuning rests."""
        if not needs_finish(entry) or (self._job is not None and entry is not self._entry):
            self.close()
        self._entry = entry
        if needs_finish(entry):
            if self._job is not None:
                self._job.cancel()
            self._rest.start()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._rest.stop()
        if self._job is not None:
            self._job.close()
        self._job = self._entry = None

    def _begin(self) -> None:
        entry = self._entry
        if entry is None or not needs_finish(entry):
            return
        if self._job is not None and self._job.is_running:
            self._rest.start()  # the one that was cancelled is at its last block
            return
        self._job = Job(lambda: finished(entry))
        self._job.ended.connect(self._take)
        self._job.start()

    @Slot(object)
    def _take(self, job: Job) -> None:
        if job is not self._job or self._entry is None:
            return
        self._job = None
        if job.error is not None:
            raise job.error
        exact: Exact | None = job.result
        if exact is not None and is_of(exact, self._entry):
            self._entry.exact = exact


def needs_finish(entry: SlideEntry) -> bool:
    """Tell whether what is shown of an entry is a preview that only the exact mask replaces."""
    if entry.tuning.hole_area_um2 <= 0 or not fits(entry.index, entry.tuning):
        return False
    return entry.exact is None or not is_of(entry.exact, entry)


def is_of(exact: Exact, entry: SlideEntry) -> bool:
    """Tell whether an exact mask is that of an entry's present tuning."""
    return exact.tuning == entry.tuning and exact.index is entry.index


def finished(entry: SlideEntry) -> Generator[Any, None, Exact | None]:
    """Make the exact mask of an entry, in steps."""
    from slideconcord.segmentation.exact import exact_mask

    probability, index, tuning = entry.probability, entry.index, entry.tuning
    if probability is None or index is None:
        return None
    making = exact_mask(probability, tuning, class_name=entry.class_name, index=index)
    mask = yield from making
    return Exact(tuning, index, np.asarray(mask.array))


def facts_of(
    pixels: np.ndarray,
    probability: ProbabilityMap,
    reference: Reference | None = None,
    tissue: Tissue | None = None,
) -> MaskFacts:
    """Return the numbers of a mask of a map that lies in memory."""
    import cv2

    from slideconcord.segmentation.scores import PixelScores

    area_px = int(np.count_nonzero(pixels))
    count = cv2.connectedComponents(pixels.view(np.uint8), connectivity=4)[0] - 1
    scores = None
    if reference is not None:
        inside = int(np.count_nonzero(pixels & reference.pixels))
        missed = int(np.count_nonzero(reference.pixels)) - inside
        wrong = area_px - inside
        scores = PixelScores(inside, wrong, missed, pixels.size - inside - missed - wrong)
    area_mm2 = area_px * pixel_area(probability) * 1e-6
    tissue_share = share_of(pixels, probability, tissue)
    return MaskFacts(area_mm2, count, area_px / pixels.size, tissue_share, scores)
