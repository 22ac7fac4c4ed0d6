"""Checklist (e) 25: Spearman's rho, its p value and its interval, equations 15 to 17."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from slideconcord.comparison.correlation import spearman
from slideconcord.errors import ParameterError


def by_the_paper(x, y, confidence):
    """Return rho, p and interval from the paper's equations alone."""
    r = np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1]
    n = len(x)
    t = r * math.sqrt((n - 2) / (1 - r**2))
    half = stats.norm.ppf(1 - (1 - confidence) / 2) / math.sqrt(n - 3)
    ends = math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
    return r, 2 * stats.t.sf(abs(t), n - 2), *ends


@pytest.mark.parametrize("confidence", [0.9, 0.95])
@pytest.mark.parametrize("n", [4, 30, 300])
def test_it_is_what_the_equations_say(n, confidence):
    rng = np.random.default_rng(n)
    x = rng.integers(0, 20, n).astype(float)  # with ties
    y = x + rng.normal(0, 8, n)
    found = spearman(x, y, confidence)
    got = found.rho, found.p_value, found.low, found.high
    assert got == pytest.approx(by_the_paper(x, y, confidence))
    assert (found.n, found.undefined) == (n, 0)


def test_pairs_with_an_undefined_value_are_left_out_and_counted():
    x, y = [1.0, 2.0, math.nan, 3.0, 4.0, 5.0], [2.0, 1.0, 7.0, 4.0, math.nan, 9.0]
    found = spearman(x, y)
    assert (found.n, found.undefined) == (4, 2)
    assert found.rho == pytest.approx(spearman([1, 2, 3, 5], [2, 1, 4, 9]).rho)


@pytest.mark.parametrize("n", range(4, 12))
@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_order_has_an_interval_without_width(n, sign):
    found = spearman(np.arange(n), sign * np.exp(np.arange(n)))
    assert (found.rho, found.low, found.high) == pytest.approx((sign,) * 3)
    assert found.p_value == pytest.approx(0)


@pytest.mark.parametrize(
    ("x", "y"), [([], []), ([1, 2], [2, 1]), ([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3], [5, 5, 5])]
)
def test_what_has_no_order_has_no_correlation(x, y):
    found = spearman(x, y)
    assert math.isnan(found.rho)
    assert math.isnan(found.p_value)
    assert found.n == len(x)


def test_three_pairs_have_a_rho_without_an_interval():
    found = spearman([1, 2, 3], [1, 3, 2])
    assert found.rho == pytest.approx(0.5)
    assert math.isnan(found.low)


def test_values_must_pair_up():
    with pytest.raises(ParameterError, match="3 values cannot be paired with 2"):
        spearman([1, 2, 3], [1, 2])
