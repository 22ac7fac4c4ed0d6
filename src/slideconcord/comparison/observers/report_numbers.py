"""What a report of observers tells, picked from the tables of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.observers.pairs import EMPTY_RULES, KINDS, empty_counts
from slideconcord.comparison.observers.readings import Reader
from slideconcord.comparison.observers.result import ObserverAgreement
from slideconcord.comparison.tables import Table

SHOWN = {
    "dsc": "DSC",
    "kappa": "Cohen's kappa",
    "hd95_um": "HD95, µm",
    "surface_dice": "Surface Dice",
}
"""The statistics of the matrices and of the table of kinds, by name."""
ALL = "all"
"""What a summary calls both readers where it is over all pairs of a kind."""
_ORDER = {"observer": 0, "model": 1, "consensus": 2}
Row = dict[str, Any]


def readers_of(found: ObserverAgreement, class_name: str) -> tuple[Reader, ...]:
    """Return everyone who could mark a class: observers by round, models, the consensus."""
    readers = dict.fromkeys(
        reader
        for slide in found.slides
        if class_name in slide.classes
        for reader in slide.classes[class_name].readers
    )
    return tuple(sorted(readers, key=lambda each: (_ORDER[each.role], each.round)))


def mean_matrix(
    summary: Table, class_name: str, statistic: str, readers: tuple[Reader, ...]
) -> NDArray[np.float64]:
    """Return (reader, reader) means over cases, as the summary has them."""
    place = {(reader.name, reader.round): number for number, reader in enumerate(readers)}
    matrix = np.full((len(place), len(place)), np.nan)
    for row in summary.records():
        if (row["class"], row["statistic"]) == (class_name, statistic) and row["first"] != ALL:
            i = place[row["first"], row["first_round"]]
            j = place[row["second"], row["second_round"]]
            matrix[i, j] = matrix[j, i] = row["mean"]
    return matrix


def kinds_of(summary: Table, class_name: str) -> list[Row]:
    """Return each kind of pair of a class with its summary of every statistic, over all pairs."""
    kinds: dict[str, dict[str, Row]] = {}
    for row in summary.records():
        if (row["class"], row["first"]) == (class_name, ALL):
            kinds.setdefault(row["kind"], {})[row["statistic"]] = row
    return [{"kind": k, "meaning": KINDS[k], "cells": kinds[k]} for k in KINDS if k in kinds]


def empty_rows(found: ObserverAgreement) -> list[Row]:
    """Return how many pairs fall under each rule for empty readings."""
    pairs = [p for slide in found.slides for c in slide.classes.values() for p in c.pairs]
    counts = empty_counts(pairs)
    return [{"rule": text, "pairs": counts[rule]} for rule, text in EMPTY_RULES.items()]


def ties(found: ObserverAgreement) -> list[Row]:
    """Return by slide and class what rule made the consensus, of whom, and what was tied."""
    return [
        {
            "slide": slide.slide,
            "class": agreement.class_name,
            "rule": agreement.consensus.rule,
            "observers": len(agreement.consensus.readers),
            "tied_mm2": agreement.consensus.tied_px * slide.grid.pixel_um2 * 1e-6,
        }
        for slide in found.slides
        for agreement in slide.classes.values()
        if agreement.consensus is not None
    ]


def named(row: Mapping[str, Any], side: str) -> str:
    """Return what the first or the second reader of a row is called."""
    return Reader(row[side], max(row[f"{side}_round"], 1)).label
