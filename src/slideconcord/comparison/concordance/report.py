"""The report of a comparison of scanners: one HTML file that needs no other, CSV and JSON.

Slides go by their scanner and the first digits of their fingerprint. File names may hold a
patient's: they appear only when they are asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord import __version__
from slideconcord.comparison.concordance.charts import curves_chart, scores_chart
from slideconcord.comparison.concordance.pictures import FIRST, SECOND, RegionPicture
from slideconcord.comparison.concordance.result import ALONE, LEVELS, Concordance, Level, Reals
from slideconcord.comparison.concordance.study import ScannerStudy
from slideconcord.comparison.page import figure_source, markup, picture_source, render_page
from slideconcord.comparison.tables import Table, shade, without_nan, write_json

if TYPE_CHECKING:
    from slideconcord.comparison.appearance.analysis import ScannerAnalysis

TITLES: dict[Level, str] = {
    "slide": "Whole slides",
    "regions": "Regions, mean",
    "pooled": "Regions, pooled",
}
_EMPTY = {"undefined": "left out and counted", "perfect": "counted as 1"}
_DIGITS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """What a report shows beside the numbers."""

    pictures: Sequence[RegionPicture] = ()
    appearance: ScannerAnalysis | None = None
    appearance_note: str = "Not analysed."
    """Why there is no analysis."""
    names: Mapping[str, str] | None = None
    """File names by fingerprint; None keeps them out."""


def write_report(
    study: ScannerStudy, folder: str | os.PathLike[str], extras: Extras | None = None
) -> list[Path]:
    """Write report.html, concordance.json and the tables as CSV; return the files.

    Parameters
    ----------
    study
        One case or more.
    folder
        One that exists.
    extras
        Pictures, the analysis of appearance, file names.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    from slideconcord.annotations.exchange import atomic

    place, extras = Path(folder), extras or Extras()
    html = render(study, extras)
    files = [place / "report.html", place / "concordance.json"]
    with atomic(files[0]) as partial:
        partial.write_text(html, encoding="utf-8", newline="\n")
    write_json(study.to_json(), files[1])
    for name, table in tables(study).items():
        table.write_csv(place / f"{name}.csv")
        files.append(place / f"{name}.csv")
    return files


REPORT_FILES = ("report.html", "concordance.json", "pairs.csv", "scans.csv", "regions.csv")


def tables(study: ScannerStudy) -> dict[str, Table]:
    """Return the tables of a study by the name of their file."""
    return {
        "pairs": _joined(case.pair_table() for case in study.cases),
        "scans": _joined(case.scanner_table() for case in study.cases),
        "regions": _joined(case.region_table() for case in study.cases),
    }


def render(study: ScannerStudy, extras: Extras | None = None) -> str:
    """Return the report as one HTML document without any outside asset."""
    return render_page(__package__, "report.html", _context(study, extras or Extras()))


def _context(study: ScannerStudy, extras: Extras) -> dict[str, Any]:
    first, accuracy = study.cases[0], study.accuracy_table().records()
    scored = [row["value"] for row in accuracy if np.isfinite(row["value"])]
    cases = study.cases
    return {
        "title": f"Agreement of scanners: {_named(cases)}",
        "version": __version__,
        "created": datetime.now(UTC).isoformat(" ", "minutes"),
        "virtual": list(dict.fromkeys(case.virtual for case in cases if case.virtual)),
        "warnings": study.warnings,
        "alone": ALONE,
        "first": FIRST,
        "second": SECOND,
        "cases": [case.case for case in cases],
        "scanners": study.scanners,
        "pairs": len(study.scanners) * (len(study.scanners) - 1) // 2,
        "estimates": study.estimates("slide"),
        "worst": study.summary("slide").worst,
        "empty_rule": _EMPTY[first.options.empty],
        "tissue_only": first.options.tissue_only,
        "levels": [_level(study, level) for level in LEVELS],
        "bootstrap_text": _bootstrap_text(study),
        "pairs_chart": markup(_pairs_chart(study)),
        "curves_chart": markup(_curves(study)),
        "accuracy": accuracy if scored else [],
        "accuracy_range": (min(scored), max(scored)) if scored else (),
        "accuracy_chart": markup(scores_chart(accuracy, "scanner", "DSC")) if scored else "",
        "differences": study.difference_table().records(),
        "scans": [_scan_row(row, case, extras) for case in cases for row in _rows(case)],
        "names": extras.names is not None,
        "closures": [row for case in cases for row in case.closure_table().records()],
        "excluded": [
            {"case": case.case, "scanner": each.scanner, "reason": each.reason}
            for case in cases
            for each in case.excluded
        ],
        "notes": [f"{c.case}, regions: {c.regions_note}" for c in cases if c.regions_note],
        "pictures": [_picture(each) for each in extras.pictures],
        "appearance": _appearance(extras.appearance),
        "appearance_note": extras.appearance_note,
        "grids": ", ".join(dict.fromkeys(f"{case.mpp:g}" for case in cases)),
        "provenance": json.dumps(
            without_nan({case.case: case.provenance for case in cases}), indent=1, default=str
        ),
    }


