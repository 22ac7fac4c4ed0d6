"""Means over cases, their intervals, and limits of agreement, against plain arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from slideconcord.comparison.concordance.study import Bootstrap
from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.observers.intervals import (
    area_differences,
    limits_of,
    summary_rows,
)
from slideconcord.comparison.observers.pairs import PairAgreement
from slideconcord.comparison.observers.readings import Reader

A, B = Reader("A"), Reader("B")
# Bland & Altman (1986), Lancet 327: peak flow in l/min of 17 subjects, first readings, large and
# mini meter. They print a mean difference of -2.1 and a standard deviation of 38.8.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def pair(tp, fp, fn):
    return PairAgreement(A, B, ConfusionCounts(tp, fp, fn, 1000), 1.0)


def row_of(found, statistic="dsc"):
    return next(row for row in summary_rows(found, Bootstrap()) if row["statistic"] == statistic)


def test_limits_of_bland_and_altman():
    found = limits_of(np.subtract(LARGE, MINI))
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    t, n = stats.t.ppf(0.975, 16), 17
    assert found.bias_low == pytest.approx(found.bias - t * found.sd / math.sqrt(n))
    assert found.lower == pytest.approx(found.bias - 1.96 * found.sd)
    error = found.sd * math.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    assert found.upper_high == pytest.approx(found.upper + t * error)
    assert found.lower - found.lower_low == pytest.approx(t * error)


@pytest.mark.parametrize("differences", [[], [3.0]])
def test_limits_need_two_cases(differences):
    found = limits_of(differences)
    assert found.cases == len(differences)
    assert math.isnan(found.lower)


def test_limits_hold_95_percent_of_differences():
    drawn = np.random.default_rng(0).normal(5, 2, 4000)
    found = limits_of(drawn)
    share = np.mean((drawn > found.lower) & (drawn < found.upper))
    assert share == pytest.approx(0.95, abs=0.01)


def test_slides_of_a_case_are_averaged_first():
    found = [("c1", pair(50, 0, 0)), ("c1", pair(0, 50, 50)), ("c2", pair(50, 0, 0))]
    row = row_of(found)
    # case 1 has (1 + 0) / 2, case 2 has 1
    assert row["mean"] == 0.75
    assert (row["cases"], row["pairs"]) == (2, 3)
    low, high = stats.t.interval(0.95, 1, 0.75, 0.25)
    assert (row["t_low"], row["t_high"]) == pytest.approx((low, high))
    assert area_differences(found) == {"c1": 0, "c2": 0}


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8), st.integers(0, 5))
def test_the_bootstrap_draws_cases(tps, seed):
    found = [(f"c{k}", pair(tp, 50 - tp, 50 - tp)) for k, tp in enumerate(tps)]
    values = np.array([tp / 50 for tp in tps])
    bootstrap = Bootstrap(200, seed)
    row = next(iter(summary_rows(found, bootstrap)))
    drawn = values[bootstrap.samples(len(values))].mean(axis=1)
    expected = np.quantile(drawn, [0.025, 0.975])
    assert (row["bootstrap_low"], row["bootstrap_high"]) == pytest.approx(expected)


def test_one_case_has_no_interval():
    row = row_of([("c1", pair(40, 10, 10))])
    assert row["mean"] == 0.8
    assert all(math.isnan(row[f"{how}_{end}"]) for how in ("t", "bootstrap") for end in
               ("low", "high"))  # fmt: skip


def test_nothing_is_hidden_when_all_is_undefined():
    row = row_of([("c1", pair(0, 0, 0)), ("c2", pair(0, 0, 0))])
    assert (row["cases"], row["pairs"], row["undefined"], row["both_empty"]) == (0, 2, 2, 2)
    assert math.isnan(row["mean"])
    assert row["mean_both_empty_as_1"] == 1
