"""The report of a comparison of observers: one HTML file that needs no other, CSV and JSON.

Observers, slides and cases go by numbers unless the comparison was asked to keep their names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord import __version__
from slideconcord.comparison.cohort import summarise
from slideconcord.comparison.observers.charts import bland_altman_plot, dsc_violins, pairs_of
from slideconcord.comparison.observers.methods import methods_text, references_of
from slideconcord.comparison.observers.pairs import Kind
from slideconcord.comparison.observers.pictures import FIRST, SECOND, PairPicture
from slideconcord.comparison.observers.readings import Reader
from slideconcord.comparison.observers.report_numbers import (
    SHOWN,
    empty_rows,
    kinds_of,
    mean_matrix,
    named,
    readers_of,
    ties,
)
from slideconcord.comparison.page import figure_source, picture_source, render_page
from slideconcord.comparison.tables import Table, shade, without_nan, write_json

if TYPE_CHECKING:
    from slideconcord.comparison.observers.intervals import Found
    from slideconcord.comparison.observers.result import ObserverAgreement

TABLES = ("pairs", "slides", "readers", "labels", "summary", "areas")
REPORT_FILES = ("report.html", "agreement.json", *(f"{name}.csv" for name in TABLES))
_PLOTTED: tuple[Kind, ...] = ("inter", "intra", "model")


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """What a report shows beside the numbers."""

    pictures: Sequence[PairPicture] = ()


def write_report(
    found: ObserverAgreement, folder: str | os.PathLike[str], extras: Extras | None = None
) -> list[Path]:
    """Write report.html, agreement.json and the tables as CSV; return the files.

    Parameters
    ----------
    found
        What was measured; the names it holds are those that appear.
    folder
        One that exists.
    extras
        Pictures.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    from slideconcord.annotations.exchange import atomic

    place, html = Path(folder), render(found, extras)
    files = [place / "report.html", place / "agreement.json"]
    with atomic(files[0]) as partial:
        partial.write_text(html, encoding="utf-8", newline="\n")
    write_json(found.to_json(), files[1])
    tables = found.tables
    for name in TABLES:
        files.append(place / f"{name}.csv")
        tables[name].write_csv(files[-1])
    return files


def render(found: ObserverAgreement, extras: Extras | None = None) -> str:
    """Return the report as one HTML document without any outside asset."""
    return render_page(__package__, "report.html", _context(found, extras or Extras()))


def _context(found: ObserverAgreement, extras: Extras) -> dict[str, Any]:
    tables = found.tables
    classes = [_class(found, name, tables) for name in found.class_names]
    return {
        "title": f"Agreement of observers: {_plural(len(found.slides), 'slide')}",
        "version": __version__,
        "created": datetime.now(UTC).isoformat(" ", "minutes"),
        "virtual": found.virtual,
        "warnings": found.warnings,
        "first": FIRST,
        "second": SECOND,
        "slides": len(found.slides),
        "cases": len({slide.case for slide in found.slides}),
        "observers": len({r.name for r in found.readers if r.role == "observer"}),
        "options": found.options,
        "classes": classes,
        "shown": SHOWN,
        "slide_rows": tables["slides"].records(),
        "reader_rows": [
            {**row, "label": Reader(row["reader"], row["round"]).label}
            for row in tables["readers"].records()
            if row["role"] != "consensus"
        ],
        "label_rows": tables["labels"].records(),
        "empties": empty_rows(found),
        "ties": ties(found),
        "pictures": [_picture(each) for each in extras.pictures],
        "methods": methods_text(found),
        "references": references_of(found),
        "files": REPORT_FILES[1:],
        "provenance": json.dumps(without_nan(dict(found.provenance)), indent=1, default=str),
    }


def _class(found: ObserverAgreement, name: str, tables: Mapping[str, Table]) -> dict[str, Any]:
    summary, readers = tables["summary"], readers_of(found, name)
    kinds = kinds_of(summary, name)
    return {
        "name": name or "(no class)",
        "sentence": _sentence(found, name, kinds),
        "kinds": kinds,
        "readers": [reader.label for reader in readers],
        "matrices": [
            {"title": title, "rows": _matrix(summary, name, statistic, readers)}
            for statistic, title in SHOWN.items()
        ],
        "areas": [
            {**row, "first": named(row, "first"), "second": named(row, "second")}
            for row in tables["areas"].records()
            if row["class"] == name
        ],
        "plots": list(_plots(found, name)),
    }


