"""Plots of agreement: DSC of every pair of readers as violins, areas as Bland and Altman draw them.

Like all plots here they are made without pyplot and shown nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.observers.intervals import area_limits
from slideconcord.comparison.plots import COLOURS, new_figure, violin_plot
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from slideconcord.comparison.observers.intervals import Found
    from slideconcord.comparison.observers.pairs import Kind, PairAgreement
    from slideconcord.comparison.observers.result import ObserverAgreement

_MOST_PANELS = 12
_MM2 = 1e-6


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
    """Draw the difference of two readers' areas against their mean: a panel a pair, a dot a case.

    The full line is the bias, the broken ones are the limits of agreement (Bland and Altman
    1999), the same as in the table of areas. The slides of a case are added up.

    Parameters
    ----------
    pairs
        By name, the same two readers on several slides, with the case of each; the first twelve
        are drawn.
    confidence
        Of the intervals of the limits.

    Raises
    ------
    ParameterError
        When there is nothing to draw.
    SlideconcordError
        When matplotlib is not installed.
    """
    drawn = [(name, some) for name, some in pairs.items() if some][:_MOST_PANELS]
    if not drawn:
        raise ParameterError("There is no pair of readings to draw: give one or more.")
    columns = min(len(drawn), 3)
    rows = -(-len(drawn) // columns)
    figure = new_figure(max(3.0 * columns, 4.0), 2.7 * rows + 0.3)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for number, (panel, (name, some)) in enumerate(zip(panels, drawn, strict=False)):
        _draw_areas(panel, name, some, confidence, COLOURS[number % len(COLOURS)])
    for panel in panels[len(drawn) :]:
        panel.set_axis_off()
    figure.supxlabel("mean area, mm²", fontsize=9)
    figure.supylabel("first − second, mm²", fontsize=9)
    return figure


def _draw_areas(panel: Axes, name: str, some: Found, confidence: float, colour: str) -> None:
    areas, limits = _areas_mm2(some), area_limits(some, confidence)
    panel.scatter(areas.mean(axis=1), areas[:, 0] - areas[:, 1], s=22, lw=0, color=colour)
    panel.axhline(0, color="0.7", lw=0.8)
    panel.axhline(limits.bias * _MM2, color="black", lw=1.4)
    title = f"{name}\nn = {limits.cases}, bias {limits.bias * _MM2:+.3g}"
    if limits.cases > 1:
        for limit in (limits.lower, limits.upper):
            panel.axhline(limit * _MM2, color="black", lw=1, ls="--")
        title += f" ({limits.lower * _MM2:.3g} to {limits.upper * _MM2:.3g})"
    panel.set_title(title, fontsize=8)
    panel.tick_params(labelsize=8)
    panel.grid(alpha=0.3)


def _areas_mm2(pairs: Found) -> NDArray[np.float64]:
    """Return (case, reader) areas, those of the slides of a case added up."""
    areas: dict[str, NDArray[np.float64]] = {}
    for case, pair in pairs:
        both = np.array((pair.first_um2, pair.second_um2)) * _MM2
        areas[case] = areas.get(case, 0.0) + both
    return np.array(list(areas.values()))
