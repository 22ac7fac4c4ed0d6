"""Means over cases with their intervals, and limits of agreement of areas.

A case is one patient: its slides are no independent evidence, so they are averaged (ratios and
distances) or added up (areas) first, and drawn together by the bootstrap.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.cohort import summarise
from slideconcord.comparison.concordance.result import nan_mean
from slideconcord.comparison.concordance.study import Bootstrap
from slideconcord.comparison.observers.pairs import (
    AGREE_WHEN_EMPTY,
    STATISTICS,
    PairAgreement,
    empty_counts,
)

Reals = NDArray[np.float64]
Found = Sequence[tuple[str, PairAgreement]]
"""Pairs with the case of their slide."""
_LIMIT = 1.96


@dataclass(frozen=True, slots=True)
class Limits:
    """Bias between two areas and where 95 % of differences lie (Bland & Altman 1999); NaN is
    undefined.
    """

    cases: int
    bias: float
    """Mean of first less second."""
    bias_low: float
    bias_high: float
    sd: float
    lower: float
    """Bias - 1.96 SD."""
    lower_low: float
    lower_high: float
    upper: float
    """Bias + 1.96 SD."""
    upper_low: float
    upper_high: float


def limits_of(differences: Iterable[float], confidence: float = 0.95) -> Limits:
    """Return bias and limits of agreement with their t intervals.

    The limits' standard error is SD sqrt(1/n + 1.96² / (2 (n - 1))), Bland & Altman (1999).
    """
    from scipy.special import stdtrit

    found = summarise(differences, confidence)
    n, sd, bias = found.n, found.sd, found.mean
    if n < 2:
        return Limits(n, bias, *(math.nan,) * 9)
    t = float(stdtrit(n - 1, (1 + confidence) / 2))
    off = t * sd * math.sqrt(1 / n + _LIMIT**2 / (2 * (n - 1)))
    lower, upper = bias - _LIMIT * sd, bias + _LIMIT * sd
    ends = (lower, lower - off, lower + off, upper, upper - off, upper + off)
    return Limits(n, bias, found.low, found.high, sd, *ends)


def area_limits(pairs: Found, confidence: float) -> Limits:
    """Return the limits of agreement of areas in µm², the slides of a case added up."""
    return limits_of(area_differences(pairs).values(), confidence)


def area_differences(pairs: Found) -> dict[str, float]:
    """Return by case the area of the first less that of the second, in µm²."""
    found: dict[str, float] = defaultdict(float)
    for case, pair in pairs:
        found[case] += pair.difference_um2
    return dict(found)


def summary_rows(pairs: Found, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Return one row per statistic: its mean over cases, intervals, and what was left out."""
    empty = empty_counts(pair for _, pair in pairs)
    means = _by_case(pairs, lambda pair: pair.values)
    drawn = _drawn_means(means, bootstrap)
    nonempty = [each for each in pairs if each[1].empty == "none"]
    without = nan_mean(_by_case(nonempty, lambda pair: pair.values))
    perfect = nan_mean(_by_case(pairs, _with_ones))
    rows = []
    for place, name in enumerate(STATISTICS):
        found = summarise(means[:, place], bootstrap.confidence)
        low, high = bootstrap.interval(drawn[:, place]) if found.n > 1 else (math.nan, math.nan)
        undefined = sum(math.isnan(pair.values[name]) for _, pair in pairs)
        rows.append(
            {
                "statistic": name,
                "cases": found.n,
                "pairs": len(pairs),
                "undefined": undefined,
                "one_empty": empty["one"],
                "both_empty": empty["both"],
                "mean": found.mean,
                "t_low": found.low,
                "t_high": found.high,
                "bootstrap_low": low,
                "bootstrap_high": high,
                "sd": found.sd,
                "median": found.median,
                "mean_without_empty": float(without[place]),
                "mean_both_empty_as_1": float(perfect[place])
                if name in AGREE_WHEN_EMPTY
                else math.nan,
            }
        )
    return rows


def _by_case(pairs: Found, values_of: Any) -> Reals:
    """Return (case, statistic) means over the pairs of each case; NaN where none is defined."""
    cases: dict[str, list[list[float]]] = defaultdict(list)
    for case, pair in pairs:
        values = values_of(pair)
        cases[case].append([values[name] for name in STATISTICS])
    found = [nan_mean(np.array(rows, np.float64)) for rows in cases.values()]
    return np.array(found, np.float64).reshape(-1, len(STATISTICS))


def _with_ones(pair: PairAgreement) -> dict[str, float]:
    """Return the values, 1 where two readers agree that there is nothing."""
    agreed = dict.fromkeys(AGREE_WHEN_EMPTY, 1.0) if pair.empty == "both" else {}
    return pair.values | agreed


def _drawn_means(values: Reals, bootstrap: Bootstrap) -> Reals:
    """Return (draw, statistic) means over cases drawn with replacement."""
    drawn = bootstrap.samples(max(len(values), 1))
    often = np.zeros((len(drawn), len(values)), np.float64)
    for case in range(len(values)):
        often[:, case] = (drawn == case).sum(axis=1)
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        found: Reals = (often @ np.where(defined, values, 0.0)) / (often @ defined)
    return found
