"""How the bright parts of a grey map join as the threshold falls: its component tree.

Words. Every local maximum starts a *branch*. Falling through the grey levels, the branch gathers
the pixels connected to it, until at its *saddle* it meets a branch with a higher peak and ends
there; that one is its *parent*. A pixel's branch is the one that gathered it. So a component of
``map > grey`` is a branch with peak above grey and saddle at or below it, plus all that joined it
above grey. A *node* is a grey level at which a branch gained pixels, with the area it then had.

The map is cut into blocks whose trees are grown one by one, in cache and in parallel. A branch
that ends without having touched a seam is *inner*: nothing outside its block can change it. The
others are *border* branches; joined_tree.py grows their common tree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.segmentation.block_tree import (
    BLOCK_PX,
    WIDE_PX,
    BlockTree,
    describe_border,
    describe_edges,
    describe_inner,
)

TOP, BOTTOM, LEFT, RIGHT = 1, 2, 4, 8

Bytes = NDArray[np.uint8]


class Scratch(NamedTuple):
    """Working memory for `grow_block`; one per thread."""

    values: Bytes
    """The block inside a rim of 0; pixels are named by their place here."""
    gatherer: NDArray[np.int32]
    """Per pixel: the branch that gathered it, before empty branches are dropped."""
    branches: NDArray[np.uint16]
    """(BLOCK_PX, BLOCK_PX): per pixel its branch."""
    order: NDArray[np.int32]
    """The pixels above 0 from the highest down, as ``2 * place + at a seam``."""
    root: NDArray[np.int32]
    """Per branch, as all that follow: union-find, whose roots are the branches not yet ended."""
    parent: NDArray[np.int32]
    area: NDArray[np.int32]
    recorded: NDArray[np.int32]
    """The area at the last node."""
    last_level: NDArray[np.int32]
    """The level at which the branch gained last."""
    peak: Bytes
    saddle: Bytes
    at_border: Bytes
    place: NDArray[np.int32]
    """The branch's number when empty branches are dropped."""
    gained: NDArray[np.int32]
    """The branches that gained at this level."""
    node_branch: NDArray[np.int32]
    """Per node, in order of discovery."""
    node_level: Bytes
    node_area: NDArray[np.int32]

    @classmethod
    def new(cls) -> Scratch:
        small = ("peak", "saddle", "at_border", "node_level")
        rimmed = ("values", "gatherer")
        arrays: dict[str, Any] = {
            name: np.zeros(
                WIDE_PX * WIDE_PX if name in rimmed else BLOCK_PX * BLOCK_PX,
                np.uint8 if name in small or name == "values" else np.int32,
            )
            for name in cls._fields
        }
        arrays["branches"] = np.zeros((BLOCK_PX, BLOCK_PX), np.uint16)
        return cls(**arrays)


def grow_block(
    values: Bytes, seams: int, branches: NDArray[np.uint16], scratch: Scratch
) -> BlockTree:
    """Grow the tree of one block and write each pixel's branch.

    Parameters
    ----------
    values
        (y, x) uint8, at most BLOCK_PX each way.
    seams
        The sides at which another block follows: a sum of TOP, BOTTOM, LEFT, RIGHT.
    branches
        (y, x) uint16, filled; pixels of value 0 are in no branch and get 0.
    """
    height, width = values.shape
    # Copied in and out, so that the kernels see one memory layout only and are compiled once.
    rimmed = scratch.values.reshape(WIDE_PX, WIDE_PX)
    rimmed[:] = 0
    rimmed[1 : height + 1, 1 : width + 1] = values
    count, nodes = _grow(height, width, seams, scratch)
    kept, border = _drop_empty(count, scratch)
    _write_branches(height, width, scratch)
    branches[:] = scratch.branches[:height, :width]
    return BlockTree(
        *describe_inner(count, kept, nodes, scratch),
        *describe_border(count, border, nodes, scratch),
        *describe_edges(height, width, scratch),
    )


@compiled
def _find(root: Any, i: Any) -> Any:
    while root[i] != i:
        root[i] = root[root[i]]
        i = root[i]
    return i


