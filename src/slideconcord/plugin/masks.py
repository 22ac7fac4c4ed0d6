"""From a tuning to a mask and its numbers: exact, lazy, the same for the screen and the disk."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box
from slideconcord.plugin.workspace import MaskFacts
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import Tuning
from slideconcord.slides.level import split_index

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import Reference
    from slideconcord.segmentation.index_values import Pin
    from slideconcord.segmentation.mask import Mask
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex

Bools = NDArray[np.bool_]
CHUNK_PX = 2048


class TunedArray:
    """The mask of a tuning as an array (y, x) bool that the index answers box by box."""

    dtype = np.dtype(np.bool_)
    ndim = 2
    chunks = (CHUNK_PX, CHUNK_PX)

    def __init__(self, index: ThresholdIndex, asked: dict[str, Any]) -> None:
        self._index = index
        self._asked = asked
        self.shape: tuple[int, int] = index.shape

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    def __getitem__(self, key: Any) -> Any:
        box, rest = split_index(key, (*self.shape, 1))
        return tuned_mask(self._index, self._asked, box)[rest[:2]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


def index_map(
    probability: ProbabilityMap, class_name: str | None = None
) -> Generator[Any, None, ThresholdIndex]:
    """Build the index of a map in steps that can be cancelled between."""
    from slideconcord.segmentation.threshold_build import index_blocks

    index = yield from index_blocks(probability, class_name=class_name)
    index.ranks  # noqa: B018  (computed here, not under the pointer)
    return index


def pins_of(tuning: Tuning, probability: ProbabilityMap) -> tuple[Pin, ...]:
    """Return the pins of a tuning in pixels of a map."""
    from slideconcord.segmentation.index_values import Pin

    frame = probability.frame
    return tuple(
        Pin(
            floor((edit.y_level0 - frame.origin_y) / frame.step_y),
            floor((edit.x_level0 - frame.origin_x) / frame.step_x),
            edit.keep,
        )
        for edit in tuning.edits
    )


def asked_of(tuning: Tuning, probability: ProbabilityMap) -> dict[str, Any]:
    """Return a tuning in the words of an index: pixels of the map instead of µm²."""
    return {
        "low": tuning.low,
        "high": tuning.high,
        "min_area_px": tuning.min_area_px(pixel_area(probability)),
        "prune_percentile": tuning.prune_percentile,
        "pins": pins_of(tuning, probability),
    }


def tuned_mask(index: ThresholdIndex, asked: dict[str, Any], box: Box, step: int = 1) -> Bools:
    """Return every ``step``-th pixel of a box (pixels of the map) of a tuning's mask."""
    if not box.area:
        return np.zeros((-(-box.height // step), -(-box.width // step)), bool)
    return index.mask(box=box, step=step, **asked)


def exact_mask(
    probability: ProbabilityMap,
    index: ThresholdIndex,
    tuning: Tuning,
    class_name: str | None = None,
) -> Mask:
    """Return the mask of a tuning at the map's full resolution; its pixels are read when needed."""
    from slideconcord.provenance import record
    from slideconcord.segmentation.mask import Mask

    return Mask(
        array=TunedArray(index, asked_of(tuning, probability)),
        frame=probability.frame,
        slide_mpp=probability.slide_mpp,
        slide_fingerprint=probability.slide_fingerprint,
        slide_bounds=probability.slide_bounds,
        class_name=class_name or probability.target,
        provenance=record(
            **tuning.facts(),
            complete=index.place.complete,
            probability=dict(probability.provenance),
        ),
    )


def measure(
    probability: ProbabilityMap,
    index: ThresholdIndex,
    tuning: Tuning,
    reference: Reference | None = None,
) -> MaskFacts:
    """Return the numbers of a tuning over the whole map."""
    asked = asked_of(tuning, probability)
    area_px, count = index.areas(**asked)
    counts = reference.counts if reference is not None else None
    scores = index.scores(counts, **asked) if counts is not None else None
    height, width = probability.shape
    area_mm2 = area_px * pixel_area(probability) * 1e-6
    return MaskFacts(area_mm2, count, area_px / (height * width), scores)


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
