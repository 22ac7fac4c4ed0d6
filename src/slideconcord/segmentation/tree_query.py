"""Asking the component tree: how high each branch reaches at a grey level, and who is in the mask.

A branch's *reach* at a grey level is the peak of the component of ``map > grey`` that it is part
of. A pixel is in the mask (low, high) when it is above low and its branch's reach is above high.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.segmentation.joined_tree import JoinedTree

Bytes = NDArray[np.uint8]


class Forest(NamedTuple):
    """The trees of all blocks, end to end; the fields are those of `BlockTree`."""

    start: NDArray[np.int64]
    """Where each block's branches begin, and at last their number; so for the other starts."""
    peak: Bytes
    saddle: Bytes
    parent: NDArray[np.uint16]
    node_count: Bytes
    node_start: NDArray[np.int64]
    node_level: Bytes
    node_area: NDArray[np.uint16]
    border_start: NDArray[np.int64]
    border_branch: NDArray[np.uint16]
    lowest: Bytes
    """Per block: its smallest value."""
    highest: Bytes


class Reach(NamedTuple):
    """How high every branch reaches at one grey level, filled block by block when needed."""

    grey: int
    of_border: Bytes
    """Per border branch, in the order of the blocks."""
    of_branch: Bytes
    smallest: Bytes
    """Per block, over its branches with a peak above ``grey``."""
    largest: Bytes
    ready: NDArray[np.bool_]
    """Per block."""


def start_reach(forest: Forest, grey: int, of_border: Bytes) -> Reach:
    """Begin with the border branches; the blocks follow with `fill_reach` or `fill_chosen`."""
    blocks = len(forest.start) - 1
    return Reach(
        grey,
        of_border,
        # One more, because pixels of value 0 name branch 0 even in a block without branches.
        np.zeros(int(forest.start[-1]) + 1, np.uint8),
        np.zeros(blocks, np.uint8),
        np.zeros(blocks, np.uint8),
        np.zeros(blocks, np.bool_),
    )


@compiled
def reach_of_border(joined: Any, grey: Any) -> Any:
    """Return how high the border branches reach, in the order of the blocks."""
    count = len(joined.peak)
    by_rank, out = np.empty(count, np.uint8), np.empty(count, np.uint8)
    for i in range(count):
        is_joined = joined.saddle[i] > grey
        by_rank[i] = by_rank[joined.parent[i]] if is_joined else joined.peak[i]
        out[joined.border[i]] = by_rank[i]
    return out


@compiled
def fill_reach(forest: Any, reach: Any, blocks: Any) -> None:
    """Find how high the branches of ``blocks`` reach, where that is not known yet."""
    for block in blocks:
        if not reach.ready[block]:
            _fill_block(forest, reach, block)
            reach.ready[block] = True


@compiled
def _fill_block(forest: Any, reach: Any, block: Any) -> None:
    first, stop = forest.start[block], forest.start[block + 1]
    out, peak = reach.of_branch[first:stop], forest.peak[first:stop]
    saddle, parent = forest.saddle[first:stop], forest.parent[first:stop]
    for b in range(forest.border_start[block], forest.border_start[block + 1]):
        out[forest.border_branch[b]] = reach.of_border[b]
    for i in range(len(out)):
        # Without a branch of the program: noise would mispredict it. A border branch has
        # saddle 255 and itself as parent, so it keeps what it has.
        joined_value = out[parent[i]]
        out[i] = joined_value if saddle[i] > reach.grey else peak[i]
    smallest, largest = np.uint8(255), np.uint8(0)
    for i in range(len(out)):
        smallest = min(smallest, out[i] if peak[i] > reach.grey else np.uint8(255))
        largest = max(largest, out[i] if peak[i] > reach.grey else np.uint8(0))
    reach.smallest[block], reach.largest[block] = smallest, largest


@compiled
def _compare(
    value: Any, branch: Any, reaches: Any, grey: Any, high: Any, is_whole: Any, out: Any
) -> None:
    if is_whole:  # whoever is above low is above high somewhere
        for k in range(len(out)):
            out[k] = value[k] > grey
    else:
        for k in range(len(out)):
            out[k] = (value[k] > grey) & (reaches[branch[k]] > high)


