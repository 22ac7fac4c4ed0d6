"""The common tree of all branches that touch seams between blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.segmentation.block_tree import BLOCK_PX, BlockTree

Bytes = NDArray[np.uint8]


class JoinedTree(NamedTuple):
    """The tree of all border branches of a map; parents come before their children."""

    border: NDArray[np.int32]
    """Per branch: its place among the border branches of all blocks, block by block."""
    peak: Bytes
    saddle: Bytes
    """Where it meets its parent; 0 when it never does."""
    parent: NDArray[np.int32]
    node_start: NDArray[np.int64]
    """Where the nodes of each branch begin, and at last their number."""
    node_level: Bytes
    """Per node, branch by branch, from the peak down."""
    node_area: NDArray[np.int64]


class _Meetings(NamedTuple):
    """Pairs of border branches that are connected at a level and below."""

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    level: Bytes


def join(blocks: Sequence[BlockTree], columns: int) -> JoinedTree:
    """Join the trees of all blocks, which come row by row, ``columns`` to a row."""
    start = np.zeros(len(blocks) + 1, np.int64)
    np.cumsum([len(block.border_branch) for block in blocks], out=start[1:])
    peak = np.concatenate([block.border_peak for block in blocks])
    order = np.argsort(255 - peak, kind="stable").astype(np.int32)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order), dtype=np.int32)

    inside = _meetings_inside(blocks, start)
    across = _Meetings(
        *_meetings_across(
            np.stack([block.edge_value for block in blocks]),
            np.stack([block.edge_border for block in blocks]),
            start,
            columns,
        )
    )
    a, b, level = (
        np.concatenate([getattr(inside, name), getattr(across, name)]) for name in _Meetings._fields
    )
    falling = np.argsort(255 - level, kind="stable")
    gains = _gains(blocks, start)
    gains_falling = np.argsort(255 - gains[1], kind="stable")
    saddle, parent, *nodes = _join(
        len(peak),
        rank[a[falling]], rank[b[falling]], level[falling],
        rank[gains[0][gains_falling]], gains[1][gains_falling], gains[2][gains_falling],
    )  # fmt: skip
    return JoinedTree(order, peak[order], saddle, parent, *_by_branch(len(peak), *nodes))


def _meetings_inside(blocks: Sequence[BlockTree], start: NDArray[np.int64]) -> _Meetings:
    child, parent, level = [], [], []
    for first, block in zip(start, blocks, strict=False):
        ended = np.flatnonzero(block.border_saddle)
        child.append((first + ended).astype(np.int32))
        parent.append((first + block.border_parent[ended]).astype(np.int32))
        level.append(block.border_saddle[ended])
    return _Meetings(np.concatenate(child), np.concatenate(parent), np.concatenate(level))


def _gains(blocks: Sequence[BlockTree], start: NDArray[np.int64]) -> Any:
    branch = [
        (first + block.gain_border).astype(np.int32)
        for first, block in zip(start, blocks, strict=False)
    ]
    return (
        np.concatenate(branch),
        np.concatenate([block.gain_level for block in blocks]),
        np.concatenate([block.gain_area for block in blocks]),
    )


@compiled
def _meetings_across(value: Any, border: Any, start: Any, columns: Any) -> Any:
    """List which border branches meet across the seams; value and border are (block, 4, pixel)."""
    blocks = len(value)
    room = 2 * blocks * BLOCK_PX
    a, b = np.empty(room, np.int32), np.empty(room, np.int32)
    level = np.empty(room, np.uint8)
    n = 0
    for block in range(blocks):
        for side, other in ((1, block + columns), (3, block + 1)):
            if other >= blocks or (side == 3 and other % columns == 0):
                continue
            begins = n
            for i in range(BLOCK_PX):
                meet = min(value[block, side, i], value[other, side - 1, i])
                if meet == 0:
                    continue
                here = start[block] + border[block, side, i]
                there = start[other] + border[other, side - 1, i]
                # Along a seam the same two meet again and again; the highest place counts.
                if n > begins and a[n - 1] == here and b[n - 1] == there:
                    level[n - 1] = max(level[n - 1], meet)
                else:
                    a[n], b[n], level[n] = here, there, meet
                    n += 1
    return a[:n], b[:n], level[:n]


@compiled
def _find(root: Any, i: Any) -> Any:
    while root[i] != i:
        root[i] = root[root[i]]
        i = root[i]
    return i


@compiled
def _join(
    count: Any, a: Any, b: Any, meet: Any, gain_branch: Any, gain_level: Any, gain_area: Any
) -> Any:
    """Let branches (by rank) meet from the highest level down; return ends and nodes."""
    root, parent = np.empty(count, np.int32), np.empty(count, np.int32)
    for i in range(count):
        root[i] = parent[i] = i
    saddle, area = np.zeros(count, np.uint8), np.zeros(count, np.int64)
    last_level, gained = np.zeros(count, np.int32), np.empty(count, np.int32)
    room = len(gain_branch) + count
    node_branch, node_level = np.empty(room, np.int32), np.empty(room, np.uint8)
    node_area = np.empty(room, np.int64)
    g = m = nodes = 0
    for level in range(255, 0, -1):
        gains = 0
        while g < len(gain_level) and gain_level[g] == level:
            own = _find(root, gain_branch[g])
            area[own] += gain_area[g]
            if last_level[own] != level:
                last_level[own] = level
                gained[gains] = own
                gains += 1
            g += 1
        while m < len(meet) and meet[m] == level:
            one, two = _find(root, a[m]), _find(root, b[m])
            if one != two:
                # The lower rank has the higher peak and goes on.
                own, ended = min(one, two), max(one, two)
                root[ended] = parent[ended] = own
                saddle[ended] = level
                area[own] += area[ended]
                if last_level[own] != level:
                    last_level[own] = level
                    gained[gains] = own
                    gains += 1
            m += 1
        for i in range(gains):
            branch = gained[i]
            if root[branch] == branch:
                node_branch[nodes], node_level[nodes] = branch, level
                node_area[nodes] = area[branch]
                nodes += 1
    return saddle, parent, node_branch[:nodes], node_level[:nodes], node_area[:nodes]


def _by_branch(
    count: int, branch: NDArray[np.int32], level: Bytes, area: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Bytes, NDArray[np.int64]]:
    start = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(branch, minlength=count), out=start[1:])
    order = np.argsort(branch, kind="stable")
    return start, level[order], area[order]
