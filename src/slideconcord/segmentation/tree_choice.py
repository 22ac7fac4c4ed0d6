"""Choosing among the components of the tree: by area, by percentile and by hand.

A percentile is above high or not by how many of a component's pixels are above high: a count that
comes up the tree from child to parent, like areas. Only where the percentile falls between two
pixels, one on each side of high, their values decide, too: the smallest above high, ``least``, and
the largest that is not, ``most``. That is seldom, so ``most`` is looked for where it is needed.

In a block and in the joined tree peaks fall from branch to branch, so those above high come first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
AREA, REGIONS, OUTSIDE, INSIDE = range(4)
_LEFT_OUT, _KEPT = 1, 2
_OUT, _IN, _OPEN = 0, 1, 2


class Rule(NamedTuple):
    """Which components of ``map > grey`` stay."""

    grey: int
    high: int
    min_area_px: int
    quantile: float
    """Must be above ``high``; none when negative."""
    inner_pins: Ints
    """(pin, 2): a branch of the forest, and 1 to keep its component or 0 to leave it out."""
    joined_pins: Ints
    """(pin, 2): likewise, of the joined tree."""


class Counts(NamedTuple):
    """What the border branches bring along, in the order of the blocks; empty without quantile."""

    above: Ints
    """Pixels above high."""
    least: Bytes
    """The smallest value above high; 255 when there is none."""
    most: Bytes
    """The largest value above grey that is not above high, where asked for; else 0."""


def new_counts(branches: int) -> Counts:
    """Return counts of nothing."""
    return Counts(
        np.zeros(branches, np.int64), np.full(branches, 255, np.uint8), np.zeros(branches, np.uint8)
    )


@compiled
def count_blocks(forest: Any, rule: Any, blocks: Any, border: Any) -> None:
    """Fill ``above`` and ``least`` of the border branches of ``blocks``."""
    for block in blocks:
        if forest.highest[block] > rule.high:
            above, least = _count_block(forest, rule, block)
            for b in range(forest.border_start[block], forest.border_start[block + 1]):
                i = forest.border_branch[b]
                if i < len(above):
                    border.above[b], border.least[b] = above[i], least[i]


@compiled
def find_most(forest: Any, rule: Any, blocks: Any, border: Any) -> None:
    """Fill ``most`` of the border branches of ``blocks``."""
    for block in blocks:
        most = _most_of_block(forest, rule, block)
        for b in range(forest.border_start[block], forest.border_start[block + 1]):
            border.most[b] = most[forest.border_branch[b]]


@compiled
def tally_blocks(forest: Any, rule: Any, blocks: Any, weights: Any) -> Any:
    """Add up all inner components of ``blocks`` that stay, by AREA, REGIONS, OUTSIDE, INSIDE.

    The latter two are those of ``weights`` (2, node), if it has nodes.
    """
    totals = np.zeros(4, np.int64)
    for block in blocks:
        if forest.highest[block] > rule.grey:
            size = forest.start[block + 1] - forest.start[block]
            stays, nodes = np.zeros(size, np.uint8), np.empty(size, np.int64)
            _choose_inner(forest, rule, block, stays, nodes)
            for i in range(size):
                if stays[i]:
                    totals[AREA] += np.int64(forest.node_area[nodes[i]]) + 1
                    totals[REGIONS] += 1
                    if weights.shape[1] > 0:
                        totals[OUTSIDE] += weights[0, nodes[i]]
                        totals[INSIDE] += weights[1, nodes[i]]
    return totals


@compiled
def fill_chosen(forest: Any, rule: Any, reach: Any, blocks: Any) -> None:
    """Do as `fill_reach`: let branches reach 255 where their component stays, else 0."""
    for block in blocks:
        if reach.ready[block]:
            continue
        first, stop = forest.start[block], forest.start[block + 1]
        grey, size, out = rule.grey, stop - first, reach.of_branch[first:stop]
        peak, saddle = forest.peak[first:stop], forest.saddle[first:stop]
        parent = forest.parent[first:stop]
        for b in range(forest.border_start[block], forest.border_start[block + 1]):
            out[forest.border_branch[b]] = reach.of_border[b]
        stays, nodes = np.zeros(size, np.uint8), np.empty(size, np.int64)
        _choose_inner(forest, rule, block, stays, nodes)
        for i in range(size):
            # A border branch has saddle 255 and itself as parent, so it keeps what it has.
            joined_value = out[parent[i]]
            out[i] = joined_value if saddle[i] > grey else stays[i]
        smallest, largest = np.uint8(255), np.uint8(0)
        for i in range(size):
            smallest = min(smallest, out[i] if peak[i] > grey else np.uint8(255))
            largest = max(largest, out[i] if peak[i] > grey else np.uint8(0))
        reach.smallest[block], reach.largest[block] = smallest, largest
        reach.ready[block] = True


@compiled
def count_joined(joined: Any, rule: Any, border: Any) -> Any:
    """Return ``above`` and ``least`` of the branches of the joined tree above high."""
    high, level = rule.high, joined.node_level
    size = _last_above(joined.peak, 0, len(joined.peak), high) + 1
    above, least = np.zeros(size, np.int64), np.full(size, 255, np.uint8)
    for i in range(size - 1, -1, -1):
        b, saddle = joined.border[i], joined.saddle[i]
        above[i] += border.above[b]
        least[i] = min(least[i], border.least[b])
        if saddle <= high:
            node = _last_above(level, joined.node_start[i], joined.node_start[i + 1], high)
            above[i] += joined.node_area[node]
            least[i] = min(least[i], level[node])
        if saddle > rule.grey:
            up = joined.parent[i]
            above[up] += above[i]
            least[up] = min(least[up], least[i])
    return above, least


@compiled
def open_blocks(forest: Any, joined: Any, rule: Any, above: Any, least: Any) -> Any:
    """Return the blocks that hold part of a joined component for which ``most`` must be known."""
    count = len(joined.peak)
    by_border = np.zeros(count, np.bool_)
    is_open = np.zeros(count, np.bool_)
    for i in range(count):
        if joined.saddle[i] > rule.grey:
            is_open[i] = is_open[joined.parent[i]]
        elif i < len(above):
            begin, stop = joined.node_start[i], joined.node_start[i + 1]
            area = joined.node_area[_last_above(joined.node_level, begin, stop, rule.grey)]
            state = _passes(area, above[i], least[i], 0, rule, False)
            is_open[i] = area >= rule.min_area_px and state == _OPEN
        by_border[joined.border[i]] = is_open[i]
    has_open = np.zeros(len(forest.border_start) - 1, np.bool_)
    for block in range(len(has_open)):
        has_open[block] = by_border[
            forest.border_start[block] : forest.border_start[block + 1]
        ].any()
    return np.flatnonzero(has_open)


@compiled
def choose_joined(joined: Any, rule: Any, above: Any, least: Any, most: Any, weights: Any) -> Any:
    """Return of each border branch 255 if its component stays, else 0, and totals.

    ``most`` is that of the border branches, or empty when no component needs it.
    """
    count, grey, high = len(joined.peak), rule.grey, rule.high
    totals = np.zeros(4, np.int64)
    forced = _forced(rule.joined_pins, 0, count)
    most = _most_of_joined(joined, rule, most)
    by_rank, out = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
    for i in range(count):
        peak, begin, stop = joined.peak[i], joined.node_start[i], joined.node_start[i + 1]
        if joined.saddle[i] > grey:
            by_rank[i] = by_rank[joined.parent[i]]
        elif peak > high or (forced[i] > 0 and peak > grey):
            node = _last_above(joined.node_level, begin, stop, grey)
            area, stays = joined.node_area[node], forced[i] == _KEPT
            if forced[i] == 0 and area >= rule.min_area_px:
                stays = rule.quantile < 0 or (
                    _passes(area, above[i], least[i], most[i] if len(most) else 0, rule, True)
                    == _IN
                )
            if stays:
                by_rank[i] = 255
                totals[AREA] += area
                totals[REGIONS] += 1
                if weights.shape[1] > 0:
                    totals[OUTSIDE] += weights[0, node]
                    totals[INSIDE] += weights[1, node]
        out[joined.border[i]] = by_rank[i]
    return out, totals


@compiled
def _last_above(level: Any, begin: Any, stop: Any, grey: Any) -> Any:
    """Return the last place above ``grey`` of what falls from ``begin`` on, or the one before."""
    while begin < stop:
        middle = (begin + stop) // 2
        if level[middle] > grey:
            begin = middle + 1
        else:
            stop = middle
    return begin - 1


@compiled
def _forced(pins: Any, first: Any, stop: Any) -> Any:
    forced = np.zeros(stop - first, np.uint8)
    for p in range(len(pins)):
        if first <= pins[p, 0] < stop:
            forced[pins[p, 0] - first] = _KEPT if pins[p, 1] else _LEFT_OUT
    return forced


@compiled
def _passes(area: Any, above: Any, least: Any, most: Any, rule: Any, is_most_known: Any) -> Any:
    """Tell whether the percentile of a component is above high: _OUT, _IN, or _OPEN."""
    # In the words and order of numpy's percentile, so that floats round alike.
    place = (area - 1) * rule.quantile
    before = np.int64(np.floor(place))
    not_above = area - above
    if before != not_above - 1:
        return _IN if before >= not_above else _OUT
    if not is_most_known:
        return _OPEN
    t, step = place - before, np.float64(least) - np.float64(most)
    value = least - step * (1 - t) if t >= 0.5 else most + step * t
    return _IN if value > rule.high else _OUT


@compiled
def _count_block(forest: Any, rule: Any, block: Any) -> Any:
    """Return ``above`` and ``least`` of a block's branches above high."""
    first, stop = forest.start[block], forest.start[block + 1]
    # All as names of their own: within the loop, a field of a tuple costs more than its use.
    grey, high, node_level, node_area = rule.grey, rule.high, forest.node_level, forest.node_area
    saddle, parent = forest.saddle[first:stop], forest.parent[first:stop]
    node_count = forest.node_count[first:stop]
    size = _last_above(forest.peak[first:stop], 0, stop - first, high) + 1
    above, least = np.zeros(size, np.int64), np.full(size, 255, np.uint8)
    end = forest.node_start[block]
    for i in range(size):
        end += node_count[i]
    for i in range(size - 1, -1, -1):
        begin, stop_node = end - node_count[i], end
        end = begin
        # A branch that meets its parent above high, and all that joined it, is counted there.
        if saddle[i] > high and parent[i] != i:
            continue
        # A border branch has no nodes here; the joined tree goes on with it.
        if begin < stop_node:
            node = begin
            while node + 1 < stop_node and node_level[node + 1] > high:
                node += 1
            above[i] += np.int64(node_area[node]) + 1
            least[i] = min(least[i], node_level[node])
            if saddle[i] > grey:
                up = parent[i]
                above[up] += above[i]
                least[up] = min(least[up], least[i])
    return above, least


