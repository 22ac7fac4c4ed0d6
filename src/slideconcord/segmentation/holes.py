"""Filling the holes of a mask, exactly, however large it is.

A hole is a 4-connected component of what is not mask and does not touch the map's border; islands
in a hole are no part of it. Holes are those of scikit-image's ``remove_small_holes`` with
connectivity 1, except that it also fills small components that touch the border.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box
from slideconcord.segmentation.components import (
    BorderComponents,
    Labelled,
    areas_of_runs,
    border_of,
    label_block,
    paint,
    paint_whole,
)
from slideconcord.segmentation.seams import Blocks, FinishedBlock, paint_blocks, walk_seams

Bools = NDArray[np.bool_]


class FilledPart(NamedTuple):
    """A part of a mask with its holes filled."""

    pixels: Bools
    is_exact: bool
    """False when something beyond the part decides whether a pixel in ``box`` is in a hole."""


def fill_holes(
    mask: Any, largest_px: int, never: Any, out: Any, blocks: Blocks, done: int = 0
) -> Generator[FinishedBlock, None, None]:
    """Fill holes of at most ``largest_px`` pixels of a mask read block by block.

    Parameters
    ----------
    mask
        (y, x) bool: numpy, or anything that slices like it.
    largest_px
        The largest hole that is filled.
    never
        Pixels that are not filled whatever their hole, likewise, or None.
    out
        (y, x) bool or uint8, holding 0; gets the filled mask.
    blocks
        How the work is cut up.
    done
        Steps done before, counted in what is yielded.

    Yields
    ------
    FinishedBlock
        Every block is looked at twice, and has its mask the second time.
    """
    boxes, threads, whole = blocks.boxes(), blocks.threads, Box(0, 0, *blocks.shape)
    total = done + 2 * len(boxes)

    def look(box: Box) -> BorderComponents:
        labelled = _label_outside(mask[box.slices])
        areas = areas_of_runs(labelled)
        return border_of(labelled, areas, _touching(labelled, _at_ends(box, whole)))

    found = yield from walk_seams(boxes, look, threads, total, done)
    sums = dict(zip(boxes, found, strict=True))

    def fill(box: Box) -> Bools:
        pixels = np.asarray(mask[box.slices])
        labelled = _label_outside(pixels)
        is_small = areas_of_runs(labelled) <= largest_px
        holes = (sums[box][:, 0] <= largest_px) & (sums[box][:, 1] == 0)
        filled = paint(labelled, is_small.astype(np.uint8), holes)
        if never is not None:
            filled &= ~never[box.slices]
        return pixels | filled

    yield from paint_blocks(boxes, fill, out, threads, total)


def fill_part(pixels: Bools, part: Box, box: Box, whole: Box, largest_px: float) -> FilledPart:
    """Fill the holes of a part of a mask, and tell whether what lies beyond matters.

    Parameters
    ----------
    pixels
        (y, x) bool: the mask within ``part``.
    part, box, whole
        What is known, what is asked for, and the whole mask, each within the next.
    largest_px
        The largest hole that is filled.

    Returns
    -------
    FilledPart
        (y, x) bool of ``box``.
    """
    labelled = _label_outside(pixels)
    areas, ends = areas_of_runs(labelled), _at_ends(part, whole)
    is_small = areas <= largest_px
    # What touches the part's border touches the map's, or may be larger than what is seen of it.
    nowhere = np.zeros(labelled.border_count, np.bool_)
    filled = pixels | paint(labelled, is_small.astype(np.uint8), nowhere)
    goes_on = _touching(labelled, [not end for end in ends]) > 0
    is_open = is_small & goes_on & (_touching(labelled, ends) == 0)
    inner = box.shift(-part.y, -part.x).slices
    is_exact = not is_open.any() or not paint_whole(labelled, is_open)[inner].any()
    return FilledPart(filled[inner], is_exact)


def _label_outside(pixels: Any) -> Labelled:
    outside = np.logical_not(pixels, order="C")
    return label_block(outside, outside)


def _at_ends(box: Box, whole: Box) -> list[bool]:
    """Tell of top, bottom, left and right whether the map ends there."""
    return [
        box.y == whole.y,
        box.stop_y == whole.stop_y,
        box.x == whole.x,
        box.stop_x == whole.stop_x,
    ]


def _touching(labelled: Labelled, sides: list[bool]) -> NDArray[np.int64]:
    """Tell of each run whether its component touches one of the sides named."""
    edges = border_of(labelled)
    touches = np.zeros(labelled.border_count + 1, np.int64)
    for edge, is_named in zip(
        (edges.top, edges.bottom, edges.left, edges.right), sides, strict=True
    ):
        if is_named:
            touches[edge] = 1
    touches[-1] = 0  # -1 names no component
    return touches[labelled.number]
