"""The percentile of every component at one low: known once, any high is a lookup.

A component stays when its percentile is above high, and a percentile asks nothing of high. It lies
between two of the component's sorted values; each is found in two looks at the tree, by how many
pixels there are per 16 grey levels, and then per grey level of the 16 that matter.

What a branch has is counted where it gains: a node adds what its area grew by, and a branch that
ends takes its area back from where its parent's node counts it again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from slideconcord.compiled import compiled

COARSE = -1
"""A bin that stands for counting by 16 levels."""
_SKIPPED = 255
_LEFT_OUT, _KEPT = 1, 2


@compiled
def fill_percentiles(forest: Any, rule: Any, reach: Any, blocks: Any) -> None:
    """Do as `fill_reach`: let branches reach the percentile of their component, rounded up."""
    for block in blocks:
        if not reach.ready[block]:
            _fill_block(forest, rule, reach, block)
            reach.ready[block] = True


@compiled
def count_blocks(forest: Any, grey: Any, blocks: Any, bins: Any, counts: Any) -> None:
    """Count what inner branches bring to the border branches of some blocks.

    ``bins`` (border branch) says per border branch which 16 levels are to be told apart, or
    COARSE for a count by 16 levels, or _SKIPPED; ``counts`` is (border branch, 16).
    """
    for block in blocks:
        root = _roots(forest, grey, block)
        first = forest.start[block]
        place = np.full(len(root), -1, np.int64)
        for b in range(forest.border_start[block], forest.border_start[block + 1]):
            place[forest.border_branch[b]] = b
        end = forest.node_start[block]
        for i in range(len(root)):
            begin, end = end, end + np.int64(forest.node_count[first + i])
            if root[i] >= 0 and begin < end and place[root[i]] >= 0:
                b = place[root[i]]
                if bins[b] != _SKIPPED:
                    saddle = forest.saddle[first + i]
                    _enter(
                        forest.node_level, forest.node_area, 1, begin, end, saddle, grey,
                        bins[b], counts[b],
                    )  # fmt: skip


@compiled
def sum_up_joined(joined: Any, grey: Any, bins: Any, of_border: Any) -> Any:
    """Return the counts of the components of the joined tree, at the ranks that stand for them.

    ``bins`` and ``of_border`` are those of `count_blocks`.
    """
    count = len(joined.peak)
    root, counts = np.empty(count, np.int64), np.zeros((count, 16), np.int64)
    for i in range(count):
        root[i] = root[joined.parent[i]] if joined.saddle[i] > grey else i
        b, begin, end = joined.border[i], joined.node_start[i], joined.node_start[i + 1]
        if joined.peak[i] > grey and bins[b] != _SKIPPED:
            counts[root[i]] += of_border[b]
            _enter(
                joined.node_level, joined.node_area, 0, begin, end, joined.saddle[i], grey,
                bins[b], counts[root[i]],
            )  # fmt: skip
    return counts


@compiled
def find_bins(joined: Any, rule: Any, counts: Any) -> Any:
    """Return which 16 levels hold the two values of each border branch's component, and ranks.

    Four arrays: bins of the lower and the upper value by border branch, and by rank in the
    joined tree which of their pixels, from the highest down, is the one.
    """
    count, grey = len(joined.peak), rule.grey
    lower, upper = np.full(count, _SKIPPED, np.int64), np.full(count, _SKIPPED, np.int64)
    lower_left, upper_left = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for i in range(count):
        own, up = joined.border[i], joined.border[joined.parent[i]]
        if joined.saddle[i] > grey:
            lower[own], upper[own] = lower[up], upper[up]
        elif joined.peak[i] > grey:
            area = _area_at(joined, i, grey)
            if area >= rule.min_area_px:
                lower_rank, upper_rank, _ = _ranks(area, rule.quantile)
                lower[own], lower_left[i] = _pick(counts[i], lower_rank)
                upper[own], upper_left[i] = _pick(counts[i], upper_rank)
    return lower, upper, lower_left, upper_left


@compiled
def reach_of_border(joined: Any, rule: Any, found: Any, lowers: Any, uppers: Any) -> Any:
    """Return the percentiles by border branch, rounded up; 0 for components too small.

    ``found`` is of `find_bins`; ``lowers`` and ``uppers`` are the counts in those bins.
    """
    count, grey = len(joined.peak), rule.grey
    lower, upper, lower_left, upper_left = found
    forced = np.zeros(count, np.uint8)
    for p in range(len(rule.joined_pins)):
        forced[rule.joined_pins[p, 0]] = _KEPT if rule.joined_pins[p, 1] else _LEFT_OUT
    by_rank, out = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
    for i in range(count):
        own = joined.border[i]
        if joined.saddle[i] > grey:
            by_rank[i] = by_rank[joined.parent[i]]
        elif forced[i] > 0:
            by_rank[i] = 255 if forced[i] == _KEPT else 0
        elif lower[own] != _SKIPPED:
            t = _ranks(_area_at(joined, i, grey), rule.quantile)[2]
            low = 16 * lower[own] + _pick(lowers[i], lower_left[i])[0]
            high = 16 * upper[own] + _pick(uppers[i], upper_left[i])[0]
            by_rank[i] = _between(low, high, t)
        out[own] = by_rank[i]
    return out


@compiled
def _fill_block(forest: Any, rule: Any, reach: Any, block: Any) -> None:
    first, stop = forest.start[block], forest.start[block + 1]
    grey, out, root = rule.grey, reach.of_branch[first:stop], _roots(forest, rule.grey, block)
    for b in range(forest.border_start[block], forest.border_start[block + 1]):
        out[forest.border_branch[b]] = reach.of_border[b]
    begin = np.empty(len(root) + 1, np.int64)
    begin[0] = forest.node_start[block]
    for i in range(len(root)):
        begin[i + 1] = begin[i] + forest.node_count[first + i]
    slot, area = np.full(len(root), -1, np.int64), np.zeros(len(root), np.int64)
    slots = 0
    for i in range(len(root)):
        if root[i] == i and begin[i] < begin[i + 1]:
            n = begin[i + 1] - 1
            while forest.node_level[n] <= grey:
                n -= 1
            area[slots] = np.int64(forest.node_area[n]) + 1
            slot[i] = slots
            slots += 1
    coarse = _count_inner(forest, block, grey, root, slot, begin, np.full(slots, COARSE, np.int64))
    lower, upper = np.full(slots, _SKIPPED, np.int64), np.full(slots, _SKIPPED, np.int64)
    lower_left, upper_left = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    for s in range(slots):
        if area[s] >= rule.min_area_px:
            lower_rank, upper_rank, _ = _ranks(area[s], rule.quantile)
            lower[s], lower_left[s] = _pick(coarse[s], lower_rank)
            upper[s], upper_left[s] = _pick(coarse[s], upper_rank)
    lower_counts = _count_inner(forest, block, grey, root, slot, begin, lower)
    other = np.where(upper == lower, _SKIPPED, upper)
    upper_counts = _count_inner(forest, block, grey, root, slot, begin, other)
    for i in range(len(root)):
        if root[i] < 0:
            out[i] = 0
        elif root[i] != i:
            out[i] = out[root[i]]
        elif slot[i] >= 0:
            s = slot[i]
            out[i] = 0
            if lower[s] != _SKIPPED:
                in_upper = lower_counts[s] if upper[s] == lower[s] else upper_counts[s]
                low = 16 * lower[s] + _pick(lower_counts[s], lower_left[s])[0]
                high = 16 * upper[s] + _pick(in_upper, upper_left[s])[0]
                out[i] = _between(low, high, _ranks(area[s], rule.quantile)[2])
            for p in range(len(rule.inner_pins)):
                if rule.inner_pins[p, 0] == first + i:
                    out[i] = 255 if rule.inner_pins[p, 1] else 0
    smallest, largest = np.uint8(255), np.uint8(0)
    for i in range(len(root)):
        if root[i] >= 0:
            smallest, largest = min(smallest, out[i]), max(largest, out[i])
    reach.smallest[block], reach.largest[block] = smallest, largest


@compiled
def _count_inner(
    forest: Any, block: Any, grey: Any, root: Any, slot: Any, begin: Any, bins: Any
) -> Any:
    counts, first = np.zeros((len(bins), 16), np.int64), forest.start[block]
    for i in range(len(root)):
        if root[i] >= 0 and begin[i] < begin[i + 1]:
            s = slot[root[i]]
            if s >= 0 and bins[s] != _SKIPPED:
                _enter(
                    forest.node_level, forest.node_area, 1, begin[i], begin[i + 1],
                    forest.saddle[first + i], grey, bins[s], counts[s],
                )  # fmt: skip
    return counts


@compiled
def _roots(forest: Any, grey: Any, block: Any) -> Any:
    """Return which branch stands for each branch's component, -1 for those not above grey."""
    first, stop = forest.start[block], forest.start[block + 1]
    peak, saddle, parent = forest.peak[first:stop], forest.saddle[first:stop], forest.parent
    root = np.full(stop - first, -1, np.int32)
    for i in range(stop - first):
        if peak[i] > grey:
            # A border branch has saddle 255 and itself as parent.
            own = parent[first + i]
            root[i] = i if saddle[i] <= grey or own == i else root[own]
    return root


