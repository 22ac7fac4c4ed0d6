import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from segmentation.probability_double import ProbabilityDouble, hills
from slideconcord.errors import ParameterError
from slideconcord.segmentation.smoothing import gaussian, smooth, smoothed, stored


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 2.7, 8.0, 30.0])
@pytest.mark.parametrize("shape", [(60, 45), (1, 30), (7, 1), (1, 1)])
def test_it_is_the_exact_gaussian_rounded(sigma, shape):
    values = hills(*shape)
    exact = gaussian_filter(values.astype(float), sigma, mode="reflect", truncate=4)
    assert np.abs(smooth(values, (sigma, sigma)) - exact).max() < 0.56


def test_each_axis_has_its_own_sigma():
    values = hills(40, 50)
    exact = gaussian_filter(values.astype(float), (3, 1), mode="reflect", truncate=4)
    assert np.abs(smooth(values, (3, 1)) - exact).max() < 0.56


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_part_is_that_of_the_whole(data):
    values = hills(53, 61)
    level = smoothed(ProbabilityDouble(values), data.draw(st.floats(0.1, 12))).level(0)
    whole = np.asarray(level[:, :])
    y0, y1 = sorted(data.draw(st.tuples(st.integers(0, 53), st.integers(0, 53))))
    x0, x1 = sorted(data.draw(st.tuples(st.integers(0, 61), st.integers(0, 61))))
    assert np.array_equal(level[y0:y1, x0:x1], whole[y0:y1, x0:x1])


@pytest.mark.parametrize("value", [0, 1, 127, 128, 254, 255])
@pytest.mark.parametrize("sigma", [0.4, 3.0, 40.0])
def test_a_constant_stays(value, sigma):
    assert (smooth(np.full((30, 20), value, np.uint8), (sigma, sigma)) == value).all()


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.5, 3.3, 50.0, 200.0])
def test_weights_sum_to_one(sigma):
    weights = gaussian(sigma)
    assert 2 * weights[1:].sum() + weights[0] == 65_536
    assert (weights >= 0).all()


def test_a_map_keeps_its_place_and_its_smoothing_is_in_micrometres():
    probability = ProbabilityDouble(hills())
    assert smoothed(probability, 0.0) is probability
    double = smoothed(probability, 2.0)
    assert (double.frame, double.slide_fingerprint) == (probability.frame, "f00d")
    sigma = 2.0 / probability.mpp.y, 2.0 / probability.mpp.x
    assert np.array_equal(double.level(0)[:, :], smooth(probability.values, sigma))


def test_fractions_count_as_maps_store_them():
    fractions = np.random.default_rng(0).random((20, 20))
    assert np.array_equal(stored(fractions), np.floor(fractions * 255))
    with pytest.raises(ParameterError, match="never NaN"):
        stored(np.full((2, 2), np.nan))
