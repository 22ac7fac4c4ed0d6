"""The distinct ways in which readings mark a pixel, and how many pixels each way has.

From these few numbers follow all statistics that do not ask where a pixel lies: the contingency
table of every pair, kappas, votes, and any consensus.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.labelling import Runs
from slideconcord.comparison.observers._tally import tally_planes, tally_runs

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """How many pixels were marked in which way; the order of the ways means nothing."""

    rows: NDArray[np.int32]
    """(way, reader): what each reader says of such a pixel, such as 0 or 1."""
    counts: Ints
    """(way,) pixels."""

    @classmethod
    def of(cls, planes: NDArray[Any], counted: Bools) -> Tally:
        """Count planes (reader, y, x) of whole numbers where ``counted`` (y, x) is true."""
        if planes.dtype == np.bool_:
            planes = planes.view(np.uint8)
        return cls(*tally_planes(planes, counted.view(np.uint8)))

    @classmethod
    def of_runs(cls, planes: Sequence[Runs]) -> Tally:
        """Count the labels of the same rows of all readers, where any of them has a run."""
        begins = np.cumsum([0, *(len(each.labels) for each in planes[:-1])])
        firsts = [each.firsts + begin for each, begin in zip(planes, begins, strict=True)]
        bounds, labels = (
            np.concatenate([getattr(each, name) for each in planes])
            for name in ("bounds", "labels")
        )
        return cls(*tally_runs(bounds, labels, np.stack(firsts)))

    @classmethod
    def total(cls, parts: Iterable[Tally], readers: int) -> Tally:
        """Add up the tallies of all parts of a slide."""
        given = list(parts)
        rows = np.concatenate([np.empty((0, readers), np.int32), *(t.rows for t in given)])
        counts = np.concatenate([np.empty(0, np.int64), *(t.counts for t in given)])
        return cls(rows, counts).pick(range(readers))

    @property
    def pixels(self) -> int:
        """All that count."""
        return int(self.counts.sum())

    def pick(self, readers: Iterable[int]) -> Tally:
        """Return the same pixels as some of the readers mark them."""
        return self.picked(readers)[0]

    def picked(self, readers: Iterable[int]) -> tuple[Tally, Ints]:
        """Do as `pick`; return, too, which of its ways each way of this tally became."""
        distinct, place = np.unique(self.rows[:, list(readers)], axis=0, return_inverse=True)
        sums = np.zeros(len(distinct), np.int64)
        np.add.at(sums, place.reshape(-1), self.counts)
        return Tally(distinct, sums), place.reshape(-1)

    def with_column(self, column: NDArray[Any]) -> Tally:
        """Add a reader whose answer follows from the others': one value for each way."""
        return Tally(np.column_stack([self.rows, column]).astype(np.int32), self.counts)

    def confusion(self, first: int, second: int) -> ConfusionCounts:
        """Return the contingency table of two readers of one class; the first predicts."""
        a, b = self.rows[:, first] != 0, self.rows[:, second] != 0
        tp, fp, fn = (int(self.counts[w].sum()) for w in (a & b, a & ~b, ~a & b))
        return ConfusionCounts(tp, fp, fn, self.pixels - tp - fp - fn)

    def marked(self, reader: int) -> int:
        """Return the pixels that a reader marks."""
        return int(self.counts[self.rows[:, reader] != 0].sum())

    def votes(self) -> Ints:
        """Return (vote,) the pixels that no, one, ... and all readers mark."""
        number = (self.rows != 0).sum(axis=1)
        found = np.zeros(self.rows.shape[1] + 1, np.int64)
        np.add.at(found, number, self.counts)
        return found
