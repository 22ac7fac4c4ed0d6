"""Tiles smaller than their batch: what is around them is no part of their colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from slideconcord.training.augment.chain import make_augment
from slideconcord.training.augment.random import Draws
from slideconcord.training.data.batches import Loader
from slideconcord.training.data.prepare import Prepared, prepare
from slideconcord.training.data.tile import IGNORE, PADDING
from slideconcord.training.learner import Batch, Learner
from slideconcord.training.learning import Learning, make_fabric
from slideconcord.training.losses import CrossEntropy
from slideconcord.training.objectives import Supervised
from slideconcord.training.options import TrainOptions
from slideconcord.training.run import _spec
from slideconcord.training.simcons import SimCons
from training.stained_tiles import tile_set
from training.training_data import folder_recipe, write_folder

SIDE, INSIDE = 64, np.s_[..., 16:48, 16:48]
STYLES = ["randstainna", "fda", {"spcn": {"sd": 0.1}}, "color_jitter"]


class Sees:
    """A network that remembers what it was shown."""

    def __init__(self) -> None:
        self.seen = torch.empty(0)

    def __call__(self, images: Tensor) -> Tensor:
        self.seen = images
        return images[:, :2]


def half_as_wide(tmp_path, **changes) -> Prepared:
    """Return tiles of 32 px where 64 belong: in their mirror image each row is there twice."""
    folder = write_folder(tmp_path / "data", side=32)
    for empty in folder.glob("mask/*-0.png"):  # tiles of both labels
        Image.new("L", (32, 32)).save(empty)
    return prepare(folder_recipe(folder, **changes))


def first_batch(data: Prepared) -> Batch:
    read = next(iter(Loader(data, SIDE, 3).training(0, 1)))
    return Batch(read.images, read.masks, Draws(0, read.places))


def learner(network: object, data: Prepared, **fields: int) -> Learner:
    plain = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    return Learner(network, data.augment, {"ce": CrossEntropy()}, *plain, **fields)


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_colours_change_as_if_nothing_were_around(tmp_path, style):
    styles = make_augment([style]).fitted(tile_set())
    data, network = replace(half_as_wide(tmp_path), augment=styles), Sees()
    batch = first_batch(data)
    Supervised().terms(learner(network, data, pad_value=255), batch)
    alone = data.augment.seen(batch.images[INSIDE].float(), Draws(0, range(3)))
    torch.testing.assert_close(network.seen[INSIDE], alone, atol=0.05, rtol=0)
    assert (alone - batch.images[INSIDE]).abs().max() > 5, "no colour changed"
    around = network.seen.clone()
    around[INSIDE] = 255
    assert (around == 255).all(), "as the model will see it"


def test_a_twin_is_framed_like_its_tile(tmp_path):
    data, network = half_as_wide(tmp_path, augment=["flip"]), Sees()
    SimCons(("color_jitter",)).terms(learner(network, data, pad_value=7), first_batch(data))
    network.seen[INSIDE] = 7
    assert (network.seen == 7).all()
    assert len(network.seen) == 6


def test_what_is_around_counts_as_the_first_class_or_not_at_all(tmp_path):
    data = half_as_wide(tmp_path, augment=["flip", "quarter_turn"])
    batch = first_batch(data)
    assert (batch.masks == PADDING).float().mean() == 0.75
    logits = torch.randn((3, 2, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    _, masks = data.augment(batch.images.float(), batch.masks, batch.draws)
    first, nothing = (
        learner(None, data, pad_class=number).supervised(logits, masks)["loss"]
        for number in (0, IGNORE)
    )
    background = masks.masked_fill(masks == PADDING, 0)
    torch.testing.assert_close(first, CrossEntropy()(logits, background))
    torch.testing.assert_close(nothing, CrossEntropy()(logits[INSIDE], masks[INSIDE]))


@pytest.mark.parametrize("tile_labels", [None, 0.05])
def test_a_run_frames_as_its_model_will(tmp_path, tile_labels):
    pytest.importorskip("segmentation_models_pytorch")
    data = half_as_wide(tmp_path)
    recipe = folder_recipe(tmp_path / "data", model__pad_value=9, data__tile_labels=tile_labels)
    options = TrainOptions(device="cpu")
    fabric = make_fabric(options)
    made = Learning(recipe, data, options, _spec(recipe, data), fabric).learner
    assert (made.pad_value, made.pad_class) == (9, 0 if tile_labels is None else IGNORE)
    checked = next(iter(Loader(data, SIDE, 2, pad_value=9).checking(2)))
    checked.images[INSIDE] = 9
    assert (checked.images == 9).all()
