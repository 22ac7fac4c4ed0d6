"""From a cut to a mask and its numbers: exact, lazy, and the same for the screen and the disk."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box
from slideconcord.plugin.workspace import Cut, MaskFacts
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.slides.level import split_index

if TYPE_CHECKING:
    from slideconcord.segmentation.mask import Mask
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex

Bools = NDArray[np.bool_]
CHUNK_PX = 2048


class CutArray:
    """The mask of a cut as an array (y, x) bool that the index answers box by box."""

    dtype = np.dtype(np.bool_)
    ndim = 2
    chunks = (CHUNK_PX, CHUNK_PX)

    def __init__(self, index: ThresholdIndex, cut: Cut, pixel_um2: float) -> None:
        self._index = index
        self._cut = cut
        self._pixel_um2 = pixel_um2
        self.shape: tuple[int, int] = index.shape

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    def __getitem__(self, key: Any) -> Any:
        box, rest = split_index(key, (*self.shape, 1))
        return cut_mask(self._index, self._cut, self._pixel_um2, box)[rest[:2]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


def index_map(probability: ProbabilityMap) -> Generator[Any, None, ThresholdIndex]:
    """Build the index of a map in steps that can be cancelled between."""
    from slideconcord.segmentation.threshold_build import index_blocks

    return index_blocks(probability)


def cut_mask(index: ThresholdIndex, cut: Cut, pixel_um2: float, box: Box, step: int = 1) -> Bools:
    """Return every ``step``-th pixel of a box (pixels of the map) of a cut's mask."""
    if not box.area:
        return np.zeros((-(-box.height // step), -(-box.width // step)), bool)
    low, high = cut.thresholds.low, cut.thresholds.high
    return index.mask(low, high, box, step, min_area_px=min_area_px(cut, pixel_um2))


def min_area_px(cut: Cut, pixel_um2: float) -> int:
    """Return the smallest number of pixels a region must have."""
    # a hair's tolerance: 4 pixels of 0.25 µm² are 1 µm², whatever the rounding
    return max(int(np.ceil(cut.min_area_um2 / pixel_um2 * (1 - 1e-9))), 1)


def exact_mask(probability: ProbabilityMap, index: ThresholdIndex, cut: Cut) -> Mask:
    """Return the mask of a cut at the map's full resolution; its pixels are read when needed."""
    from slideconcord.provenance import record
    from slideconcord.segmentation.mask import Mask

    return Mask(
        array=CutArray(index, cut, pixel_area(probability)),
        frame=probability.frame,
        slide_mpp=probability.slide_mpp,
        slide_fingerprint=probability.slide_fingerprint,
        slide_bounds=probability.slide_bounds,
        class_name=probability.target,
        provenance=record(
            low=cut.thresholds.low,
            high=cut.thresholds.high,
            connectivity=4,
            min_area_um2=cut.min_area_um2,
            complete=probability.complete,
            probability=dict(probability.provenance),
        ),
    )


def measure(probability: ProbabilityMap, index: ThresholdIndex, cut: Cut) -> MaskFacts:
    """Return the numbers of a cut over the whole map."""
    low, high = cut.thresholds.low, cut.thresholds.high
    pixel_um2 = pixel_area(probability)
    area_px, count = index.areas(low, high, min_area_px=min_area_px(cut, pixel_um2))
    height, width = probability.shape
    return MaskFacts(area_px * pixel_um2 * 1e-6, count, area_px / (height * width))


def pixel_area(probability: ProbabilityMap) -> float:
    """Return the area of a pixel of a map in µm²."""
    return probability.mpp.y * probability.mpp.x


def model_cut(probability: ProbabilityMap, cut: Cut | None = None) -> Cut:
    """Return a cut at the model's own thresholds."""
    return replace(cut or Cut(), thresholds=Thresholds(probability.low, probability.high))


def facts_text(facts: MaskFacts | None) -> list[tuple[str, str]]:
    """Return the numbers beside the sliders as (name, text)."""
    if facts is None:
        return [("Area", "…"), ("Regions", "…"), ("Share", "…")]
    return [
        ("Area", f"{facts.area_mm2:.4g} mm²"),
        ("Regions", f"{facts.region_count:,}"),
        ("Share", f"{100 * facts.share:.1f} % of the map"),
    ]


def finish(steps: Generator[Any, None, Any]) -> Any:
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
