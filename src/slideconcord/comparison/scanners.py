"""Scans of the same slides from two scanners, scan by scan (exploratory analyses 2 and 8)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from slideconcord.comparison.cohort import ScoredScan, Summary, summarise
from slideconcord.comparison.metrics import metric_of
from slideconcord.comparison.tables import Table
from slideconcord.errors import ParameterError


@dataclass(frozen=True, slots=True)
class ScannerDifferences:
    """A statistic on slides that both scanners scanned; differences are second minus first.

    These are differences in *accuracy*: two scanners may be equally accurate and still disagree
    on every slide.
    """

    first: str
    second: str
    metric: str
    slides: tuple[str, ...] = field(repr=False)
    first_values: tuple[float, ...] = field(repr=False)
    second_values: tuple[float, ...] = field(repr=False)
    unpaired: tuple[str, ...] = field(repr=False)
    """Slides that only one of the two scanned; they enter no difference."""

    @property
    def differences(self) -> tuple[float, ...]:
        """Per slide; NaN where either value is undefined."""
        pairs = zip(self.first_values, self.second_values, strict=True)
        return tuple(b - a for a, b in pairs)

    @property
    def summary(self) -> Summary:
        """Mean difference with its interval, and how many slides were undefined."""
        return summarise(self.differences)

    @property
    def mean_absolute(self) -> float:
        """Mean size of the difference on a slide, whatever its sign."""
        return summarise(abs(value) for value in self.differences).mean

    @property
    def worst(self) -> tuple[str, float]:
        """The slide of the largest difference, and that difference; ("", NaN) without any."""
        sizes = np.abs(np.array(self.differences, np.float64))
        if np.isnan(sizes).all():
            return "", math.nan
        place = int(np.nanargmax(sizes))
        return self.slides[place], self.differences[place]

    def table(self) -> Table:
        """Return one row per slide."""
        rows = zip(
            self.slides, self.first_values, self.second_values, self.differences, strict=True
        )
        return Table(("slide", self.first, self.second, "difference"), tuple(rows))


def scanner_differences(
    scans: Iterable[ScoredScan], first: str, second: str, metric: str = "dsc"
) -> ScannerDifferences:
    """Pair the scans of each slide from two scanners and compare their scores.

    Raises
    ------
    ParameterError
        When a statistic or scanner is unknown, the two are the same, or a scanner scanned a
        slide twice.
    """
    metric_of(metric)
    all_scans = list(scans)
    known = dict.fromkeys(scan.scanner for scan in all_scans)
    if first == second:
        raise ParameterError(f"Both scanners are {first!r}: name two different ones.")
    for scanner in (first, second):
        if scanner not in known:
            raise ParameterError(
                f"No scan is from {scanner!r}: choose from {', '.join(map(repr, known)) or 'none'}."
            )
    a, b = _by_slide(all_scans, first), _by_slide(all_scans, second)
    paired = [slide for slide in a if slide in b]
    return ScannerDifferences(
        first,
        second,
        metric,
        tuple(paired),
        tuple(a[slide].scores[metric] for slide in paired),
        tuple(b[slide].scores[metric] for slide in paired),
        tuple(sorted(set(a) ^ set(b))),
    )


def _by_slide(scans: list[ScoredScan], scanner: str) -> dict[str, ScoredScan]:
    found: dict[str, ScoredScan] = {}
    for scan in scans:
        if scan.scanner != scanner:
            continue
        if scan.slide in found:
            raise ParameterError(
                f"{scan.slide} was scanned twice by {scanner}: keep one of the two scans, or give "
                "the slides different names."
            )
        found[scan.slide] = scan
    return found
