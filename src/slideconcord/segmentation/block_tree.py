"""The tree of one block as it is kept, told from the working memory that it was grown in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

BLOCK_PX = 256  # branches of a block then fit 16 bits
WIDE_PX = BLOCK_PX + 2  # a rim of 0 spares every test for the block's end

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


@compiled
def _is_dropped(i: Any, scratch: Any) -> Any:
    return scratch.saddle[i] == scratch.peak[i]


@compiled
def describe_inner(count: Any, kept: Any, nodes: Any, scratch: Any) -> Any:
    """Describe the inner branches, numbered without the dropped ones."""
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
def describe_border(count: Any, border: Any, nodes: Any, scratch: Any) -> Any:
    """Describe the border branches and what they gain from level to level."""
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
def describe_edges(height: Any, width: Any, scratch: Any) -> Any:
    """Describe the four edges; follows `describe_border`, which leaves the list in ``gained``."""
    values, gatherer, listed = scratch.values, scratch.gatherer, scratch.gained
    value = np.zeros((4, BLOCK_PX), np.uint8)
    border = np.zeros((4, BLOCK_PX), np.uint16)
    for side in range(4):
        for i in range(width if side < 2 else height):
            y = (0, height - 1, i, i)[side]
            x = (i, i, 0, width - 1)[side]
            pixel = (y + 1) * WIDE_PX + x + 1
            if values[pixel] > 0:
                value[side, i] = values[pixel]
                border[side, i] = listed[gatherer[pixel]]
    return value, border
