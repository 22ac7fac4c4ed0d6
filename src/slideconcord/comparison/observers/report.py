"""The report of a comparison of observers: one HTML file that needs no other, CSV and JSON.

Observers, slides and cases go by numbers unless the comparison was asked to keep their names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord import __version__
from slideconcord.comparison.observers.charts import bland_altman_plot, dsc_violins, pairs_of
from slideconcord.comparison.observers.methods import methods_text, references_of
from slideconcord.comparison.observers.pairs import KINDS, Kind
from slideconcord.comparison.observers.pictures import FIRST, SECOND, PairPicture
from slideconcord.comparison.observers.report_numbers import (
    SHOWN,
    bias_table,
    consensus_rows,
    empty_rows,
    kind_table,
    lowest,
    mean_matrix,
    readers_of,
    slide_table,
)
from slideconcord.comparison.page import figure_source, picture_source, render_page
from slideconcord.comparison.tables import Table, shade, without_nan, write_json

if TYPE_CHECKING:
    from slideconcord.comparison.observers.result import ObserverAgreement

REPORT_FILES = (
    "report.html",
    "agreement.json",
    "pairs.csv",
    "kinds.csv",
    "areas.csv",
    "slides.csv",
)
_PLOTTED: tuple[Kind, ...] = ("inter", "intra", "model")


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """What a report shows beside the numbers."""

    pictures: Sequence[PairPicture] = ()
    virtual: Sequence[str] = ()
    """What must be said of slides that nobody scanned."""


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
        Pictures, and what must be said of virtual slides.

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
    for name, table in tables(found).items():
        files.append(place / f"{name}.csv")
        table.write_csv(files[-1])
    return files


def tables(found: ObserverAgreement) -> dict[str, Table]:
    """Return the tables of a report by the name of their file."""
    return {
        "pairs": found.pair_table(),
        "kinds": kind_table(found),
        "areas": bias_table(found),
        "slides": slide_table(found),
    }


def render(found: ObserverAgreement, extras: Extras | None = None) -> str:
    """Return the report as one HTML document without any outside asset."""
    return render_page(__package__, "report.html", _context(found, extras or Extras()))


def _context(found: ObserverAgreement, extras: Extras) -> dict[str, Any]:
    rows = kind_table(found).records()
    return {
        "title": f"Agreement of observers: {_plural(len(found.slides), 'slide')}",
        "version": __version__,
        "created": datetime.now(UTC).isoformat(" ", "minutes"),
        "virtual": list(extras.virtual),
        "first": FIRST,
        "second": SECOND,
        "slides": found.slides,
        "cases": len({slide.case for slide in found.slides}),
        "observers": len({r.name for r in found.readers if r.role == "observer"}),
        "confidence": 100 * found.options.confidence,
        "tolerance": found.options.tolerance_um,
        "sentences": [_sentence(found, name, rows) for name in found.class_names],
        "classes": [_class(found, name, rows) for name in found.class_names],
        "shown": SHOWN,
        "slide_rows": slide_table(found).records(),
        "empties": empty_rows(found),
        "consensus": consensus_rows(found),
        "pictures": [_picture(each) for each in extras.pictures],
        "methods": methods_text(found),
        "references": references_of(found),
        "provenance": json.dumps(without_nan(dict(found.provenance)), indent=1, default=str),
    }


def _class(found: ObserverAgreement, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = [kind for kind in KINDS if pairs_of(found, name, (kind,))]
    return {
        "name": name or "(no class)",
        "kinds": [
            {
                "kind": kind,
                "meaning": KINDS[kind],
                "cells": {
                    r["statistic"]: r for r in rows if (r["class"], r["kind"]) == (name, kind)
                },
            }
            for kind in kinds
        ],
        "readers": [reader.label for reader in readers_of(found, name)],
        "matrices": [
            {"title": title, "rows": _matrix(found, name, statistic)}
            for statistic, title in SHOWN.items()
        ],
        "areas": [row for row in bias_table(found).records() if row["class"] == name],
        "plots": list(_plots(found, name)),
    }


def _matrix(found: ObserverAgreement, name: str, statistic: str) -> list[dict[str, Any]]:
    values = mean_matrix(found, name, statistic)
    is_distance = statistic.endswith("_um")
    off = [v for i, row in enumerate(values) for j, v in enumerate(row) if i != j and v == v]
    worst = max(off, default=0.0)
    rows = []
    for i, reader in enumerate(readers_of(found, name)):
        cells = []
        for j, value in enumerate(values[i].tolist()):
            good = (1 - value / worst if worst else 1.0) if is_distance else value
            ground, ink = shade(good if i != j and value == value else 0.0)
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
            bland_altman_plot(pairs)
        ),
    }
    for text, figure in drawn.items():
        yield {"text": text, "source": figure_source(figure)}


def _means(pairs: Any) -> str:
    from slideconcord.comparison.cohort import summarise

    parts = [
        f"{name} mean {_shown(summarise(p.dsc for p in some).mean)}" for name, some in pairs.items()
    ]
    return "; ".join(parts)


def _sentence(found: ObserverAgreement, name: str, rows: list[dict[str, Any]]) -> str:
    """Say in one sentence how far two observers, one observer twice and the model agree."""
    of_class = {r["kind"]: r for r in rows if r["class"] == name and r["statistic"] == "dsc"}
    parts = []
    if "inter" in of_class:
        parts.append(f"two observers agree with a mean DSC of {_told(of_class['inter'])}")
        worst = lowest(p for some in pairs_of(found, name, ("inter",)).values() for p in some)
        if worst is not None:
            parts[-1] += f", lowest {worst.dsc:.3f} ({worst.first.label} – {worst.second.label})"
    if "intra" in of_class:
        parts.append(f"one observer in two rounds with {_told(of_class['intra'])}")
    if "model" in of_class:
        parts.append(f"the model with observers and consensus with {_told(of_class['model'])}")
    text = "; ".join(parts) or "no two readings can be compared"
    return f"{name or 'Without class'}: {text}."


def _told(row: dict[str, Any]) -> str:
    text = _shown(row["mean"])
    # of two cases the interval is wider than all that a DSC can be
    if row["cases"] > 2:
        text += f" ({row['low']:.3f} to {row['high']:.3f}, {_plural(row['cases'], 'case')})"
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
