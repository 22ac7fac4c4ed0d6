"""The paper's plots as matplotlib figures: violins, scanner against scanner, threshold heat map.

Figures are made without pyplot, so that they meddle with nobody's windows:
``figure.savefig("violin.png")`` writes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.metrics import METRICS, metric_of
from slideconcord.errors import ParameterError, SlideconcordError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from slideconcord.comparison.scanners import ScannerDifferences
    from slideconcord.comparison.sweep import Sweep

Values = NDArray[np.float64]
_HALF_WIDTH = 0.38
COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa7a00", "#66aacc", "#aa3377")


def violin_plot(groups: Mapping[str, Sequence[float]], metric: str = "dsc") -> Figure:
    """Draw one violin per cohort, as in Figures 5 to 8.

    A dot is a scan, the box the interquartile range, the black line the mean, the coloured line
    the median. Names carry n, and how many scans were left out because the value is undefined.

    Parameters
    ----------
    groups
        Values by name of the cohort, in the order of drawing; NaN is undefined.
    metric
        Name in METRICS, for axis and range.

    Raises
    ------
    ParameterError
        When there is no group, or no such statistic.
    SlideconcordError
        When matplotlib is not installed.
    """
    metric_of(metric)
    if not groups:
        raise ParameterError("There is no cohort to draw: give values by name.")
    figure = new_figure(max(1.1 * len(groups) + 1.2, 3.6), 4.4)
    axes = figure.add_subplot()
    names = []
    for place, (name, values) in enumerate(groups.items()):
        given = np.asarray(values, np.float64)
        kept = given[~np.isnan(given)]
        left_out = len(given) - len(kept)
        names.append(f"{name}\nn = {len(kept)}" + (f"\n{left_out} undefined" if left_out else ""))
        if len(kept):
            _violin(axes, place, kept, COLOURS[place % len(COLOURS)])
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(METRICS[metric].smallest - 0.02, 1.02)
    axes.set_ylabel(METRICS[metric].symbol)
    axes.grid(axis="y", alpha=0.3)
    return figure


def _violin(axes: Axes, place: int, values: Values, colour: str) -> None:
    half = np.full(len(values), _HALF_WIDTH)
    if (density := _density(values)) is not None:
        levels = np.linspace(values.min(), values.max(), 200)
        outline = density(levels)
        top = outline.max()
        width = _HALF_WIDTH * outline / top
        axes.fill_betweenx(levels, place - width, place + width, color=colour, alpha=0.35, lw=0)
        half = _HALF_WIDTH * density(values) / top
    # The same dots each time, so that figures can be compared.
    jitter = np.random.default_rng(0).uniform(-0.9, 0.9, len(values)) * half
    axes.scatter(place + jitter, values, s=5, color="black", alpha=0.6, lw=0, zorder=2)
    low, median, high = np.percentile(values, (25, 50, 75))
    axes.fill_between([place - 0.12, place + 0.12], low, high, color="white", alpha=0.75, zorder=3)
    axes.plot([place - 0.2, place + 0.2], [values.mean()] * 2, color="black", lw=1.6, zorder=4)
    axes.plot([place - 0.2, place + 0.2], [median] * 2, color=colour, lw=2.4, zorder=4)


def _density(values: Values) -> Any:
    """Return a Gaussian kernel estimate; None where values have no spread to estimate from."""
    from scipy.stats import gaussian_kde

    if len(values) < 3 or np.ptp(values) < 1e-9:
        return None
    return gaussian_kde(values)


def scanner_scatter(differences: ScannerDifferences) -> Figure:
    """Draw each slide by its score from two scanners, coloured by density, as in Figure 7.

    On the diagonal both scores are equal.

    Raises
    ------
    SlideconcordError
        When matplotlib is not installed.
    """
    x, y = (
        np.array(values, np.float64)
        for values in (differences.first_values, differences.second_values)
    )
    kept = ~(np.isnan(x) | np.isnan(y))
    x, y = x[kept], y[kept]
    figure = new_figure(4.6, 4.6)
    axes = figure.add_subplot()
    density = _density_of_points(x, y)
    order = np.argsort(density)  # the densest on top
    smallest = METRICS[differences.metric].smallest
    axes.plot([smallest, 1], [smallest, 1], color="0.5", lw=1, zorder=1)
    axes.scatter(x[order], y[order], c=density[order], cmap="viridis", s=14, lw=0, zorder=2)
    symbol = METRICS[differences.metric].symbol
    axes.set(
        xlabel=f"{symbol}, {differences.first}",
        ylabel=f"{symbol}, {differences.second}",
        xlim=(smallest - 0.02, 1.02),
        ylim=(smallest - 0.02, 1.02),
        aspect="equal",
    )
    undefined = len(kept) - len(x)
    axes.set_title(
        f"n = {len(x)}, mean difference {differences.summary.mean:+.3f}"
        + (f", {undefined} undefined" if undefined else ""),
        fontsize=9,
    )
    axes.grid(alpha=0.3)
    return figure


def _density_of_points(x: Values, y: Values) -> Values:
    from scipy.stats import gaussian_kde

    points = np.stack([x, y])
    # Points on a line, or too few of them, span no area to estimate a density in.
    if len(x) < 4 or np.linalg.matrix_rank(np.cov(points), tol=1e-12) < 2:
        return np.ones(len(x))
    density: Values = gaussian_kde(points)(points)
    return density


def sweep_heat_map(sweep: Sweep, metric: str = "dsc") -> Figure:
    """Draw a statistic for every pair of thresholds, with the best pair marked.

    Raises
    ------
    ParameterError
        When there is no such statistic.
    SlideconcordError
        When matplotlib is not installed.
    """
    values = sweep.values(metric)
    figure = new_figure(5.8, 4.8)
    axes = figure.add_subplot()
    image = axes.imshow(
        np.ma.masked_invalid(values), origin="lower", cmap="viridis", interpolation="nearest"
    )
    for axis, steps in ((axes.xaxis, sweep.highs), (axes.yaxis, sweep.lows)):
        every = max(len(steps) // 9, 1)
        places = range(0, len(steps), every)
        axis.set_ticks(list(places), [f"{100 * steps[i]:g} %" for i in places])
    axes.tick_params(axis="x", labelrotation=60)
    axes.set(xlabel="high", ylabel="low")
    symbol = METRICS[metric].symbol
    figure.colorbar(image, ax=axes, label=symbol)
    if np.isnan(values).all():
        axes.set_title(f"{symbol} is undefined for every pair", fontsize=9)
        return figure
    best, value = sweep.best(metric)
    row, column = sweep.lows.index(best.low), sweep.highs.index(best.high)
    axes.plot(column, row, "o", mfc="none", mec="red", ms=10, mew=1.8)
    axes.set_title(
        f"best {symbol} {value:.3f} at low {100 * best.low:g} %, high {100 * best.high:g} %",
        fontsize=9,
    )
    return figure


def require_matplotlib() -> None:
    """Refuse where matplotlib is not installed.

    Raises
    ------
    SlideconcordError
        With the line that installs it.
    """
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise SlideconcordError(
            "Plots need matplotlib, which is not installed. Run: pip install 'slideconcord[plots]'"
        ) from error


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty figure; `SlideconcordError` when matplotlib is not installed."""
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure((width_inches, height_inches), dpi=150, layout="constrained")
