"""The tables of an `ObserverAgreement`: slides, readers, summaries, limits of agreement."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.comparison.concordance.study import Bootstrap
from slideconcord.comparison.observers.consensus import Consensus, majority_of_others
from slideconcord.comparison.observers.intervals import Found, area_limits, summary_rows
from slideconcord.comparison.observers.pairs import KINDS, PairAgreement, empty_counts
from slideconcord.comparison.observers.readings import Reader

if TYPE_CHECKING:
    from slideconcord.comparison.observers.result import (
        ClassAgreement,
        ObserverAgreement,
        SlideAgreement,
    )

_WHO = ("first", "first_round", "second", "second_round")


def slide_rows(slides: tuple[SlideAgreement, ...]) -> Iterator[dict[str, Any]]:
    """Yield one row per slide, class and round: how far all observers agree on its pixels."""
    for slide, found in _classes(slides):
        for number in found.rounds:
            ratings = found.ratings(number)
            if ratings is None:
                continue
            pairs = [p for p in found.pairs if p.kind == "inter" and p.first.round == number]
            votes = found.votes(number)
            yield {
                **_place(slide, found),
                "round": number,
                "observers": len(ratings.raters),
                "mpp": slide.grid.mpp.y,
                "tissue_um2": found.tally.pixels * slide.grid.pixel_um2,
                "marked_by_any_um2": int(votes[1:].sum()) * slide.grid.pixel_um2,
                "marked_by_all_um2": int(votes[-1]) * slide.grid.pixel_um2,
                "fleiss_kappa": ratings.fleiss,
                "krippendorff_alpha": ratings.alpha,
                **_worst(pairs),
                **{f"{name}_empty": n for name, n in empty_counts(pairs).items()},
            }


def reader_rows(slides: tuple[SlideAgreement, ...]) -> Iterator[dict[str, Any]]:
    """Yield one row per slide, class and reader: its area, and how it stands to the consensus."""
    for slide, found in _classes(slides):
        for place, reader in enumerate(found.readers):
            yield {
                **_place(slide, found),
                "reader": reader.name,
                "round": reader.round,
                "role": reader.role,
                "area_um2": found.tally.marked(place) * slide.grid.pixel_um2,
                "consensus_dsc": _with_consensus(found, reader),
                "others_dsc": _with_others(found, reader),
                **_staple(found.consensus, reader),
            }


def label_rows(slides: tuple[SlideAgreement, ...]) -> Iterator[dict[str, Any]]:
    """Yield one row per slide, round and pair: agreement on which class a pixel is."""
    for slide in slides:
        for number, ratings in slide.labels.items():
            together = {"fleiss_kappa": ratings.fleiss, "krippendorff_alpha": ratings.alpha}
            for row in ratings.table().records():
                pixels = row.pop("items")
                yield {
                    "case": slide.case,
                    "slide": slide.slide,
                    "round": number,
                    **row,
                    "pixels": pixels,
                    **together,
                }


def summaries(agreement: ObserverAgreement) -> Iterator[dict[str, Any]]:
    """Yield one row per class, kind and statistic, over all pairs of the kind, then pair by pair.

    Rows over all pairs of a kind have "all" as first and second.
    """
    options = agreement.options
    bootstrap = Bootstrap(options.draws, options.seed, options.confidence)
    for class_name in agreement.class_names:
        grouped = _grouped(agreement.slides, class_name)
        for kind in KINDS:
            pairs = {key: each for key, each in grouped.items() if key[0] == kind}
            everyone = [each for found in pairs.values() for each in found]
            groups = {(kind, "all", 0, "all", 0): everyone, **pairs} if everyone else {}
            for (_, *who), found in groups.items():
                about = {"class": class_name, "kind": kind, **dict(zip(_WHO, who, strict=True))}
                for row in summary_rows(found, bootstrap):
                    yield about | row


def limit_rows(agreement: ObserverAgreement) -> Iterator[dict[str, Any]]:
    """Yield one row per class and pair: bias and limits of agreement of areas, in µm²."""
    for class_name in agreement.class_names:
        for (kind, *who), found in _grouped(agreement.slides, class_name).items():
            limits = asdict(area_limits(found, agreement.options.confidence))
            yield {
                "class": class_name,
                "kind": kind,
                **dict(zip(_WHO, who, strict=True)),
                "cases": limits.pop("cases"),
                "both_empty": empty_counts(pair for _, pair in found)["both"],
                **{f"{name}_um2": value for name, value in limits.items()},
            }


def warnings_of(agreement: ObserverAgreement) -> Iterator[str]:
    """Yield what must be said beside every number."""
    for slide in agreement.slides:
        if not slide.counted_px:
            yield f"Nothing counts on {slide.slide}: no tissue. Say what counts, or --whole."
    sizes = sorted({slide.grid.mpp.y for slide in agreement.slides})
    if len(sizes) > 1:
        told = ", ".join(f"{size:g}" for size in sizes)
        yield f"Slides were compared at different pixel sizes ({told} µm): give --mpp for one."
    tolerance = agreement.options.tolerance_um
    if agreement.options.surfaces and tolerance < sizes[-1]:
        yield (
            f"The tolerance of {tolerance:g} µm is less than a pixel of {sizes[-1]:g} µm: "
            "the surface Dice depends on the pixels. Compare at a finer mpp."
        )
    empty = empty_counts(p for _, found in _classes(agreement.slides) for p in found.pairs)
    if empty["one"] or empty["both"]:
        yield (
            f"In {empty['one']} pairs one reader marked nothing, in {empty['both']} both: see the "
            "rules for empty readings, and the means with and without them."
        )
    if len({slide.case for slide in agreement.slides}) < 2:
        yield "One case has no interval: intervals are over cases."


def _classes(
    slides: tuple[SlideAgreement, ...],
) -> Iterator[tuple[SlideAgreement, ClassAgreement]]:
    for slide in slides:
        for found in slide.classes.values():
            yield slide, found


def _place(slide: SlideAgreement, found: ClassAgreement) -> dict[str, Any]:
    return {"case": slide.case, "slide": slide.slide, "class": found.class_name}


def _grouped(slides: tuple[SlideAgreement, ...], class_name: str) -> dict[tuple[Any, ...], Found]:
    """Return by kind, readers and rounds, the pairs of all slides with their case."""
    groups: dict[tuple[Any, ...], list[tuple[str, PairAgreement]]] = defaultdict(list)
    for slide in slides:
        for pair in slide.classes[class_name].pairs if class_name in slide.classes else ():
            first, second = pair.first, pair.second
            key = (pair.kind, first.name, first.round, second.name, second.round)
            groups[key].append((slide.case, pair))
    return dict(groups)


def _worst(pairs: list[PairAgreement]) -> dict[str, Any]:
    values = np.array([pair.dsc for pair in pairs], np.float64)
    if np.isnan(values).all():
        return {"mean_dsc": math.nan, "min_dsc": math.nan, "worst_pair": ""}
    worst = pairs[int(np.nanargmin(values))]
    return {
        "mean_dsc": float(np.nanmean(values)),
        "min_dsc": worst.dsc,
        "worst_pair": f"{worst.first.name} and {worst.second.name}",
    }


def _with_consensus(found: ClassAgreement, reader: Reader) -> float:
    if found.consensus is None or reader.role == "consensus":
        return math.nan
    return found.pair(reader, found.consensus.reader).dsc


def _with_others(found: ClassAgreement, reader: Reader) -> float:
    """Return the DSC with what more than half of the other observers mark."""
    if found.consensus is None or reader not in found.consensus.readers:
        return math.nan
    others = [
        place
        for place, each in enumerate(found.readers)
        if each in found.consensus.readers and each != reader
    ]
    own = found.readers.index(reader)
    return majority_of_others(found.tally, own, others)


def _staple(consensus: Consensus | None, reader: Reader) -> dict[str, float]:
    asked = consensus is not None and consensus.staple is not None and reader in consensus.readers
    if not asked or consensus is None or consensus.staple is None:
        return {"staple_sensitivity": math.nan, "staple_specificity": math.nan}
    place = consensus.readers.index(reader)
    return {
        "staple_sensitivity": float(consensus.staple.sensitivity[place]),
        "staple_specificity": float(consensus.staple.specificity[place]),
    }
