"""From a tuning to a mask and its numbers: exact, lazy, the same for the screen and the disk."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slideconcord.plugin.workspace import MaskFacts
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import Tuning

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import Reference, Tissue
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex
    from slideconcord.segmentation.tuned_pixels import Terms


def index_map(
    probability: ProbabilityMap, class_name: str | None = None, smoothing_um: float = 0.0
) -> Generator[Any, None, ThresholdIndex]:
    """Build the index of a map, smoothed first, in steps that can be cancelled between."""
    from slideconcord.segmentation.smoothing import smoothed
    from slideconcord.segmentation.threshold_build import index_blocks

    return index_blocks(smoothed(probability, smoothing_um), class_name=class_name)


def asked_of(tuning: Tuning, probability: ProbabilityMap) -> Terms:
    """Return a tuning in the words of an index: pixels of the map instead of µm²."""
    from slideconcord.segmentation.tuned_pixels import terms

    return terms(tuning, probability.frame, probability.slide_mpp)


def fits(index: ThresholdIndex | None, tuning: Tuning) -> bool:
    """Tell whether an index answers for a tuning: the map was smoothed as it wants."""
    return index is not None and index.place.smoothing_um == tuning.smoothing_um


def measure(
    probability: ProbabilityMap,
    index: ThresholdIndex,
    tuning: Tuning,
    reference: Reference | None = None,
    tissue: Tissue | None = None,
) -> MaskFacts:
    """Return the numbers of a tuning over the whole map, before holes are filled."""
    asked = asked_of(tuning, probability)
    area_px, count = index.areas(**asked)
    counts = reference.counts if reference is not None else None
    scores = index.scores(counts, **asked) if counts is not None else None
    tissue_share = None
    if tissue is not None and tissue.index is index and tissue.counts is not None:
        tissue_share = index.scores(tissue.counts, **asked).sensitivity
    height, width = probability.shape
    area_mm2 = area_px * pixel_area(probability) * 1e-6
    return MaskFacts(area_mm2, count, area_px / (height * width), tissue_share, scores)


def pixel_area(probability: ProbabilityMap) -> float:
    """Return the area of a pixel of a map in µm²."""
    return probability.mpp.y * probability.mpp.x


def model_tuning(probability: ProbabilityMap, tuning: Tuning | None = None) -> Tuning:
    """Return a tuning at the model's own thresholds."""
    return replace(tuning or Tuning(), thresholds=Thresholds(probability.low, probability.high))


def finish(steps: Generator[Any, None, Any]) -> Any:
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
