"""Figure 2 of SCORPION for any scanners, and how sharp they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from slideconcord.comparison.appearance.analysis import CHANNELS, ScannerAnalysis
from slideconcord.comparison.plots import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Reals = npt.NDArray[np.float64]
# Told apart by people who see red and green alike (Wong, Nature Methods 2011;8:441).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a8a00", "#000000")
_SHARES = (0.85, 0.5)
_GRID = 120
# Squared grey levels per pixel: less than any rounding.
_LEAST_POWER = 1e-9


def appearance_plot(analysis: ScannerAnalysis) -> Figure:
    """Draw density contours per scanner: unpaired above, paired to the reference below.

    The first three columns have mean and standard deviation of a channel, the last one the
    projected features. Paired differences of the reference are exactly (0, 0): one dot. Contours
    hold half and 85 % of a scanner's estimated density; dots are patches.

    Raises
    ------
    SlideconcordError
        When matplotlib is not installed.
    """
    figure = _figure(13.0, 7.0)
    axes = figure.subplots(2, 4)
    values, points = analysis.channel_values(), analysis.projection.points
    columns = {f"{name}: mean, sd": values[:, c] for c, name in enumerate(CHANNELS)}
    columns[analysis.projection.label] = points
    for column, (title, all_values) in enumerate(columns.items()):
        apart = analysis.paired(all_values)
        for axis, shown in ((axes[0, column], all_values), (axes[1, column], apart)):
            clouds = {name: analysis.unpaired(name, shown) for name in analysis.scanners}
            _draw_clouds(axis, clouds)
        axes[0, column].set_title(title, fontsize=9)
    for axis in axes[1]:
        axis.axhline(0, color="0.8", lw=0.8, zorder=0)
        axis.axvline(0, color="0.8", lw=0.8, zorder=0)
    axes[0, 0].set_ylabel("unpaired")
    axes[1, 0].set_ylabel(f"paired: less {analysis.reference}")
    handles = [
        axes[0, 0].plot([], [], "o", color=colour, label=name)[0]
        for name, colour in zip(analysis.scanners, _colours(analysis), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)
    slides = len({scan.case for scan in analysis.scans})
    figure.suptitle(
        f"{slides} slide{'s' if slides > 1 else ''}, {len(analysis.patches)} patches. "
        f"Features: {analysis.feature_label}",
        fontsize=9,
    )
    return figure


def _draw_clouds(axes: Axes, clouds: Mapping[str, Reals]) -> None:
    for (_, points), colour in zip(clouds.items(), COLOURS * 9, strict=False):
        kept = points[np.isfinite(points).all(1)]
        axes.plot(*kept.T, ".", color=colour, ms=3, alpha=0.6)
        _contour(axes, kept, colour)
    axes.margins(0.08)
    axes.autoscale_view()
    axes.tick_params(labelsize=7)


def _contour(axes: Axes, points: Reals, colour: str) -> None:
    """Draw lines that hold a share of a Gaussian kernel estimate; none for points on a line."""
    from scipy.stats import gaussian_kde

    if len(points) < 4 or np.linalg.matrix_rank(np.cov(points.T), tol=1e-9) < 2:
        return
    estimate = gaussian_kde(points.T)
    low, high = points.min(0), points.max(0)
    reach = 0.6 * (high - low)
    x, y = (np.linspace(a, b, _GRID) for a, b in zip(low - reach, high + reach, strict=True))
    density = estimate(np.stack(np.meshgrid(x, y)).reshape(2, -1)).reshape(_GRID, _GRID)
    falling = np.sort(density.ravel())[::-1]
    held = np.cumsum(falling) / falling.sum()
    levels = [falling[np.searchsorted(held, share)] for share in _SHARES]
    axes.contour(x, y, density, levels=levels, colors=colour, linewidths=(0.8, 1.4))
    # a margin about the lines, not about the lattice that they were found on
    rows, columns = np.nonzero(density >= levels[0])
    axes.update_datalim(np.stack([x[columns], y[rows]], axis=1))


def sharpness_plot(analysis: ScannerAnalysis) -> Figure:
    """Draw the power of every scanner relative to the reference, by spatial frequency.

    Of the same tissue this is the ratio of squared transfer functions; noise lifts the right end.

    Raises
    ------
    SlideconcordError
        When matplotlib is not installed.
    """
    figure = _figure(5.6, 4.2)
    axes = figure.add_subplot()
    patches = analysis.patches
    power = 10 * np.log10(np.maximum([patch.power for patch in patches], _LEAST_POWER))
    relative = analysis.paired(power)
    for name, colour in zip(analysis.scanners, _colours(analysis), strict=True):
        curves = analysis.unpaired(name, relative)
        curves = curves[np.isfinite(curves).any(1)]
        if len(curves):
            axes.plot(patches[0].frequencies, curves.mean(0), color=colour, label=name)
    axes.set(xlabel="cycles per µm", ylabel=f"power relative to {analysis.reference}, dB")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def _colours(analysis: ScannerAnalysis) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(analysis.scanners))]


def _figure(width_inches: float, height_inches: float) -> Figure:
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure((width_inches, height_inches), dpi=150, layout="constrained")