@compiled
def _enter(
    level: Any, area: Any, least: Any, begin: Any, end: Any, saddle: Any, grey: Any,
    chosen: Any, row: Any,
) -> None:  # fmt: skip
    """Enter what a branch gains above grey in a row of counts; areas are stored less ``least``."""
    before = np.int64(0)
    for n in range(begin, end):
        value = np.int64(level[n])
        if value <= grey:
            break
        now = np.int64(area[n]) + least
        if chosen == COARSE:
            row[value >> 4] += now - before
        elif chosen == value >> 4:
            row[value & 15] += now - before
        before = now
    if saddle > grey and before > 0:
        value = np.int64(saddle)
        if chosen == COARSE:
            row[value >> 4] -= before
        elif chosen == value >> 4:
            row[value & 15] -= before


@compiled
def _pick(counts: Any, rank: Any) -> Any:
    """Return where the pixel of a rank, 1 for the highest, is counted; and its rank in there."""
    k = 15
    while k > 0 and rank > counts[k]:
        rank -= counts[k]
        k -= 1
    return k, rank


@compiled
def _ranks(area: Any, quantile: Any) -> Any:
    """Return the ranks from the highest of the two values around a quantile, and how far between.

    In the words and order of numpy's percentile, so that floats round alike.
    """
    place = (area - 1) * quantile
    before = np.int64(np.floor(place))
    return area - before, max(area - before - 1, 1), place - before


@compiled
def _between(low: Any, high: Any, t: Any) -> Any:
    """Return the percentile, rounded up: whole grey levels below it stay the same."""
    step = np.float64(high - low)
    value = high - step * (1 - t) if t >= 0.5 else low + step * t
    return np.uint8(np.ceil(value))


@compiled
def _area_at(joined: Any, i: Any, grey: Any) -> Any:
    n = joined.node_start[i + 1] - 1
    while joined.node_level[n] <= grey:
        n -= 1
    return joined.node_area[n]
