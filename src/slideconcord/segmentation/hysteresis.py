"""Hysteresis thresholds on a whole map, exactly, however large it is.

A pixel belongs to the mask when it is above low and 4-connected, through pixels above low, to
one above high. Both comparisons are strict, as in scikit-image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.provenance import record
from slideconcord.segmentation.components import (
    BorderComponents,
    find_border_components,
    paint_block,
)
from slideconcord.segmentation.mask import BLOCK_PX, Mask, open_mask, writing
from slideconcord.segmentation.seams import Blocks, FinishedBlock, paint_blocks, walk_seams
from slideconcord.segmentation.sharing import workers as default_workers
from slideconcord.segmentation.smoothing import smooth
from slideconcord.segmentation.threshold_build import index_blocks, index_thresholds
from slideconcord.segmentation.threshold_index import Pin, ThresholdIndex
from slideconcord.segmentation.thresholds import (
    PRESETS,
    Preset,
    Thresholds,
    check_map,
    comparison,
)
from slideconcord.segmentation.tuning import Tuning

if TYPE_CHECKING:
    from slideconcord.segmentation.probability import ProbabilityMap

__all__ = [
    "PRESETS",
    "FinishedBlock",
    "Preset",
    "ThresholdIndex",
    "Thresholds",
    "hysteresis",
    "hysteresis_blocks",
    "index_blocks",
    "index_thresholds",
    "warm_up",
]

Bools = NDArray[np.bool_]
Steps = Generator[FinishedBlock, None, None]
Map = Any  # (y, x), uint8 or float: numpy, or anything that slices like it


@overload
def hysteresis(
    probability: NDArray[Any],
    low: float = ...,
    high: float = ...,
    *,
    class_name: str | None = ...,
    out: None = ...,
    overwrite: bool = ...,
) -> Bools: ...
@overload
def hysteresis(
    probability: ProbabilityMap,
    low: float = ...,
    high: float = ...,
    *,
    class_name: str | None = ...,
    out: str | os.PathLike[str] | None = ...,
    overwrite: bool = ...,
) -> Mask: ...
def hysteresis(
    probability: Any,
    low: float = Thresholds().low,
    high: float = Thresholds().high,
    *,
    class_name: str | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Bools | Mask:
    """Return the mask of all that is above ``low`` and connected to something above ``high``.

    Parameters
    ----------
    probability
        A ProbabilityMap, or a plain map (y, x): uint8 (0 to 255 stand for 0 to 1) or float 0 to 1.
    low, high
        Fractions from 0 to 1, compared strictly.
    class_name
        Which class of a ProbabilityMap; its target class when None.
    out
        Where to write an OME-Zarr label pyramid (``mask.zarr``). The result then stays on disk,
        and memory does not grow with the map. Only for a ProbabilityMap.
    overwrite
        Whether ``out`` may replace a mask.

    Returns
    -------
    Mask
        For a ProbabilityMap.
    numpy.ndarray
        bool (y, x), for a plain map.

    Raises
    ------
    ParameterError
        When a threshold lies outside 0 to 1, or the map is no probability map.
    MismatchError
        When low is above high.
    OutputError
        When ``out`` holds something or cannot be written.
    """
    steps = hysteresis_blocks(
        probability, low, high, class_name=class_name, out=out, overwrite=overwrite
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def hysteresis_blocks(
    probability: Any,
    low: float = Thresholds().low,
    high: float = Thresholds().high,
    *,
    class_name: str | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    block_px: int = BLOCK_PX,
    workers: int | None = None,
) -> Generator[FinishedBlock, None, Any]:
    """Do as `hysteresis` in steps that can show progress; closing the generator cancels.

    The generator's return value is the result. A cancelled one leaves nothing at ``out``.
    """
    thresholds, threads = Thresholds(low, high), workers or default_workers()
    if isinstance(probability, np.ndarray):
        if out is not None:
            raise ParameterError(
                "out= needs a ProbabilityMap, which knows where it lies on its slide: "
                "leave out= away for a plain array."
            )
        check_map(probability)
        result = np.zeros(probability.shape, np.bool_)
        height, width = probability.shape
        blocks = Blocks((height, width), block_px, threads)
        yield from fill_hysteresis(probability, thresholds, result, blocks)
        return result
    values = probability.level(0, class_name)
    described = describe(probability, Tuning(thresholds), class_name)
    blocks = Blocks(described.shape, block_px, threads)

    def fill(to: Any) -> Steps:
        return fill_hysteresis(values, thresholds, to, blocks)

    return (yield from deliver(described, out, overwrite, fill))


def deliver(
    described: Mask,
    out: str | os.PathLike[str] | None,
    overwrite: bool,
    fill: Callable[[Any], Steps],
) -> Generator[FinishedBlock, None, Mask]:
    """Have a mask's pixels filled in memory, or at ``out``, where it appears when it is whole."""
    if out is None:
        pixels = np.zeros(described.shape, np.bool_)
        yield from fill(pixels)
        return replace(described, array=pixels)
    with writing(Path(out), described, overwrite=overwrite) as level0:
        yield from fill(level0)
    return open_mask(out)


def warm_up() -> None:
    """Compile all kernels of this file and of the index, or load them from numba's cache.

    Takes seconds the first time on a machine. Call it in the background, before a hand waits.
    """
    row = np.arange(600, dtype=np.uint32)
    values = (np.multiply.outer(row[:520], row) % 251).astype(np.uint8)
    hysteresis(values)
    index = index_thresholds(values)
    index.mask(step=3)
    for high in (0.8, 0.9):  # the second time it is high alone that moves
        index.mask(high=high, min_area_px=9, prune_percentile=95, pins=[Pin(0, 255, True)])
    index.scores(index.count_reference(values > 99), min_area_px=9)
    for x in (0, 255):
        index.standing(1, x, 0.0)
    smooth(values[:9, :9], (1.0, 1.0))


def describe(probability: Any, tuning: Tuning, class_name: str | None) -> Mask:
    """Return a mask of a map without pixels: its place, and what makes it."""
    return Mask(
        array=probability.level(0, class_name),
        frame=probability.frame,
        slide_mpp=probability.slide_mpp,
        slide_fingerprint=probability.slide_fingerprint,
        slide_bounds=probability.slide_bounds,
        class_name=class_name or probability.target,
        provenance=record(
            **tuning.facts(),
            complete=probability.complete,
            probability=dict(probability.provenance),
        ),
    )


def fill_hysteresis(
    values: Map, thresholds: Thresholds, out: Any, blocks: Blocks, min_area_px: int = 1
) -> Steps:
    """Threshold ``values`` into ``out`` (bool or uint8), block by block."""
    compare = comparison(values, thresholds)
    boxes, threads = blocks.boxes(), blocks.threads
    total = 2 * len(boxes)

    def look(box: Box) -> BorderComponents:
        return find_border_components(*compare(values[box.slices]))

    sums = yield from walk_seams(boxes, look, threads, total)
    of_box = dict(zip(boxes, sums, strict=True))

    def paint(box: Box) -> Bools:
        seeds, areas = of_box[box].T
        keep = (seeds > 0) & (areas >= min_area_px)
        return paint_block(*compare(values[box.slices]), keep, min_area_px)

    yield from paint_blocks(boxes, paint, out, threads, total)