@compiled
def gather(
    values: Any, branches: Any, block_px: Any, columns: Any, place: Any, stride: Any,
    forest: Any, reach: Any, high: Any, out: Any,
) -> None:  # fmt: skip
    """Fill ``out`` (y, x) bool from every ``stride``-th pixel, beginning at ``place`` (y, x)."""
    height, width = out.shape
    grey = reach.grey
    for i in range(height):
        y = place[0] + i * stride
        value_row, branch_row, row = values[y], branches[y], out[i]
        first_block = (y // block_px) * columns
        j, x = 0, place[1]
        while j < width:
            column = x // block_px
            stop = min(((column + 1) * block_px - x + stride - 1) // stride + j, width)
            block, part = first_block + column, row[j:stop]
            if forest.highest[block] <= grey or reach.largest[block] <= high:
                for k in range(len(part)):
                    part[k] = False
            else:
                is_whole = reach.smallest[block] > high
                reaches = reach.of_branch[forest.start[block] :]
                # Two calls, because only neighbouring pixels can be compared many at a time.
                if stride == 1:
                    end = x + stop - j
                    value, branch = value_row[x:end], branch_row[x:end]
                    _compare(value, branch, reaches, grey, high, is_whole, part)
                else:
                    end = x + (stop - j - 1) * stride + 1
                    value, branch = value_row[x:end:stride], branch_row[x:end:stride]
                    _compare(value, branch, reaches, grey, high, is_whole, part)
            x += (stop - j) * stride
            j = stop


def tally(forest: Forest, joined: JoinedTree) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (area, count) of all components by [grey level, peak], each (256, 256)."""
    steps = np.zeros((2, 256, 256), np.int64)
    _tally_steps(forest, joined, steps[0], steps[1])
    area, count = np.cumsum(steps, axis=1)
    return area, count


@compiled
def _tally_steps(forest: Any, joined: Any, area: Any, count: Any) -> None:
    """Enter each component where it begins and where it ends along the grey levels."""
    node = 0
    for i in range(len(forest.peak)):
        peak, end = forest.peak[i], node + forest.node_count[i]
        if end > node:
            count[forest.saddle[i], peak] += 1
            count[peak, peak] -= 1
        while node < end:
            until = forest.node_level[node + 1] if node + 1 < end else forest.saddle[i]
            area[until, peak] += np.int64(forest.node_area[node]) + 1
            area[forest.node_level[node], peak] -= np.int64(forest.node_area[node]) + 1
            node += 1
    for i in range(len(joined.peak)):
        peak, begin, end = joined.peak[i], joined.node_start[i], joined.node_start[i + 1]
        if end > begin:
            count[joined.saddle[i], peak] += 1
            count[peak, peak] -= 1
        for n in range(begin, end):
            until = joined.node_level[n + 1] if n + 1 < end else joined.saddle[i]
            area[until, peak] += joined.node_area[n]
            area[joined.node_level[n], peak] -= joined.node_area[n]


class Root(NamedTuple):
    """The branch that stands for a component."""

    is_joined: bool
    branch: int
    """In the joined tree, or in the forest."""
    peak: int
    area_px: int


@compiled
def _find_root(forest: Any, joined: Any, ranks: Any, block: Any, branch: Any, grey: Any) -> Any:
    first = forest.start[block]
    while forest.saddle[first + branch] > grey and forest.parent[first + branch] != branch:
        branch = forest.parent[first + branch]
    if forest.saddle[first + branch] <= grey:
        node = forest.node_start[block]
        for i in range(first, first + branch):
            node += forest.node_count[i]
        stop = node + forest.node_count[first + branch]
        area = np.int64(_area_at(forest.node_level, forest.node_area, node, stop, grey)) + 1
        return False, first + branch, forest.peak[first + branch], area
    at = forest.border_start[block]
    while forest.border_branch[at] != branch:
        at += 1
    own = np.int64(ranks[at])
    while joined.saddle[own] > grey:
        own = np.int64(joined.parent[own])
    begin, stop = joined.node_start[own], joined.node_start[own + 1]
    area = _area_at(joined.node_level, joined.node_area, begin, stop, grey)
    return True, own, joined.peak[own], area


def find_root(
    forest: Forest, joined: JoinedTree, ranks: NDArray[np.int32], block: int, branch: int, grey: int
) -> Root:
    """Return what stands for the component at ``grey`` that a branch of a block is part of.

    ``ranks`` gives of each border branch its place in the joined tree.
    """
    is_joined, root, peak, area = _find_root(forest, joined, ranks, block, branch, grey)
    return Root(bool(is_joined), int(root), int(peak), int(area))


@compiled
def _area_at(level: Any, area: Any, begin: Any, stop: Any, grey: Any) -> Any:
    """Return the area at the last node above ``grey``; nodes fall from the peak."""
    while stop - 1 > begin and level[stop - 1] <= grey:
        stop -= 1
    return area[stop - 1]
