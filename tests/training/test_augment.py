"""Checklist (e) 17: what each augmentation promises, and that mask and image stay together."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
import pytest
import torch

from slideconcord.errors import ParameterError
from slideconcord.training.augment import appearance
from slideconcord.training.augment.appearance import (
    Blur,
    BrightnessContrast,
    HueSaturationValue,
    Noise,
    blur,
)
from slideconcord.training.augment.chain import make_augment
from slideconcord.training.augment.geometry import Crop, Flip, FlipUpsideDown, QuarterTurn, Warp
from slideconcord.training.augment.hsv import to_hsv, to_rgb
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.tables import APPEARANCES, GEOMETRIES
from training.stained_tiles import tile_set

SIDE = 64


def draws(tiles: int, seed: int = 0, first: int = 0) -> Draws:
    places = range(first, first + tiles)
    return Draws(seed, places, scanners=["AB"[place % 2] for place in places])


def ramp(tiles: int = 1, side: int = SIDE):
    """Return an image whose first two channels say where a pixel was, and the same as masks."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    image = torch.stack([y, x, y * 0]).float()
    return image.repeat(tiles, 1, 1, 1), y.repeat(tiles, 1, 1), x.repeat(tiles, 1, 1)


def warp_of(geometry, tiles: int, seed: int = 0, side: int = SIDE) -> Warp:
    start = Warp.identity(tiles, (side, side), torch.device("cpu"))
    return geometry.warped(start, draws(tiles, seed))


@pytest.mark.parametrize(
    ("geometry", "twin"),
    [
        (Flip(1.0), lambda a: a[:, ::-1]),
        (FlipUpsideDown(1.0), lambda a: a[::-1]),
        (Flip(0.0), lambda a: a),
    ],
)
def test_flips_are_exact(geometry, twin):
    images, rows, columns = ramp()
    warp = warp_of(geometry, 1)
    assert np.array_equal(warp.masks(rows)[0], twin(rows[0].numpy()))
    assert np.array_equal(warp.masks(columns)[0], twin(columns[0].numpy()))
    moved = warp.images(images)[0, 1].numpy()
    np.testing.assert_allclose(moved, twin(columns[0].numpy()), atol=1e-3)


def test_quarter_turns_are_exact_and_each_as_likely():
    images, rows, _ = ramp(400)
    turned = warp_of(QuarterTurn(1.0), 400).masks(rows).numpy()
    wanted = [np.rot90(rows[0].numpy(), k) for k in range(4)]
    found = [[np.array_equal(tile, want) for want in wanted] for tile in turned]
    counts = np.sum(found, axis=0)
    assert counts.sum() == 400
    assert counts.min() > 60
    half = warp_of(QuarterTurn(0.5), 400).masks(rows).numpy()
    still = sum(np.array_equal(tile, wanted[0]) for tile in half)
    assert 200 < still < 300  # half of all, and a quarter of the rest
    assert torch.equal(images, ramp(400)[0])


@pytest.mark.parametrize(
    "part",
    [
        {"flip": {"p": 0.5}},
        {"flip_upside_down": {"p": 0.5}},
        {"quarter_turn": {"p": 0.5}},
        {"crop": {"size_px": 48, "area": [0.675, 0.825], "ratio": [0.8, 1.25]}},
        {"affine": {"degrees": 40, "shear_degrees": 10}},
        {"elastic": {"sd_px": 3, "p": 1}},
        {"grid_distortion": {"p": 1}},
        {"optical_distortion": {"p": 1}},
    ],
)
def test_a_mask_moves_with_its_image(part):
    images, rows, columns = ramp(16)
    augment = make_augment(["flip", part])
    moved, row_masks = augment(images, rows, draws(16))
    same, column_masks = augment(images, columns, draws(16))
    assert torch.equal(moved, same)
    # The nearest pixel lies within half a pixel of where the image was sampled.
    assert (moved[:, 0] - row_masks).abs().max() <= 0.51
    assert (moved[:, 1] - column_masks).abs().max() <= 0.51


def test_a_style_twin_can_share_the_geometry():
    images, rows, _ = ramp(3)
    augment = make_augment(["flip", {"crop": {"size_px": 32}}])
    random = draws(3)
    warp = augment.warp(images, random)
    twin = warp.images(255 - images)
    torch.testing.assert_close(255 - twin, warp.images(images), atol=1e-3, rtol=0)
    assert warp.masks(rows).shape == (3, 32, 32)


