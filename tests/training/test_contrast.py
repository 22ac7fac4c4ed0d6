"""CLAHE against OpenCV, and PCA against its eigenvectors, one tile at a time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from slideconcord.errors import ParameterError
from slideconcord.training.augment.contrast import Clahe, PcaColour, equalised, shifted
from training.stained_tiles import PLAIN, batch, draws, picture, stained, to_lab

TILES = batch(*[stained(k) for k in range(8)])


def noisy(side: int, tiles: int = 3) -> np.ndarray:
    """Return channels (tile, side, side) of 8 bits: a few broad shades, and noise."""
    random = np.random.default_rng(side)
    ground = cv2.resize(random.integers(40, 220, (4, 4)).astype(np.float32), (side, side))
    return np.clip(ground + random.normal(0, 12, (tiles, side, side)), 0, 255).astype(np.uint8)


def slow_clahe(levels: np.ndarray, clip: float, cells: int) -> np.ndarray:
    """Equalise cell by cell, and each pixel between the tables of the four cells about it."""
    size = len(levels) // cells
    tables = np.empty((cells, cells, 256))
    for row, column in np.ndindex(cells, cells):
        cell = levels[row * size : (row + 1) * size, column * size : (column + 1) * size]
        counts = np.bincount(cell.ravel(), minlength=256)
        most = max(1, int(clip * size**2 / 256))
        counts = np.minimum(counts, most) + np.maximum(counts - most, 0).sum() / 256
        tables[row, column] = 255 * counts.cumsum() / size**2
    seen = np.empty(levels.shape)
    for y, x in np.ndindex(levels.shape):
        place = y / size - 0.5, x / size - 0.5
        (top, down), (left, right) = ((int(np.floor(p)), p % 1) for p in place)
        rows, columns = (np.clip([first, first + 1], 0, cells - 1) for first in (top, left))
        four = tables[np.ix_(rows, columns)][..., levels[y, x]]
        seen[y, x] = [1 - down, down] @ four @ [1 - right, right]
    return seen


@pytest.mark.parametrize("cells", [1, 2, 8])
@pytest.mark.parametrize("side", [32, 48])
def test_levels_come_out_cell_by_cell(side, cells):
    tiles, clips = noisy(side), [1.0, 2.5, 4.0]
    seen = equalised(torch.from_numpy(tiles).float(), torch.tensor(clips), cells)
    for k, clip in enumerate(clips):
        np.testing.assert_allclose(seen[k], slow_clahe(tiles[k], clip, cells), atol=0.02)


@pytest.mark.parametrize("cells", [1, 2, 8])
def test_where_nothing_is_cut_levels_are_opencvs(cells):
    (levels,) = noisy(64, 1)
    seen = equalised(torch.from_numpy(levels)[None].float(), torch.tensor([256.0]), cells)
    wanted = cv2.createCLAHE(256.0, (cells, cells)).apply(levels)
    np.testing.assert_allclose(seen[0], wanted, atol=1.02)  # rounded twice there


@pytest.mark.parametrize("clip", [1.0, 2.5, 4.0])
def test_a_large_cell_is_opencvs_as_far_as_it_shares_out_alike(clip):
    (levels,) = noisy(256, 1)
    seen = equalised(torch.from_numpy(levels)[None].float(), torch.tensor([clip]), 1)
    wanted = cv2.createCLAHE(clip, (1, 1)).apply(levels)
    np.testing.assert_allclose(seen[0], wanted, atol=2)


def test_clahe_changes_lightness_and_keeps_colours():
    part = Clahe(cells=2, p=1.0)
    tiles = batch(*[stained(k, 48) for k in range(4)])
    seen = part.seen(tiles, draws(4))
    random = draws(4)
    random.chosen(part.p)
    clips = random.uniform(*part.clip).tolist()
    for k in range(4):
        before, after = (to_lab(picture(images, k) / 255) for images in (tiles, seen))
        wanted = slow_clahe(before[..., 0].round().astype(np.uint8), clips[k], 2)
        inside = ((picture(seen, k) > 0.5) & (picture(seen, k) < 254.5)).all(-1)
        assert inside.mean() > 0.5
        # Lightness between two levels is not rounded, and takes what is between.
        assert np.abs(after[..., 0] - wanted)[inside].mean() < 2
        np.testing.assert_allclose(after[inside, 1:], before[inside, 1:], atol=0.1)


@pytest.mark.parametrize("size", [(30, 47), (9, 8), (3, 5)])
def test_any_size_is_cut_into_cells(size):
    channel = torch.rand(2, *size, generator=torch.Generator().manual_seed(0)) * 255
    seen = equalised(channel, torch.tensor([2.0, 3.0]), 8)
    assert seen.shape == channel.shape
    assert 0 <= seen.min() <= seen.max() <= 255.001


def test_a_higher_limit_makes_more_contrast():
    channel = 120 + 10 * torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(1))
    spreads = [equalised(channel, torch.tensor([clip]), 1).std() for clip in (1.0, 2.0, 8.0)]
    assert channel.std() < spreads[0] < spreads[1] < spreads[2]


def slow_pca(tile: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Add each principal component times its variance and a number of its own."""
    variance, components = np.linalg.eigh(np.cov(tile.reshape(-1, 3).T / 255, ddof=0))
    return np.clip(tile + 255 * components @ (alpha * variance), 0, 255)


def test_pca_adds_the_components_times_their_variances():
    part = PcaColour(sd=3.0, p=1.0)
    seen = part.seen(TILES, draws(8))
    random = draws(8)
    random.chosen(part.p)
    normal = 3.0 * random.normal(3).numpy()
    for k in range(8):
        tile = picture(TILES, k).astype(np.float64)
        components = np.linalg.eigh(np.cov(tile.reshape(-1, 3).T, ddof=0))[1]
        wanted = slow_pca(tile, components.T @ normal[k])
        np.testing.assert_allclose(picture(seen, k), wanted, atol=1e-3)


def test_shifts_spread_along_the_components_as_their_variances():
    tile = batch(stained(3) // 4 + 90)
    seen = shifted(tile.expand(4000, -1, -1, -1), 0.5 * draws(4000).normal(3))
    shift = (seen - tile).mean((2, 3)).double().numpy() / 255
    variance, components = np.linalg.eigh(np.cov(picture(tile).reshape(-1, 3).T / 255, ddof=0))
    along = shift @ components
    np.testing.assert_allclose(along.std(0)[1:], 0.5 * variance[1:], rtol=0.06)
    correlated = np.corrcoef(along.T)[1, 2]
    assert abs(correlated) < 0.06


@pytest.mark.parametrize("part", [Clahe(p=0.25), PcaColour(p=0.25)])
def test_about_p_of_the_tiles_change_and_the_others_not_at_all(part):
    images = batch(*[stained(1)] * 200)
    same = (part.seen(images, draws(200)) == images).flatten(1).all(1)
    assert 120 < same.sum() < 180


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("part", [Clahe(p=1.0), PcaColour(sd=3.0, p=1.0)])
def test_plain_tiles_stay_within_the_scale(part, name):
    image = batch(PLAIN[name])
    seen = part.seen(image, draws(1))
    assert seen.isfinite().all()
    assert 0 <= seen.min() <= seen.max() <= 255
    if isinstance(part, PcaColour) and name != "tiny":
        torch.testing.assert_close(seen, image, atol=1e-3, rtol=0)


def test_wrong_ranges_are_named():
    with pytest.raises(ParameterError, match="clip must be two numbers in order, above 0"):
        Clahe(clip=(0, 4))
