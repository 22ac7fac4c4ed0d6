"""The stain-separation objective: checklist (b) 7 to 9, and a run from recipe to model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

import slideconcord as sc
from slideconcord.errors import ParameterError
from slideconcord.segmentation.stain_separation import StainSeparationUnet
from slideconcord.training.augment.chain import make_augment
from slideconcord.training.augment.random import Draws
from slideconcord.training.learner import Batch, Learner
from slideconcord.training.log import read_log
from slideconcord.training.losses import Mcc
from slideconcord.training.options import TrainOptions
from slideconcord.training.run import train
from slideconcord.training.separation import StainSeparation
from training.training_data import folder_recipe, tiny, write_folder

SMALL = {"encoder_name": "mobilenet_v2", "encoder_depth": 3, "decoder_channels": [16, 8, 8]}
CPU = TrainOptions(device="cpu", readers=2)


def learner(network) -> Learner:
    mean, std = torch.full((3, 1, 1), 200.0), torch.full((3, 1, 1), 40.0)
    return Learner(network, make_augment(["flip"]), {"mcc": Mcc()}, mean, std)


def batch() -> Batch:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (2, 3, 32, 32), generator=random, dtype=torch.uint8)
    masks = torch.randint(0, 2, (2, 32, 32), generator=random)
    return Batch(images, masks, Draws(0, [0, 1]))


def network(reconstruction: str = "optical-density") -> StainSeparationUnet:
    torch.manual_seed(0)
    return StainSeparationUnet(2, **SMALL, reconstruction=reconstruction).eval()


@pytest.mark.parametrize("name", ["optical-density", "normalised-rgb"])
def test_item_7_the_loss_is_the_losses_and_alpha_times_the_reconstruction(name: str):
    kept, tiles = learner(network(name)), batch()
    with torch.no_grad():
        terms = StainSeparation(alpha=0.3).terms(kept, tiles)
    images, masks = kept.augment(tiles.images.float(), tiles.masks, Draws(0, [0, 1]))
    normalised = (images - 200) / 40
    with torch.no_grad():
        found = kept.network(normalised, with_stains=True)
    product = torch.einsum("nscyx,nsyx->ncyx", found.matrix, found.density)
    if name == "optical-density":
        error = mse_loss(product, -torch.log(images / 255))
    else:
        error = mse_loss(product.clamp(-1, 1), normalised)
    mcc = Mcc()(found.logits, masks)
    assert float(terms["reconstruction"]) == pytest.approx(float(error), rel=1e-5)
    assert float(terms["mcc"]) == pytest.approx(float(mcc), rel=1e-5)
    assert float(terms["loss"]) == pytest.approx(float(mcc + 0.3 * error), rel=1e-5)


def test_item_8_with_alpha_0_the_reconstruction_is_told_but_not_learnt():
    kept = learner(network())
    with torch.no_grad():
        terms = StainSeparation(alpha=0).terms(kept, batch())
    assert float(terms["reconstruction"]) > 0
    assert float(terms["loss"]) == float(terms["mcc"])


def test_item_9_alpha_goes_from_0_to_1_by_the_command_lines_set():
    from slideconcord.training.recipe import read_recipe

    for alpha in np.linspace(0, 1, 11):
        change = f"objective.stain-separation.alpha={alpha:.1f}"
        chosen = read_recipe("stain-separation-small", [change]).objective_settings
        assert chosen == StainSeparation(alpha=pytest.approx(alpha))
    with pytest.raises(ParameterError, match=r"alpha: 1\.1: Input should be less than or equal"):
        read_recipe("stain-separation-small", ["objective.stain-separation.alpha=1.1"])


def test_black_pixels_have_a_finite_loss():
    tiles = batch()
    tiles.images[:] = 0
    assert torch.isfinite(StainSeparation().terms(learner(network()), tiles)["loss"])


def test_a_network_that_takes_no_stains_apart_is_refused():
    """When the recipe is read: before minutes go into preparing data."""
    message = r"smp-unet takes none apart: set network\.architecture to stain-separation-unet"
    with pytest.raises(ParameterError, match=message):
        tiny(objective="stain-separation")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a short run, long enough to see both errors fall."""
    folder = tmp_path_factory.mktemp("separation")
    recipe = folder_recipe(
        write_folder(folder / "data"),
        network={"architecture": "stain-separation-unet", "parameters": SMALL},
        objective={"stain-separation": {"alpha": 0.3}},
        loss={"mcc": {}},
        augment=["flip"],
        optimiser="adamw",
        schedule={"constant": {"peak": 0.003}},
        train__steps=60,
        train__check_every=30,
        train__log_every=5,
    )
    train(recipe, folder / "run", CPU)
    return folder


