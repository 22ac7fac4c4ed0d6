"""Style transfer between scanners, and the similarity that holds it to the structure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from slideconcord.errors import ParameterError, TrainingError
from slideconcord.training.augment.fitting import TrainingTiles
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.ssim import ssim
from slideconcord.training.augment.style import FittedStyle, StyleTransfer
from slideconcord.training.data.tile import Grid


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_scikit_image(channels: int):
    metrics = pytest.importorskip("skimage.metrics")
    random = np.random.default_rng(0)
    first = random.random((2, channels, 40, 33))
    for second in (first, np.clip(first + random.normal(0, 0.1, first.shape), 0, 1), 1 - first):
        found = ssim(torch.from_numpy(first), torch.from_numpy(second)).numpy()
        for n in range(2):
            _, full = metrics.structural_similarity(
                first[n], second[n], data_range=1, channel_axis=0, gaussian_weights=True,
                sigma=1.5, use_sample_covariance=False, full=True,
            )  # fmt: skip
            # Where the window reaches over the edge everybody goes on as they like.
            assert found[n] == pytest.approx(full[:, 5:-5, 5:-5].mean(), abs=1e-6)


def striped(k: int) -> np.ndarray:
    """A tile of stripes, as one of two scanners shows it: pale and bluish, or dark and reddish."""
    random = np.random.default_rng(k)
    stripes = np.sin(np.arange(64) * random.uniform(0.15, 0.3) + random.uniform(0, 6)) > 0
    grey = np.where(stripes, 0.45, 0.8)[:, None].repeat(64, 1)
    look = np.array([[0.9, 0.95, 1.0], [0.95, 0.7, 0.75]])[k % 2]
    return np.round(255 * np.clip(grey[..., None] * look, 0, 1)).astype(np.uint8)


def tiles(count: int = 12, scanners: str = "AB") -> TrainingTiles:
    names = tuple(scanners[k % len(scanners)] for k in range(count))
    return TrainingTiles(striped, count, "f" * 64, 64, Grid(1.0, 64), names)


@pytest.fixture(scope="module")
def fitted() -> FittedStyle:
    return StyleTransfer(steps=40).fitted(tiles())


def batch(numbers: list[int]) -> torch.Tensor:
    stacked = np.stack([striped(k) for k in numbers]).astype(np.float32)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2)


def test_a_tile_comes_to_look_more_as_the_other_scanner_shows_it(fitted: FittedStyle):
    ours, theirs = batch([20, 22, 24]), batch([21, 23, 25])
    shown = fitted.shown_as("B", ours)
    colour = [images.mean((0, 2, 3)) for images in (ours, theirs, shown)]
    before, after = ((colour[1] - c).norm() for c in (colour[0], colour[2]))
    assert after < 0.85 * before  # in 40 steps of 2000
    assert 0 <= shown.min() <= shown.max() <= 255


def test_its_structure_stays(fitted: FittedStyle):
    ours = batch([20, 22, 24])
    shown = fitted.shown_as("B", ours)
    kept = ssim(ours.mean(1, keepdim=True) / 255, shown.mean(1, keepdim=True) / 255)
    assert kept.min() > 0.8
    (facts,) = fitted.facts()
    assert set(facts["ssim"]) == {"A", "B"}
    assert (facts["name"], facts["tiles"], facts["fitted_on"]) == ("style_transfer", 12, "f" * 64)
    assert min(facts["ssim"].values()) > 0.8


def test_the_more_structure_weighs_the_more_of_it_stays(fitted: FittedStyle):
    held = StyleTransfer(steps=20, structure=1000.0).fitted(tiles())
    assert min(held.ssim.values()) > min(fitted.ssim.values())


def test_it_is_drawn_for_each_tile_and_the_same_again(fitted: FittedStyle):
    images = batch(list(range(20, 60)))
    seen = fitted.seen(images, Draws(0, range(40)))
    changed = (seen != images).flatten(1).any(1)
    assert 4 <= int(changed.sum()) <= 20  # 0.3 of 40
    assert torch.equal(seen, fitted.seen(images, Draws(0, range(40))))
    assert torch.equal(seen[:7], fitted.seen(images[:7], Draws(0, range(7))))


def test_it_learns_the_same_again():
    one, other = (StyleTransfer(steps=3).fitted(tiles()) for _ in range(2))
    for name in "AB":
        for first, second in zip(
            one.generators[name].parameters(), other.generators[name].parameters(), strict=True
        ):
            assert torch.equal(first, second)


def test_one_scanner_has_no_other():
    with pytest.raises(TrainingError, match="needs training tiles of two scanners, not of A"):
        StyleTransfer().fitted(tiles(scanners="A"))


def test_before_it_has_learnt_it_is_refused():
    with pytest.raises(ParameterError, match="style_transfer knows no stains yet"):
        StyleTransfer().seen(torch.zeros(1, 3, 64, 64), Draws(0, [0]))
