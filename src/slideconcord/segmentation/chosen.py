"""Which components stay under one setting, on the whole map, found once and asked for often."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.segmentation.joined_tree import JoinedTree
from slideconcord.segmentation.sharing import share, workers
from slideconcord.segmentation.tree_choice import (
    Rule,
    choose_joined,
    count_blocks,
    count_joined,
    fill_chosen,
    find_most,
    new_counts,
    open_blocks,
    tally_blocks,
)
from slideconcord.segmentation.tree_query import (
    Forest,
    Reach,
    fill_reach,
    reach_of_border,
    start_reach,
)

Ints = NDArray[np.int64]
_NO_PINS: Ints = np.zeros((0, 2), np.int64)
_NO_WEIGHTS = np.zeros((2, 0), np.int32), np.zeros((2, 0), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A reach in which components that stay reach above ``high``."""

    reach: Reach
    high: int
    fill: Callable[[Ints], None]
    """Fills the reach of some blocks."""


def by_peak(forest: Forest, joined: JoinedTree, grey: int, high: int) -> Chosen:
    """Choose by peak alone: the same reach answers every high."""
    reach = start_reach(forest, grey, reach_of_border(joined, grey))
    return with_high(forest, reach, high)


def with_high(forest: Forest, reach: Reach, high: int) -> Chosen:
    """Ask a reach of peaks about another high."""
    return Chosen(reach, high, lambda blocks: fill_reach(forest, reach, blocks))


def by_rule(forest: Forest, joined: JoinedTree, rule: Rule) -> Chosen:
    """Choose by area, percentile and pins, too."""
    of_border, _ = _choose_border(forest, joined, rule, _NO_WEIGHTS[1])
    reach = start_reach(forest, rule.grey, of_border)
    return Chosen(reach, 0, lambda blocks: fill_chosen(forest, rule, reach, blocks))


def totals(
    forest: Forest, joined: JoinedTree, rule: Rule, weights: tuple[Any, Any] = _NO_WEIGHTS
) -> Ints:
    """Return what stays on the whole map, by AREA, REGIONS, OUTSIDE, INSIDE."""
    _, found = _choose_border(forest, joined, rule, weights[1])
    lock = threading.Lock()

    def look(part: Ints) -> None:
        part_found = tally_blocks(forest, rule, part, weights[0])
        with lock:
            found[:] += part_found

    share(_parts(np.arange(len(forest.start) - 1)), look)
    return found


def _choose_border(
    forest: Forest, joined: JoinedTree, rule: Rule, weights: Ints
) -> tuple[NDArray[np.uint8], Ints]:
    """Return which components that cross seams stay, by border branch, and their totals."""
    if rule.quantile < 0:
        none = new_counts(0)
        return choose_joined(joined, rule, none.above, none.least, none.most, weights)
    border = new_counts(len(forest.border_branch))
    # What crosses seams may have pixels above high in any block.
    blocks = np.flatnonzero(forest.highest > rule.high)
    share(_parts(blocks), lambda part: count_blocks(forest, rule, part, border))
    above, least = count_joined(joined, rule, border)
    blocks = open_blocks(forest, joined, rule, above, least)
    share(_parts(blocks), lambda part: find_most(forest, rule, part, border))
    most = border.most[: len(border.most) if len(blocks) else 0]
    return choose_joined(joined, rule, above, least, most, weights)


def _parts(blocks: Ints) -> list[Ints]:
    # Some more parts than threads, because empty blocks are done at once.
    return np.array_split(blocks, min(len(blocks), 4 * workers())) if len(blocks) else []


def make_rule(
    grey: int,
    high: int,
    min_area_px: int,
    percentile: float | None,
    pins: Sequence[tuple[bool, int, bool]] = (),
) -> Rule:
    """Make a rule; pins are (is joined, branch, keep), and of equal branches the last counts."""
    inner, joined = (
        np.array([pin[1:] for pin in pins if pin[0] == which], np.int64).reshape(-1, 2)
        for which in (False, True)
    )
    quantile = -1.0 if percentile is None else percentile / 100
    return Rule(grey, high, min_area_px, quantile, inner, joined)
