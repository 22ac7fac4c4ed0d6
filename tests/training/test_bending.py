"""Turned and bent tiles: against OpenCV and scipy, and in chains as one after the other."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from slideconcord.errors import ParameterError
from slideconcord.training.augment.bending import (
    Affine,
    Elastic,
    GridDistortion,
    OpticalDistortion,
)
from slideconcord.training.augment.chain import Augment
from slideconcord.training.augment.geometry import Crop, Flip, Warp, base_grid
from slideconcord.training.augment.jitter import ColorJitter
from training.stained_tiles import draws

CPU = torch.device("cpu")


def smooth(height: int, width: int) -> torch.Tensor:
    """Return a smooth image (1, 3, y, x) in which interpolating twice loses next to nothing."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 4, width), indexing="ij")
    return 100 + 50 * torch.stack([y.sin(), x.cos(), (x + y).sin()])[None]


def warp_of(geometry, size, seed: int = 0) -> Warp:
    return geometry.warped(Warp.identity(1, size, CPU), draws(1, seed))


@pytest.mark.parametrize("seed", range(3))
def test_an_affine_turn_is_opencvs(seed):
    height, width = 40, 60
    image = smooth(height, width)
    random = draws(1, seed)
    geometry = Affine(degrees=30, scale=(0.7, 1.4), shear_degrees=20, shift=0.1)
    seen = warp_of(geometry, (height, width), seed).images(image)[0].permute(1, 2, 0).numpy()
    random.chance(1)
    turn = float(random.uniform(-1, 1)) * math.radians(30)
    smaller = math.exp(-float(random.uniform(math.log(0.7), math.log(1.4))))
    slant = math.tan(float(random.uniform(-1, 1)) * math.radians(20))
    shift = [0.1 * float(random.uniform(-1, 1)) * side for side in (width, height)]
    cos, sin = math.cos(turn), math.sin(turn)
    matrix = smaller * np.array([[cos, -sin], [sin, cos]]) @ [[1, slant], [0, 1]]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    move = centre + shift - matrix @ centre
    wanted = cv2.warpAffine(
        image[0].permute(1, 2, 0).numpy(), np.column_stack([matrix, move]), (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    np.testing.assert_allclose(seen, wanted, atol=0.5)


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_elastic_nodes_move_as_drawn_and_pixels_with_them(nodes):
    height, width = 33, 41
    warp = warp_of(Elastic(nodes, 2.0, 1.0), (height, width))
    random = draws(1)
    random.chance(1)
    wanted = 2.0 * random.normal(2, nodes, nodes)[0]
    rows = torch.linspace(0, height - 1, nodes).round().long()
    columns = torch.linspace(0, width - 1, nodes).round().long()
    moves = warp.field[0] * torch.tensor([width / 2, height / 2])
    found = moves[rows][:, columns].permute(2, 0, 1)
    torch.testing.assert_close(found, wanted, atol=0.25, rtol=0)
    image = smooth(height, width)
    y, x = np.mgrid[:height, :width] + moves.permute(2, 0, 1).numpy()[::-1]
    slow = map_coordinates(image[0, 0].numpy(), [y, x], order=1, mode="nearest")
    np.testing.assert_allclose(warp.images(image)[0, 0], slow, atol=1e-2)


def test_a_grids_columns_and_rows_are_stretched_as_drawn():
    warp = warp_of(GridDistortion(4, 0.3, 1.0), (80, 80))
    random = draws(1)
    random.chance(1)
    widths = np.array([1 + 0.3 * float(random.uniform(-1, 1)) for _ in range(4)])
    edges = np.concatenate([[0], np.cumsum(widths / widths.sum())])
    pixels = (np.arange(80) + 0.5) / 80
    wanted = np.interp(pixels, np.linspace(0, 1, 5), edges)
    found = (base_grid(1, (80, 80), CPU) + warp.field)[0, 0, :, 0] / 2 + 0.5
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.abs(wanted - pixels).max() > 0.01


def test_an_optical_distortion_is_radial():
    warp = warp_of(OpticalDistortion(0.2, 1.0), (31, 31))
    random = draws(1)
    k = 0.2 * float(random.uniform(-1, 1))
    places = base_grid(1, (31, 31), CPU)[0]
    radius = places.square().sum(-1, keepdim=True)
    torch.testing.assert_close(warp.field[0], places * k * radius)


BENDS = [Elastic(3, 2.0, 1.0), GridDistortion(p=1.0), OpticalDistortion(p=1.0)]


@pytest.mark.parametrize("first", BENDS)
@pytest.mark.parametrize("second", [*BENDS, Flip(1.0), Affine(20), Crop(48, (0.5, 0.8))])
def test_a_chain_is_one_after_the_other(first, second):
    size = (64, 64)
    image = smooth(*size)
    random = draws(1)
    one = first.warped(Warp.identity(1, size, CPU), random)
    two = second.warped(Warp.identity(1, size, CPU), random)
    wanted = two.images(one.images(image))
    random = draws(1)
    both = second.warped(first.warped(Warp.identity(1, size, CPU), random), random)
    inner = (slice(None), slice(None), slice(14, -14), slice(14, -14))  # edges go on outwards
    torch.testing.assert_close(both.images(image)[inner], wanted[inner], atol=0.7, rtol=0)


@pytest.mark.parametrize("bend", [Elastic(sd_px=0.0, p=1.0), GridDistortion(limit=0.0, p=1.0),
                                  OpticalDistortion(limit=0.0, p=1.0), Elastic(p=0.0),
                                  Affine(0, (1, 1), shift=0)])  # fmt: skip
def test_no_strength_moves_nothing(bend):
    image = smooth(24, 36)
    torch.testing.assert_close(warp_of(bend, (24, 36)).images(image), image, atol=1e-3, rtol=0)


def test_image_mask_and_style_twin_share_one_geometry():
    geometries = (Flip(), Affine(30), Elastic(3, 3.0, 1.0), GridDistortion(p=1.0),
                  Crop(40, (0.5, 0.9)))  # fmt: skip
    rows = torch.arange(64).expand(4, 64, 64).mT.contiguous()
    images = rows[:, None].expand(-1, 3, -1, -1).float()
    moved, masks = Augment(geometries)(images, rows, draws(4))
    # The nearest pixel lies within half a pixel of where the image was sampled.
    assert (moved[:, 0] - masks).abs().max() <= 0.51
    twin, twin_masks = Augment(geometries, (ColorJitter(hue=0),))(images, rows, draws(4))
    assert torch.equal(masks, twin_masks)
    # Grey levels are bent, not moved: what was equal stays equal.
    for tile in range(4):
        before, after = moved[tile, 0].ravel(), twin[tile, 0].ravel()
        order = before.argsort()
        assert (after[order].diff() >= -1e-3).all()
    assert not torch.equal(moved, twin)


def test_wrong_scales_are_named():
    with pytest.raises(ParameterError, match="scale must be two numbers in order, above 0"):
        Affine(scale=(1.2, 0.8))
