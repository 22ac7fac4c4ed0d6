"""What a report of observers tells, as rows of plain values; every number is in a table, too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.cohort import Summary, summarise
from slideconcord.comparison.observers.charts import pairs_of
from slideconcord.comparison.observers.pairs import (
    EMPTY_RULES,
    KINDS,
    Kind,
    PairAgreement,
    empty_counts,
)
from slideconcord.comparison.observers.readings import Reader
from slideconcord.comparison.observers.result import ObserverAgreement
from slideconcord.comparison.tables import Table

SHOWN = {
    "dsc": "DSC",
    "kappa": "Cohen's kappa",
    "hd95_um": "HD95, µm",
    "surface_dice": "Surface Dice",
}
"""The statistics of the matrices and of every table, by name."""
_ALL_KINDS = tuple(KINDS)
_LIMIT = 1.96


def readers_of(found: ObserverAgreement, class_name: str) -> tuple[Reader, ...]:
    """Return everyone who could mark a class: observers by round, models, the consensus."""
    order = {"observer": 0, "model": 1, "consensus": 2}
    readers = dict.fromkeys(
        reader
        for slide in found.slides
        if class_name in slide.classes
        for reader in slide.classes[class_name].readers
    )
    return tuple(sorted(readers, key=lambda each: (order[each.role], each.round, each.name)))


def mean_matrix(found: ObserverAgreement, class_name: str, statistic: str) -> NDArray[np.float64]:
    """Return (reader, reader) means over the slides on which a statistic is defined."""
    place = {reader: number for number, reader in enumerate(readers_of(found, class_name))}
    values: dict[tuple[int, int], list[float]] = {}
    for some in pairs_of(found, class_name, _ALL_KINDS).values():
        for pair in some:
            key = place[pair.first], place[pair.second]
            values.setdefault(key, []).append(pair.values[statistic])
    matrix = np.full((len(place), len(place)), np.nan)
    for (i, j), given in values.items():
        matrix[i, j] = matrix[j, i] = summarise(given).mean
    return matrix


def kind_table(found: ObserverAgreement) -> Table:
    """Return one row per class, kind of pair and statistic: the mean over cases, its interval.

    A case's value is the mean over its pairs of that kind and its slides, as far as defined.
    """
    rows = []
    for class_name in found.class_names:
        for kind, meaning in KINDS.items():
            pairs = _flat(pairs_of(found, class_name, (kind,)))
            for name in SHOWN if pairs else ():
                summary = _over_cases(found, class_name, kind, name)
                rows.append(
                    {
                        "class": class_name,
                        "kind": kind,
                        "meaning": meaning,
                        "statistic": name,
                        "pairs": len(pairs),
                        "undefined": sum(math.isnan(pair.values[name]) for pair in pairs),
                        "cases": summary.n,
                        **_interval(summary),
                    }
                )
    return Table.of(rows, _columns("class", "kind", "meaning", "statistic", "pairs", "undefined"))


def _columns(*first: str) -> tuple[str, ...]:
    return (*first, "cases", "mean", "low", "high")


def _interval(summary: Summary) -> dict[str, float]:
    return {"mean": summary.mean, "low": summary.low, "high": summary.high}


def _over_cases(found: ObserverAgreement, class_name: str, kind: Kind, statistic: str) -> Summary:
    cases: dict[str, list[float]] = {}
    for slide in found.slides:
        for pair in slide.classes[class_name].pairs if class_name in slide.classes else ():
            if pair.kind == kind:
                cases.setdefault(slide.case, []).append(pair.values[statistic])
    means = [summarise(values).mean for values in cases.values()]
    return summarise(means, found.options.confidence)


def bias_table(found: ObserverAgreement) -> Table:
    """Return one row per class and pair of readers: how much more the first marks, in mm²."""
    rows = []
    for class_name in found.class_names:
        for some in pairs_of(found, class_name, _ALL_KINDS).values():
            differences = [pair.difference_um2 * 1e-6 for pair in some]
            summary = summarise(differences, found.options.confidence)
            rows.append(
                {
                    "class": class_name,
                    "kind": some[0].kind,
                    "first": some[0].first.label,
                    "second": some[0].second.label,
                    "slides": len(some),
                    "mean_dsc": summarise([pair.dsc for pair in some]).mean,
                    "mean_mm2": float(np.mean([p.first_um2 + p.second_um2 for p in some])) / 2e6,
                    "bias_mm2": summary.mean,
                    "limit_low_mm2": summary.mean - _LIMIT * summary.sd,
                    "limit_high_mm2": summary.mean + _LIMIT * summary.sd,
                }
            )
    columns = ("class", "kind", "first", "second", "slides", "mean_dsc", "mean_mm2", "bias_mm2")
    return Table.of(rows, (*columns, "limit_low_mm2", "limit_high_mm2"))


def slide_table(found: ObserverAgreement) -> Table:
    """Return one row per slide and class: how far its observers agree."""
    rows = []
    for slide in found.slides:
        for class_name, agreement in slide.classes.items():
            inter = [pair for pair in agreement.pairs if pair.kind == "inter"]
            ratings = agreement.ratings(agreement.rounds[0]) if agreement.rounds else None
            worst = min((p for p in inter if p.dsc == p.dsc), key=lambda p: p.dsc, default=None)
            rows.append(
                {
                    "slide": slide.slide,
                    "case": slide.case,
                    "class": class_name,
                    "counted_mm2": slide.counted_px * slide.grid.pixel_um2 * 1e-6,
                    "observers": len({each.name for each in agreement.observers}),
                    "mean_dsc": summarise([pair.dsc for pair in inter]).mean,
                    "lowest_dsc": worst.dsc if worst else math.nan,
                    "lowest_pair": f"{worst.first.label} – {worst.second.label}" if worst else "",
                    "fleiss_kappa": ratings.fleiss if ratings else math.nan,
                    "krippendorff_alpha": ratings.alpha if ratings else math.nan,
                }
            )
    return Table.of(rows, tuple(rows[0]) if rows else ())


def empty_rows(found: ObserverAgreement) -> list[dict[str, Any]]:
    """Return how many pairs fall under each rule for empty readings."""
    pairs = [p for slide in found.slides for c in slide.classes.values() for p in c.pairs]
    counts = empty_counts(pairs)
    return [{"rule": text, "pairs": counts[rule]} for rule, text in EMPTY_RULES.items()]


def consensus_rows(found: ObserverAgreement) -> list[dict[str, Any]]:
    """Return one row per slide and class: the rule, ties, and what STAPLE says of each reader."""
    rows = []
    for slide in found.slides:
        for class_name, agreement in slide.classes.items():
            consensus = agreement.consensus
            if consensus is None:
                continue
            staple = consensus.staple
            judged = (
                zip(consensus.readers, staple.sensitivity, staple.specificity, strict=True)
                if staple is not None
                else ()
            )
            rows.append(
                {
                    "slide": slide.slide,
                    "class": class_name,
                    "rule": consensus.rule,
                    "observers": len(consensus.readers),
                    "tied_mm2": consensus.tied_px * slide.grid.pixel_um2 * 1e-6,
                    "staple": [
                        {"reader": r.label, "sensitivity": float(p), "specificity": float(q)}
                        for r, p, q in judged
                    ],
                }
            )
    return rows


def _flat(pairs: Mapping[str, Sequence[PairAgreement]]) -> list[PairAgreement]:
    return [pair for some in pairs.values() for pair in some]


def lowest(pairs: Iterable[PairAgreement]) -> PairAgreement | None:
    """Return the pair with the lowest DSC that is defined."""
    return min((p for p in pairs if p.dsc == p.dsc), key=lambda p: p.dsc, default=None)
