from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparison.comparison_maps import masks, picture, placed
from segmentation.probability_double import hills
from slideconcord.comparison import plots
from slideconcord.comparison.overlay import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    TRUE_POSITIVE,
    confusion_overlay,
)
from slideconcord.comparison.scanners import ScannerDifferences
from slideconcord.comparison.sweep import sweep_thresholds
from slideconcord.errors import ParameterError, SlideconcordError
from slideconcord.geometry import Box

needs_matplotlib = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("matplotlib"),
    reason="matplotlib is not installed",
)


def test_the_overlay_has_the_colours_of_the_papers_figure_4():
    found = confusion_overlay(picture("##.."), picture("#.#."))
    # blue: both; yellow: the prediction alone; green: the reference alone
    assert found.tolist() == [
        [[*TRUE_POSITIVE, 128], [*FALSE_POSITIVE, 128], [*FALSE_NEGATIVE, 128], [0, 0, 0, 0]]
    ]
    red, green, blue = TRUE_POSITIVE
    assert blue == max(TRUE_POSITIVE) > 2 * max(red, green)
    red, green, blue = FALSE_POSITIVE
    assert min(red, green) > 3 * blue
    red, green, blue = FALSE_NEGATIVE
    assert green == max(FALSE_NEGATIVE) > 2 * max(red, blue)


@given(masks(20), st.integers(1, 4), st.data())
def test_a_part_of_the_overlay_is_cut_out_of_the_whole(three, step, data):
    height, width = three[0].shape
    y, x = data.draw(st.integers(0, height)), data.draw(st.integers(0, width))
    box = Box(y, x, height - y, width - x)
    whole = confusion_overlay(*three, alpha=255)
    part = confusion_overlay(*three, box=box, step=step, alpha=255)
    assert np.array_equal(part, whole[y::step, x::step])


def test_a_tall_overlay_is_made_of_bands_that_meet():
    rng = np.random.default_rng(0)
    prediction, reference = (rng.random((2500, 6)) < 0.5 for _ in range(2))
    whole = confusion_overlay(prediction, reference)
    assert np.array_equal(confusion_overlay(prediction, reference, step=3), whole[::3, ::3])


def test_an_overlay_leaves_white_background_clear():
    found = confusion_overlay(picture("##"), picture("##"), picture("#."))
    assert found[0, :, 3].tolist() == [128, 0]


def test_an_overlay_refuses_what_it_cannot_show():
    mask = placed(np.zeros((4, 5), bool))
    with pytest.raises(ParameterError, match="does not lie in the masks of 4 x 5 px"):
        confusion_overlay(mask, mask, box=Box(0, 0, 5, 5))
    with pytest.raises(ParameterError, match="alpha=300 a number from 0 to 255"):
        confusion_overlay(mask, mask, alpha=300)


def values_of(collection) -> np.ndarray:
    return np.asarray(collection.get_offsets())[:, 1]


@needs_matplotlib
def test_a_violin_shows_every_scan_and_counts_the_undefined(tmp_path):
    cohorts = {"VCo1": [0.9, 0.8, 0.85, 0.7, math.nan], "one": [0.4], "none": [math.nan]}
    figure = plots.violin_plot({**cohorts, "equal": [0.5] * 4})
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["VCo1\nn = 4\n1 undefined", "one\nn = 1", "none\nn = 0\n1 undefined",
                      "equal\nn = 4"]  # fmt: skip
    dots = [c for c in axes.collections if len(np.asarray(c.get_offsets())) and c.get_sizes().size]
    shown = np.sort(np.concatenate([values_of(c) for c in dots]))
    assert shown == pytest.approx(np.sort([0.9, 0.8, 0.85, 0.7, 0.4, *[0.5] * 4]))
    lines = [line.get_ydata()[0] for line in axes.lines[:2]]
    assert lines == pytest.approx([np.mean([0.9, 0.8, 0.85, 0.7]), 0.825])
    figure.savefig(tmp_path / "violin.png")
    assert (tmp_path / "violin.png").stat().st_size > 0


@needs_matplotlib
def test_a_violin_of_nothing_is_refused():
    with pytest.raises(ParameterError, match="no cohort to draw"):
        plots.violin_plot({})


@needs_matplotlib
def test_a_scatter_shows_the_pairs_that_are_defined(tmp_path):
    x, y = (0.9, 0.8, math.nan, 0.7, 0.95), (0.91, 0.82, 0.5, 0.66, 0.93)
    differences = ScannerDifferences("AT2", "XR", "dsc", tuple("abcde"), x, y, ())
    figure = plots.scanner_scatter(differences)
    (axes,) = figure.axes
    (dots,) = axes.collections
    assert sorted(values_of(dots)) == pytest.approx([0.66, 0.82, 0.91, 0.93])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("DSC, AT2", "DSC, XR")
    assert "n = 4" in axes.get_title()
    assert "1 undefined" in axes.get_title()
    figure.savefig(tmp_path / "scatter.png")


@needs_matplotlib
@pytest.mark.parametrize("n", [0, 1, 5])
def test_points_on_a_line_need_no_density(n):
    values = tuple(np.linspace(0.5, 0.9, n))
    differences = ScannerDifferences("A", "B", "dsc", ("s",) * n, values, values, ())
    assert len(values_of(plots.scanner_scatter(differences).axes[0].collections[0])) == n


@needs_matplotlib
def test_a_heat_map_marks_the_best_pair(tmp_path):
    values = hills(40, 50)
    sweep = sweep_thresholds(values, values > 130)
    figure = plots.sweep_heat_map(sweep)
    axes = figure.axes[0]
    assert np.ma.allclose(axes.images[0].get_array(), np.ma.masked_invalid(sweep.values()))
    best, _ = sweep.best()
    (mark,) = axes.lines
    column, row = mark.get_xdata()[0], mark.get_ydata()[0]
    assert (sweep.lows[row], sweep.highs[column]) == (best.low, best.high)
    figure.savefig(tmp_path / "heat.png")


@needs_matplotlib
def test_a_heat_map_without_a_value_says_so():
    sweep = sweep_thresholds(np.zeros((9, 9), np.uint8), np.zeros((9, 9), bool))
    figure = plots.sweep_heat_map(sweep)
    assert figure.axes[0].get_title() == "DSC is undefined for every pair"


def test_without_matplotlib_a_plot_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SlideconcordError, match=r"pip install 'slideconcord\[plots\]'"):
        plots.violin_plot({"a": [0.5]})
