"""All of the paper's tables and plots of many scored scans, from one list of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from slideconcord.comparison.cohort import (
    ScoredScan,
    cohort_table,
    has_prediction,
    scan_table,
    subgroup_table,
)
from slideconcord.comparison.correlation import spearman
from slideconcord.comparison.metrics import PAPER
from slideconcord.comparison.plots import scanner_scatter, violin_plot
from slideconcord.comparison.scanners import ScannerDifferences, scanner_differences
from slideconcord.comparison.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scan_tables(scans: Sequence[ScoredScan]) -> dict[str, Table]:
    """Return tables by name: scans, cohorts, subgroups, scanners and correlations.

    Parameters
    ----------
    scans
        At least one; all with the same keys of ``groups``.
    """
    return {
        "scans": scan_table(scans),
        "cohorts": cohort_table(scans, PAPER),
        "subgroups": _subgroups(scans),
        "scanners": _scanners(scans),
        "correlations": _correlations(scans),
    }


def scan_figures(scans: Sequence[ScoredScan]) -> Iterator[tuple[str, Figure]]:
    """Yield plots by name: DSC by cohort, and every two scanners that share slides.

    Raises
    ------
    SlideconcordError
        When matplotlib is not installed.
    """
    of_cohort = {name: [s.scores.dsc for s in some] for name, some in _by_cohort(scans).items()}
    yield "cohorts", violin_plot(of_cohort)
    for pair in pairs_of_scanners(scans):
        yield f"scanners-{pair.first}-{pair.second}", scanner_scatter(pair)


def pairs_of_scanners(scans: Sequence[ScoredScan]) -> Iterator[ScannerDifferences]:
    """Yield the DSC of every two scanners that share slides (exploratory analyses 2 and 8)."""
    names = [name for name in dict.fromkeys(scan.scanner for scan in scans) if name]
    for first, second in combinations(names, 2):
        pair = scanner_differences(scans, first, second)
        if pair.slides:
            yield pair


def _by_cohort(scans: Sequence[ScoredScan]) -> Mapping[str, list[ScoredScan]]:
    found: dict[str, list[ScoredScan]] = {}
    for scan in scans:
        found.setdefault(scan.cohort, []).append(scan)
    return found


def _subgroups(scans: Sequence[ScoredScan]) -> Table:
    """Average DSC by every group, over all scans and over those with a prediction (Table S10)."""
    some = {"all": list(scans), "with a prediction": [s for s in scans if has_prediction(s)]}
    columns = ("cohort", "group", "value", "scans", "n", "undefined", "mean", "low", "high")
    rows = []
    for by in ("scanner", *scans[0].groups):
        for which, chosen in some.items():
            for record in subgroup_table(chosen, by).records():
                named = {**record, "group": by, "value": record[by], "scans": which}
                rows.append(tuple(named[column] for column in columns))
    return Table(columns, tuple(rows))


def _scanners(scans: Sequence[ScoredScan]) -> Table:
    columns = ("first", "second", "slide", "first_dsc", "second_dsc", "difference")
    rows = [
        (pair.first, pair.second, *row)
        for pair in pairs_of_scanners(scans)
        for row in pair.table().rows
    ]
    return Table(columns, tuple(rows))


def _correlations(scans: Sequence[ScoredScan]) -> Table:
    """Correlate DSC with what may explain it, by cohort (exploratory analysis 1)."""
    columns = ("cohort", "with", "rho", "low", "high", "p_value", "n", "undefined")
    rows = []
    for cohort, some in _by_cohort(scans).items():
        scores = [scan.scores.dsc for scan in some]
        for name, values in _explanations(some).items():
            c = spearman(scores, values)
            rows.append((cohort, name, c.rho, c.low, c.high, c.p_value, c.n, c.undefined))
    return Table(columns, tuple(rows))


def _explanations(scans: Sequence[ScoredScan]) -> dict[str, list[float]]:
    """Return numbers of every scan: pixels and share of tumour, and groups that are numbers."""
    found = {
        "reference_px": [float(scan.scores.counts.reference) for scan in scans],
        "reference_positives": [scan.scores["reference_positives"] for scan in scans],
    }
    for name in scans[0].groups:
        try:
            found[name] = [float(scan.groups[name]) for scan in scans]
        except ValueError:
            continue
    return found
