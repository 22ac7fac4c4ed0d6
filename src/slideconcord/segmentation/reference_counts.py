"""How many pixels of every component lie inside a reference: agreement at any thresholds at once.

The counts come up the tree as areas do. Those of all components together, by low and peak, answer
thresholds alone; those of each node answer what else decides which regions stay.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.errors import MismatchError
from slideconcord.segmentation.block_tree import BLOCK_PX
from slideconcord.segmentation.mask import Mask
from slideconcord.segmentation.sharing import share

if TYPE_CHECKING:
    from slideconcord.segmentation.threshold_index import ThresholdIndex

Ints = NDArray[np.int64]
_STRIP_BLOCKS = 4


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceCounts:
    """A reference as the index of a map sees it; made by `ThresholdIndex.count_reference`.

    Where an array has a first axis of 2, it is outside, inside the reference.
    """

    by_peak: Ints = field(repr=False)
    """(2, 256, 256): pixels of the components at [low], with a peak above [high], grey levels."""
    weights: tuple[NDArray[np.int32], Ints] = field(repr=False)
    """(2, node) of the forest and of the joined tree: pixels of the component there."""
    outside: int
    """Pixels that count, and are not in the reference."""
    inside: int


def count_reference(
    index: ThresholdIndex, reference: Any, tissue: Any = None
) -> Generator[int, None, ReferenceCounts]:
    """Do as `ThresholdIndex.count_reference` in steps; yields how many rows are done."""
    reference = pixels_of(index, reference, "reference")
    tissue = None if tissue is None else pixels_of(index, tissue, "tissue")
    of_nodes = np.zeros((2, len(index.forest.node_level)), np.int32)
    of_joined = np.zeros((2, len(index.joined.node_level)), np.int64)
    totals, lock = np.zeros(3, np.int64), threading.Lock()

    columns, ranks = index.chooser.columns, index.chooser.ranks

    def count(top: int) -> None:
        rows = slice(top, min(top + BLOCK_PX, index.shape[0]))
        sides = _sides(reference, tissue, rows)
        values, branches = (array[rows] for array in index.levels[0])
        for column in range(columns):
            block = top // BLOCK_PX * columns + column
            of_border = _count_block(
                values, branches, sides, column * BLOCK_PX, index.forest, block, of_nodes
            )
            with lock:  # blocks meet in the joined tree
                _enter_joined(index.forest, index.joined, ranks, block, of_border, of_joined)
        with lock:
            totals[:] += np.bincount(sides.ravel(), minlength=3)

    height = index.shape[0]
    for begin in range(0, height, _STRIP_BLOCKS * BLOCK_PX):
        end = min(begin + _STRIP_BLOCKS * BLOCK_PX, height)
        share(range(begin, end, BLOCK_PX), count)
        yield end
    _add_up_joined(index.joined, of_joined)
    steps = np.zeros((2, 256, 256), np.int64)
    _tally_steps(index.forest, index.joined, of_nodes, of_joined, steps)
    at_peak = np.cumsum(steps, axis=1)
    # Those with a peak above high are all from the next grey level on.
    by_peak = np.zeros_like(at_peak)
    by_peak[:, :, :-1] = np.cumsum(at_peak[:, :, ::-1], axis=2)[:, :, ::-1][:, :, 1:]
    return ReferenceCounts(by_peak, (of_nodes, of_joined), int(totals[0]), int(totals[1]))


def pixels_of(index: ThresholdIndex, given: Any, what: str) -> Any:
    """Check that a mask or array lies on the map; return its pixels, bool (y, x).

    Raises
    ------
    MismatchError
        When it lies elsewhere, or has another shape or type.
    """
    if isinstance(given, Mask):
        place = index.place
        if place.frame is not None and (given.frame, given.slide_fingerprint) != (
            place.frame,
            place.slide_fingerprint,
        ):
            raise MismatchError(
                f"The {what} lies in another frame or on another slide than the probability map: "
                "make it in the map's frame, or register the slides first."
            )
        given = given.array
    if tuple(given.shape) != index.shape or given.dtype != np.bool_:
        raise MismatchError(
            f"The {what} is {given.dtype} {tuple(given.shape)}, but the map needs bool "
            f"{index.shape}: draw it in the frame of the map."
        )
    return given


def _sides(reference: Any, tissue: Any, rows: slice) -> NDArray[np.uint8]:
    """Return 1 inside the reference, 0 outside of it, 2 where there is no tissue."""
    sides = np.asarray(reference[rows]).astype(np.uint8, order="C")
    if tissue is not None:
        sides[~np.asarray(tissue[rows])] = 2
    return sides


@compiled
def _node_at(level: Any, begin: Any, stop: Any, value: Any) -> Any:
    """Return the node at this very level; nodes fall from the peak."""
    while begin + 1 < stop:
        middle = (begin + stop) // 2
        if level[middle] >= value:
            begin = middle
        else:
            stop = middle
    return begin


@compiled
def _count_block(
    values: Any, branches: Any, sides: Any, x0: Any, forest: Any, block: Any, of_nodes: Any
) -> Any:
    """Fill ``of_nodes`` of a block; return what border branches gain by (branch, level, side)."""
    first, stop = forest.start[block], forest.start[block + 1]
    saddle, parent = forest.saddle[first:stop], forest.parent[first:stop]
    begin = np.empty(stop - first + 1, np.int64)
    begin[0] = forest.node_start[block]
    for i in range(stop - first):
        begin[i + 1] = begin[i] + forest.node_count[first + i]
    first_border = forest.border_start[block]
    place = np.zeros(stop - first, np.int32)
    for b in range(first_border, forest.border_start[block + 1]):
        place[forest.border_branch[b]] = b - first_border
    of_border = np.zeros((forest.border_start[block + 1] - first_border, 256, 2), np.int32)

    level = forest.node_level
    for y in range(values.shape[0]):
        for x in range(x0, min(x0 + BLOCK_PX, values.shape[1])):
            value, side = values[y, x], sides[y, x]
            if value > 0 and side < 2:
                i = _gainer(saddle, parent, branches[y, x], value)
                if parent[i] == i and saddle[i] == 255:
                    of_border[place[i], value, side] += 1
                else:
                    of_nodes[side, _node_at(level, begin[i], begin[i + 1], value)] += 1
    for i in range(stop - first - 1, -1, -1):
        if begin[i] == begin[i + 1]:
            continue
        for side in range(2):
            for n in range(begin[i] + 1, begin[i + 1]):
                of_nodes[side, n] += of_nodes[side, n - 1]
        if saddle[i] > 0:
            p = _gainer(saddle, parent, parent[i], saddle[i])
            for side in range(2):
                whole = of_nodes[side, begin[i + 1] - 1]
                if begin[p] == begin[p + 1]:
                    of_border[place[p], saddle[i], side] += whole
                else:
                    of_nodes[side, _node_at(level, begin[p], begin[p + 1], saddle[i])] += whole
    return of_border


@compiled
def _gainer(saddle: Any, parent: Any, i: Any, value: Any) -> Any:
    """Return the branch that gained what branch ``i`` gathered at this level.

    A branch that ended at this very level left it to its parent. A border branch is its own
    parent and goes on in the joined tree.
    """
    while saddle[i] >= value and parent[i] != i:
        i = parent[i]
    return i


@compiled
def _enter_joined(
    forest: Any, joined: Any, ranks: Any, block: Any, of_border: Any, of_joined: Any
) -> None:
    first = forest.border_start[block]
    for b in range(of_border.shape[0]):
        for value in range(1, 256):
            if of_border[b, value, 0] + of_border[b, value, 1] > 0:
                own = np.int64(ranks[first + b])
                while joined.saddle[own] >= value:
                    own = np.int64(joined.parent[own])
                begin, stop = joined.node_start[own], joined.node_start[own + 1]
                node = _node_at(joined.node_level, begin, stop, value)
                of_joined[0, node] += of_border[b, value, 0]
                of_joined[1, node] += of_border[b, value, 1]


@compiled
def _add_up_joined(joined: Any, of_joined: Any) -> None:
    """Turn what nodes gained into what their components hold, children first."""
    for i in range(len(joined.peak) - 1, -1, -1):
        begin, stop = joined.node_start[i], joined.node_start[i + 1]
        if begin == stop:
            continue
        for side in range(2):
            for n in range(begin + 1, stop):
                of_joined[side, n] += of_joined[side, n - 1]
        if joined.saddle[i] > 0:
            p = np.int64(joined.parent[i])
            while joined.saddle[p] >= joined.saddle[i]:
                p = np.int64(joined.parent[p])
            node = _node_at(
                joined.node_level, joined.node_start[p], joined.node_start[p + 1], joined.saddle[i]
            )
            for side in range(2):
                of_joined[side, node] += of_joined[side, stop - 1]


@compiled
def _tally_steps(forest: Any, joined: Any, of_nodes: Any, of_joined: Any, steps: Any) -> None:
    """Enter each node where its count begins and where it ends along the grey levels."""
    node = 0
    for i in range(len(forest.peak)):
        peak, end = forest.peak[i], node + forest.node_count[i]
        while node < end:
            until = forest.node_level[node + 1] if node + 1 < end else forest.saddle[i]
            for side in range(2):
                steps[side, until, peak] += of_nodes[side, node]
                steps[side, forest.node_level[node], peak] -= of_nodes[side, node]
            node += 1
    for i in range(len(joined.peak)):
        peak, end = joined.peak[i], joined.node_start[i + 1]
        for n in range(joined.node_start[i], end):
            until = joined.node_level[n + 1] if n + 1 < end else joined.saddle[i]
            for side in range(2):
                steps[side, until, peak] += of_joined[side, n]
                steps[side, joined.node_level[n], peak] -= of_joined[side, n]
