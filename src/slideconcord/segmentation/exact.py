"""The exact mask of a tuning, at the map's full resolution, in memory or on disk."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from slideconcord.errors import MismatchError
from slideconcord.geometry import Box
from slideconcord.segmentation.holes import fill_holes
from slideconcord.segmentation.hysteresis import deliver, describe, fill_hysteresis
from slideconcord.segmentation.mask import BLOCK_PX, Mask
from slideconcord.segmentation.seams import Blocks, FinishedBlock, paint_blocks
from slideconcord.segmentation.sharing import workers as default_workers
from slideconcord.segmentation.smoothing import smoothed
from slideconcord.segmentation.threshold_build import index_blocks
from slideconcord.segmentation.threshold_index import ThresholdIndex
from slideconcord.segmentation.tuned_pixels import PinnedOut, Terms, TunedPixels, pixel_um2, terms
from slideconcord.segmentation.tuning import Tuning

_NOWHERE = Box(0, 0, 0, 0)
Steps = Generator[FinishedBlock, None, None]


def exact_mask(
    probability: Any,
    tuning: Tuning | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    class_name: str | None = None,
    index: ThresholdIndex | None = None,
    overwrite: bool = False,
    block_px: int = BLOCK_PX,
    workers: int | None = None,
) -> Generator[FinishedBlock, None, Mask]:
    """Make the mask of a tuning at the map's full resolution, in steps that can show progress.

    The generator's return value is the mask. Closing it cancels and leaves nothing at ``out``.

    Parameters
    ----------
    probability
        A ProbabilityMap.
    tuning
        The thresholds and all else; the paper's thresholds when None.
    out
        Where to write an OME-Zarr label pyramid; the mask stays in memory when None.
    class_name
        Which class; the map's target class when None.
    index
        An index of the map at this smoothing, where there is one. Thresholds, smallest area and
        smoothing need none, and go through the map in bounded memory; anything else builds one.
    overwrite
        Whether ``out`` may replace a mask.
    block_px, workers
        The side of a block, and how many are looked at at a time.

    Raises
    ------
    MismatchError
        When the index is that of another map, or of another smoothing.
    OutputError
        When ``out`` holds something or cannot be written.
    """
    tuning = tuning or Tuning()
    source = smoothed(probability, tuning.smoothing_um)
    if index is not None:
        check_index(index, source, class_name)
    described = describe(source, tuning, class_name)
    if index is not None:
        facts = {**described.provenance, "complete": index.place.complete}
        described = replace(described, provenance=facts)
    blocks = Blocks(tuple(source.shape), block_px, workers or default_workers())

    def fill(to: Any) -> Steps:
        return _fill(source, tuning, class_name, index, to, blocks)

    return (yield from deliver(described, out, overwrite, fill))


def check_index(index: ThresholdIndex, source: Any, class_name: str | None) -> None:
    """Refuse an index of another map, class or smoothing.

    Raises
    ------
    MismatchError
        When it is one.
    """
    place, wanted = index.place, class_name or source.target
    fits = (index.shape, place.frame, place.slide_fingerprint, place.class_name) == (
        tuple(source.shape),
        source.frame,
        source.slide_fingerprint,
        wanted,
    )
    smoothing_um = getattr(source, "smoothing_um", 0.0)
    if not fits or place.smoothing_um != smoothing_um:
        raise MismatchError(
            f"The index is of a map or class other than {wanted} smoothed by {smoothing_um:g} µm: "
            "index that map first, or give no index."
        )


def _fill(
    source: Any,
    tuning: Tuning,
    class_name: str | None,
    index: ThresholdIndex | None,
    out: Any,
    blocks: Blocks,
) -> Steps:
    asked = terms(tuning, source.frame, source.slide_mpp)
    if index is None and replace(tuning, smoothing_um=0.0, min_area_um2=0.0).is_plain:
        values = source.level(0, class_name)
        yield from fill_hysteresis(values, tuning.thresholds, out, blocks, asked["min_area_px"])
        return
    largest_px = tuning.hole_area_px(pixel_um2(source.frame, source.slide_mpp))
    looks = (2 if largest_px else 1) * len(blocks.boxes())
    done = 0
    if index is None:
        index, done = yield from _build(source, class_name, blocks.threads, looks)
    yield from fill_from_index(index, asked, largest_px, out, blocks, done)


def fill_from_index(
    index: ThresholdIndex, asked: Terms, largest_px: int, out: Any, blocks: Blocks, done: int = 0
) -> Steps:
    """Fill ``out``, which holds 0, with what an index gives, and with its holes."""
    pixels, boxes = TunedPixels(index, asked), blocks.boxes()
    if largest_px:
        never = PinnedOut(index, asked) if not all(pin.keep for pin in asked["pins"]) else None
        yield from fill_holes(pixels, largest_px, never, out, blocks, done)
    else:
        total = done + len(boxes)
        yield from paint_blocks(boxes, lambda box: pixels[box.slices], out, blocks.threads, total)


def _build(
    source: Any, class_name: str | None, threads: int, after: int
) -> Generator[FinishedBlock, None, tuple[ThresholdIndex, int]]:
    """Build the index as the first steps of more, of which ``after`` follow."""
    building = index_blocks(source, class_name=class_name, workers=threads)
    done = 0
    while True:
        try:
            strip = next(building)
        except StopIteration as end:
            return end.value, done
        done = strip.done
        yield FinishedBlock(strip.done, strip.total + after, _NOWHERE, None)
