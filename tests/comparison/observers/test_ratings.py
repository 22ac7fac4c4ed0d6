"""Kappas and alpha against scikit-learn, against one another, and against published tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from slideconcord.comparison.observers.ratings import (
    agreement_of_ratings,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)
from slideconcord.errors import ParameterError

RATINGS = arrays(
    np.int64, st.tuples(st.integers(2, 30), st.integers(2, 5)), elements=st.integers(0, 3)
)
# Fleiss, J. L. (1971), Table 1: 30 patients, 6 psychiatrists, 5 diagnoses.
FLEISS = """
0 0 0 6 0  0 3 0 0 3  0 1 4 0 1  0 0 0 0 6  0 3 0 3 0  2 0 4 0 0  0 0 4 0 2  2 0 3 1 0
2 0 0 4 0  0 0 0 0 6  1 0 0 5 0  1 1 0 4 0  0 3 3 0 0  1 0 0 5 0  0 2 0 3 1  0 0 5 0 1
3 0 0 1 2  5 1 0 0 0  0 2 0 4 0  1 0 2 0 3  0 0 0 0 6  0 1 0 5 0  0 2 0 1 3  2 0 0 4 0
1 0 0 4 1  0 5 0 1 0  4 0 0 0 2  0 2 0 4 0  1 0 5 0 0  0 0 0 0 6
"""
# Krippendorff, K. (2011), "Computing Krippendorff's Alpha-Reliability", example C.
_ = None
KRIPPENDORFF = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    "C": [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
}


def plain_alpha(items):
    """Return alpha as a loop over all pairs of ratings says it."""
    paired = [[v for v in item if v is not None] for item in items]
    paired = [item for item in paired if len(item) >= 2]
    named = [v for item in paired for v in item]
    n = len(named)
    apart = sum(
        sum(a != b for i, a in enumerate(item) for j, b in enumerate(item) if i != j)
        / (len(item) - 1)
        for item in paired
    )
    chance = sum(a != b for i, a in enumerate(named) for j, b in enumerate(named) if i != j)
    return 1 - (n - 1) * apart / chance if chance else math.nan


@given(RATINGS)
def test_cohen_is_scikit_learns(ratings):
    first, second = ratings[:, 0], ratings[:, 1]
    table = np.zeros((4, 4), np.int64)
    np.add.at(table, (first, second), 1)
    if len(set(first) | set(second)) == 1:
        assert math.isnan(cohen_kappa(table))
    else:
        assert cohen_kappa(table) == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_fleiss_of_fleiss():
    votes = np.array(FLEISS.split(), int).reshape(30, 5)
    assert (votes.sum(axis=1) == 6).all()
    # the paper prints 0.430
    assert fleiss_kappa(votes) == pytest.approx(0.430, abs=5e-4)


def test_alpha_of_krippendorff():
    found = agreement_of_ratings(KRIPPENDORFF)
    # the paper prints 0.743 for nominal data
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    assert found.alpha == pytest.approx(plain_alpha(zip(*KRIPPENDORFF.values(), strict=True)))
    assert (found.items, found.complete) == (12, 8)


@given(RATINGS)
def test_alpha_is_what_a_loop_over_pairs_gives_and_fleiss_lies_just_below(ratings):
    votes = np.stack([(ratings == k).sum(axis=1) for k in range(4)], axis=1)
    alpha, slow = krippendorff_alpha(votes), plain_alpha(ratings.tolist())
    assert alpha == pytest.approx(slow, abs=1e-12, nan_ok=True)
    # without missing ratings alpha is Fleiss' kappa, corrected for the number of ratings
    kappa = fleiss_kappa(votes)
    assert 1 - alpha == pytest.approx((1 - kappa) * (1 - 1 / ratings.size), abs=1e-12, nan_ok=True)


@given(RATINGS, st.permutations(range(4)))
def test_names_of_categories_and_order_of_raters_do_not_matter(ratings, names):
    raters = {str(k): column for k, column in enumerate(ratings.T.tolist())}
    renamed = {k: [names[v] for v in raters[k]] for k in reversed(raters)}
    found, other = agreement_of_ratings(raters), agreement_of_ratings(renamed)
    assert found.fleiss == pytest.approx(other.fleiss, abs=1e-12, nan_ok=True)
    assert found.alpha == pytest.approx(other.alpha, abs=1e-12, nan_ok=True)
    assert found.kappa("0", "1") == pytest.approx(other.kappa("0", "1"), abs=1e-12, nan_ok=True)


@given(RATINGS, arrays(np.int64, 30, elements=st.integers(0, 4)))
def test_weights_are_repeats(ratings, repeats):
    repeats = repeats[: len(ratings)]
    votes = np.stack([(ratings == k).sum(axis=1) for k in range(4)], axis=1)
    many = np.repeat(votes, repeats, axis=0)
    for statistic in (fleiss_kappa, krippendorff_alpha):
        weighted = statistic(votes, repeats)
        assert weighted == pytest.approx(statistic(many), abs=1e-12, nan_ok=True)


def test_raters_who_are_one_agree_fully():
    found = agreement_of_ratings({"A": [0, 1, 1], "B": [0, 1, 1]})
    assert found.fleiss == found.alpha == found.kappa("A", "B") == 1
    assert found.table().records() == [
        {"first": "A", "second": "B", "items": 3, "agreement": 1.0, "kappa": 1.0}
    ]


def test_one_category_throughout_is_undefined():
    found = agreement_of_ratings({"A": [1, 1], "B": [1, 1]})
    assert math.isnan(found.fleiss)
    assert math.isnan(found.alpha)
    assert found.to_json()["fleiss"] is None


@pytest.mark.parametrize("ratings", [{}, {"A": [1]}, {"A": [1], "B": [1, 0]}])
def test_what_is_no_table_of_raters_is_refused(ratings):
    with pytest.raises(ParameterError, match="give two or more raters, and of each as many"):
        agreement_of_ratings(ratings)


def test_fleiss_refuses_items_with_missing_raters():
    with pytest.raises(ParameterError, match="take Krippendorff's alpha"):
        fleiss_kappa(np.array([[2, 1], [2, 0]]))
