"""Counting the ways in which pixels are marked, against plain counts of every pair."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from slideconcord.comparison.observers.tally import Tally

SHAPES = array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)


@st.composite
def marked(draw, dtype=np.bool_):
    planes = draw(arrays(dtype, draw(SHAPES)))
    return planes, draw(arrays(np.bool_, planes.shape[1:]))


@given(marked())
def test_contingency_tables_are_plain_counts(case):
    planes, counted = case
    tally = Tally.of(planes, counted)
    assert tally.pixels == counted.sum()
    for i, j in product(range(len(planes)), repeat=2):
        found = tally.confusion(i, j)
        assert found.tp == (planes[i] & planes[j] & counted).sum()
        assert found.fp == (planes[i] & ~planes[j] & counted).sum()
        assert found.fn == (~planes[i] & planes[j] & counted).sum()
        assert found.tn == (~planes[i] & ~planes[j] & counted).sum()
    votes = planes.sum(axis=0)[counted]
    np.testing.assert_array_equal(tally.votes(), np.bincount(votes, minlength=len(planes) + 1))


@given(marked(np.int32), st.integers(1, 8))
def test_any_whole_numbers_in_any_parts(case, cut):
    planes, counted = case
    rows, counts = np.unique(
        planes.reshape(len(planes), -1).T[counted.ravel()], axis=0, return_counts=True
    )
    parts = [
        Tally.of(planes[:, part], counted[part])
        for part in (slice(0, cut), slice(cut, None))
        if len(counted[part])
    ]
    tally = Tally.total(parts, len(planes))
    np.testing.assert_array_equal(tally.rows, rows)
    np.testing.assert_array_equal(tally.counts, counts)


def test_a_table_that_must_grow_loses_nothing():
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 50, (2, 300, 300), np.int32)
    tally = Tally.of(planes, np.ones((300, 300), np.bool_))
    rows, counts = np.unique(planes.reshape(2, -1).T, axis=0, return_counts=True)
    assert len(rows) > 2000
    np.testing.assert_array_equal(tally.pick([0, 1]).rows, rows)
    np.testing.assert_array_equal(tally.pick([0, 1]).counts, counts)


def test_picked_readers_keep_their_pixels():
    planes = np.random.default_rng(1).random((4, 30, 40)) < 0.4
    tally = Tally.of(planes, np.ones((30, 40), np.bool_))
    few, place = tally.picked([2, 0])
    assert few.confusion(0, 1) == tally.confusion(2, 0)
    np.testing.assert_array_equal(few.rows[place], tally.rows[:, [2, 0]])