@compiled
def _sort(height: Any, width: Any, seams: Any, scratch: Any) -> Any:
    """Fill ``order``; return where the pixels of each level begin (at index 255 - level)."""
    values, order = scratch.values, scratch.order
    counts = np.zeros(256, np.int32)
    for y in range(1, height + 1):
        for value in values[y * WIDE_PX + 1 : y * WIDE_PX + 1 + width]:
            counts[value] += 1
    start = np.zeros(257, np.int32)
    for i in range(255):
        start[i + 1] = start[i] + counts[255 - i]
    fill = start.copy()
    for y in range(1, height + 1):
        first_or_last = (y == 1 and seams & TOP > 0) or (y == height and seams & BOTTOM > 0)
        row = values[y * WIDE_PX + 1 : y * WIDE_PX + 1 + width]
        for x in range(width):
            if row[x] > 0:
                at_seam = (
                    first_or_last
                    or (x == 0 and seams & LEFT > 0)
                    or (x == width - 1 and seams & RIGHT > 0)
                )
                order[fill[255 - row[x]]] = 2 * (y * WIDE_PX + x + 1) + at_seam
                fill[255 - row[x]] += 1
    return start


@compiled
def _grow(height: Any, width: Any, seams: Any, scratch: Any) -> Any:
    """Gather pixels from the highest down; return the numbers of branches and nodes."""
    start = _sort(height, width, seams, scratch)
    # As names of their own: within the loop, a field of the tuple costs more than its use.
    padded, gatherer, order = scratch.values, scratch.gatherer, scratch.order
    root, parent, peak, saddle = scratch.root, scratch.parent, scratch.peak, scratch.saddle
    area, recorded, at_border = scratch.area, scratch.recorded, scratch.at_border
    gained, last_level = scratch.gained, scratch.last_level
    node_branch, node_level = scratch.node_branch, scratch.node_level
    node_area = scratch.node_area
    count = nodes = 0
    for i in range(255):
        level = 255 - i
        gains = 0
        for k in range(start[i], start[i + 1]):
            place = order[k] >> 1
            own = -1
            for step in (-WIDE_PX, -1, 1, WIDE_PX):
                # Gathered before: higher pixels, and those of this level that come first.
                if padded[place + step] < level + (step > 0):
                    continue
                met = gatherer[place + step]
                if met == own:
                    continue
                met = _find(root, met)
                if own < 0:
                    own = met
                elif met != own:
                    # The earlier one goes on: its peak is as high or higher.
                    own, ended = min(own, met), max(own, met)
                    root[ended] = parent[ended] = own
                    saddle[ended] = level
                    # What it gained at this very level belongs to the parent, and so does all of
                    # an inner branch; a border branch keeps its own account, which the joined
                    # tree settles.
                    kept = recorded[ended] if at_border[ended] else 0
                    area[own] += area[ended] - kept
                    at_border[own] |= at_border[ended]
            if own < 0:
                own = count
                count += 1
                root[own] = parent[own] = own
                area[own] = recorded[own] = last_level[own] = at_border[own] = 0
                peak[own], saddle[own] = level, 0
            gatherer[place] = own
            area[own] += 1
            at_border[own] |= order[k] & 1
            if last_level[own] != level:
                last_level[own] = level
                gained[gains] = own
                gains += 1
        for g in range(gains):
            branch = gained[g]
            if root[branch] == branch:
                node_branch[nodes], node_level[nodes] = branch, level
                node_area[nodes] = recorded[branch] = area[branch]
                nodes += 1
    return count, nodes


@compiled
def _drop_empty(count: Any, scratch: Any) -> Any:
    """Number the branches anew without those that ended at their own peak, within a plateau."""
    place, at_border, root = scratch.place, scratch.at_border, scratch.root
    kept = border = 0
    for i in range(count):
        if root[i] != i and scratch.saddle[i] == scratch.peak[i]:
            place[i] = place[scratch.parent[i]]
        else:
            place[i] = kept
            kept += 1
            border += at_border[i]
    return kept, border


@compiled
def _write_branches(height: Any, width: Any, scratch: Any) -> None:
    values, gatherer, place = scratch.values, scratch.gatherer, scratch.place
    for y in range(height):
        begin = (y + 1) * WIDE_PX + 1
        row = scratch.branches[y]
        for x in range(width):
            row[x] = place[gatherer[begin + x]] if values[begin + x] > 0 else 0
