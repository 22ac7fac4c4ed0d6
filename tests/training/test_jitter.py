"""Colours by chance: against torchvision and scikit-image, one tile at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import color
from torchvision.transforms.v2 import functional as vision

from slideconcord.errors import ParameterError
from slideconcord.training.augment.hsv import to_hsv, to_rgb
from slideconcord.training.augment.jitter import (
    ColorJitter,
    Gamma,
    HeavyColour,
    HedJitter,
    TargetedHsv,
    orders,
)
from training.stained_tiles import PLAIN, batch, draws, picture, stained

TILES = batch(*[stained(k) for k in range(8)])


def slow_jitter(image, factors, order):
    """Do the four changes with torchvision, on one tile (3, y, x) of 0 to 1."""
    acts = (vision.adjust_brightness, vision.adjust_contrast, vision.adjust_saturation,
            vision.adjust_hue)  # fmt: skip
    for change in order:
        image = acts[change](image, float(factors[change]))
    return image


def test_color_jitter_is_torchvisions():
    part = ColorJitter()
    seen = part.seen(TILES, draws(8))
    random = draws(8)
    random.chosen(part.p)
    factors, order = part.factors(random), orders(random)
    assert len({tuple(each) for each in order}) > 4
    for k in range(8):
        wanted = 255 * slow_jitter(TILES[k] / 255, factors[k], order[k])
        torch.testing.assert_close(seen[k], wanted, atol=0.05, rtol=0)


def test_every_order_is_as_likely():
    found = [tuple(order) for order in orders(draws(2400))]
    counts = np.unique(found, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert counts.min() > 60


def test_hed_jitter_is_scikit_images_with_amounts_scaled_and_shifted():
    part = HedJitter(0.05)
    seen = part.seen(TILES, draws(8))
    random = draws(8)
    random.chosen(part.p)
    even = np.stack([random.uniform(-1, 1).numpy() for _ in range(6)], 1).reshape(8, 2, 3)
    matrix = color.hed_from_rgb
    for k in range(8):
        amounts = -np.log(picture(TILES, k).astype(float) / 255) @ matrix
        amounts = amounts * (1 + 0.05 * even[k, 0]) + 0.05 * even[k, 1]
        wanted = 255 * np.exp(-amounts @ np.linalg.inv(matrix))
        np.testing.assert_allclose(picture(seen, k), np.clip(wanted, 0, 255), atol=0.02)


def slow_targeted(rgb, hue_range, saturation, value):
    """Shift pixels of a range of hues, one by one."""
    seen = rgb.clone()
    hue, sat, val = to_hsv(rgb)
    for y, x in np.ndindex(*rgb.shape[2:]):
        if sat[0, y, x] >= 80 and hue_range[0] <= hue[0, y, x] <= hue_range[1]:
            new = (sat[:, y, x] + saturation).clamp(0, 255), (val[:, y, x] + value).clamp(0, 255)
            seen[:, :, y, x] = to_rgb(
                hue[:, y, x, None, None], new[0][:, None, None], new[1][:, None, None]
            )[:, :, 0, 0]
    return seen


def nuclei() -> torch.Tensor:
    """Return white glass with a pink, a brown and a blue patch."""
    image = torch.full((1, 3, 8, 8), 240.0)
    for row, colour in ((0, (230, 160, 200)), (2, (150, 100, 60)), (4, (90, 90, 180))):
        image[0, :, row : row + 2] = torch.tensor(colour, dtype=torch.float32)[:, None, None]
    return image


def test_only_brown_and_blue_pixels_change_and_by_their_own_draws():
    part, image = TargetedHsv(), nuclei()
    seen = part.seen(image, draws(1))
    random = draws(1)
    random.chance(1)
    brown = [float(random.uniform(*r)) for r in ((-30, 81), (-80, 81))]
    blue = [float(random.uniform(*r)) for r in ((-40, 61), (-60, 61))]
    wanted = slow_targeted(slow_targeted(image, (0, 25), *brown), (95, 135), *blue)
    torch.testing.assert_close(seen, wanted, atol=1e-3, rtol=0)
    still = [0, 1, 6, 7]
    assert torch.equal(seen[:, :, still], image[:, :, still])
    assert (seen[:, :, 2:4] != image[:, :, 2:4]).any()
    assert (seen[:, :, 4:6] != image[:, :, 4:6]).any()


def test_targeted_shifts_span_table_6():
    image = nuclei().repeat(800, 1, 1, 1)
    # Room to move either way: saturation and value in the middle.
    for row, hue in ((2, 15.0), (4, 120.0)):
        middle = torch.full((1, 1, 1), 128.0)
        image[:, :, row : row + 2] = to_rgb(torch.full((1, 1, 1), hue), middle, middle)
    _, saturation, value = to_hsv(TargetedHsv().seen(image, draws(800)))
    for row, spans in ((2, ((-30, 81), (-80, 81))), (4, ((-40, 61), (-60, 61)))):
        for channel, (low, high) in zip((saturation, value), spans, strict=True):
            shift = channel[:, row, 0] - 128
            assert low - 0.01 <= shift.min() < low + 3
            assert high - 3 < shift.max() <= high + 0.01


def test_heavy_colours_go_all_round():
    image = batch(stained(0)).repeat(300, 1, 1, 1)
    hues = to_hsv(HeavyColour().seen(image, draws(300)))[0][:, 4, 4]
    assert np.histogram(hues, 6, (0, 180))[0].min() > 20


def test_gamma_is_a_power_within_its_range():
    image = torch.full((400, 3, 2, 2), 100.0)
    seen = Gamma((0.5, 2.0), 1.0).seen(image, draws(400))[:, 0, 0, 0]
    power = (seen / 255).log() / torch.tensor(100 / 255).log()
    assert 0.5 - 1e-3 <= power.min() < 0.52
    assert 1.9 < power.max() <= 2 + 1e-3
    assert abs(float(power.log().mean())) < 0.1


NOTHING = {
    "color_jitter": ColorJitter(0, 0, 0, 0),
    "hed_jitter": HedJitter(0.0),
    "gamma": Gamma((1, 1), 1.0),
    "targeted_hsv": TargetedHsv((0, 0), (0, 0), (0, 0), (0, 0)),
    "p 0": ColorJitter(p=0),
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_strength_changes_nothing(name):
    seen = NOTHING[name].seen(TILES, draws(8))
    torch.testing.assert_close(seen, TILES, atol=0.02, rtol=0)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize(
    "part", [ColorJitter(), HeavyColour(), HedJitter(0.2), TargetedHsv(), Gamma(p=1.0)]
)
def test_plain_tiles_stay_plain_and_within_the_scale(part, name):
    seen = part.seen(batch(PLAIN[name]), draws(1))
    assert seen.isfinite().all()
    assert seen.min() >= 0
    assert seen.max() <= 255
    if name != "tiny":
        assert seen.std((2, 3)).max() < 1e-2


def test_ranges_out_of_order_are_named():
    with pytest.raises(ParameterError, match="blue_hue must be two numbers in order"):
        TargetedHsv(blue_hue=(140, 90))
    with pytest.raises(ParameterError, match="gamma must be two numbers in order, above 0"):
        Gamma((0, 1))
