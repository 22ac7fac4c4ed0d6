"""SimCons: items 11 to 14 and 18 of its paper's checklist, on networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from slideconcord.errors import ParameterError
from slideconcord.training.augment.chain import make_augment
from slideconcord.training.augment.random import Draws
from slideconcord.training.experiments.reading import read_experiment
from slideconcord.training.learner import Batch, Learner
from slideconcord.training.log import read_log
from slideconcord.training.losses import Dice
from slideconcord.training.objectives import Supervised
from slideconcord.training.options import TrainOptions
from slideconcord.training.recipe import read_recipe
from slideconcord.training.run import train
from slideconcord.training.simcons import SimCons, soft_dice_loss
from training.stained_tiles import tile_set
from training.training_data import tiny

NOTHING = {"brightness_contrast": {"brightness": 0, "contrast": 0}}
DARKER = {"brightness_contrast": {"brightness": 0.4, "contrast": 0.2}}
CPU = TrainOptions(device="cpu", readers=2)


class Looks(nn.Module):
    """Answers with what it sees, two classes of red and green, and remembers what that was."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach())
        return images[:, :2] * self.scale[:, None, None]


def always_the_last_class(images: Tensor) -> Tensor:
    first = torch.zeros_like(images[:, :1])
    return torch.cat([first, first + 50], 1)


def batch(tiles: int = 3, side: int = 24) -> Batch:
    random = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (tiles, 3, side, side), generator=random, dtype=torch.uint8)
    masks = torch.randint(0, 2, (tiles, side, side), generator=random)
    return Batch(images, masks, Draws(0, range(tiles)))


def learner(network: object, *augment: object) -> Learner:
    mean, std = torch.full((3, 1, 1), 127.0), torch.full((3, 1, 1), 60.0)
    return Learner(network, make_augment(augment), {"dice": Dice()}, mean, std)


@pytest.mark.parametrize("squared", [False, True])
def test_the_soft_dice_of_two_predictions_is_that_of_its_formula(squared):
    random = np.random.default_rng(0)
    first, second = random.dirichlet(np.ones(3), (2, 2, 5, 4))
    losses = []
    for k in range(3):
        p, q = first[..., k], second[..., k]
        sizes = (p**2).sum() + (q**2).sum() if squared else p.sum() + q.sum()
        losses.append(1 - 2 * (p * q).sum() / sizes)
    tensors = (torch.from_numpy(np.moveaxis(array, -1, 1)) for array in (first, second))
    assert float(soft_dice_loss(*tensors, squared=squared)) == pytest.approx(np.mean(losses))


def test_equal_predictions_lose_nothing_when_sure_or_when_sums_are_of_squares():
    unsure = torch.tensor([0.4, 0.6]).repeat(25, 1).T.reshape(1, 2, 5, 5)
    sure = torch.tensor([0.0, 1.0]).repeat(25, 1).T.reshape(1, 2, 5, 5)
    assert float(soft_dice_loss(unsure, unsure, squared=True)) == pytest.approx(0, abs=1e-6)
    # 1 - 0.6, and nothing for the class that nobody finds likeliest, over two classes.
    assert float(soft_dice_loss(unsure, unsure)) == pytest.approx(0.2)
    assert float(soft_dice_loss(sure, sure)) == pytest.approx(0, abs=1e-6)


def test_item_12_the_twin_shares_the_geometry_and_not_the_look():
    network = Looks()
    moved = learner(network, "flip", {"crop": {"size_px": 16, "area": [0.3, 0.6]}})
    terms = SimCons((NOTHING,), form="squared").terms(moved, batch())
    x, twin = network.seen[0].chunk(2)
    assert x.shape[2:] == (16, 16)
    assert torch.equal(x, twin)
    assert float(terms["consistency"].detach()) == pytest.approx(0, abs=1e-6)
    terms = SimCons((DARKER,), form="squared").terms(moved, batch())
    x, twin = network.seen[1].chunk(2)
    assert not torch.equal(x, twin)
    assert float(terms["consistency"].detach()) > 1e-3


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_item_13_the_loss_is_the_supervised_one_on_x_and_lambda_times_the_consistency(weight):
    alone = Supervised().terms(learner(Looks(), "flip"), batch())
    terms = SimCons((DARKER,), weight).terms(learner(Looks(), "flip"), batch())
    assert set(terms) == {"loss", "dice", "consistency"}
    assert float(terms["dice"].detach()) == pytest.approx(float(alone["dice"].detach()))
    expected = alone["loss"] + weight * terms["consistency"]
    assert float(terms["loss"].detach()) == pytest.approx(float(expected.detach()))