def test_crops_have_the_papers_areas_and_ratios():
    crop = Crop(1536, (0.675, 0.825), (0.8, 1.25))
    warp = warp_of(crop, 500, side=2048)
    width, height = warp.matrix[:, 0, 0] * 2048, warp.matrix[:, 1, 1] * 2048
    area, ratio = width * height / 2048**2, width / height
    assert warp.size == (1536, 1536)
    assert 0.675 <= area.min() < 0.69
    assert 0.81 < area.max() <= 0.825
    assert ratio.min() >= 0.8 - 1e-4
    assert ratio.max() <= 1.25 + 1e-4
    assert 1682 <= area.sqrt().min() * 2048 <= area.sqrt().max() * 2048 <= 1861
    # They stay inside the tile.
    reach = warp.matrix[:, :, 2].abs() + torch.stack([width, height], 1) / 2048
    assert reach.max() <= 1 + 1e-6


def test_a_crop_that_never_fits_takes_the_largest_of_its_ratio():
    warp = warp_of(Crop(16, (1.0, 1.0), (2.0, 3.0)), 3)
    assert torch.allclose(warp.matrix[:, 0, 0], torch.tensor(1.0))
    assert torch.allclose(warp.matrix[:, 1, 1], torch.tensor(0.5))


@pytest.mark.parametrize("area", [[0.5, 0.8], [1.0, 1.0]])
def test_a_constant_image_stays_constant_to_its_very_edge(area):
    images = torch.full((8, 3, SIDE, SIDE), 200.0)
    crop = {"crop": {"size_px": 96, "area": area, "ratio": [1, 1]}}
    augment = make_augment(["flip", "quarter_turn", crop])
    moved, _ = augment(images, torch.zeros(8, SIDE, SIDE, dtype=torch.long), draws(8))
    torch.testing.assert_close(moved, torch.full((8, 3, 96, 96), 200.0))


def test_hsv_is_that_of_the_standard_library():
    rgb = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 255
    hue, saturation, value = to_hsv(rgb)
    for y, x in np.ndindex(8, 8):
        wanted = colorsys.rgb_to_hsv(*(rgb[0, :, y, x] / 255).tolist())
        assert hue[0, y, x] / 180 == pytest.approx(wanted[0], abs=1e-5)
        assert saturation[0, y, x] / 255 == pytest.approx(wanted[1], abs=1e-5)
        assert value[0, y, x] / 255 == pytest.approx(wanted[2], abs=1e-5)
    torch.testing.assert_close(to_rgb(hue, saturation, value), rgb, atol=1e-3, rtol=1e-4)


def test_grey_survives_hsv():
    grey = torch.tensor([0.0, 128.0, 255.0])[None, None, :, None].expand(1, 3, 3, 2)
    torch.testing.assert_close(to_rgb(*to_hsv(grey)), grey)


def test_hue_saturation_and_value_shift_within_their_range_and_reach_it():
    rgb = torch.tensor([60.0, 120.0, 100.0])[None, :, None, None].repeat(400, 1, 4, 4)
    hue, saturation, value = to_hsv(rgb)
    seen = to_hsv(HueSaturationValue(26, 26, 26).seen(rgb, draws(400)))
    for before, after in zip((hue, saturation, value), seen, strict=True):
        shift = (after - before)[:, 0, 0]
        assert shift.abs().max() <= 26.001
        assert shift.min() < -24
        assert shift.max() > 24
    assert (HueSaturationValue(p=0.0).seen(rgb, draws(400)) - rgb).abs().max() < 1e-3


@pytest.mark.parametrize("width", [1, 3, 5, 7])
def test_blur_is_opencvs(width):
    image = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(1)) * 255
    wanted = cv2.GaussianBlur(image[0].permute(1, 2, 0).numpy(), (width, width), 0)
    if width <= 7:  # OpenCV has fixed tables for small kernels of 8-bit images only
        wanted = cv2.sepFilter2D(
            image[0].permute(1, 2, 0).numpy(), -1, *[_kernel(width)] * 2,
            borderType=cv2.BORDER_REFLECT_101,
        )  # fmt: skip
    np.testing.assert_allclose(blur(image, width)[0].permute(1, 2, 0), wanted, atol=1e-3)


def _kernel(width: int) -> np.ndarray:
    return cv2.getGaussianKernel(width, 0.3 * ((width - 1) * 0.5 - 1) + 0.8)


def test_blur_takes_the_kernels_in_its_range_for_half_of_the_tiles():
    images = torch.zeros(300, 3, 15, 15)
    images[:, :, 7, 7] = 255
    seen = Blur((3, 7), 0.5).seen(images, draws(300))
    widths = (seen[:, 0, 7] > 1e-4).sum(1)
    assert set(widths.tolist()) == {1, 3, 5, 7}
    assert 110 < (widths == 1).sum() < 190
    torch.testing.assert_close(seen.sum((1, 2, 3)), torch.full((300,), 765.0), rtol=1e-4, atol=0.1)


