"""Small stained tiles for tests of appearance, made by code."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import color
from torch import Tensor

from slideconcord.training.augment.fitting import TrainingTiles
from slideconcord.training.augment.random import Draws
from slideconcord.training.data.tile import Grid

HE = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
HE = HE / np.linalg.norm(HE, axis=1, keepdims=True)


def draws(tiles: int, seed: int = 0, first: int = 0) -> Draws:
    return Draws(seed, range(first, first + tiles))


def densities(seed: int, side: int = 32) -> NDArray[np.float64]:
    """Return amounts (side * side, 2) of haematoxylin, in nuclei, and of eosin around them."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    centres = random.uniform(0, side, (6, 2))
    near = ((y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2).min(-1)
    nuclei = (near < 14).ravel()
    eosin = random.uniform(0.2, 0.6, side * side) * ~nuclei
    haematoxylin = random.uniform(0.7, 1.3, side * side) * nuclei
    return np.stack([haematoxylin, eosin], 1)


def stained(seed: int, side: int = 32, stains: NDArray[np.float64] = HE) -> NDArray[np.uint8]:
    """Return a tile (side, side, 3) of two stains."""
    light = 255 * np.exp(-densities(seed, side) @ stains)
    return light.round().astype(np.uint8).reshape(side, side, 3)


def tile_set(count: int = 6, side: int = 32, fingerprint: str = "a" * 64) -> TrainingTiles:
    scanners = tuple("AB"[k % 2] for k in range(count))
    grid = Grid(1.0, side)
    return TrainingTiles(lambda k: stained(k, side), count, fingerprint, side, grid, scanners)


def batch(*tiles: NDArray[np.uint8]) -> Tensor:
    """Return tiles as a batch (tile, 3, y, x) float32."""
    return torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float()


def picture(images: Tensor, tile: int = 0) -> NDArray[np.float32]:
    """Return one tile of a batch as (y, x, 3)."""
    return images[tile].permute(1, 2, 0).numpy()


PLAIN = {
    "white": np.full((16, 16, 3), 255, np.uint8),
    "black": np.zeros((16, 16, 3), np.uint8),
    "one colour": np.full((16, 16, 3), (180, 90, 160), np.uint8),
    "tiny": stained(0, 4),
}
"""Tiles that have next to nothing to measure."""


def to_lab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return L*a*b* on OpenCV's scale, by scikit-image."""
    return color.rgb2lab(rgb) * (2.55, 1, 1) + (0, 128, 128)


def slow_restained(rgb, mean, sd) -> NDArray[np.float64]:
    """Move one tile (y, x, 3) to another mean and spread in L*a*b*, with scikit-image."""
    lab = to_lab(rgb)
    own_mean, own_sd = lab.mean((0, 1)), lab.std((0, 1))
    moved = (lab - own_mean) / own_sd * sd + mean
    moved = np.clip(moved, 0, 255)
    return color.lab2rgb((moved - (0, 128, 128)) / (2.55, 1, 1)) * 255