def _named(cases: Sequence[Concordance]) -> str:
    return cases[0].case if len(cases) == 1 else f"{len(cases)} slides"


def _level(study: ScannerStudy, level: Level) -> dict[str, Any]:
    dice, ceiling = study.dice(level), study.ceiling(level)
    rows = [
        {"name": name, "cells": [_cell(dice, ceiling, i, j) for j in range(len(dice))]}
        for i, name in enumerate(study.scanners)
    ]
    return {
        "title": TITLES[level],
        "means": LEVELS[level].capitalize(),
        "summary": study.summary(level),
        "rows": rows,
    }


def _cell(dice: Reals, ceiling: Reals, i: int, j: int) -> dict[str, Any]:
    value = float(dice[i, j])
    ground, ink = shade(value if i != j and np.isfinite(value) else 0.0)
    return {
        "own": i == j,
        "dice": value,
        "ceiling": float(ceiling[i, j]),
        "background": f"rgb{ground}",
        "ink": f"rgb{ink}",
    }


def _bootstrap_text(study: ScannerStudy) -> str:
    if len(study.cases) < 2:
        return "none, for intervals need several slides"
    how = study.bootstrap
    return (
        f"{100 * how.confidence:g} % intervals, {how.draws} draws of whole slides, seed {how.seed}"
    )


def _pairs_chart(study: ScannerStudy) -> str:
    rows = [
        {**row, "pair": f"{row['first']} – {row['second']}"} for row in study.pair_table().records()
    ]
    return scores_chart(rows, "pair", "Dice")


def _curves(study: ScannerStudy) -> str:
    curves: dict[str, list[float]] = {}
    for case in study.cases:
        for row in case.region_table().records():
            curves.setdefault(f"{row['first']} – {row['second']}", []).append(row["dice"])
    return curves_chart(curves, "Dice of each region")


def _rows(case: Concordance) -> list[dict[str, Any]]:
    return case.scanner_table().records()


def _scan_row(row: dict[str, Any], case: Concordance, extras: Extras) -> dict[str, Any]:
    prints = {each["scanner"]: each["fingerprint"] for each in case.provenance["scans"]}
    mark = prints[row["scanner"]]
    return {**row, "fingerprint": mark[:_DIGITS], "file": (extras.names or {}).get(mark, "")}


def _picture(found: RegionPicture) -> dict[str, Any]:
    return {
        "case": found.case,
        "region": found.region,
        "pair": found.pair,
        "dice": found.dice,
        "sources": [picture_source(picture) for picture in found.pictures],
    }


def _appearance(analysis: ScannerAnalysis | None) -> dict[str, Any] | None:
    if analysis is None:
        return None
    return {
        "text": (
            f"{len(analysis.patches)} patches, differences to {analysis.reference}; features: "
            f"{analysis.feature_label}; {analysis.projection.label}."
        ),
        "plots": _plots(analysis),
        "rows": analysis.difference_table().records(),
    }


def _plots(analysis: ScannerAnalysis) -> list[dict[str, str]]:
    """Return the plots, or nothing where matplotlib is not installed."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        return []
    from slideconcord.comparison.appearance.plots import appearance_plot, sharpness_plot

    drawn = {
        "Colour and features, unpaired above, paired below": appearance_plot,
        "Sharpness: power relative to the reference scanner": sharpness_plot,
    }
    return [{"text": text, "source": figure_source(draw(analysis))} for text, draw in drawn.items()]


def _joined(parts: Any) -> Table:
    every = list(parts)
    columns = next((each.columns for each in every if each.rows), every[0].columns)
    return Table(columns, tuple(row for each in every for row in each.rows))
