"""Several glass slides: scores of pairs and scanners with bootstrap intervals over slides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.cohort import check_confidence
from slideconcord.comparison.concordance.result import (
    ALONE,
    LEVELS,
    Concordance,
    Level,
    Reals,
    Summary,
    nan_mean,
    summarise_pairs,
)
from slideconcord.comparison.scanners import ScannerDifferences, scanner_differences
from slideconcord.comparison.tables import Table, without_nan
from slideconcord.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are made: slides are drawn with replacement, all scans of one together."""

    draws: int = 2000
    seed: int = 0
    confidence: float = 0.95

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        if self.draws < 100:
            raise ParameterError(
                f"draws={self.draws} is too few for an interval: give 100 or more."
            )

    def samples(self, slides: int) -> NDArray[np.int64]:
        """Return (draw, slide) indices."""
        rng = np.random.default_rng(self.seed)
        return rng.integers(0, slides, (self.draws, slides))

    def interval(self, values: Reals) -> tuple[float, float]:
        """Return the percentiles of what the draws gave; NaN where a draw has no value."""
        kept = values[np.isfinite(values)]
        if not kept.size:
            return float("nan"), float("nan")
        beside = (1 - self.confidence) / 2
        low, high = np.quantile(kept, [beside, 1 - beside])
        return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value over slides and its interval; the interval is NaN with fewer than two slides."""

    value: float
    low: float
    high: float
    slides: int
    """Slides on which it is defined."""


@dataclass(frozen=True, slots=True, eq=False)
class ScannerStudy:
    """The concordances of several glass slides.

    A pair's score is its mean over the slides that have both scanners; mean and minimum are taken
    over the pairs afterwards, as in SCORPION.
    """

    cases: tuple[Concordance, ...]
    bootstrap: Bootstrap = Bootstrap()

    def __post_init__(self) -> None:
        names = [case.case for case in self.cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            what = f"two are called {twice[0]!r}" if twice else "there is none"
            raise ParameterError(f"A study needs cases of different names, and {what}.")

    @property
    def scanners(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for case in self.cases for name in case.scanners))

    @property
    def has_reference(self) -> bool:
        return any(case.references for case in self.cases)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be said beside every number; of which case, where there are several."""
        if len(self.cases) == 1:
            return self.cases[0].warnings
        alone = () if self.has_reference else (ALONE,)
        told = (f"{c.case}: {w}" for c in self.cases for w in c.warnings if w not in alone)
        return (*alone, *told)

    def values(self, level: Level = "slide") -> Reals:
        """Return (case, scanner, scanner) Dice; NaN for scanners that a case has not."""
        return self._spread(lambda case: case.dice(level))

    def dice(self, level: Level = "slide") -> Reals:
        """Return the matrix of the pairs' means over slides."""
        return nan_mean(self.values(level))

    def ceiling(self, level: Level = "slide") -> Reals:
        """Return the matrix of the ceilings' means over slides."""
        return nan_mean(self._spread(lambda case: case.ceilings[level]))

    def summary(self, level: Level = "slide") -> Summary:
        """Return mean and minimum over the pairs' means, and the worst pair."""
        return summarise_pairs(self.dice(level), self.scanners)

    def estimates(self, level: Level = "slide") -> dict[str, Estimate]:
        """Return mean and minimum over pairs, with intervals."""
        values, found = self.values(level), self.summary(level)
        draws = [
            summarise_pairs(nan_mean(values[sample]), self.scanners) for sample in self._samples()
        ]
        pairs = {"mean": found.mean, "minimum": found.minimum}
        return {
            name: Estimate(
                value,
                *self._interval(np.array([getattr(draw, name) for draw in draws], np.float64)),
                len(self.cases),
            )
            for name, value in pairs.items()
        }

    def pair_table(self, level: Level = "slide") -> Table:
        """Return one row per pair: mean over slides with its interval, and the ceiling."""
        values, ceiling = self.values(level), self.ceiling(level)
        rows = []
        for i, j in combinations(range(len(self.scanners)), 2):
            row = {"level": level, "first": self.scanners[i], "second": self.scanners[j]}
            estimate = self._estimate(values[:, i, j])
            rows.append({**row, **asdict(estimate), "ceiling": float(ceiling[i, j])})
        return Table.of(rows)

    def accuracy_table(self) -> Table:
        """Return one row per scanner: mean DSC over slides with its interval."""
        rows = []
        for scanner in self.scanners:
            scores = [
                case.accuracy(scanner) if scanner in case.scanners else None for case in self.cases
            ]
            dsc = np.array([each.dsc if each else np.nan for each in scores], np.float64)
            rows.append({"scanner": scanner, **asdict(self._estimate(dsc))})
        return Table.of(rows)

    def differences(self) -> list[ScannerDifferences]:
        """Return, for every pair, the differences in accuracy scan by scan.

        Exploratory analysis 8 of the pan-cancer paper: two scanners may be equally accurate and
        still disagree on every slide.
        """
        scans = [scan for case in self.cases for scan in case.scored_scans()]
        known = dict.fromkeys(scan.scanner for scan in scans)
        return [scanner_differences(scans, a, b) for a, b in combinations(known, 2)]

    def difference_table(self) -> Table:
        """Return one row per pair: differences in DSC, second less first."""
        rows = []
        for each in self.differences():
            found, (slide, worst) = each.summary, each.worst
            rows.append(
                {
                    "first": each.first,
                    "second": each.second,
                    "slides": found.n,
                    "mean_difference": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "mean_absolute": each.mean_absolute,
                    "worst": worst,
                    "worst_case": slide,
                }
            )
        return Table.of(rows)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; what is undefined is null."""
        levels: Mapping[str, Any] = {
            level: {
                "means": text,
                "dice": self.dice(level).tolist(),
                "ceiling": self.ceiling(level).tolist(),
                "worst": self.summary(level).worst,
                "pairs": self.pair_table(level).records(),
                **{name: asdict(each) for name, each in self.estimates(level).items()},
            }
            for level, text in LEVELS.items()
        }
        return dict(
            without_nan(
                {
                    "warnings": list(self.warnings),
                    "scanners": list(self.scanners),
                    "bootstrap": asdict(self.bootstrap),
                    "levels": levels,
                    "accuracy": self.accuracy_table().records() if self.has_reference else None,
                    "differences": self.difference_table().records(),
                    "cases": [case.to_json() for case in self.cases],
                }
            )
        )

    def _spread(self, matrix_of: Callable[[Concordance], Reals]) -> Reals:
        """Return (case, scanner, scanner) over all scanners of the study."""
        n = len(self.scanners)
        found = np.full((len(self.cases), n, n), np.nan)
        for spread, case in zip(found, self.cases, strict=True):
            at = [self.scanners.index(name) for name in case.scanners]
            spread[np.ix_(at, at)] = matrix_of(case)
        return found

    def _samples(self) -> NDArray[np.int64]:
        return self.bootstrap.samples(len(self.cases))

    def _estimate(self, values: Reals) -> Estimate:
        means = nan_mean(values[self._samples()].T)
        low, high = self._interval(means)
        defined = int(np.isfinite(values).sum())
        return Estimate(float(nan_mean(values)), low, high, defined)

    def _interval(self, draws: Reals) -> tuple[float, float]:
        if len(self.cases) < 2:
            return float("nan"), float("nan")
        return self.bootstrap.interval(draws)


def study_of(cases: Sequence[Concordance], bootstrap: Bootstrap | None = None) -> ScannerStudy:
    """Return several concordances as a study.

    Raises
    ------
    ParameterError
        When there is none, or two have one name.
    """
    return ScannerStudy(tuple(cases), bootstrap or Bootstrap())