@compiled
def _most_of_block(forest: Any, rule: Any, block: Any) -> Any:
    first, stop = forest.start[block], forest.start[block + 1]
    grey, high, node_level = rule.grey, rule.high, forest.node_level
    peak, saddle = forest.peak[first:stop], forest.saddle[first:stop]
    parent, node_count = forest.parent[first:stop], forest.node_count[first:stop]
    most = np.zeros(stop - first, np.uint8)
    to_high = _last_above(peak, 0, stop - first, high) + 1
    to_grey = _last_above(peak, 0, stop - first, grey) + 1
    for i in range(to_high, to_grey):
        # Of those not above high, one whose parent is not either has a lower peak than that.
        up = parent[i]
        if up < to_high and saddle[i] > grey and most[up] < peak[i]:
            most[up] = peak[i]
    end = forest.node_start[block]
    for i in range(to_high):
        end += node_count[i]
    for i in range(to_high - 1, -1, -1):
        begin, stop_node = end - node_count[i], end
        end = begin
        if saddle[i] > high:  # and so is all that joined it
            continue
        node = begin
        while node < stop_node and node_level[node] > high:
            node += 1
        if node < stop_node and node_level[node] > grey:
            most[i] = max(most[i], node_level[node])
        if saddle[i] > grey:
            up = parent[i]
            most[up] = max(most[up], most[i])
    return most


