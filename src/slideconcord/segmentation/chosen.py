"""Which components stay under one setting, on the whole map, found once and asked for often."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.segmentation import percentiles
from slideconcord.segmentation.high_facts import HighFacts
from slideconcord.segmentation.joined_tree import JoinedTree
from slideconcord.segmentation.sharing import share, workers
from slideconcord.segmentation.tree_choice import Rule, choose_joined, fill_chosen
from slideconcord.segmentation.tree_query import (
    Forest,
    Reach,
    fill_reach,
    reach_of_border,
    start_reach,
)
from slideconcord.segmentation.tree_tally import tally_blocks, tally_joined

Ints = NDArray[np.int64]
_NO_WEIGHTS = np.zeros((2, 0), np.int32), np.zeros((2, 0), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A reach in which components that stay reach above ``high``."""

    reach: Reach
    high: int
    fill: Callable[[Ints], None]
    """Fills the reach of some blocks."""


def by_peak(forest: Forest, joined: JoinedTree, grey: int) -> Chosen:
    """Choose by peak alone; the same reach answers every high."""
    reach = start_reach(forest, grey, reach_of_border(joined, grey))
    return Chosen(reach, 0, lambda blocks: fill_reach(forest, reach, blocks))


def by_rule(forest: Forest, joined: JoinedTree, rule: Rule, facts: HighFacts) -> Chosen:
    """Choose by area, percentile and pins, too."""
    reach = start_reach(forest, rule.grey, choose_joined(joined, rule, facts))
    return Chosen(reach, 0, lambda blocks: fill_chosen(forest, rule, facts, reach, blocks))


def by_percentile(forest: Forest, joined: JoinedTree, rule: Rule) -> Chosen:
    """Choose by area, percentile and pins; the same reach answers every high below 255."""
    branches, every = len(forest.border_branch), np.flatnonzero(forest.highest > rule.grey)

    def look(bins: Ints) -> Ints:
        counts = np.zeros((branches, 16), np.int64)
        share(
            _parts(every),
            lambda part: percentiles.count_blocks(forest, rule.grey, part, bins, counts),
        )
        return percentiles.sum_up_joined(joined, rule.grey, bins, counts)

    coarse = look(np.full(branches, percentiles.COARSE, np.int64))
    found = percentiles.find_bins(joined, rule, coarse)
    lower = look(found[0])
    upper = lower if np.array_equal(found[0], found[1]) else look(found[1])
    of_border = percentiles.reach_of_border(joined, rule, found, lower, upper)
    reach = start_reach(forest, rule.grey, of_border)
    return Chosen(
        reach, 0, lambda blocks: percentiles.fill_percentiles(forest, rule, reach, blocks)
    )


def totals(
    forest: Forest, joined: JoinedTree, found: Chosen, weights: tuple[Any, Any] | None = None
) -> Ints:
    """Return what reaches above each grey level, (256, 4): AREA, REGIONS, OUTSIDE, INSIDE.

    The latter two are those of ``weights``, per node of the forest and of the joined tree.
    """
    of_nodes, of_joined = weights or _NO_WEIGHTS
    by_reach = tally_joined(joined, found.reach, of_joined)
    lock = threading.Lock()

    def look(part: Ints) -> None:
        found.fill(part)
        of_part = tally_blocks(forest, found.reach, part, of_nodes)
        with lock:
            by_reach[:] += of_part

    share(_parts(np.arange(len(forest.start) - 1)), look)
    from_here = np.cumsum(by_reach[::-1], axis=0)[::-1]
    return np.concatenate([from_here[1:], np.zeros((1, 4), np.int64)])


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
