from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_slides import noise
from slideconcord.slides.resample import area_taps, grid_count, pick, resample


def slow_area_mean(image, start, step, count):
    """The slow twin: one axis (rows), pixel by pixel, as the definition says."""
    out = np.empty((count, *image.shape[1:]))
    for i in range(count):
        low, high = start + i * step, start + (i + 1) * step
        share = [max(min(high, y + 1) - max(low, y), 0) for y in range(len(image))]
        out[i] = np.tensordot(share, image, 1) / step
    return out


STEP = st.one_of(st.floats(1.01, 9), st.sampled_from([2.0, 3.0, 4.0, 1.5, 2.004]))


@settings(max_examples=60)
@given(st.floats(0, 5), STEP, st.floats(0, 5), STEP, st.integers(1, 6), st.integers(1, 6))
def test_equals_the_slow_twin(y, step_y, x, step_x, height, width):
    rows, columns = area_taps(y, step_y, height), area_taps(x, step_x, width)
    image = noise(rows.stop, columns.stop)
    fast = resample(image[rows.start :, columns.start :], rows, columns)
    slow = slow_area_mean(image.astype(float), y, step_y, height)
    slow = slow_area_mean(slow.swapaxes(0, 1), x, step_x, width).swapaxes(0, 1)
    assert np.abs(fast - slow).max() <= 0.501


@given(st.floats(-3, 5), st.floats(1, 9), st.integers(0, 255), st.integers(1, 20))
def test_constant_in_constant_out(start, step, value, count):
    taps = area_taps(start, step, count)
    side = taps.stop - taps.start
    image = np.full((side, side, 3), value, np.uint8)
    assert (resample(image, taps, taps) == value).all()


@given(st.floats(0, 5), st.floats(1.01, 9), st.integers(2, 30), st.data())
def test_adjoining_reads_are_parts_of_one_image(start, step, count, data):
    cut = data.draw(st.integers(1, count - 1))
    whole, late = area_taps(start, step, count), area_taps(start + cut * step, step, count - cut)
    image = noise(max(whole.stop, late.stop), 1)
    column = area_taps(0, 1, 1)
    one = resample(image[whole.start :], whole, column)[cut:]
    other = resample(image[late.start :], late, column)
    assert np.abs(one.astype(int) - other).max() <= 1


@pytest.mark.parametrize("step", [1.0, 1.0009, 0.9991])
def test_a_step_near_one_picks_pixels_and_mixes_none(step):
    taps = area_taps(7.0, step, 900)
    assert taps.shares.shape == (900, 1)
    assert np.abs(taps.first - (7 + np.arange(900) * step)).max() <= 1
    image = noise(taps.stop, taps.stop)
    picked = resample(image[taps.start :, taps.start :], taps, taps)
    assert np.array_equal(picked, image[np.ix_(taps.first, taps.first)])


def test_a_whole_factor_is_the_mean_of_whole_blocks():
    image = noise(40, 60)
    rows, columns = area_taps(0, 4, 10), area_taps(0, 3, 20)
    mean = image.reshape(10, 4, 20, 3, 3).mean((1, 3))
    assert np.abs(resample(image, rows, columns) - mean).max() <= 0.5


def test_pick_is_numpys_index():
    image = noise(30, 40)[::-1, 3:]
    rows, columns = np.array([0, 0, 7, 29]), np.array([5, 5, 36])
    assert np.array_equal(pick(image, rows, columns), image[rows[:, None], columns])


@pytest.mark.parametrize(
    ("extent", "step", "count"),
    [(100, 2, 50), (100, 3, 33), (1, 5, 1), (100, 0.998 / 0.499, 50), (2967, 1 / 0.499, 1480)],
)
def test_as_many_whole_pixels_as_fit_but_at_least_one(extent, step, count):
    assert grid_count(extent, step) == count
