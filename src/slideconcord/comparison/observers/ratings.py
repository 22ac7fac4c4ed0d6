"""Agreement beyond chance of raters who name one of several categories.

Each statistic takes counts, not items, so that a slide's pixels and a list of cells are one to it.
What would divide by zero is undefined: NaN, as when every rater names one category throughout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.observers.tally import Tally
from slideconcord.comparison.tables import Table, without_nan
from slideconcord.errors import ParameterError

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]


def cohen_kappa(table: NDArray[Any]) -> float:
    """Return Cohen's kappa of two raters (Cohen 1960).

    Parameters
    ----------
    table
        (category, category) how often the first named the row and the second the column.
    """
    counts = np.asarray(table, np.float64)
    n = counts.sum()
    if n == 0:
        return math.nan
    chance = float(counts.sum(axis=1) @ counts.sum(axis=0)) / n**2
    return _beyond(float(np.trace(counts)) / n, chance)


def fleiss_kappa(votes: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """Return Fleiss' kappa of a fixed number of raters (Fleiss 1971).

    Parameters
    ----------
    votes
        (item, category) how many raters named which; the same number of raters for every item.
    weights
        (item,) how often each item stands for itself; once when None.

    Raises
    ------
    ParameterError
        When the items have different numbers of raters, or fewer than two.
    """
    found, often = _weighted(votes, weights)
    raters = found.sum(axis=1)
    if len(found) and (raters.min() < 2 or raters.min() != raters.max()):
        raise ParameterError(
            f"Fleiss' kappa needs two or more raters, as many for every item, and there are "
            f"{int(raters.min())} to {int(raters.max())}: leave out items that not everyone rated, "
            "or take Krippendorff's alpha."
        )
    if not often.sum():
        return math.nan
    n = raters[0]
    shares = often @ found / (often.sum() * n)
    same = (found**2).sum(axis=1) - n
    observed = float(often @ same) / (often.sum() * n * (n - 1))
    return _beyond(observed, float(shares @ shares))


def krippendorff_alpha(votes: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """Return Krippendorff's alpha for nominal data (Krippendorff 2004, section 11.3).

    Takes the same as `fleiss_kappa`, but items may have any number of raters; those with fewer
    than two pair with nobody and do not enter.
    """
    found, often = _weighted(votes, weights)
    paired = found.sum(axis=1) >= 2
    found, often = found[paired], often[paired]
    raters = found.sum(axis=1)
    total = float(often @ raters)
    if not total:
        return math.nan
    named = often @ found
    apart = raters**2 - (found**2).sum(axis=1)
    observed = float(often @ (apart / (raters - 1))) / total
    expected = float(total**2 - named @ named) / (total * (total - 1))
    return 1 - observed / expected if expected else math.nan


def _weighted(votes: NDArray[Any], weights: NDArray[Any] | None) -> tuple[Reals, Reals]:
    found = np.asarray(votes, np.float64)
    often = np.ones(len(found)) if weights is None else np.asarray(weights, np.float64)
    return found[often > 0], often[often > 0]


def _beyond(observed: float, chance: float) -> float:
    # one category throughout leaves nothing that chance could miss
    return float((observed - chance) / (1 - chance)) if chance < 1 else math.nan


@dataclass(frozen=True, slots=True, eq=False)
class RatingAgreement:
    """How far several raters agree on a list of items."""

    raters: tuple[str, ...]
    categories: tuple[Any, ...]
    tables: Mapping[tuple[str, str], Ints] = field(repr=False)
    """By pair, (category, category) counts of the items that both rated."""
    items: int
    complete: int
    """Items that every rater rated; Fleiss' kappa is over these."""
    fleiss: float
    alpha: float
    """Krippendorff's, over all items that two or more rated."""

    def kappa(self, first: str, second: str) -> float:
        """Return Cohen's kappa of a pair."""
        if (first, second) in self.tables:
            return cohen_kappa(self.tables[first, second])
        return cohen_kappa(self.tables[second, first].T)

    def table(self) -> Table:
        """Return one row per pair: items that both rated, share of equal ratings, kappa."""
        return Table.of(
            {
                "first": first,
                "second": second,
                "items": int(counts.sum()),
                "agreement": float(np.trace(counts) / counts.sum()) if counts.sum() else math.nan,
                "kappa": cohen_kappa(counts),
            }
            for (first, second), counts in self.tables.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; what is undefined is null."""
        facts = {
            name: getattr(self, name)
            for name in ("raters", "categories", "items", "complete", "fleiss", "alpha")
        }
        return dict(without_nan({**facts, "pairs": self.table().records()}))


def agreement_of_tally(tally: Tally, readers: Sequence[str]) -> RatingAgreement:
    """Return how far readers agree on the pixels that were counted; every answer is a category."""
    named = tuple(int(value) for value in np.unique(tally.rows))
    answers = np.searchsorted(named, tally.rows)
    return _agreement(answers, tally.counts, readers, named)


def agreement_of_ratings(ratings: Mapping[str, Sequence[Any]]) -> RatingAgreement:
    """Return how far raters agree on a list of items: kappas and Krippendorff's alpha.

    Parameters
    ----------
    ratings
        By rater, a category for every item, such as 0 and 1 or class names; None or NaN where
        there is no rating.

    Raises
    ------
    ParameterError
        When there are fewer than two raters, or their lists have different lengths.
    """
    lengths = {len(values) for values in ratings.values()}
    if len(ratings) < 2 or len(lengths) != 1:
        raise ParameterError(
            f"{len(ratings)} raters with {', '.join(map(str, sorted(lengths))) or 'no'} ratings: "
            "give two or more raters, and of each as many ratings, None where one is missing."
        )
    rows = [[_missing_as_none(value) for value in values] for values in ratings.values()]
    categories = tuple(
        sorted({value for row in rows for value in row if value is not None}, key=str)
    )
    place = {value: number for number, value in enumerate(categories)}
    answers = np.array([[place.get(value, -1) for value in row] for row in rows], np.int64).T
    return _agreement(answers, np.ones(len(answers), np.int64), tuple(ratings), categories)


def _missing_as_none(value: Any) -> Any:
    return None if value is None or value != value else value


def _agreement(
    answers: Ints, counts: Ints, raters: Sequence[str], categories: tuple[Any, ...]
) -> RatingAgreement:
    """Return the agreement of answers (item, rater), places in ``categories``, -1 for none."""
    votes = (answers[:, :, None] == np.arange(len(categories))).sum(axis=1)
    complete = (answers >= 0).all(axis=1)
    return RatingAgreement(
        raters=tuple(raters),
        categories=categories,
        tables={
            (raters[i], raters[j]): _crossed(answers[:, i], answers[:, j], counts, len(categories))
            for i, j in combinations(range(len(raters)), 2)
        },
        items=int(counts.sum()),
        complete=int(counts[complete].sum()),
        fleiss=fleiss_kappa(votes[complete], counts[complete]),
        alpha=krippendorff_alpha(votes, counts),
    )


def _crossed(first: Ints, second: Ints, counts: Ints, categories: int) -> Ints:
    both = (first >= 0) & (second >= 0)
    table = np.zeros((categories, categories), np.int64)
    np.add.at(table, (first[both], second[both]), counts[both])
    return table
