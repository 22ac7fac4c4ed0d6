"""Colour spaces: the same numbers as scikit-image, and there and back without loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color

from slideconcord.training.augment.colour import SPACES, hed_to_rgb, rgb_to_hed, rgb_to_lab
from training.stained_tiles import batch, picture, stained


def random_rgb(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 20, 3), np.uint8)


def test_lab_is_scikit_images_on_opencvs_scale():
    rgb = random_rgb()
    wanted = color.rgb2lab(rgb) * (2.55, 1, 1) + (0, 128, 128)
    # Their whites of D65 differ in the fourth digit.
    np.testing.assert_allclose(picture(rgb_to_lab(batch(rgb))), wanted, atol=0.01)


def test_hed_is_scikit_images_where_that_cuts_nothing():
    rgb = random_rgb()
    found, wanted = picture(rgb_to_hed(batch(rgb))), color.rgb2hed(rgb)
    np.testing.assert_allclose(np.maximum(found, 0), wanted, atol=1e-6)
    assert (found < 0).any()
    light = np.clip(color.hed2rgb(wanted), 0, 1) * 255
    np.testing.assert_allclose(picture(hed_to_rgb(batch(wanted))), light, atol=0.01)


@pytest.mark.parametrize("name", SPACES)
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_every_colour_comes_back(name, seed):
    rgb = batch(random_rgb(seed))
    space = SPACES[name]
    back = space.to_rgb(space.of_rgb(rgb))
    # Optical density knows no black: 255e-6 grey levels are the least.
    torch.testing.assert_close(back, rgb, atol=5e-3, rtol=0)


@pytest.mark.parametrize("name", SPACES)
def test_colours_that_no_screen_shows_stay_within_the_scale(name):
    space = SPACES[name]
    channels = space.of_rgb(batch(stained(1)))
    for factor in (-3.0, 0.0, 5.0):
        rgb = space.to_rgb(channels * factor)
        assert rgb.isfinite().all()
        assert rgb.min() >= 0
        assert rgb.max() <= 255


def test_grey_has_no_colour_in_lab():
    grey = torch.linspace(0, 255, 16).expand(1, 3, 2, 16)
    torch.testing.assert_close(
        rgb_to_lab(grey)[:, 1:], torch.full((1, 2, 2, 16), 128.0), atol=1e-3, rtol=0
    )
