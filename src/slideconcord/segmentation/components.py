"""4-connected components of a large map, block by block, in bounded memory.

Within a block, components are joined runs of a row. What does not touch the block's border is
decided there; the others are joined across seams (seams.py), and a second look at each block
paints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]


class Labelled(NamedTuple):
    """The components of one block, as runs of its rows."""

    starts: Ints
    stops: Ints
    first: Ints
    """The first run of each row, and at last their number."""
    root: Ints
    """Per run: the run that stands for its component."""
    has_seed: Bytes
    """Per run: whether its component holds a seed."""
    number: Ints
    """Per run: its component among those at the block's border, or -1."""
    border_count: int
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class BorderComponents:
    """The components of one block that touch its border, numbered from 0."""

    facts: NDArray[np.int64]
    """(component, fact): what adds up across seams."""
    top: Ints
    """Number of the component at each pixel of the first row; -1 where there is none."""
    bottom: Ints
    left: Ints
    right: Ints


def label_block(inside: Bools, seeds: Bools, *, diagonal: bool = False) -> Labelled:
    """Label one block, (y, x) bool; pixels that touch at a corner only where ``diagonal``."""
    starts, stops, first, root, seed = _label_runs(inside, seeds, int(diagonal))
    number, count = _number_border(starts, stops, first, root, inside.shape[1])
    height, width = inside.shape
    return Labelled(starts, stops, first, root, seed, number, count, (height, width))


def areas_of_runs(labelled: Labelled) -> NDArray[np.int64]:
    """Return per run the pixels of its component, within the block."""
    lengths = labelled.stops - labelled.starts
    sums = np.bincount(labelled.root, weights=lengths, minlength=len(lengths))
    return sums.astype(np.int64)[labelled.root]


def border_of(labelled: Labelled, *of_runs: NDArray[Any]) -> BorderComponents:
    """Describe what reaches the block's border; each fact is the same on all runs of one."""
    facts = np.zeros((labelled.border_count, len(of_runs)), np.int64)
    touching = labelled.number >= 0
    for k, of_run in enumerate(of_runs):
        facts[labelled.number[touching], k] = of_run[touching]
    runs = labelled[:4]
    return BorderComponents(facts, *_edges(*runs, labelled.number, *labelled.shape))


def paint(labelled: Labelled, keep_run: Bytes, keep_border: NDArray[np.bool_]) -> Bools:
    """Return the kept components; ``keep_border`` decides those at the border."""
    out = np.zeros(labelled.shape, np.bool_)
    _paint(*labelled[:4], keep_run, labelled.number, keep_border.astype(np.uint8), out)
    return out


def paint_whole(labelled: Labelled, keep_run: NDArray[np.bool_]) -> Bools:
    """Return the kept components of a block that is all there is, border or not."""
    alone = labelled._replace(number=np.full_like(labelled.number, -1))
    return paint(alone, keep_run.astype(np.uint8), np.zeros(0, np.bool_))


def find_border_components(above_low: Bools, above_high: Bools) -> BorderComponents:
    """Label one block, (y, x) bool; the facts: whether any is above high, and the area."""
    labelled = label_block(above_low, above_high)
    return border_of(labelled, labelled.has_seed, areas_of_runs(labelled))


def paint_block(
    above_low: Bools, above_high: Bools, keep_border: NDArray[np.bool_], min_area_px: int = 1
) -> Bools:
    """Return the block's kept components; ``keep_border`` decides those at its border."""
    labelled = label_block(above_low, above_high)
    keep = labelled.has_seed
    if min_area_px > 1:
        keep = keep & (areas_of_runs(labelled) >= min_area_px)
    return paint(labelled, keep, keep_border)


@compiled
def _find(parent: Any, i: Any) -> Any:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def _label_runs(above_low: Any, above_high: Any, reach: Any) -> Any:
    """Return runs (start, stop), the first run of each row, each run's root, and its seed."""
    height, width = above_low.shape
    count = 0
    for y in range(height):
        previous = False
        for x in range(width):
            here = above_low[y, x]
            count += here & (not previous)
            previous = here
    starts, stops = np.empty(count, np.int32), np.empty(count, np.int32)
    parent, seed = np.empty(count, np.int32), np.zeros(count, np.uint8)
    first = np.empty(height + 1, np.int32)
    n = 0
    for y in range(height):
        first[y] = n
        x = 0
        above = first[y - 1] if y else 0
        while x < width:
            if not above_low[y, x]:
                x += 1
                continue
            start, seeded = x, False
            while x < width and above_low[y, x]:
                seeded |= above_high[y, x]
                x += 1
            starts[n], stops[n], parent[n], seed[n] = start, x, n, seeded
            if y:
                while above < first[y] and stops[above] + reach <= start:
                    above += 1
                touching = above
                while touching < first[y] and starts[touching] < x + reach:
                    a, b = _find(parent, touching), _find(parent, n)
                    low, high = min(a, b), max(a, b)
                    parent[high] = low
                    seed[low] |= seed[high]
                    touching += 1
            n += 1
    first[height] = n
    for i in range(n):
        parent[i] = parent[parent[i]]
        seed[i] = seed[parent[i]]
    return starts, stops, first, parent, seed


@compiled
def _number_border(starts: Any, stops: Any, first: Any, root: Any, width: Any) -> Any:
    """Number the components at the border in the order of their runs; -1 for the inner ones."""
    number = np.full(len(root), -1, np.int32)
    height = len(first) - 1
    for y in range(height):
        edge = y == 0 or y == height - 1
        for i in range(first[y], first[y + 1]):
            if edge or starts[i] == 0 or stops[i] == width:
                number[root[i]] = 0
    count = 0
    for i in range(len(root)):
        if root[i] == i and number[i] == 0:
            number[i] = count
            count += 1
        number[i] = number[root[i]]
    return number, count


@compiled
def _edges(
    starts: Any, stops: Any, first: Any, root: Any, number: Any, height: Any, width: Any
) -> Any:
    top, bottom = np.full(width, -1, np.int32), np.full(width, -1, np.int32)
    left, right = np.full(height, -1, np.int32), np.full(height, -1, np.int32)
    for y in range(height):
        for i in range(first[y], first[y + 1]):
            if y == 0:
                top[starts[i] : stops[i]] = number[i]
            if y == height - 1:
                bottom[starts[i] : stops[i]] = number[i]
            if starts[i] == 0:
                left[y] = number[i]
            if stops[i] == width:
                right[y] = number[i]
    return top, bottom, left, right


@compiled
def _paint(
    starts: Any, stops: Any, first: Any, root: Any, seed: Any, number: Any, keep: Any, out: Any
) -> None:
    for y in range(len(first) - 1):
        for i in range(first[y], first[y + 1]):
            kept = seed[i] if number[i] < 0 else keep[number[i]]
            if kept:
                out[y, starts[i] : stops[i]] = True
