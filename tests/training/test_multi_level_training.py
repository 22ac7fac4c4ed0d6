"""The multi-level paper's items: tiles with context, both levels moved alike, weighted losses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

from slideconcord.errors import ParameterError
from slideconcord.segmentation.context import Context
from slideconcord.training.augment.chain import make_augment
from slideconcord.training.augment.geometry import Warp
from slideconcord.training.augment.levels import augment_levels
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.style import StyleTransfer
from slideconcord.training.class_weights import (
    WeightedCrossEntropy,
    WeightedDice,
    dynamic_weights,
)
from slideconcord.training.data.folders import FolderData, FolderTiles
from slideconcord.training.data.prepare import padded
from slideconcord.training.data.tile import IGNORE, Grid
from slideconcord.training.learner import Batch, Learner
from slideconcord.training.losses import CrossEntropy
from slideconcord.training.multi_level import MultiLevel
from slideconcord.training.optimisers import FallingCycles
from slideconcord.training.recipe import read_recipe
from training.training_data import folder_recipe, tiny, write_folder

MULTI: dict[str, object] = {
    "data__context": {"downsample": 4},
    "network": {
        "architecture": "multi-level-unet",
        "parameters": {
            "encoder_name": "timm-mobilenetv3_small_minimal_100",
            "encoder_depth": 4,
            "decoder_channels": [16, 12, 8, 8],
        },
    },
    "objective": "multi-level",
    "loss": {"weighted_cross_entropy": {}, "weighted_dice": {}},
}
SIDE, D = 64, 4


def levels_of(scene: np.ndarray) -> torch.Tensor:
    """Return tile and context (1, 6, y, x) of the middle of a scene of D x SIDE pixels a side."""
    first = SIDE * (D - 1) // 2
    tile = scene[first : first + SIDE, first : first + SIDE]
    wide = scene.reshape(SIDE, D, SIDE, D).mean((1, 3))
    both = [np.repeat(picture[None], 3, 0) for picture in (tile, wide)]
    return torch.from_numpy(np.concatenate(both)[None].astype(np.float32))


def plane(angle: float = 0.5) -> np.ndarray:
    """A scene that rises evenly: a place is known by its grey level."""
    rows, columns = np.indices((SIDE * D, SIDE * D)) + 0.5
    scene = math.cos(angle) * rows + math.sin(angle) * columns
    return 20 + 200 * (scene - scene.min()) / np.ptp(scene)


@pytest.mark.parametrize(
    "parts",
    [
        [{"flip": {"p": 1.0}}],
        [{"quarter_turn": {"p": 1.0}}],
        [{"crop": {"size_px": 32, "area": [0.3, 0.6]}}],
        [{"affine": {"degrees": 180, "scale": [1.5, 1.7], "shift": 0.02}}],
        ["flip", "quarter_turn", {"affine": {"degrees": 30, "scale": [1.2, 1.5], "shift": 0.05}}],
        [{"elastic": {"sd_px": 2.0, "p": 1.0}}, {"crop": {"size_px": 32, "area": [0.4, 0.7]}}],
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_both_levels_move_alike_about_their_common_centre(parts: list[object], seed: int):
    """After any chain the middle of the context shows what the tile shows, place for place."""
    images = levels_of(plane())
    masks = torch.zeros((1, 2, SIDE, SIDE), dtype=torch.long)
    moved, _ = augment_levels(make_augment(parts), images, masks, Draws(seed, [0]), D)
    tile, wide = moved[:, :1], moved[:, 3:4]
    side = tile.shape[2]
    shown = functional.avg_pool2d(tile, D)
    part = slice((side - side // D) // 2, (side + side // D) // 2)
    bent = any("elastic" in str(each) for each in parts)
    # A plane's grey levels change by 0.55 a pixel of the tile.
    torch.testing.assert_close(wide[:, :, part, part], shown, atol=0.4 if bent else 0.02, rtol=0)
    assert (moved[:, :1, :8, :8] - images[:, :1, :8, :8]).abs().max() > 1, "nothing moved"


def test_masks_of_both_levels_move_with_their_pictures():
    scene = (plane() > 120).astype(float) * 200
    images = levels_of(scene)
    masks = torch.stack([images[:, 0] > 100, images[:, 3] > 100], 1).long()
    augment = make_augment(["quarter_turn", {"crop": {"size_px": 48, "area": [0.5, 0.6]}}])
    moved, truth = augment_levels(augment, images, masks, Draws(1, [0]), D)
    seen = torch.stack([moved[:, 0] > 100, moved[:, 3] > 100], 1)
    assert (seen != truth.bool()).float().mean() < 0.02
    assert 0.1 < truth.float().mean() < 0.9


def test_both_levels_are_seen_as_by_one_scanner():
    images = torch.full((2, 6, 32, 32), 150.0)
    masks = torch.zeros((2, 2, 32, 32), dtype=torch.long)
    augment = make_augment([{"brightness_contrast": {}}, {"hsv": {}}])
    moved, _ = augment_levels(augment, images, masks, Draws(0, [0, 1]), D)
    assert torch.equal(moved[:, :3], moved[:, 3:])
    assert not torch.equal(moved[0], moved[1])


def test_the_warp_of_the_context_is_the_tiles_where_both_are_one_place():
    warp = Warp.identity(1, (8, 8), torch.device("cpu"))
    shift = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, -0.25]]])
    moved = warp.then(shift).around(4)
    torch.testing.assert_close(moved.matrix[0, :, 2], torch.tensor([0.125, -0.0625]))


def test_virtual_tiles_come_with_their_context_and_its_mask():
    recipe = tiny(**MULTI)
    tiles = recipe.source.open(recipe.data.grid, recipe.labels)
    plain = tiny().source.open(tiny().data.grid, tiny().labels)
    assert tiles.records == plain.records
    assert tiles.fingerprint != plain.fingerprint
    for index in (0, 5):
        (rgb, mask), (alone, own) = tiles.read(index), plain.read(index)
        assert rgb.shape == (2, *alone.shape)
        np.testing.assert_array_equal(rgb[0], alone)
        np.testing.assert_array_equal(mask[0], own)
        height, width = own.shape
        middle = np.s_[(height - height // 4) // 2 :, (width - width // 4) // 2 :]
        part = mask[1][middle][: height // 4, : width // 4]
        np.testing.assert_array_equal(part, own[2::4, 2::4][: height // 4, : width // 4])
        beyond = mask[1] == IGNORE
        assert 0 < beyond.mean() < 1
        assert (rgb[1][beyond] == 255).mean() > 0.9


def test_smaller_tiles_are_padded_about_one_centre():
    rgb = np.zeros((2, 33, 64, 3), np.uint8)
    image, mask = padded(rgb, np.zeros((2, 33, 64), np.uint8), 64, IGNORE, 0)
    assert image.shape == (2, 64, 64, 3)
    assert (mask[:, :15] == IGNORE).all()
    assert (mask[:, 15:48] == 0).all()
    # 15 rows before and 16 behind: the centre of what is padded is row 17 of the tile's 33.
    assert Context(4).first(33, 64) == -3 * 17


def middles(folder: Path, side: int = 16, downsample: int = 2, **source: object) -> FolderTiles:
    recipe = folder_recipe(folder)
    data = FolderData(path=str(folder), centre=True, **source)
    return data.open(Grid(1.0, side, 0, Context(downsample)), recipe.labels)


def write_planes(folder: Path, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Write pictures that rise evenly down and across, their masks cut by a slope; return both."""
    write_folder(folder, patients=2, each=1, side=side)
    rows, columns = np.indices((side, side))
    rgb = np.stack([2 * rows, 3 * columns, rows + columns], -1).astype(np.uint8)
    mask = (rows + 2 * columns > 1.5 * side).astype(np.uint8)
    for patient in range(2):
        Image.fromarray(rgb).save(folder / "image" / f"tile-{patient}-0.png")
        Image.fromarray(255 * mask).save(folder / "mask" / f"tile-{patient}-0.png")
    return rgb, mask