def test_noise_has_a_variance_in_its_range_for_half_of_the_tiles():
    images = torch.full((300, 3, 32, 32), 128.0)
    variance = Noise((0, 10), 0.5).seen(images, draws(300)).var((1, 2, 3))
    touched = variance > 0
    assert 110 < touched.sum() < 190
    assert variance.max() < 11
    assert variance.max() > 9
    assert 4 < variance[touched].mean() < 6


def test_brightness_and_contrast_are_linear_within_their_range():
    images = torch.tensor([100.0, 150.0])[None, None, None, :].repeat(400, 3, 2, 1)
    seen = BrightnessContrast(0.2, 0.2).seen(images, draws(400))[:, 0, 0]
    factor = (seen[:, 1] - seen[:, 0]) / 50
    shift = seen[:, 0] - factor * 100
    assert (factor - 1).abs().max() <= 0.2001
    assert (factor - 1).abs().max() > 0.19
    assert shift.abs().max() <= 51.01
    assert shift.abs().max() > 49


def part_named(name: str):
    """Return a part of a recipe, with what it cannot do without."""
    needed = {
        "crop": {"size_px": 32},
        "one_of": {"parts": ["hsv", "randstainna"]},
        "style_transfer": {"steps": 2, "p": 0.5},
    }
    return {name: needed.get(name, {})}


@pytest.mark.parametrize("name", APPEARANCES)
def test_appearances_stay_within_the_scale_and_move_nothing(name):
    images = torch.rand(6, 3, 24, 24, generator=torch.Generator().manual_seed(2)) * 255
    augment = make_augment([part_named(name)]).fitted(tile_set(side=24))
    seen = augment.seen(images, draws(6))
    assert seen.shape == images.shape
    assert seen.min() >= 0
    assert seen.max() <= 255
    assert not torch.equal(seen, images)


@pytest.mark.parametrize("at_once", [3, 100])
@pytest.mark.parametrize("name", [*GEOMETRIES, *APPEARANCES])
def test_what_happens_to_a_tile_depends_on_seed_and_place_alone(name, at_once, monkeypatch):
    monkeypatch.setattr(appearance, "_CACHED_PX", at_once * 48 * 48)
    augment = make_augment([part_named(name)]).fitted(tile_set(side=48))
    images = torch.rand(8, 3, 48, 48, generator=torch.Generator().manual_seed(3)) * 255
    masks = torch.arange(48).repeat(8, 48, 1)
    together, masks_together = augment(images, masks, draws(8))
    apart = [
        augment(images[k : k + 2], masks[k : k + 2], draws(2, first=k)) for k in range(0, 8, 2)
    ]
    torch.testing.assert_close(together, torch.cat([image for image, _ in apart]))
    assert torch.equal(masks_together, torch.cat([mask for _, mask in apart]))
    other, _ = augment(images, masks, draws(8, seed=1))
    assert not torch.equal(other, together)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["flipp"], r"augment\[1\]: 'flipp' is not known\. Did you mean 'flip'\?"),
        (
            ["flip", {"blur": {"kernel": [3, 7]}}],
            r"augment\[2\]\.blur: the key 'kernel' .*kernel_",
        ),
        ([{"blur": {"kernel_px": [2, 6]}}], r"augment\[1\]\.blur: kernel_px must be two odd"),
        ([{"flip": {"p": 1.5}}], r"augment\[1\]\.flip\.p: 1\.5: .*less than or equal to 1"),
        ([{"crop": {}}], r"augment\[1\]\.crop: the key 'size_px' is missing"),
        ([{"crop": {"size_px": 32, "area": [0.9, 0.5]}}], r"area must be two numbers in order"),
        ([{"one_of": {"parts": ["hsv"]}}], r"augment\[1\]\.one_of: parts must name two"),
        ([{"one_of": {"parts": ["hsv", "fad"]}}], r"one_of\.parts\[2\]:.*'fad'.*'fda'"),
        (["noise", "flip"], r"augment\[2\]: augmentations that move pixels come before"),
        ([["flip", "noise"]], r"augment\[1\] must be one name with its parameters"),
    ],
)
def test_wrong_augmentations_are_named(parts, message):
    with pytest.raises(ParameterError, match=message):
        make_augment(parts)


@pytest.mark.parametrize("name", APPEARANCES)
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_the_images_that_are_given_stay_as_they_are(name, p):
    part = part_named(name)
    part[name] = {**part[name], "p": p}
    augment = make_augment([part]).fitted(tile_set(side=24))
    images = torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(5)) * 255
    before = images.clone()
    seen = augment.seen(images, draws(4))
    assert torch.equal(images, before)
    if p == 0:
        torch.testing.assert_close(seen, before, atol=1e-3, rtol=0)
