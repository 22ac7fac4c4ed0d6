"""What several readers say together: more than half of them, or STAPLE.

Both follow from how often each way of marking a pixel occurs, so they cost the same on a slide of
any size, and their answer for a pixel follows from how it was marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.metrics import dsc
from slideconcord.comparison.observers.options import Rule
from slideconcord.comparison.observers.readings import Reader
from slideconcord.comparison.observers.tally import Tally
from slideconcord.errors import ParameterError

Bools = NDArray[np.bool_]
Reals = NDArray[np.float64]
# What a reader who never had a chance is taken for, as in ITK; and changes that are none.
_START, _CLOSE, _ROUNDS = 0.99999, 1e-14, 10_000
# A table of all ways that so many readers can mark a pixel in is small.
_TABLE_READERS = 16
# As many bits has the number of a way.
_MOST_READERS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Staple:
    """What STAPLE found (Warfield 2004): how good each reader is, and what is probably true."""

    sensitivity: Reals
    """(reader,)"""
    specificity: Reals
    """(reader,)"""
    probability: Reals
    """(way,) that a pixel marked in this way is foreground."""
    rounds: int
    """Until nothing changed."""


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """A rule, applied to one class of one slide."""

    rule: Rule
    readers: tuple[Reader, ...]
    """Those who were asked: one reading per observer, no model."""
    ways: Bools = field(repr=False)
    """(way, reader): each way in which a pixel was marked."""
    answer: Bools = field(repr=False)
    """(way,) what such a pixel is."""
    tied_px: int = 0
    """Pixels that exactly half of the readers mark; majority takes them as background."""
    staple: Staple | None = None

    @property
    def reader(self) -> Reader:
        """The consensus as a reader of its own."""
        return Reader(f"consensus ({self.rule})", 1, "consensus")

    def of(self, marked: Bools) -> Bools:
        """Return (...) the consensus on pixels (reader, ...) as its readers mark them.

        Ways that did not occur when it was made are background.
        """
        if self.rule == "majority":
            return 2 * marked.sum(axis=0, dtype=np.uint16) > len(self.readers)
        yes = _codes(self.ways[self.answer].T)
        if len(self.readers) > _TABLE_READERS:
            return np.asarray(np.isin(_codes(marked), yes))
        table = np.zeros(1 << len(self.readers), np.bool_)
        table[yes] = True
        return table[_codes(marked)]


def consensus_of(
    tally: Tally, readers: Sequence[Reader], rule: Rule
) -> tuple[Consensus, Bools] | None:
    """Return what observers say together, and its answer (way,) for each way of the tally.

    Each observer has one voice: that of the earliest round. None with fewer than two observers.
    """
    first: dict[str, int] = {}
    for place, reader in sorted(enumerate(readers), key=lambda each: each[1].round):
        if reader.role == "observer":
            first.setdefault(reader.name, place)
    if len(first) < 2:
        return None
    columns = sorted(first.values())
    picked, place_of_way = tally.picked(columns)
    found = (majority if rule == "majority" else staple)(picked, [readers[c] for c in columns])
    return found, found.answer[place_of_way]


def majority(tally: Tally, readers: Sequence[Reader]) -> Consensus:
    """Return what more than half of the readers mark; a tie is background, and counted."""
    marked = tally.rows != 0
    votes = 2 * marked.sum(axis=1)
    tied = int(tally.counts[votes == len(readers)].sum())
    return Consensus("majority", tuple(readers), marked, votes > len(readers), tied)


def majority_of_others(tally: Tally, own: int, others: Sequence[int]) -> float:
    """Return the DSC of a reader with what more than half of the others mark."""
    agreed = 2 * (tally.rows[:, list(others)] != 0).sum(axis=1) > len(others)
    return dsc(tally.with_column(agreed).confusion(own, tally.rows.shape[1]))


def staple(tally: Tally, readers: Sequence[Reader]) -> Consensus:
    """Return what STAPLE takes as true: more probably foreground than not.

    Raises
    ------
    ParameterError
        When there are fewer than two readers, or more than 64.
    """
    if not 2 <= len(readers) <= _MOST_READERS:
        raise ParameterError(
            f"STAPLE weighs 2 to {_MOST_READERS} readers against one another, and there are "
            f"{len(readers)}: give as many, or take the majority."
        )
    found = run_staple(tally)
    marked = tally.rows != 0
    tied = int(tally.counts[found.probability == 0.5].sum())
    return Consensus("staple", tuple(readers), marked, found.probability > 0.5, tied, found)


def run_staple(tally: Tally, most_rounds: int = _ROUNDS) -> Staple:
    """Run the expectation maximisation of STAPLE over the ways in which pixels are marked.

    It begins with the share of readers that mark a pixel, and ends when nothing changes any more;
    the prior is the mean share of pixels that a reader marks.
    """
    marked = (tally.rows != 0).astype(np.float64)
    weights = tally.counts / max(tally.pixels, 1)
    true, prior = marked.mean(axis=1), float((weights @ marked).mean())
    p = q = np.full(marked.shape[1], _START)
    done, change = 0, 1.0
    while change >= _CLOSE and done < most_rounds:
        old_p, old_q = p, q
        p = _share(true * weights, marked, old_p)
        q = _share((1 - true) * weights, 1 - marked, old_q)
        true = _expect(marked, p, q, prior)
        done, change = done + 1, max(np.abs(p - old_p).max(), np.abs(q - old_q).max())
    return Staple(p, q, true, done)


def _expect(marked: Reals, p: Reals, q: Reals, prior: float) -> Reals:
    """Return (way,) the probability of foreground."""
    yes = prior * np.where(marked > 0, p, 1 - p).prod(axis=1)
    no = (1 - prior) * np.where(marked > 0, 1 - q, q).prod(axis=1)
    both = yes + no
    return np.divide(yes, both, out=np.full(len(marked), prior), where=both > 0)


def _codes(marked: Bools) -> NDArray[np.uint64]:
    """Return (...) one number for how pixels (reader, ...) are marked; 64 readers have room."""
    codes = np.zeros(marked.shape[1:], np.uint64)
    for bit, plane in enumerate(marked):
        codes |= plane.astype(np.uint64) << np.uint64(bit)
    return codes


def _share(weights: Reals, agrees: Reals, old: Reals) -> Reals:
    """Return (reader,) the share of the weights on which each agrees; the old one of nothing."""
    total = weights.sum()
    return weights @ agrees / total if total > 0 else old
