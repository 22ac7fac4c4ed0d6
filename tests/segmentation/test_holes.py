import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.measure import label
from skimage.morphology import remove_small_holes

from segmentation.threshold_maps import maps
from slideconcord.geometry import Box
from slideconcord.segmentation.holes import fill_holes, fill_part
from slideconcord.segmentation.seams import Blocks


def filled(mask, largest_px, block_px=2048, never=None):
    out = np.zeros(mask.shape, bool)
    steps = list(fill_holes(mask, largest_px, never, out, Blocks(mask.shape, block_px, 2)))
    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert {step.total for step in steps} == {len(steps)}
    return out


def twin(mask, largest_px):
    """Return the mask with holes filled, hole by hole."""
    holes, count = label(~mask, connectivity=1, return_num=True)
    out = mask.copy()
    ends = np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])
    for hole in range(1, count + 1):
        if hole not in ends and (holes == hole).sum() <= largest_px:
            out[holes == hole] = True
    return out


def blobs(seed, shape=(70, 90)):
    return gaussian_filter(np.random.default_rng(seed).random(shape), 1.5) > 0.49


@settings(max_examples=80, deadline=None)
@given(maps(30), st.integers(1, 250), st.integers(0, 80), st.sampled_from([3, 7, 16, 64]))
def test_holes_are_filled_as_one_by_one(values, grey, largest_px, block_px):
    mask = values > grey
    assert np.array_equal(filled(mask, largest_px, block_px), twin(mask, largest_px))


@pytest.mark.parametrize("largest_px", [1, 5, 60, 10_000])
def test_holes_of_many_blocks_are_those_of_scikit_image(largest_px):
    mask = blobs(1)
    # For scikit-image what touches the border is a hole, too, unless it goes on there.
    around = np.pad(mask, 60)
    expected = remove_small_holes(around, max_size=largest_px, connectivity=1)[60:-60, 60:-60]
    assert np.array_equal(twin(mask, largest_px), expected)
    assert np.array_equal(filled(mask, largest_px, 16), expected)


def test_a_hole_may_be_left_alone_by_hand():
    mask = np.ones((9, 9), bool)
    mask[3:6, 3:6] = False
    never = np.zeros_like(mask)
    never[4, 4] = True
    assert np.array_equal(filled(mask, 20, 4, never), ~never)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 9), st.integers(0, 100), st.data())
def test_a_part_is_that_of_the_whole_or_says_that_it_may_not_be(seed, largest_px, data):
    mask = blobs(seed, (40, 50))
    whole = Box(0, 0, 40, 50)
    y, x = data.draw(st.integers(0, 39)), data.draw(st.integers(0, 49))
    box = Box(y, x, data.draw(st.integers(1, 40 - y)), data.draw(st.integers(1, 50 - x)))
    margin = data.draw(st.integers(0, 30))
    part = Box(y - margin, x - margin, box.height + 2 * margin, box.width + 2 * margin)
    part = part.intersect(whole)
    got = fill_part(mask[part.slices], part, box, whole, largest_px)
    expected = twin(mask, largest_px)[box.slices]
    if got.is_exact:
        assert np.array_equal(got.pixels, expected)
    if margin > largest_px or part == whole:
        assert got.is_exact
    assert not (got.pixels & ~expected).any()
