"""Choosing regions for one index: what a point's pin means there, and what was chosen lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.segmentation import chosen
from slideconcord.segmentation.block_tree import BLOCK_PX
from slideconcord.segmentation.chosen import Chosen
from slideconcord.segmentation.high_facts import HighFacts, learn, no_facts
from slideconcord.segmentation.index_values import Level, Pin
from slideconcord.segmentation.joined_tree import JoinedTree
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tree_choice import Rule
from slideconcord.segmentation.tree_query import Forest, Root, find_root

_REMEMBERED = 3


class Asked(NamedTuple):
    """Everything that decides which components stay."""

    thresholds: Thresholds
    min_area_px: int = 0
    prune_percentile: float | None = None
    pins: tuple[Pin, ...] = ()

    @classmethod
    def of(cls, low: float, high: float, rules: Mapping[str, Any]) -> Asked:
        """Check and keep what was asked.

        Raises
        ------
        MismatchError
            When low is above high.
        ParameterError
            When a value is out of its range, or a rule is none.
        """
        asked = cls(Thresholds(low, high), **rules)
        asked = asked._replace(pins=tuple(asked.pins))
        percentile = asked.prune_percentile
        if percentile is not None and not 0 <= percentile <= 100:
            raise ParameterError(
                f"prune_percentile={percentile!r} is no percentile: give 0 to 100, or None."
            )
        if asked.thresholds.high_grey >= 255:  # nothing passes, whatever its percentile
            return asked._replace(prune_percentile=None)
        return asked

    @property
    def greys(self) -> tuple[int, int]:
        return self.thresholds.low_grey, self.thresholds.high_grey

    @property
    def is_ruled(self) -> bool:
        """Whether more than peaks decides which components stay."""
        return self.min_area_px > 1 or self.prune_percentile is not None or bool(self.pins)

    @property
    def without_high(self) -> tuple[Any, ...]:
        return self.thresholds.low_grey, *self[1:]


@dataclass(slots=True, eq=False)
class _Memory:
    """What was found lately: a slider's next question differs from the last in one thing."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    working: threading.Lock = field(default_factory=threading.Lock)
    """Held while something is found that takes longer than a frame."""
    chosen: OrderedDict[Any, Chosen] = field(default_factory=OrderedDict)
    facts: tuple[int, HighFacts] | None = None
    last: tuple[Any, ...] | None = None
    """What was asked last, but for its high."""
    tallied: tuple[Chosen, Any, NDArray[np.int64]] | None = None


class Chooser:
    """Finds which components stay; threads may ask at the same time."""

    def __init__(self, level: Level, forest: Forest, joined: JoinedTree) -> None:
        self._level, self._forest, self._joined = level, forest, joined
        self.columns = -(-level.values.shape[1] // BLOCK_PX)
        self._memory = _Memory()
        self.ranks: NDArray[np.int32] = np.empty(len(joined.border), np.int32)
        """Of each border branch, in the order of the blocks, its place in the joined tree."""
        self.ranks[joined.border] = np.arange(len(joined.border), dtype=np.int32)

    def choose(self, asked: Asked) -> Chosen:
        """Return which components stay; blocks of it are filled when they are looked at."""
        high = asked.greys[1]
        if not asked.is_ruled:
            key: Any = asked.greys[0]
            return replace(self._known(key) or self._keep(key, self._by_peak(key)), high=high)
        if asked.prune_percentile is None:
            key = asked.greys, asked[1:]
            return self._known(key) or self._keep(key, self._by_rule(asked, no_facts()))
        with self._memory.working:
            last, self._memory.last = self._memory.last, asked.without_high
            if found := self._known(asked.without_high):
                return replace(found, high=high)
            if found := self._known(key := (asked.greys, asked[1:])):
                return found
            facts = self._memory.facts
            # When high alone moves, percentiles answer the moves to come; else what is above high.
            if last == asked.without_high and (facts is None or facts[0] != high):
                by_percentile = chosen.by_percentile(self._forest, self._joined, self.rule(asked))
                return replace(self._keep(asked.without_high, by_percentile), high=high)
            return self._keep(key, self._by_rule(asked, self._facts(high)))

    def totals(self, asked: Asked, weights: tuple[Any, Any] | None = None) -> NDArray[np.int64]:
        """Return what stays on the whole map: see `chosen.totals`."""
        found, known = self.choose(asked), self._memory.tallied
        if known is None or known[0].reach is not found.reach or known[1] is not weights:
            table = chosen.totals(self._forest, self._joined, found, weights)
            known = self._memory.tallied = found, weights, table
        row: NDArray[np.int64] = known[2][found.high]
        return row

    def rule(self, asked: Asked) -> Rule:
        """Return what the kernels are asked."""
        grey, high = asked.greys
        pins = self.pins(grey, asked.pins)
        return chosen.make_rule(grey, high, asked.min_area_px, asked.prune_percentile, pins)

    def _by_peak(self, grey: int) -> Chosen:
        return chosen.by_peak(self._forest, self._joined, grey)

    def _by_rule(self, asked: Asked, facts: HighFacts) -> Chosen:
        return chosen.by_rule(self._forest, self._joined, self.rule(asked), facts)

    def _facts(self, high: int) -> HighFacts:
        known = self._memory.facts
        if known is None or known[0] != high:
            self._memory.facts = known = None  # two would be twice the memory
            known = high, learn(self._forest, self._joined, self.ranks, high)
            self._memory.facts = known
        return known[1]

    def _known(self, key: Any) -> Chosen | None:
        with self._memory.lock:
            if key in self._memory.chosen:
                self._memory.chosen.move_to_end(key)
            return self._memory.chosen.get(key)

    def _keep(self, key: Any, found: Chosen) -> Chosen:
        with self._memory.lock:
            self._memory.chosen[key] = found
            if len(self._memory.chosen) > _REMEMBERED:
                self._memory.chosen.popitem(last=False)
        return found

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
