"""Plots of agreement: DSC of every pair of readers as violins, areas as Bland and Altman draw them.

Like all plots here they are made without pyplot and shown nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.comparison.plots import COLOURS, new_figure, violin_plot
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from slideconcord.comparison.observers.pairs import Kind, PairAgreement
    from slideconcord.comparison.observers.result import ObserverAgreement

_MARKS = "osD^vP*X"
_LIMIT = 1.96
_MM2 = 1e-6


def pairs_of(
    found: ObserverAgreement, class_name: str, kinds: Sequence[Kind] = ("inter",)
) -> Mapping[str, list[PairAgreement]]:
    """Return the pairs of some kinds over all slides, by the labels of the two readers."""
    pairs: dict[str, list[PairAgreement]] = {}
    for slide in found.slides:
        if class_name in slide.classes:
            for pair in slide.classes[class_name].pairs:
                if pair.kind in kinds:
                    name = f"{pair.first.label} – {pair.second.label}"
                    pairs.setdefault(name, []).append(pair)
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
    groups = {name.replace(" – ", "\n"): [p.dsc for p in some] for name, some in pairs.items()}
    return violin_plot(groups)


def bland_altman_plot(pairs: Mapping[str, Sequence[PairAgreement]]) -> Figure:
    """Draw the difference of two readers' areas against their mean, a dot for each slide.

    The full line is the mean difference of all pairs, the broken ones are 1.96 standard
    deviations from it (Bland and Altman 1986).

    Parameters
    ----------
    pairs
        By name, the same two readers on several slides.

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
    differences = []
    for number, (name, some) in enumerate(pairs.items()):
        areas = np.array([(p.first_um2, p.second_um2) for p in some]) * _MM2
        differences.append(areas[:, 0] - areas[:, 1])
        axes.scatter(
            areas.mean(axis=1), differences[-1], s=26, label=name, alpha=0.85, lw=0,
            color=COLOURS[number % len(COLOURS)], marker=_MARKS[number % len(_MARKS)],
        )  # fmt: skip
    every = np.concatenate(differences)
    bias = float(every.mean())
    axes.axhline(bias, color="black", lw=1.4)
    title = f"n = {len(every)}, mean difference {bias:+.3g} mm²"
    if len(every) > 1:
        spread = _LIMIT * float(every.std(ddof=1))
        for limit in (bias - spread, bias + spread):
            axes.axhline(limit, color="black", lw=1, ls="--")
        title += f", limits of agreement {bias - spread:.3g} to {bias + spread:.3g}"
    axes.set_title(title, fontsize=9)
    axes.set(xlabel="mean area, mm²", ylabel="difference of areas, first − second, mm²")
    axes.legend(fontsize=8, frameon=False, loc="best")
    axes.grid(alpha=0.3)
    return figure
