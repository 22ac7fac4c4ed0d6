"""What of every component lies above one high: known once, any low and percentile are lookups.

A percentile is above high or not by how many of a component's pixels are above high: a count that
comes up the tree from child to parent, like areas. Only where the percentile falls between two
pixels, one on each side of high, their values decide, too: the smallest above high, ``least``, and
the largest that is not, ``most``. All three are kept per node, so they hold at every low.

In a block and in the joined tree peaks fall from branch to branch, so those above high come first.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.segmentation.joined_tree import JoinedTree
from slideconcord.segmentation.sharing import share
from slideconcord.segmentation.tree_query import Forest

Bytes = NDArray[np.uint8]


class HighFacts(NamedTuple):
    """Facts of each node at or below ``high``, of branches whose peak is above it."""

    above: NDArray[np.uint16]
    """Per node of the forest: pixels of its component above high, less 1 as areas are."""
    least: Bytes
    most: Bytes
    """0 when there is none."""
    joined_above: NDArray[np.int64]
    """Per node of the joined tree: pixels above high."""
    joined_least: Bytes
    joined_most: Bytes

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self)


class _Arrivals(NamedTuple):
    """What inner branches of a block bring to border branches."""

    border: NDArray[np.int32]
    """The place among all border branches."""
    level: Bytes
    above: NDArray[np.int32]
    least: Bytes
    most: Bytes


def no_facts() -> HighFacts:
    """Return facts of nothing, for rules that ask for no percentile."""
    byte = np.zeros(0, np.uint8)
    return HighFacts(np.zeros(0, np.uint16), byte, byte, np.zeros(0, np.int64), byte, byte)


def learn(forest: Forest, joined: JoinedTree, ranks: NDArray[np.int32], high: int) -> HighFacts:
    """Learn the facts of one high (a grey level); ``ranks`` are those of `find_root`."""
    nodes, joined_nodes = len(forest.node_level), len(joined.node_level)
    facts = HighFacts(
        np.zeros(nodes, np.uint16), np.zeros(nodes, np.uint8), np.zeros(nodes, np.uint8),
        np.zeros(joined_nodes, np.int64), np.full(joined_nodes, 255, np.uint8),
        np.zeros(joined_nodes, np.uint8),
    )  # fmt: skip
    lock = threading.Lock()

    def look(block: int) -> None:
        arrivals = _learn_block(forest, facts, block, high)
        with lock:  # blocks meet in the joined tree
            _enter_joined(joined, ranks, facts, _Arrivals(*arrivals))

    share(np.flatnonzero(forest.highest > 0).tolist(), look)
    _learn_joined(joined, facts, high)
    return facts


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
def _gainer(saddle: Any, parent: Any, i: Any, value: Any) -> Any:
    """Return who gained at this level what branch ``i`` gathered: see reference_counts.py."""
    while saddle[i] >= value and parent[i] != i:
        i = parent[i]
    return i


@compiled
def _learn_block(forest: Any, facts: Any, block: Any, high: Any) -> Any:
    """Fill the facts of a block's nodes; return what its border branches gain, as arrivals."""
    first, stop = forest.start[block], forest.start[block + 1]
    peak, saddle, parent = forest.peak[first:stop], forest.saddle[first:stop], forest.parent
    parent = parent[first:stop]
    level, area, size = forest.node_level, forest.node_area, stop - first
    above, least, most = facts.above, facts.least, facts.most
    begin = np.empty(size + 1, np.int64)
    begin[0] = forest.node_start[block]
    for i in range(size):
        begin[i + 1] = begin[i] + forest.node_count[first + i]
    place = np.zeros(size, np.int32)
    for b in range(forest.border_start[block], forest.border_start[block + 1]):
        place[forest.border_branch[b]] = b
    count = 0
    at, at_level = np.empty(size, np.int32), np.empty(size, np.uint8)
    got, got_least, got_most = (
        np.empty(size, np.int32), np.empty(size, np.uint8), np.empty(size, np.uint8),
    )  # fmt: skip
    for i in range(size - 1, -1, -1):
        if parent[i] == i and saddle[i] == 255:
            continue
        own, own_least, own_most = np.int64(0), np.uint8(255), np.uint8(0)
        if peak[i] <= high:
            own_most = peak[i]
        else:
            for n in range(begin[i], begin[i + 1]):
                if level[n] > high:
                    own, own_least = np.int64(area[n]) + 1, level[n]
                else:
                    # What children brought is there already, so far not less 1.
                    own += above[n]
                    if least[n] > 0:
                        own_least = min(own_least, least[n])
                    own_most = max(own_most, max(most[n], level[n]))
                above[n], least[n], most[n] = own - 1, own_least, own_most
        # Whoever ends above high is part of an area that is above high as a whole.
        if saddle[i] == 0 or saddle[i] > high:
            continue
        up = _gainer(saddle, parent, parent[i], saddle[i])
        if begin[up] == begin[up + 1]:
            at[count], at_level[count] = place[up], saddle[i]
            got[count], got_least[count], got_most[count] = own, own_least, own_most
            count += 1
        elif peak[up] > high:
            n = _node_at(level, begin[up], begin[up + 1], saddle[i])
            above[n] += own
            if own > 0:
                least[n] = own_least if least[n] == 0 else min(least[n], own_least)
            most[n] = max(most[n], own_most)
    return at[:count], at_level[:count], got[:count], got_least[:count], got_most[:count]


@compiled
def _enter_joined(joined: Any, ranks: Any, facts: Any, arrivals: Any) -> None:
    above, least, most = facts.joined_above, facts.joined_least, facts.joined_most
    for k in range(len(arrivals.border)):
        own, level = np.int64(ranks[arrivals.border[k]]), arrivals.level[k]
        while joined.saddle[own] >= level:
            own = np.int64(joined.parent[own])
        n = _node_at(joined.node_level, joined.node_start[own], joined.node_start[own + 1], level)
        above[n] += arrivals.above[k]
        least[n] = min(least[n], arrivals.least[k])
        most[n] = max(most[n], arrivals.most[k])


@compiled
def _learn_joined(joined: Any, facts: Any, high: Any) -> None:
    """Turn what nodes were brought into what their components hold, children first."""
    above, least, most = facts.joined_above, facts.joined_least, facts.joined_most
    level, saddle = joined.node_level, joined.saddle
    for i in range(len(joined.peak) - 1, -1, -1):
        own, own_least, own_most = np.int64(0), np.uint8(255), np.uint8(0)
        for n in range(joined.node_start[i], joined.node_start[i + 1]):
            if level[n] > high:
                own, own_least = joined.node_area[n], level[n]
            else:
                own += above[n]
                own_least = min(own_least, least[n])
                own_most = max(own_most, max(most[n], level[n]))
            above[n], least[n], most[n] = own, own_least, own_most
        if joined.node_start[i] < joined.node_start[i + 1] and 0 < saddle[i] <= high:
            up = np.int64(joined.parent[i])
            while saddle[up] >= saddle[i]:
                up = np.int64(joined.parent[up])
            n = _node_at(level, joined.node_start[up], joined.node_start[up + 1], saddle[i])
            above[n] += own
            least[n] = min(least[n], own_least)
            most[n] = max(most[n], own_most)
