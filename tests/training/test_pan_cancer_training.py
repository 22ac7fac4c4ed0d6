"""The pan-cancer paper's items 11 to 13 and 15 to 17, one test each, on the recipe that is bundled.

What is expected stands here, from the paper's text and its published configuration; what is tested
are the parts that the recipe makes. Each part has tests of its own beside this file.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from slideconcord.training.augment.appearance import (
    Blur,
    BrightnessContrast,
    HueSaturationValue,
    Noise,
)
from slideconcord.training.augment.geometry import Crop, Flip, QuarterTurn
from slideconcord.training.augment.random import Draws
from slideconcord.training.data.prepare import Prepared, prepare
from slideconcord.training.data.tile import Grid, TileRecord
from slideconcord.training.losses import weighted_sum
from slideconcord.training.optimisers import set_rate
from slideconcord.training.recipe import read_recipe
from training.training_data import record

RECIPE = read_recipe("pan-cancer")
GLASS, TISSUE, TUMOUR = (1.0, 0.0, 0.0), (0.1, 0.9, 0.0), (0.1, 0.4, 0.5)
TO_CHECK_ON = record("check", "someone else", group="lung", split="val", shares=TUMOUR)


@dataclass(frozen=True)
class Listed:
    """Data of which nothing but the records is read."""

    records: tuple[TileRecord, ...]
    classes: tuple[str, ...] = ("background", "other tissue", "tumour")
    fingerprint: str = "0" * 64

    def open(self, grid: Grid, labels: object) -> Listed:
        assert grid == Grid(mpp=1.0, tile_px=2048, overlap_px=0)
        return self


def prepared(*learnt: TileRecord, seed: int = 1) -> Prepared:
    """Return what the recipe makes of tiles to learn from."""
    recipe = read_recipe("pan-cancer", [f"seed={seed}"])
    recipe.__dict__["source"] = Listed((*learnt, TO_CHECK_ON))  # where it would be kept
    return prepare(recipe)


def times_shown(data: Prepared) -> Counter[str]:
    """Return how often an epoch shows each tile."""
    epoch = [data.train[data.order[place]] for place in range(data.order.epoch_length)]
    return Counter(data.source.records[index].name for index in epoch)


def test_item_11_the_loss_is_dice_and_top_90_cross_entropy():
    smp = pytest.importorskip("segmentation_models_pytorch")
    random = torch.Generator().manual_seed(0)
    logits = torch.randn((3, 3, 12, 11), generator=random)
    masks = torch.randint(0, 3, (3, 12, 11), generator=random)
    terms = weighted_sum(RECIPE.losses, logits, masks)

    scores = logits.double().log_softmax(1).numpy()
    each = -np.take_along_axis(scores, masks.numpy()[:, None], 1).ravel()
    top = np.sort(each)[::-1][: 9 * len(each) // 10].mean()  # over the whole batch together
    dice = float(smp.losses.DiceLoss(mode="multiclass")(logits, masks))
    assert float(terms.pop("loss")) == pytest.approx(dice + top, rel=1e-5)
    assert {name: float(term) for name, term in terms.items()} == {
        "dice": pytest.approx(dice, rel=1e-5),
        "top_cross_entropy": pytest.approx(top, rel=1e-5),
    }


def test_item_12_nesterov_momentum_and_a_weight_decay_that_spares_biases_and_gains():
    pytest.importorskip("segmentation_models_pytorch")
    from slideconcord.segmentation.networks import build
    from slideconcord.segmentation.published import PAN_CANCER

    assert RECIPE.network.architecture == PAN_CANCER.architecture
    with torch.device("meta"):  # names and shapes, without their 280 MB
        network = build(PAN_CANCER)
    optimiser = RECIPE.optimiser_settings.make(network)
    assert type(optimiser) is torch.optim.SGD
    assert {(g["momentum"], g["nesterov"]) for g in optimiser.param_groups} == {(0.9, True)}
    decay = {id(p): g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
    # Everything that is learnt, once, as in the published configuration.
    assert sum(p.numel() for g in optimiser.param_groups for p in g["params"]) == 73_472_403
    found = {
        (name.rpartition(".")[2], parameter.ndim, decay[id(parameter)])
        for name, parameter in network.named_parameters()
    }
    assert found == {
        ("weight", 4, 2e-5),  # convolutions
        ("weight", 3, 2e-5),  # channel attention
        ("weight", 1, 0.0),  # group norms
        ("gain", 4, 0.0),  # scaled standardisation: (channel, 1, 1, 1)
        ("bias", 1, 0.0),
    }


@pytest.mark.parametrize(
    ("step", "length"),
    [
        (0, 1e-4),
        (9, 1e-4),
        (10, 2e-4),  # "every 10th step"
        (505, 51e-4),
        (1000, 1e-2),
        (1000 + 499_000 // 4, 1e-2 * math.cos(math.pi / 8) ** 2),
        (1000 + 499_000 // 2, 0.5e-2),
        (500_000, 0.0),
    ],
)
def test_item_13_steps_grow_for_1000_steps_then_fall_along_a_cosine(step: int, length: float):
    assert RECIPE.train.steps == 500_000
    optimiser = RECIPE.optimiser_settings.make(nn.Conv2d(3, 2, 1))
    set_rate(optimiser, RECIPE.rates.rate(step, RECIPE.train.steps))
    for group in optimiser.param_groups:
        assert group["lr"] == pytest.approx(length, abs=1e-12)


def test_item_15_as_many_slides_of_each_cancer_type_with_all_their_scans():
    slides = {"lung": 11, "colorectal": 4, "endometrial": 3, "prostate": 11}
    tiles = [
        record(f"{kind} {s} {scanner}", f"{kind} {s}", "", scanner, kind, "train", TUMOUR)
        for kind, count in slides.items()
        for s in range(count)
        for scanner in ("AT2", "XR")
        if (kind, s, scanner) != ("colorectal", 0, "XR")  # one slide was scanned but once
    ]
    shown = times_shown(prepared(*tiles))
    for kind, count in slides.items():
        times = [shown[f"{kind} {s} AT2"] for s in range(count)]
        assert sum(times) == 11, "as many as of the most frequent type"
        assert set(times) <= {11 // count, -(-11 // count)}, "none n + 1 times before all n times"
    for tile in tiles:
        assert shown[tile.name] == shown[f"{tile.patient} AT2"], "slides are drawn, not scans"
    assert shown != times_shown(prepared(*tiles, seed=2)), "at random"


def test_item_16_tumour_is_kept_and_of_the_rest_what_has_less_than_half_background():
    shares = {
        "mostly glass, some tumour": (0.999, 0.0, 0.001),
        "tumour": TUMOUR,
        "tissue": TISSUE,
        "tissue, 49.9 % glass": (0.499, 0.501, 0.0),
        "tissue, 50 % glass": (0.5, 0.5, 0.0),
        "glass": GLASS,
    }
    data = prepared(*(record(n, split="train", shares=s, group="lung") for n, s in shares.items()))
    kept = [data.source.records[index].name for index in data.train]
    assert kept == list(shares)[:4]
    assert times_shown(data) == Counter(kept)


def test_item_17_the_augmentations_in_their_order_with_their_numbers():
    chain = RECIPE.augmentation
    assert (*chain.geometries, *chain.appearances) == (
        Flip(p=0.5),
        QuarterTurn(p=0.5),
        Crop(size_px=1536, area=(0.675, 0.825), ratio=(0.8, 1.25)),
        Noise(variance=(0, 10), p=0.5),
        Blur(kernel_px=(3, 7), p=0.5),
        BrightnessContrast(brightness=0.2, contrast=0.2, p=1),
        HueSaturationValue(hue=26, saturation=26, value=26, p=1),
    )
    tiles = torch.zeros(1).expand(400, 3, 2048, 2048)  # takes no memory
    warp = chain.warp(tiles, Draws(0, range(400)))
    assert warp.size == (1536, 1536)
    width, height = warp.matrix[:, :, :2].abs().amax(2).T
    # The scale is of the area, 0.9 to 1.1 times 0.75; so the network sees about 1.1 to 1.2 µm.
    area, mpp = (width * height).numpy(), (width * height).sqrt().numpy() * 2048 / 1536
    assert (area.min(), area.max()) == pytest.approx((0.675, 0.825), abs=2e-3)
    assert (mpp.min(), mpp.max()) == pytest.approx((1.10, 1.21), abs=1e-2)
    ratio = (width / height).numpy()
    assert (ratio.min(), ratio.max()) == pytest.approx((0.8, 1.25), abs=2e-2)


def test_item_17_a_tile_of_2048_px_is_learnt_from_at_1536():
    images = torch.full((1, 3, 2048, 2048), 180.0)
    masks = torch.zeros((1, 2048, 2048), dtype=torch.int64)
    masks[:, :, 1024:] = 2
    seen, truth = RECIPE.augmentation(images, masks, Draws(0, [0]))
    assert (seen.shape, truth.shape) == ((1, 3, 1536, 1536), (1, 1536, 1536))
    assert truth.unique().tolist() == [0, 2]
    assert 0 <= seen.min() < seen.max() <= 255