def _matrix(
    summary: Table, name: str, statistic: str, readers: tuple[Reader, ...]
) -> list[dict[str, Any]]:
    values = mean_matrix(summary, name, statistic, readers)
    is_distance = statistic.endswith("_um")
    worst = float(np.nanmax(values, initial=0.0))
    rows = []
    for i, reader in enumerate(readers):
        cells = []
        for j, value in enumerate(values[i].tolist()):
            good = (1 - value / worst if worst else 1.0) if is_distance else value
            ground, ink = shade(good if value == value else 0.0)
            cells.append({"own": i == j, "value": value, "ground": ground, "ink": ink})
        rows.append({"name": reader.label, "cells": cells, "digits": 1 if is_distance else 3})
    return rows


def _plots(found: ObserverAgreement, name: str) -> Iterable[dict[str, str]]:
    """Yield the plots of a class; none where matplotlib is not installed."""
    from importlib.util import find_spec

    kinds = tuple(kind for kind in _PLOTTED if pairs_of(found, name, (kind,)))
    if not kinds or find_spec("matplotlib") is None:
        return
    pairs = pairs_of(found, name, kinds)
    what = f"{name or 'what has no class'}"
    drawn = {
        f"DSC of {what} on every slide, by pair of readers: {_means(pairs)}": dsc_violins(
            found, name, kinds
        ),
        f"Areas of {what}: difference of two readers against their mean (Bland-Altman)": (
            bland_altman_plot(pairs, found.options.confidence)
        ),
    }
    for text, figure in drawn.items():
        yield {"text": text, "source": figure_source(figure)}


def _means(pairs: Mapping[str, Found]) -> str:
    return "; ".join(
        f"{name} mean {_shown(summarise(pair.dsc for _, pair in some).mean)}"
        for name, some in pairs.items()
    )


def _sentence(found: ObserverAgreement, name: str, kinds: list[dict[str, Any]]) -> str:
    """Say in one sentence how far two observers, one observer twice and the model agree."""
    dsc = {each["kind"]: each["cells"]["dsc"] for each in kinds}
    parts = []
    if "inter" in dsc:
        parts.append(f"two observers agree with a mean DSC of {_told(dsc['inter'])}")
        pairs = [p for some in pairs_of(found, name).values() for _, p in some if p.dsc == p.dsc]
        if pairs:
            worst = min(pairs, key=lambda pair: pair.dsc)
            parts[-1] += f", lowest {worst.dsc:.3f} ({worst.first.label} – {worst.second.label})"
    if "intra" in dsc:
        parts.append(f"one observer in two rounds with {_told(dsc['intra'])}")
    if "model" in dsc:
        parts.append(f"the model with observers and consensus with {_told(dsc['model'])}")
    text = "; ".join(parts) or "no two readings can be compared"
    return f"{name or 'Without class'}: {text}."


def _told(row: dict[str, Any]) -> str:
    text = _shown(row["mean"])
    # of two cases the interval is wider than all that a DSC can be
    if row["cases"] > 2:
        low, high = row["bootstrap_low"], row["bootstrap_high"]
        text += f" ({low:.3f} to {high:.3f}, {_plural(row['cases'], 'case')})"
    return text


def _shown(value: float) -> str:
    return f"{value:.3f}" if value == value else "undefined"


def _picture(each: PairPicture) -> dict[str, Any]:
    first, second = each.pair
    about = f"{each.slide}, {each.class_name or 'no class'}: {first} and {second}"
    pictures = [
        {
            "source": picture_source(each.overview),
            "text": f"{about}. All of the slide: yellow {first} alone, green {second} alone, "
            "blue both",
        }
    ]
    if each.detail is not None and each.dispute is not None:
        area = f"{each.dispute.area_um2:,.0f} µm²"
        pictures.append(
            {
                "source": picture_source(each.detail),
                "text": f"{about}. Largest place on which they differ, {area}: yellow full "
                f"outline {first}, green broken outline {second}",
            }
        )
    return {"about": about, "pair": each.pair, "dsc": each.dsc, "pictures": pictures}


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