def means(rgb: np.ndarray, step: int) -> np.ndarray:
    height, width = (side // step for side in rgb.shape[:2])
    return rgb.reshape(height, step, width, step, 3).mean((1, 3))


@pytest.mark.parametrize(("side", "downsample"), [(32, 2), (16, 4), (16, 2)])
def test_the_middle_of_a_picture_has_the_rest_for_context_pixel_by_pixel(
    tmp_path: Path, side: int, downsample: int
):
    whole, truth = write_planes(tmp_path / "data")
    tiles = middles(tmp_path / "data", side, downsample)
    rgb, mask = tiles.read(0)
    own = slice((64 - side) // 2, (64 + side) // 2)
    np.testing.assert_array_equal(rgb[0], whole[own, own])
    np.testing.assert_array_equal(mask[0], truth[own, own])
    assert tiles.records[0].shares[1] == pytest.approx(truth[own, own].mean())
    reach = side * downsample
    wide = slice((64 - reach) // 2, (64 + reach) // 2)
    assert np.abs(rgb[1] - means(whole[wide, wide], downsample)).max() <= 0.5
    half = downsample // 2
    np.testing.assert_array_equal(mask[1], truth[wide, wide][half::downsample, half::downsample])


def test_a_context_of_shrunk_pictures_is_the_means_of_means(tmp_path: Path):
    whole, _ = write_planes(tmp_path / "data")
    recipe = folder_recipe(tmp_path / "data")
    data = FolderData(path=str(tmp_path / "data"), centre=True, picture_mpp=1.0)
    rgb, _ = data.open(Grid(2.0, 16, 0, Context(2)), recipe.labels).read(0)
    assert np.abs(rgb[0] - means(whole, 2)[8:24, 8:24]).max() <= 0.5
    assert np.abs(rgb[1] - means(whole, 4)).max() <= 1


def test_beyond_a_picture_is_white_and_nothing_is_learnt_there(tmp_path: Path):
    whole, truth = write_planes(tmp_path / "data")
    rgb, mask = middles(tmp_path / "data", side=32, downsample=4).read(1)
    inside = np.zeros((32, 32), bool)
    inside[8:24, 8:24] = True
    assert (rgb[1][~inside] == 255).all()
    assert (mask[1][~inside] == IGNORE).all()
    assert np.abs(rgb[1][8:24, 8:24] - means(whole, 4)).max() <= 0.5
    np.testing.assert_array_equal(mask[1][8:24, 8:24], truth[2::4, 2::4])


def test_pictures_smaller_than_the_tile_are_padded_about_the_centre_of_their_context(
    tmp_path: Path,
):
    whole, _ = write_planes(tmp_path / "data", side=63)
    rgb, mask = middles(tmp_path / "data", side=64, downsample=2).read(0)
    assert rgb.shape == (2, 63, 63, 3)
    image, _ = padded(rgb, mask, 64, IGNORE)
    # The last row is padding, so the centre is that of 64 pixels: the edge of the picture's row 32.
    assert np.abs(image[1][16:47, 16:47] - means(whole[:62, :62], 2)).max() <= 0.5


def test_middles_without_context_are_tiles_and_other_data(tmp_path: Path):
    whole, _ = write_planes(tmp_path / "data")
    recipe = folder_recipe(tmp_path / "data")
    data = FolderData(path=str(tmp_path / "data"), centre=True)
    alone = data.open(Grid(1.0, 16), recipe.labels)
    np.testing.assert_array_equal(alone.read(0)[0], whole[24:40, 24:40])
    prints = {alone.fingerprint, recipe.open().fingerprint}
    prints |= {middles(tmp_path / "data", 16, d).fingerprint for d in (2, 4)}
    assert len(prints) == 4


def test_whole_pictures_have_no_context(tmp_path: Path):
    recipe = folder_recipe(tmp_path)
    with pytest.raises(ParameterError, match=r"whole pictures show nothing beyond .* centre: true"):
        recipe.source.open(Grid(1.0, 64, 0, Context(4)), recipe.labels)


@pytest.mark.parametrize("missing", ["data__context", "network", "objective"])
def test_data_network_and_objective_see_as_many_levels(missing: str):
    changes = {key: value for key, value in MULTI.items() if key != missing}
    with pytest.raises(ParameterError, match=r"see two levels, .* one: give data\.context"):
        tiny(**changes)


# equations


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([0, 1, 2, IGNORE]), min_size=1, max_size=60))
def test_equation_1_a_class_weighs_one_minus_its_share(values: list[int]):
    masks = torch.tensor(values)[None, None]
    counted = [v for v in values if v != IGNORE]
    shares = [counted.count(c) / max(len(counted), 1) for c in range(3)]
    wanted = np.array([1 - share for share in shares])
    found = dynamic_weights(masks, 3)
    np.testing.assert_allclose(found, wanted / wanted.mean(), rtol=1e-5)


def test_items_8_and_9_by_hand():
    masks = torch.tensor([[[0, 0, 0, 0, 0], [1, 1, 1, 2, 2]]])  # shares 0.5, 0.3, 0.2
    torch.testing.assert_close(dynamic_weights(masks, 3), torch.tensor([0.75, 1.05, 1.2]))
    logits = torch.zeros((1, 3, 2, 5))  # a third each, everywhere
    cross = (5 * 0.75 + 3 * 1.05 + 2 * 1.2) / 10 * math.log(3)
    assert float(WeightedCrossEntropy()(logits, masks)) == pytest.approx(cross)
    # 1 - (2 * truth / 3 + 1) / (truth + 10 / 3 + 1), of truths 5, 3, 2.
    dice = (0.75 * (1 - 13 / 28) + 1.05 * (1 - 9 / 22) + 1.2 * (1 - 7 / 19)) / 3
    assert float(WeightedDice()(logits, masks)) == pytest.approx(dice)


def twins(logits: torch.Tensor, masks: torch.Tensor, weights: list[float]) -> tuple[float, float]:
    """Return both losses, pixel by pixel and class by class, in double precision."""
    scores = logits.double().softmax(1).numpy()
    cross, pixels = 0.0, 0
    shared, given_, truth = np.zeros(3), np.zeros(3), np.zeros(3)
    for n, y, x in np.ndindex(*masks.shape):
        label = int(masks[n, y, x])
        if label == IGNORE:
            continue
        pixels += 1
        cross -= weights[label] * math.log(scores[n, label, y, x])
        given_ += scores[n, :, y, x]
        shared[label] += scores[n, label, y, x]
        truth[label] += 1
    dice = (2 * shared + 1) / (given_ + truth + 1)
    return cross / pixels, float(np.mean(np.array(weights) * (1 - dice)))


@pytest.mark.parametrize("kind", ["dynamic", "equal", (1.0, 1.0, 2.0)])
def test_equations_5_and_6_against_a_twin(kind: object):
    random = torch.Generator().manual_seed(0)
    logits = torch.randn((2, 3, 7, 5), generator=random)
    masks = torch.randint(0, 3, (2, 7, 5), generator=random)
    fewer = torch.rand(masks.shape, generator=random) < 0.7
    masks[(masks == 1) & fewer] = 0
    masks[0, :2] = IGNORE
    if kind == "dynamic":
        weights = dynamic_weights(masks, 3).tolist()
        assert len({round(w, 3) for w in weights}) == 3
    else:
        weights = [1.0, 1.0, 1.0] if kind == "equal" else [0.75, 0.75, 1.5]
    cross, dice = twins(logits, masks, weights)
    assert float(WeightedCrossEntropy(kind)(logits, masks)) == pytest.approx(cross, rel=1e-5)
    assert float(WeightedDice(kind)(logits, masks)) == pytest.approx(dice, rel=1e-5)


def test_losses_of_classes_of_one_size_are_not_scaled():
    logits = torch.randn((1, 3, 6, 6), generator=torch.Generator().manual_seed(1))
    masks = (torch.arange(36) % 3).reshape(1, 6, 6)
    plain = float(CrossEntropy()(logits, masks))
    assert float(WeightedCrossEntropy()(logits, masks)) == pytest.approx(plain, rel=1e-5)


def test_nothing_to_learn_from_gives_losses_that_are_numbers():
    logits = torch.randn((1, 3, 4, 4), requires_grad=True)
    masks = torch.full((1, 4, 4), IGNORE)
    loss = WeightedCrossEntropy()(logits, masks) + WeightedDice()(logits, masks)
    loss.backward()
    assert torch.isfinite(loss)
    assert not logits.grad.any()


def test_class_weights_of_another_number_of_classes_are_refused():
    with pytest.raises(ParameterError, match="give 3 numbers, one for each class"):
        WeightedDice((1.0, 2.0))(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))