def test_a_run_learns_to_segment_and_to_rebuild(run):
    rows = read_log(run / "run" / "train.csv")
    assert rows[0]["reconstruction"] > 3 * rows[-1]["reconstruction"]
    assert rows[0]["mcc"] > 3 * rows[-1]["mcc"]
    for row in rows:
        assert row["loss"] == pytest.approx(row["mcc"] + 0.3 * row["reconstruction"], rel=1e-5)


def test_the_model_segments_like_any_other_and_its_stains_rebuild_the_picture(run):
    from PIL import Image

    model = sc.load_model(run / "run" / "model", device="cpu")
    rgb = np.array(Image.open(run / "data" / "image" / "tile-0-0.png"))
    truth = np.asarray(Image.open(run / "data" / "mask" / "tile-0-0.png")) > 0
    found = model(rgb)[1] > 0.5
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9


def test_the_stains_of_a_trained_model_rebuild_a_slide_in_their_place(run, tmp_path):
    from PIL import Image

    from slideconcord.geometry import Box
    from slideconcord.segmentation.stain_maps import separate, separate_region
    from slideconcord.slides import open_slide

    model = sc.load_model(run / "run" / "model", device="cpu")
    rgb = np.random.default_rng(0).integers(60, 250, (300, 260, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "slide.png")
    with open_slide(tmp_path / "slide.png", mpp=4.0) as slide:
        part = separate_region(slide, model, Box(10, 20, 91, 64))
        given = slide.read_region(0, Box(10, 20, 91, 64))
        assert (part.frame.origin_y, part.frame.origin_x, part.frame.step_y) == (10, 20, 1)
    maps = part.maps
    assert not part.is_cut
    alone = separate(model, given)
    np.testing.assert_array_equal(maps.density, alone.density)
    assert maps.density.shape == (2, 91, 64)
    assert maps.colours.shape == (2, 91, 64, 3)
    assert maps.mean_colours[0, 0] <= maps.mean_colours[1, 0], "more red away comes first"
    wanted = -np.log(np.maximum(given, 1) / 255)
    told = -np.log(np.maximum(maps.rebuilt, 1) / 255)
    error = np.sqrt(((told - wanted) ** 2).mean(-1))
    np.testing.assert_allclose(maps.error, error, atol=0.03)
    assert maps.unit == "optical density"


def test_other_models_take_no_stains_apart():
    from slideconcord.errors import ModelError
    from slideconcord.segmentation.stain_maps import separate

    with pytest.raises(ModelError, match=r"takes no stains apart: choose one of the architecture"):
        separate(sc.load_model("stain-density"), np.zeros((64, 64, 3), np.uint8))


def test_items_11_to_14_flips_and_a_quarter_each_of_randstainna_and_spcn():
    from slideconcord.training.recipe import read_recipe

    recipe = read_recipe("stain-separation")
    assert recipe.augment[:2] == ({"flip": {"p": 0.5}}, {"flip_upside_down": {"p": 0.5}})
    assert recipe.augment[-1] == {"one_of": {"p": 0.5, "parts": ["randstainna", "spcn"]}}
    assert recipe.data.folds == 4
    assert recipe.objective_settings == StainSeparation(alpha=0.3)
    assert recipe.network.parameters["encoder_name"] == "efficientnet-b7"


def test_the_recipe_in_small_runs_from_virtual_tissue_to_a_model(tmp_path):
    """Checklist (b) 16 and 17, in small: a fold held out, all augmentations, a model that opens."""
    from slideconcord.training.recipe import read_recipe

    changes = [
        "train.steps=2", "train.check_every=2", "train.batch=4", "data.mpp=4.0", "data.tile_px=64",
        "data.source.virtual.tissues=6", "data.source.virtual.side_um=512", "data.folds=3",
        "network.parameters.decoder_channels=[16, 8, 8, 8]", "model.overlap_px=16",
    ]  # fmt: skip
    recipe = read_recipe("stain-separation-small", changes)
    model = sc.load_model(train(recipe, tmp_path / "run", CPU), device="cpu")
    assert model.spec.architecture == "stain-separation-unet"
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        model.rotated()(np.rot90(rgb).copy()), np.rot90(model.rotated()(rgb), axes=(1, 2))
    )
