"""Motion blur, glass blur and emboss against OpenCV and scipy, one tile at a time."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from slideconcord.errors import ParameterError
from slideconcord.training.augment.filters import Emboss, GlassBlur, MotionBlur, looked_up
from training.stained_tiles import PLAIN, batch, draws, picture, stained

TILES = batch(*[stained(k) for k in range(8)])


def filtered_by_opencv(tile: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    seen = cv2.filter2D(tile.astype(np.float64), -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return np.clip(seen, 0, 255)


def slow_line(length: int, angle: float, side: int) -> np.ndarray:
    """Return the kernel of a line, each point of it shared by the four pixels about it."""
    kernel = np.zeros((side, side))
    for number in range(length):
        away = number - (length - 1) / 2
        y, x = side // 2 + away * math.sin(angle), side // 2 + away * math.cos(angle)
        top, left = math.floor(y), math.floor(x)
        for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
            for column, right in ((left, 1 - (x - left)), (left + 1, x - left)):
                if down * right > 1e-9:
                    kernel[row, column] += down * right / length
    return kernel


@pytest.mark.parametrize("length_px", [(3, 7), (4, 8), (1, 1)])
def test_motion_blur_is_opencvs_filter_along_a_line(length_px):
    part = MotionBlur(length_px, p=1.0)
    seen = part.seen(TILES, draws(8))
    random = draws(8)
    random.chosen(part.p)
    length, angle = random.integers(*length_px).tolist(), random.uniform(0, math.pi).tolist()
    assert length_px == (1, 1) or len(set(length)) > 2
    for k in range(8):
        kernel = slow_line(length[k], angle[k], 2 * (length_px[1] // 2) + 1)
        assert kernel.sum() == pytest.approx(1)
        wanted = filtered_by_opencv(picture(TILES, k), kernel)
        np.testing.assert_allclose(picture(seen, k), wanted, atol=2e-3)


def test_motion_goes_all_round_and_keeps_the_light():
    lines = MotionBlur((5, 5)).lines(draws(400))
    torch.testing.assert_close(lines.sum((1, 2)), torch.ones(400))
    away = torch.arange(5) - 2.0
    xx, yy, xy = (
        torch.einsum("tyx,y,x->t", lines, *ends)
        for ends in ((away**0, away**2), (away**2, away**0), (away, away))
    )
    turn = 0.5 * torch.atan2(2 * xy, xx - yy)
    assert np.histogram(turn.numpy(), 6, (-math.pi / 2, math.pi / 2))[0].min() > 30


@pytest.mark.parametrize("part", [GlassBlur(p=1.0), GlassBlur(1.1, 3, 3, p=1.0)])
def test_glass_blur_looks_up_near_pixels_between_scipys_gaussians(part):
    seen = part.seen(TILES, draws(8))
    random = draws(8)
    random.chosen(part.p)
    moves = [part.moves(random, (32, 32)).numpy() for _ in range(part.rounds)]
    for k in range(8):
        tile = picture(TILES, k).astype(np.float64)
        tile = gaussian_filter(tile, (part.sigma_px, part.sigma_px, 0), mode="mirror")
        for round_ in moves:
            before = tile.copy()
            for y, x in np.ndindex(32, 32):
                down, right = round_[k, :, y, x]
                tile[y, x] = before[np.clip(y + down, 0, 31), np.clip(x + right, 0, 31)]
        wanted = gaussian_filter(tile, (part.sigma_px, part.sigma_px, 0), mode="mirror")
        np.testing.assert_allclose(picture(seen, k), wanted, atol=5e-3)


def test_glass_moves_pixels_evenly_within_its_reach():
    moves = GlassBlur(reach_px=2).moves(draws(4), (40, 40))
    values, counts = np.unique(moves.numpy(), return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert counts.min() > 0.9 * counts.mean()
    assert not torch.equal(moves[0], moves[1])
    assert looked_up(TILES, torch.zeros(8, 2, 32, 32, dtype=torch.long)).equal(TILES)


def test_emboss_is_the_filter_of_albumentations():
    part = Emboss(p=1.0)
    seen = part.seen(TILES, draws(8))
    random = draws(8)
    random.chosen(part.p)
    alpha, strength = (random.uniform(*r).tolist() for r in (part.alpha, part.strength))
    for k in range(8):
        s = strength[k]
        relief = np.array([[-1 - s, 0 - s, 0], [0 - s, 1, 0 + s], [0, 0 + s, 1 + s]])
        still = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
        kernel = (1 - alpha[k]) * still + alpha[k] * relief
        wanted = filtered_by_opencv(picture(TILES, k), kernel)
        np.testing.assert_allclose(picture(seen, k), wanted, atol=2e-3)


def test_emboss_shows_edges_and_keeps_even_ground():
    image = torch.full((1, 3, 8, 8), 100.0)
    image[..., 4:] = 140.0
    seen = Emboss((0.5, 0.5), (0.5, 0.5), 1.0).seen(image, draws(1))[0, 0]
    torch.testing.assert_close(seen[:, :2], image[0, 0, :, :2])
    torch.testing.assert_close(seen[:, 6:], image[0, 0, :, 6:])
    assert seen[:, 4].max() > 155
    assert seen.min() >= 99.9


@pytest.mark.parametrize("part", [MotionBlur, GlassBlur, Emboss])
def test_about_p_of_the_tiles_change_and_the_others_not_at_all(part):
    images = batch(*[stained(1)] * 200)
    same = (part(p=0.25).seen(images, draws(200)) == images).flatten(1).all(1)
    assert 120 < same.sum() < 180


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("part", [MotionBlur(p=1.0), GlassBlur(p=1.0), Emboss(p=1.0)])
def test_plain_tiles_stay_as_they_are(part, name):
    image = batch(PLAIN[name])
    seen = part.seen(image, draws(1))
    assert seen.isfinite().all()
    assert 0 <= seen.min() <= seen.max() <= 255.001
    if name != "tiny":
        torch.testing.assert_close(seen, image, atol=1e-3, rtol=0)


def test_wrong_ranges_are_named():
    with pytest.raises(ParameterError, match="length_px must be two whole numbers in order"):
        MotionBlur((5, 3))
    with pytest.raises(ParameterError, match="alpha must be two numbers in order, from 0 to 1"):
        Emboss(alpha=(0.2, 1.5))
    with pytest.raises(ParameterError, match="strength must be two numbers in order"):
        Emboss(strength=(0.7, 0.2))
