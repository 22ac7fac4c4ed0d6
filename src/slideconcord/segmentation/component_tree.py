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

BLOCK_PX = 256  # branches of a block then fit 16 bits
_WIDE = BLOCK_PX + 2  # a rim of 0 spares every test for the block's end
TOP, BOTTOM, LEFT, RIGHT = 1, 2, 4, 8

Bytes = NDArray[np.uint8]


class BlockTree(NamedTuple):
    """The tree of one block; parents come before their children."""

    peak: Bytes
    """Per branch."""
    saddle: Bytes
    """Per branch: 0 when it never ends, 255 for a border branch, which the joined tree knows."""
    parent: NDArray[np.uint16]
    """Per branch, within the block; a border branch names itself."""
    node_count: Bytes
    """Per branch: its nodes, 0 for a border branch."""
    node_level: Bytes
    """Per node, branch by branch, from the peak down."""
    node_area: NDArray[np.uint16]
    """Per node: pixels less 1, so that a full block fits 16 bits."""
    border_branch: NDArray[np.uint16]
    """The border branches, within the block."""
    border_peak: Bytes
    border_saddle: Bytes
    """Where the branch ends within its block, at the latest; 0 when it does not."""
    border_parent: NDArray[np.uint16]
    """As a place in this list."""
    gain_border: NDArray[np.uint16]
    """Per gain of a border branch: which one (a place in this list)."""
    gain_level: Bytes
    gain_area: NDArray[np.int32]
    """Pixels gained at this level, without those of other border branches."""
    edge_value: Bytes
    """(4, BLOCK_PX): the first and last row, the first and last column."""
    edge_border: NDArray[np.uint16]
    """(4, BLOCK_PX): the place in the list of border branches."""


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
                _WIDE * _WIDE if name in rimmed else BLOCK_PX * BLOCK_PX,
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
    rimmed = scratch.values.reshape(_WIDE, _WIDE)
    rimmed[:] = 0
    rimmed[1 : height + 1, 1 : width + 1] = values
    count, nodes = _grow(height, width, seams, scratch)
    kept, border = _drop_empty(count, scratch)
    _write_branches(height, width, scratch)
    branches[:] = scratch.branches[:height, :width]
    return BlockTree(
        *_describe_inner(count, kept, nodes, scratch),
        *_describe_border(count, border, nodes, scratch),
        *_describe_edges(height, width, scratch),
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
        for value in values[y * _WIDE + 1 : y * _WIDE + 1 + width]:
            counts[value] += 1
    start = np.zeros(257, np.int32)
    for i in range(255):
        start[i + 1] = start[i] + counts[255 - i]
    fill = start.copy()
    for y in range(1, height + 1):
        first_or_last = (y == 1 and seams & TOP > 0) or (y == height and seams & BOTTOM > 0)
        row = values[y * _WIDE + 1 : y * _WIDE + 1 + width]
        for x in range(width):
            if row[x] > 0:
                at_seam = (
                    first_or_last
                    or (x == 0 and seams & LEFT > 0)
                    or (x == width - 1 and seams & RIGHT > 0)
                )
                order[fill[255 - row[x]]] = 2 * (y * _WIDE + x + 1) + at_seam
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
            for step in (-_WIDE, -1, 1, _WIDE):
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
def _is_dropped(i: Any, scratch: Any) -> Any:
    return scratch.saddle[i] == scratch.peak[i]


@compiled
def _write_branches(height: Any, width: Any, scratch: Any) -> None:
    values, gatherer, place = scratch.values, scratch.gatherer, scratch.place
    for y in range(height):
        begin = (y + 1) * _WIDE + 1
        row = scratch.branches[y]
        for x in range(width):
            row[x] = place[gatherer[begin + x]] if values[begin + x] > 0 else 0


@compiled
def _describe_inner(count: Any, kept: Any, nodes: Any, scratch: Any) -> Any:
    peak, saddle = np.zeros(kept, np.uint8), np.zeros(kept, np.uint8)
    parent, node_count = np.zeros(kept, np.uint16), np.zeros(kept, np.uint8)
    for i in range(count):
        if not _is_dropped(i, scratch):
            own = scratch.place[i]
            peak[own] = scratch.peak[i]
            saddle[own] = 255 if scratch.at_border[i] else scratch.saddle[i]
            parent[own] = own if scratch.at_border[i] else scratch.place[scratch.parent[i]]
    inner = 0
    for n in range(nodes):
        if not scratch.at_border[scratch.node_branch[n]]:
            node_count[scratch.place[scratch.node_branch[n]]] += 1
            inner += 1
    fill = np.zeros(kept + 1, np.int32)
    for i in range(kept):
        fill[i + 1] = fill[i] + node_count[i]
    node_level, node_area = np.empty(inner, np.uint8), np.empty(inner, np.uint16)
    for n in range(nodes):
        if not scratch.at_border[scratch.node_branch[n]]:
            own = scratch.place[scratch.node_branch[n]]
            node_level[fill[own]] = scratch.node_level[n]
            node_area[fill[own]] = scratch.node_area[n] - 1
            fill[own] += 1
    return peak, saddle, parent, node_count, node_level, node_area


@compiled
def _describe_border(count: Any, border: Any, nodes: Any, scratch: Any) -> Any:
    branch, peak = np.empty(border, np.uint16), np.empty(border, np.uint8)
    saddle, parent = np.empty(border, np.uint8), np.empty(border, np.uint16)
    # From here on ``gained`` holds the place in the list of border branches, ``last_level`` the
    # area of the node before.
    listed, before = scratch.gained, scratch.last_level
    b = 0
    for i in range(count):
        before[i] = 0
        if _is_dropped(i, scratch):
            listed[i] = listed[scratch.parent[i]]
        elif scratch.at_border[i]:
            branch[b], peak[b], saddle[b] = scratch.place[i], scratch.peak[i], scratch.saddle[i]
            listed[i] = b
            parent[b] = listed[scratch.parent[i]]
            b += 1
        else:
            listed[i] = 0
    gains = 0
    for n in range(nodes):
        gains += scratch.at_border[scratch.node_branch[n]]
    gain_border, gain_level = np.empty(gains, np.uint16), np.empty(gains, np.uint8)
    gain_area = np.empty(gains, np.int32)
    gains = 0
    for n in range(nodes):
        i = scratch.node_branch[n]
        if scratch.at_border[i]:
            gain_border[gains], gain_level[gains] = listed[i], scratch.node_level[n]
            gain_area[gains] = scratch.node_area[n] - before[i]
            before[i] = scratch.node_area[n]
            gains += 1
    return branch, peak, saddle, parent, gain_border, gain_level, gain_area


@compiled
def _describe_edges(height: Any, width: Any, scratch: Any) -> Any:
    """Describe the four edges; follows `_describe_border`, which leaves the list in ``gained``."""
    values, gatherer, listed = scratch.values, scratch.gatherer, scratch.gained
    value = np.zeros((4, BLOCK_PX), np.uint8)
    border = np.zeros((4, BLOCK_PX), np.uint16)
    for side in range(4):
        for i in range(width if side < 2 else height):
            y = (0, height - 1, i, i)[side]
            x = (i, i, 0, width - 1)[side]
            pixel = (y + 1) * _WIDE + x + 1
            if values[pixel] > 0:
                value[side, i] = values[pixel]
                border[side, i] = listed[gatherer[pixel]]
    return value, border
