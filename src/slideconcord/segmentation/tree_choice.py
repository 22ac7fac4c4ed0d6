"""Choosing among the components of the tree: by area, by percentile and by hand.

In a block and in the joined tree peaks fall from branch to branch, so those above high come first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
_LEFT_OUT, _KEPT = 1, 2


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


@compiled
def fill_chosen(forest: Any, rule: Any, facts: Any, reach: Any, blocks: Any) -> None:
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
        stays = np.zeros(size, np.uint8)
        _choose_inner(forest, rule, facts, block, stays)
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
def choose_joined(joined: Any, rule: Any, facts: Any) -> Any:
    """Return of each border branch 255 if its component stays, else 0."""
    count, grey, high = len(joined.peak), rule.grey, rule.high
    forced = _forced(rule.joined_pins, 0, count)
    by_rank, out = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
    for i in range(count):
        peak, begin, stop = joined.peak[i], joined.node_start[i], joined.node_start[i + 1]
        if joined.saddle[i] > grey:
            by_rank[i] = by_rank[joined.parent[i]]
        elif forced[i] > 0:
            by_rank[i] = 255 if forced[i] == _KEPT and peak > grey else 0
        elif peak > high:
            n = _last_above(joined.node_level, begin, stop, grey)
            area, stays = joined.node_area[n], joined.node_area[n] >= rule.min_area_px
            if stays and rule.quantile >= 0:
                stays = _passes(
                    area, facts.joined_above[n], facts.joined_least[n], facts.joined_most[n], rule
                )
            by_rank[i] = 255 if stays else 0
        out[joined.border[i]] = by_rank[i]
    return out


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
def _passes(area: Any, above: Any, least: Any, most: Any, rule: Any) -> Any:
    """Tell whether the percentile of a component is above high, from its `HighFacts`."""
    # In the words and order of numpy's percentile, so that floats round alike.
    place = (area - 1) * rule.quantile
    before = np.int64(np.floor(place))
    not_above = area - above
    if before != not_above - 1:
        return before >= not_above
    t, step = place - before, np.float64(least) - np.float64(most)
    value = least - step * (1 - t) if t >= 0.5 else most + step * t
    return value > rule.high


@compiled
def _choose_inner(forest: Any, rule: Any, facts: Any, block: Any, stays: Any) -> None:
    """Set ``stays`` to 255 for branches that stand for a component that stays."""
    first, stop = forest.start[block], forest.start[block + 1]
    # All as names of their own: within the loop, a field of a tuple costs more than its use.
    grey, high, min_area_px = rule.grey, rule.high, rule.min_area_px
    node_level, node_area, is_pruned = forest.node_level, forest.node_area, rule.quantile >= 0
    peak, saddle = forest.peak[first:stop], forest.saddle[first:stop]
    node_count, forced = forest.node_count[first:stop], _forced(rule.inner_pins, first, stop)
    # Those that do not reach high are out, unless pinned; they are most.
    size = _last_above(peak, 0, stop - first, grey if forced.any() else high) + 1
    end = forest.node_start[block]
    for i in range(size):
        begin, end = end, end + np.int64(node_count[i])
        if begin == end or saddle[i] > grey or (peak[i] <= high and forced[i] == 0):
            continue
        if forced[i] > 0:
            stays[i] = 255 if forced[i] == _KEPT else 0
            continue
        node = end - 1
        while node > begin and node_level[node] <= grey:
            node -= 1
        area = np.int64(node_area[node]) + 1
        kept = area >= min_area_px
        if kept and is_pruned:
            above = np.int64(facts.above[node]) + 1
            kept = _passes(area, above, facts.least[node], facts.most[node], rule)
        stays[i] = 255 if kept else 0