@compiled
def _most_of_joined(joined: Any, rule: Any, of_border: Any) -> Any:
    grey, high, level = rule.grey, rule.high, joined.node_level
    size = len(joined.peak) if len(of_border) > 0 else 0
    most = np.zeros(size, np.uint8)
    for i in range(size - 1, -1, -1):
        node = _last_above(level, joined.node_start[i], joined.node_start[i + 1], high) + 1
        most[i] = max(most[i], of_border[joined.border[i]])
        if node < joined.node_start[i + 1] and level[node] > grey:
            most[i] = max(most[i], level[node])
        if joined.saddle[i] > grey:
            up = joined.parent[i]
            most[up] = max(most[up], most[i])
    return most


@compiled
def _choose_inner(forest: Any, rule: Any, block: Any, stays: Any, nodes: Any) -> None:
    """Set ``stays`` to 255 for branches whose component stays, and ``nodes`` to theirs at grey."""
    first, stop = forest.start[block], forest.start[block + 1]
    grey, high, min_area_px = rule.grey, rule.high, rule.min_area_px
    node_level, node_area, is_pruned = forest.node_level, forest.node_area, rule.quantile >= 0
    peak, saddle = forest.peak[first:stop], forest.saddle[first:stop]
    node_count, forced = forest.node_count[first:stop], _forced(rule.inner_pins, first, stop)
    # Those that do not reach high are out, unless pinned; they are most.
    size = _last_above(peak, 0, stop - first, grey if forced.any() else high) + 1
    above, least = np.zeros(0, np.int64), np.zeros(0, np.uint8)
    if is_pruned:
        above, least = _count_block(forest, rule, block)
    most = np.zeros(0, np.uint8)
    end = forest.node_start[block]
    for i in range(size):
        begin, end = end, end + np.int64(node_count[i])
        if begin == end or saddle[i] > grey or (peak[i] <= high and forced[i] == 0):
            continue
        node = end - 1
        while node > begin and node_level[node] <= grey:
            node -= 1
        area = np.int64(node_area[node]) + 1
        kept = forced[i] == _KEPT
        if forced[i] == 0 and area >= min_area_px:
            kept = True
            if is_pruned:
                state = _passes(area, above[i], least[i], 0, rule, False)
                if state == _OPEN:
                    if len(most) == 0:
                        most = _most_of_block(forest, rule, block)
                    state = _passes(area, above[i], least[i], most[i], rule, True)
                kept = state == _IN
        stays[i] = 255 if kept else 0
        nodes[i] = node