def test_equation_7_adds_the_losses_of_every_output_against_its_own_level():
    given_ = {}

    def network(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        random = torch.Generator().manual_seed(2)
        outputs = tuple(torch.randn((2, 3, 8, 8), generator=random) for _ in range(3))
        given_["outputs"] = outputs
        return outputs

    masks = torch.randint(0, 3, (2, 2, 8, 8), generator=torch.Generator().manual_seed(3))
    batch = Batch(torch.zeros((2, 6, 8, 8)), masks, Draws(0, [0, 1]), 4)
    losses = {"a": CrossEntropy(), "b": WeightedDice(weight=3.0)}
    learner = Learner(network, make_augment([]), losses, torch.zeros(6, 1, 1), torch.ones(6, 1, 1))
    terms = MultiLevel(fused=0.5, tile=0.2, context=0.1).terms(learner, batch)
    sums = [
        float(losses["a"](output, truth) + 3 * losses["b"](output, truth))
        for output, truth in zip(
            given_["outputs"], (masks[:, 0], masks[:, 0], masks[:, 1]), strict=True
        )
    ]
    wanted = 0.5 * sums[0] + 0.2 * sums[1] + 0.1 * sums[2]
    assert float(terms["loss"]) == pytest.approx(wanted, rel=1e-5)
    assert (float(terms["tile"]), float(terms["context"])) == pytest.approx(tuple(sums[1:]))


def test_rates_fall_in_stairs_and_each_cycle_begins_lower():
    cycles = FallingCycles(peak=1e-3, cycles=3, stairs=4, jump=0.5, lowest=0.1)
    rates = [cycles.rate(step, 120) for step in range(120)]
    assert rates[0] == 1e-3
    assert (rates[40], rates[80]) == pytest.approx((5e-4, 2.5e-4))
    assert rates[39] == pytest.approx(1e-4)
    for cycle in range(3):
        one = rates[40 * cycle : 40 * cycle + 40]
        assert len(set(one)) == 4
        assert one == sorted(one, reverse=True)


def test_table_8_is_what_the_recipe_says():
    phases = read_recipe("multi-level").phases
    assert [phase.threshold for phase in phases[1:]] == [0.8, 0.7, 0.6, 0.5, 0.4]
    assert [phase.epochs for phase in phases] == [20, 5, 5, 5, 5, 10]
    recipe = read_recipe("multi-level")
    each = [recipe.in_phase(phase) for phase in phases]
    peaks = [phase.rates.rate(0, 100) for phase in each]
    assert peaks == [0.01, 0.005, 0.001, 0.0007, 0.0005, 0.0001]
    kinds = [phase.loss["weighted_dice"]["class_weights"] for phase in each]
    assert ["static" if kind != "dynamic" else kind for kind in kinds] == [
        "static", "dynamic", "dynamic", "dynamic", "dynamic", "static",
    ]  # fmt: skip
    assert {phase.train.batch for phase in each} == {16}
    encoders = [phase.network.parameters["encoder_name"] for phase in each]
    assert encoders == ["efficientnet-b0", *["efficientnet-b4"] * 5]
    assert {phase.data.tile_px for phase in each} == {512}
    assert {phase.network.start for phase in each} == {"as-built"}, "random, of no other data"
    assert {repr(phase.optimiser) for phase in each} == {"{'adamw': {'weight_decay': 0.0}}"}, "Adam"
    assert {type(phase.rates) for phase in each} == {FallingCycles}


def test_the_papers_levels_classes_and_batches_are_in_its_recipe():
    recipe = read_recipe("multi-level")
    assert (recipe.data.mpp, recipe.data.context) == (0.5, Context(4)), "levels 1 and 3 of a 40x"
    assert list(recipe.classes) == ["normal", "other", "tumour"]
    clubbed = {"Fold", "Artifact", "Bubble", "Blood vessel", "DCIS", "Acini", "Duct"}
    assert clubbed <= set(recipe.classes["other"])
    assert recipe.balance.ratio == {"tumour": 2, "normal": 1, "other": 1}
    assert recipe.balance.every_batch
    assert recipe.in_phase(recipe.phases[-1]).augment[4] == {"style_transfer": {"p": 0.3}}
    assert StyleTransfer().p == 0.3
