"""Choosing regions for one index: what a point's pin means there, and what was chosen lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.segmentation import chosen
from slideconcord.segmentation.block_tree import BLOCK_PX
from slideconcord.segmentation.chosen import Chosen
from slideconcord.segmentation.index_values import Level, Pin
from slideconcord.segmentation.joined_tree import JoinedTree
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tree_choice import Rule
from slideconcord.segmentation.tree_query import Forest, Root, find_root

_REMEMBERED = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Memory:
    """Choices made lately: a slider's next question is often about the same grey level."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    chosen: OrderedDict[Any, Chosen] = field(default_factory=OrderedDict)


class Chooser:
    """Finds which components stay; threads may ask at the same time."""

    def __init__(self, level: Level, forest: Forest, joined: JoinedTree) -> None:
        self._level, self._forest, self._joined = level, forest, joined
        self.columns = -(-level.values.shape[1] // BLOCK_PX)
        self._memory = _Memory()
        self.ranks: NDArray[np.int32] = np.empty(len(joined.border), np.int32)
        """Of each border branch, in the order of the blocks, its place in the joined tree."""
        self.ranks[joined.border] = np.arange(len(joined.border), dtype=np.int32)

    def choose(
        self, thresholds: Thresholds, least: int, percentile: float | None, pins: Sequence[Pin]
    ) -> Chosen:
        """Return which components stay; blocks of it are filled when they are looked at."""
        has_rule = is_ruled(least, percentile, pins)
        grey, high = thresholds.low_grey, thresholds.high_grey
        # While peaks alone decide, moving high asks nothing new of the tree.
        key = (grey, high, least, percentile, tuple(pins)) if has_rule else grey
        with self._memory.lock:
            found = self._memory.chosen.pop(key, None)
            if found is None and has_rule:
                rule = self.rule(thresholds, least, percentile, pins)
                found = chosen.by_rule(self._forest, self._joined, rule)
            elif found is None:
                found = chosen.by_peak(self._forest, self._joined, grey, high)
            self._memory.chosen[key] = found
            if len(self._memory.chosen) > _REMEMBERED:
                self._memory.chosen.popitem(last=False)
        return found if has_rule else chosen.with_high(self._forest, found.reach, high)

    def rule(
        self, thresholds: Thresholds, least: int, percentile: float | None, pins: Sequence[Pin]
    ) -> Rule:
        """Return what the kernels are asked.

        Raises
        ------
        ParameterError
            When the percentile is none.
        """
        if percentile is not None and not 0 <= percentile <= 100:
            raise ParameterError(
                f"prune_percentile={percentile!r} is no percentile: give 0 to 100, or None."
            )
        grey, high = thresholds.low_grey, thresholds.high_grey
        return chosen.make_rule(grey, high, least, percentile, self.pins(grey, pins))

    def pins(self, grey: int, pins: Sequence[Pin]) -> list[tuple[bool, int, bool]]:
        """Return the components that active pins name: (is joined, branch, keep)."""
        roots = [(self.root(pin.y, pin.x, grey), pin.keep) for pin in pins]
        return [(root.is_joined, root.branch, keep) for root, keep in roots if root is not None]

    def root(self, y: int, x: int, grey: int) -> Root | None:
        """Return what stands for a pixel's component; None when not above grey or not there."""
        height, width = self._level.values.shape
        inside = 0 <= y < height and 0 <= x < width
        if not inside or int(self._level.values[y, x]) <= grey:
            return None
        block = (y // BLOCK_PX) * self.columns + x // BLOCK_PX
        branch = int(self._level.branches[y, x])
        return find_root(self._forest, self._joined, self.ranks, block, branch, grey)


def is_ruled(least: int, percentile: float | None, pins: Sequence[Pin]) -> bool:
    """Tell whether more than peaks decides which components stay."""
    return least > 1 or percentile is not None or bool(pins)
