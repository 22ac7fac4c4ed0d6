"""Find where slides hold tissue, beside the GUI, so that shares can be of tissue."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Slot

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.workspace import Tissue

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.mask import Mask
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex
    from slideconcord.slides import Slide

_ROWS = 1024
NO_TISSUE = "No tissue was found in the map."


class TissueFinder(QObject):
    """Looks at each slide once, and counts again when the index of its map becomes another."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs: dict[Job, SlideEntry] = {}

    def find(self, entry: SlideEntry) -> None:
        """Give an entry its tissue when that is needed; it waits until the map is complete."""
        probability, index, known = entry.probability, entry.index, entry.tissue
        if probability is None or index is None or not index.place.complete:
            return
        if entry in self._jobs.values() or (known is not None and known.index is index):
            return
        slide, mask = entry.slide, known.mask if known is not None else None
        job = Job(lambda: tissue_in(slide, mask, probability, index))
        self._jobs[job] = entry
        job.ended.connect(self._take)
        job.start()

    def close(self) -> None:
        """Stop, and wait for the threads."""
        for job in self._jobs:
            job.close()
        self._jobs.clear()

    @Slot(object)
    def _take(self, job: Job) -> None:
        entry = self._jobs.pop(job, None)
        if entry is None:
            return
        if job.error is not None:
            raise job.error
        entry.tissue = job.result
        self.find(entry)  # its index may be another by now


def tissue_in(
    slide: Slide, mask: Mask | None, probability: ProbabilityMap, index: ThresholdIndex
) -> Generator[Any, None, Tissue]:
    """Return the tissue of a slide as the index of its map sees it, in steps.

    ``mask`` is the slide's tissue where that is known already.
    """
    from slideconcord.segmentation.reference_counts import count_reference
    from slideconcord.segmentation.tissue import tissue_steps

    try:
        if mask is None:
            mask = yield from tissue_steps(slide)
        counts = yield from count_reference(index, on_map(mask, probability))
    except SlideconcordError as error:
        return Tissue(index, mask, problem=str(error))
    if not counts.inside:
        return Tissue(index, mask, problem=NO_TISSUE)
    return Tissue(index, mask, counts)


def share_of(
    pixels: NDArray[np.bool_], probability: ProbabilityMap, tissue: Tissue | None
) -> float | None:
    """Return how much of the tissue lies in a mask of a map; None where that is not known."""
    if tissue is None or tissue.mask is None or tissue.counts is None:
        return None
    on_tissue, inside = on_map(tissue.mask, probability).array, 0
    for top in range(0, len(pixels), _ROWS):
        rows = slice(top, top + _ROWS)
        inside += int(np.count_nonzero(pixels[rows] & np.asarray(on_tissue[rows])))
    return inside / tissue.counts.inside


def on_map(mask: Mask, probability: ProbabilityMap) -> Mask:
    """Return a mask of the slide on the pixels of its map: each that in which its centre lies."""
    from slideconcord.segmentation.reframe import in_frame

    return in_frame(mask, probability.frame, probability.shape, probability.slide_fingerprint)
