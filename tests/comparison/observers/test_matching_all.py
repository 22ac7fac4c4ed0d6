"""Regions of all pairs of readings at once, against matching pair by pair."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from slideconcord.comparison.observers.matching import RegionTally
from slideconcord.comparison.regions import match_regions


def matched(masks, rows, least=0.0):
    tally = RegionTally(len(masks))
    with ThreadPoolExecutor(2) as pool:
        for y in range(0, masks.shape[1], rows):
            tally.add(masks[:, y : y + rows], pool)
    pairs = list(combinations(range(len(masks)), 2))
    return dict(zip(pairs, tally.matches(pairs, least), strict=True))


@given(arrays(np.bool_, (3, 11, 13)), st.integers(1, 11))
def test_any_masks_as_pair_by_pair(masks, rows):
    for (i, j), found in matched(masks, rows).items():
        assert found == match_regions(masks[i], masks[j]).counts


@pytest.mark.parametrize("rows", [7, 64, 1000])
def test_large_masks_as_pair_by_pair(rows):
    rng = np.random.default_rng(3)
    ground = ndimage.gaussian_filter(rng.standard_normal((200, 250)), 4)
    other = [ndimage.gaussian_filter(rng.standard_normal((200, 250)), 2) for _ in range(4)]
    masks = np.array([ground / ground.std() + 0.5 * o / o.std() > 0.7 for o in other])
    for (i, j), found in matched(masks, rows).items():
        expected = match_regions(masks[i], masks[j]).counts
        assert found == expected
        assert min(expected.tp, expected.fp, expected.fn) > 0


def test_small_regions_are_left_out_on_both_sides():
    masks = np.zeros((2, 40, 40), np.bool_)
    masks[:, 5:15, 5:15] = True
    masks[0, 30, 30] = masks[1, 20:22, 30] = True
    counts = matched(masks, 9)[0, 1]
    assert (counts.tp, counts.fp, counts.fn) == (1, 1, 1)
    counts = matched(masks, 9, 2.0)[0, 1]
    assert (counts.tp, counts.fp, counts.fn) == (1, 0, 1)


def test_nothing_marked_has_no_regions():
    counts = matched(np.zeros((2, 9, 9), np.bool_), 4)[0, 1]
    assert (counts.tp, counts.fp, counts.fn) == (0, 0, 0)
