"""Spearman's rank correlation with its confidence interval, as in the paper (eqs. 15-17)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from slideconcord.comparison.cohort import check_confidence
from slideconcord.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Correlation:
    """How far two rankings agree; NaN where it cannot be told."""

    rho: float
    p_value: float
    """Two-sided, from Student's t with n - 2 degrees of freedom (eq. 15)."""
    low: float
    """Lower end of the interval (eq. 17); NaN with fewer than four pairs."""
    high: float
    n: int
    """Pairs that count."""
    undefined: int
    """Pairs left out because a value is NaN."""
    confidence: float = 0.95


def spearman(x: Sequence[float], y: Sequence[float], confidence: float = 0.95) -> Correlation:
    """Return Spearman's rho of paired values, its p value and its confidence interval.

    Parameters
    ----------
    x, y
        Paired values, such as the DSC of every scan and its tumour area; equal ones share their
        mean rank.
    confidence
        Of the interval.

    Raises
    ------
    ParameterError
        When the values do not pair up, or the confidence is not between 0 and 1.
    """
    from scipy.stats import spearmanr

    check_confidence(confidence)
    if len(x) != len(y):
        raise ParameterError(f"{len(x)} values cannot be paired with {len(y)}: give one for each.")
    pairs = np.array([x, y], np.float64)
    kept = pairs[:, ~np.isnan(pairs).any(0)]
    n, undefined = kept.shape[1], pairs.shape[1] - kept.shape[1]
    # ranks of equal values say nothing, and t needs a degree of freedom
    if n < 3 or (np.ptp(kept, axis=1) == 0).any():
        return Correlation(*(math.nan,) * 4, n, undefined, confidence)
    found = spearmanr(*kept)
    rho = min(max(float(found.statistic), -1.0), 1.0)
    interval = _interval(rho, n, confidence)
    return Correlation(rho, float(found.pvalue), *interval, n, undefined, confidence)


def _interval(rho: float, n: int, confidence: float) -> tuple[float, float]:
    if n < 4:
        return math.nan, math.nan
    if abs(rho) == 1:  # arctanh is infinite: the interval has no width
        return rho, rho
    half = NormalDist().inv_cdf((1 + confidence) / 2) / math.sqrt(n - 3)
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)
