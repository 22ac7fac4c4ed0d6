"""Plots of agreement: DSC of every pair of readers as violins, areas as Bland and Altman draw them.

Like all plots here they are made without pyplot and shown nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.observers.intervals import limits_of
from slideconcord.comparison.plots import COLOURS, new_figure, violin_plot
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from slideconcord.comparison.observers.intervals import Found
    from slideconcord.comparison.observers.pairs import Kind, PairAgreement
    from slideconcord.comparison.observers.result import ObserverAgreement

_MARKS = "osD^vP*X"


def pairs_of(
    found: ObserverAgreement, class_name: str, kinds: Sequence[Kind] = ("inter",)
) -> dict[str, list[tuple[str, PairAgreement]]]:
    """Return the pairs of some kinds with the case of each, by the labels of the two readers."""
    pairs: dict[str, list[tuple[str, PairAgreement]]] = {}
    for slide in found.slides:
        if class_name in slide.classes:
            for pair in slide.classes[class_name].pairs:
                if pair.kind in kinds:
                    name = f"{pair.first.label} – {pair.second.label}"
                    pairs.setdefault(name, []).append((slide.case, pair))
    return pairs


def dsc_violins(
    found: ObserverAgreement, class_name: str, kinds: Sequence[Kind] = ("inter",)
) -> Figure:
    """Draw the DSC of all slides, one violin for each pair of readers.

    Raises
    ------
    ParameterError
        When there is no such pair.
    SlideconcordError
        When matplotlib is not installed.
    """
    pairs = pairs_of(found, class_name, kinds)
    groups = {name.replace(" – ", "\n"): [p.dsc for _, p in some] for name, some in pairs.items()}
    return violin_plot(groups)


def bland_altman_plot(pairs: Mapping[str, Found], confidence: float = 0.95) -> Figure:
    """Draw the difference of two readers' areas against their mean, a dot for each case.

    The full line is the mean difference of all pairs, the broken ones are 1.96 standard
    deviations from it (Bland and Altman 1999). The slides of a case are added up.

    Parameters
    ----------
    pairs
        By name, the same two readers on several slides, with the case of each.
    confidence
        Of the interval of the mean difference.

    Raises
    ------
    ParameterError
        When there is nothing to draw.
    SlideconcordError
        When matplotlib is not installed.
    """
    if not any(pairs.values()):
        raise ParameterError("There is no pair of readings to draw: give one or more.")
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    differences: list[float] = []
    for number, (name, some) in enumerate(pairs.items()):
        areas = _areas_mm2(some)
        differences += (areas[:, 0] - areas[:, 1]).tolist()
        axes.scatter(
            areas.mean(axis=1), areas[:, 0] - areas[:, 1], s=26, label=name, alpha=0.85, lw=0,
            color=COLOURS[number % len(COLOURS)], marker=_MARKS[number % len(_MARKS)],
        )  # fmt: skip
    limits = limits_of(differences, confidence)
    axes.axhline(limits.bias, color="black", lw=1.4)
    title = f"n = {limits.cases}, mean difference {limits.bias:+.3g} mm²"
    if limits.cases > 1:
        for limit in (limits.lower, limits.upper):
            axes.axhline(limit, color="black", lw=1, ls="--")
        title += f", limits of agreement {limits.lower:.3g} to {limits.upper:.3g}"
    axes.set_title(title, fontsize=9)
    axes.set(xlabel="mean area, mm²", ylabel="difference of areas, first − second, mm²")
    axes.legend(fontsize=8, frameon=False, loc="best")
    axes.grid(alpha=0.3)
    return figure


def _areas_mm2(pairs: Found) -> NDArray[np.float64]:
    """Return (case, reader) areas, those of the slides of a case added up."""
    areas: dict[str, NDArray[np.float64]] = {}
    for case, pair in pairs:
        both = np.array((pair.first_um2, pair.second_um2)) * 1e-6
        areas[case] = areas.get(case, 0.0) + both
    return np.array(list(areas.values()))