def test_gradients_reach_the_network_by_both_ways_unless_they_are_stopped():
    def gradient(*, stop: bool) -> Tensor:
        network = Looks()
        terms = SimCons((DARKER,), 1.0, stop_gradient=stop).terms(learner(network), batch())
        terms["consistency"].backward()
        assert network.scale.grad is not None
        return network.scale.grad

    both, one = gradient(stop=False), gradient(stop=True)
    assert both.abs().max() > 0
    assert one.abs().max() > 0
    assert not torch.allclose(both, one)


def test_item_18_a_network_that_always_says_the_same_is_consistent_and_wrong():
    terms = SimCons((DARKER,)).terms(learner(always_the_last_class), batch())
    assert float(terms["consistency"]) == pytest.approx(0, abs=1e-6)
    assert float(terms["dice"]) > 0.6


def test_a_style_that_measures_colours_measures_those_that_are_learnt_from():
    style = SimCons(("randstainna",))
    ready = style.fitted(tile_set(side=24))
    [facts] = ready.facts()
    assert facts["fitted_on"] == tile_set(side=24).fingerprint
    assert ready.terms(learner(Looks()), batch())["consistency"] > 0
    with pytest.raises(ParameterError, match="knows no stains yet"):
        style.terms(learner(Looks()), batch())


def test_items_15_and_16_the_recipe_is_section_4_1():
    recipe = read_recipe("simcons")
    assert recipe.network.architecture == "smp-deeplabv3plus"
    assert recipe.network.parameters == {"encoder_name": "resnet34"}
    assert recipe.optimiser == {"adamw": {"weight_decay": 0}}, "Adam"
    assert round(recipe.train.steps * recipe.train.batch / 1339) == 150
    assert recipe.train.keep == "best"
    assert [*recipe.losses] == ["dice"]
    parts = [type(part).__name__ for part in (*recipe.augmentation.geometries,
                                              *recipe.augmentation.appearances)]  # fmt: skip
    assert sorted(parts) == ["Blur", "Flip", "FlipUpsideDown", "Noise"]


@pytest.mark.parametrize("name", ["simcons-lambda", "simcons-lambda-small"])
def test_item_18_lambda_is_swept_from_0_to_1_and_nothing_else_differs(name):
    sweep = read_experiment(name)
    recipe = sweep.base("nowhere")
    runs = {run.about["variant"]: run.recipe for run in sweep.runs(recipe, None)}
    weights = {variant: made.objective_settings.weight for variant, made in runs.items()}
    assert {0.0, 1.0} < set(weights.values())
    assert list(weights.values()) == sorted(weights.values())
    assert weights == {f"lambda-{weight:.1f}": weight for weight in weights.values()}
    same = {repr({**made.to_json(), "objective": None, "seed": None}) for made in runs.values()}
    assert len(same) == 1
    assert {made.objective_settings.style for made in runs.values()} == {("randstainna",)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"style": []}, "style names no appearance"),
        ({"style": ["flip"]}, "style moves pixels"),
        ({"style": ["hsw"]}, "Did you mean 'hsv'"),
        ({"style": ["hsv"], "weight": 1.5}, "less than or equal to 1"),
        ({"style": ["hsv"], "wieght": 0.5}, "Did you mean 'weight'"),
        ({}, "style names no appearance, and there are no pairs"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        tiny(objective={"simcons": settings})


def test_a_run_learns_with_it_and_logs_the_consistency(tmp_path):
    pytest.importorskip("segmentation_models_pytorch")
    recipe = tiny(objective={"simcons": {"style": ["hsv"], "weight": 0.5}})
    train(recipe, tmp_path / "run", CPU)
    for row in read_log(tmp_path / "run" / "train.csv"):
        supervised = row["dice"] + row["top_cross_entropy"]
        assert row["loss"] == pytest.approx(supervised + 0.5 * row["consistency"])


def test_the_bundled_recipe_in_small_runs_from_data_to_model(tmp_path):
    pytest.importorskip("segmentation_models_pytorch")
    smaller = ("train.steps=4", "train.check_every=2", "train.log_every=2", "train.batch=2",
               "data.source={virtual: {tissues: 3, side_um: 384}}")  # fmt: skip
    recipe = read_recipe("simcons-small", smaller)
    assert list(recipe.objective["simcons"]) == ["style", "weight"]
    folder = train(recipe, tmp_path / "run", CPU)
    assert {row["step"] for row in read_log(tmp_path / "run" / "train.csv")} == {2, 4}
    assert "randstainna" in (folder / "MODEL_CARD.md").read_text()
