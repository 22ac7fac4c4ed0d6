"""The figures of a scanner-shift study: the matrix, box plots of Δ, curves of mixing and noise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.annotations.exchange import atomic
from slideconcord.comparison.plots import require_matplotlib
from slideconcord.errors import SlideconcordError
from slideconcord.training.experiments.shift_tables import METRICS, ShiftTables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {"mixing": "fraction of the scanner tested on", "noise": "sd of the noise, grey levels"}


def draw_shift(tables: ShiftTables, out: Path) -> None:
    """Write every figure as PNG and SVG; nothing where matplotlib is not installed."""
    try:
        require_matplotlib()
    except SlideconcordError:
        return
    for name, figure in figures(tables):
        for ending in ("png", "svg"):
            with atomic(out / f"{name}.{ending}") as partial:
                figure.savefig(partial, format=ending, dpi=150)


def figures(tables: ShiftTables) -> Iterator[tuple[str, Figure]]:
    """Yield each figure with its name; a metric that is nowhere defined is left out."""
    for metric in METRICS:
        if not any(tables.scores(metric, j, j) for j in tables.scanners):
            continue
        yield f"matrix-{metric}", matrix_figure(tables, metric)
        yield f"delta-{metric}", delta_figure(tables, metric)
        for kind in KINDS:
            if any(r["n"] for r in tables.curve(kind).records() if r["metric"] == metric):
                yield f"{kind}-{metric}", curve_figure(tables, metric, kind)


def matrix_figure(tables: ShiftTables, metric: str) -> Figure:
    """Draw mean ± sd of each training and test scanner."""
    from matplotlib.figure import Figure

    names = tables.scanners
    rows = {(r["train"], r["test"]): r for r in tables.matrix().records() if r["metric"] == metric}
    means = np.array([[rows[j, k]["mean"] for k in names] for j in names], np.float64)
    figure = Figure((1.3 * len(names) + 2.2, 1.0 * len(names) + 1.6), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(means, cmap="viridis")
    middle = np.nanmean([np.nanmin(means), np.nanmax(means)])
    for (y, j), (x, k) in product(enumerate(names), repeat=2):
        row = rows[j, k]
        if row["mean"] is not None:
            sd = "" if row["sd"] is None else f"\n± {row['sd']:.3f}"
            colour = "black" if row["mean"] > middle else "white"
            axes.text(x, y, f"{row['mean']:.3f}{sd}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="tested on", ylabel="trained on")
    figure.colorbar(image, ax=axes, label=METRICS[metric])
    return figure


def delta_figure(tables: ShiftTables, metric: str) -> Figure:
    """Draw a box of Δ over seeds and other scanners for each training scanner, as Figure 3.

    The red line is the mean, as there; dots are the single values.
    """
    from matplotlib.figure import Figure

    groups = {name: tables.delta(metric, name) for name in tables.scanners}
    figure = Figure((1.2 * len(groups) + 2, 4), layout="constrained")
    axes = figure.add_subplot()
    plain: Any = {"meanline": True, "showmeans": True, "showfliers": False,
                  "meanprops": {"color": "red", "linestyle": "-"}}  # fmt: skip
    axes.boxplot(list(groups.values()), **plain)
    for place, values in enumerate(groups.values(), 1):
        axes.scatter(np.full(len(values), place), values, s=10, color="0.3", zorder=3)
    axes.axhline(0, color="0.6", lw=1)
    axes.set_xticks(range(1, len(groups) + 1), list(groups), rotation=30, ha="right")
    axes.set(xlabel="trained on", ylabel=f"change of {METRICS[metric]}, other less same scanner")
    return figure


def curve_figure(tables: ShiftTables, metric: str, kind: str) -> Figure:
    """Draw a score over the level of mixing or noise, with its standard deviation dotted."""
    from matplotlib.figure import Figure

    records = [r for r in tables.curve(kind).records() if r["metric"] == metric and r["n"]]
    names = list(dict.fromkeys(r["train"] for r in records))
    figure = Figure((3.4 * len(names) + 0.6, 3.6), layout="constrained")
    for axes, train in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names,
                           strict=True):  # fmt: skip
        for number, test in enumerate(tables.scanners):
            own = [r for r in records if (r["train"], r["test"]) == (train, test)]
            if not own:
                continue
            x = [r["level"] for r in own]
            # One seed alone has no deviation: NaN draws nothing.
            mean, sd = (np.array([r[key] for r in own], np.float64) for key in ("mean", "sd"))
            axes.plot(x, mean, "o-", ms=3, color=f"C{number}", label=test)
            for edge in (mean - sd, mean + sd):
                axes.plot(x, edge, ":", lw=1, color=f"C{number}")
        axes.set(title=f"trained on {train}", xlabel=KINDS[kind])
        axes.legend(frameon=False, fontsize="small", title="tested on")
    figure.axes[0].set_ylabel(METRICS[metric])
    return figure
