"""Many scans: means with their interval, subgroups, and scans of one slide from two scanners."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from slideconcord.comparison.compare import Scores
from slideconcord.comparison.metrics import PAPER, metric_of
from slideconcord.comparison.tables import Table
from slideconcord.errors import ParameterError


@dataclass(frozen=True, slots=True)
class ScoredScan:
    """The scores of one scan, and what it belongs to."""

    slide: str
    """The glass slide: scans of one slide from several scanners share it."""
    scores: Scores
    cohort: str = ""
    scanner: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    """What a subgroup analysis divides by, such as ``{"pT": "pTa"}``."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A mean with its Student-t interval; undefined values are left out and counted."""

    n: int
    """Values that are defined."""
    undefined: int
    mean: float
    low: float
    """Lower end of the interval of the mean; NaN with fewer than two values."""
    high: float
    sd: float
    """Sample standard deviation."""
    median: float
    confidence: float = 0.95


def summarise(values: Iterable[float], confidence: float = 0.95) -> Summary:
    """Return mean and t interval of the values that are defined.

    Raises
    ------
    ParameterError
        When the confidence is not between 0 and 1.
    """
    from scipy.special import stdtrit

    check_confidence(confidence)
    given = np.fromiter(values, np.float64)
    kept = given[~np.isnan(given)]
    n, undefined = len(kept), len(given) - len(kept)
    if n == 0:
        return Summary(0, undefined, *(math.nan,) * 5, confidence)
    mean, median = float(kept.mean()), float(np.median(kept))
    if n == 1:
        return Summary(1, undefined, mean, math.nan, math.nan, math.nan, median, confidence)
    sd = float(kept.std(ddof=1))
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * sd / math.sqrt(n)
    return Summary(n, undefined, mean, mean - half, mean + half, sd, median, confidence)


def check_confidence(confidence: float) -> None:
    """Refuse what is no confidence between 0 and 1."""
    if not 0 < confidence < 1:
        raise ParameterError(
            f"confidence={confidence!r} must be between 0 and 1, such as 0.95 for 95 %."
        )


def scan_table(scans: Iterable[ScoredScan]) -> Table:
    """Return one row per scan with its counts and all statistics."""
    return Table.of(
        {
            "cohort": scan.cohort,
            "slide": scan.slide,
            "scanner": scan.scanner,
            **dict(scan.groups),
            **{n: getattr(scan.scores.counts, n) for n in ("tp", "fp", "fn", "tn")},
            **scan.scores.values,
        }
        for scan in scans
    )


def cohort_table(
    scans: Iterable[ScoredScan], metrics: Sequence[str] = PAPER, confidence: float = 0.95
) -> Table:
    """Return one row per cohort and statistic: n, undefined, mean and its interval.

    Raises
    ------
    ParameterError
        When a statistic is unknown or the confidence is not between 0 and 1.
    """
    by_cohort = _grouped(scans, lambda scan: (scan.cohort,))
    return _summaries(("cohort",), by_cohort, metrics, confidence)


def subgroup_table(
    scans: Iterable[ScoredScan],
    by: str,
    metrics: Sequence[str] = ("dsc",),
    confidence: float = 0.95,
) -> Table:
    """Return one row per cohort, subgroup and statistic (exploratory analysis 6).

    Parameters
    ----------
    scans
        Those with a prediction only: ``[s for s in scans if has_prediction(s)]``.
    by
        A key of every scan's ``groups``, or "scanner".
    metrics
        Names in METRICS.
    confidence
        Of the interval of the mean.

    Raises
    ------
    ParameterError
        When a scan does not have the group, or a statistic is unknown.
    """

    def group(scan: ScoredScan) -> str:
        if by == "scanner":
            return scan.scanner
        if by not in scan.groups:
            known = ", ".join(["scanner", *scan.groups])
            raise ParameterError(
                f"The scan of {scan.slide} has no group {by!r}: give it one, or choose from "
                f"{known}."
            )
        return scan.groups[by]

    grouped = _grouped(scans, lambda scan: (scan.cohort, group(scan)))
    return _summaries(("cohort", by), grouped, metrics, confidence)


def has_prediction(scan: ScoredScan) -> bool:
    """Whether anything was predicted; the paper averages over all scans and over these."""
    return scan.scores.counts.predicted > 0


def _grouped(
    scans: Iterable[ScoredScan], key: Callable[[ScoredScan], tuple[str, ...]]
) -> dict[tuple[str, ...], list[ScoredScan]]:
    found: dict[tuple[str, ...], list[ScoredScan]] = defaultdict(list)
    for scan in scans:
        found[key(scan)].append(scan)
    return found


def _summaries(
    names: tuple[str, ...],
    groups: Mapping[tuple[str, ...], Sequence[ScoredScan]],
    metrics: Sequence[str],
    confidence: float,
) -> Table:
    for metric in metrics:
        metric_of(metric)
    rows = []
    for key, scans in groups.items():
        for metric in metrics:
            s = summarise((scan.scores[metric] for scan in scans), confidence)
            rows.append((*key, metric, s.n, s.undefined, s.mean, s.low, s.high, s.sd, s.median))
    columns = ("metric", "n", "undefined", "mean", "low", "high", "sd", "median")
    return Table((*names, *columns), tuple(rows))
