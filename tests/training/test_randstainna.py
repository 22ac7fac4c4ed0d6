"""RandStainNA against a twin that takes one tile at a time, and what it may be fitted on."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch

from slideconcord.errors import MismatchError, ParameterError, TrainingError
from slideconcord.training.augment.randstainna import RandStainNA, fit_template, restained
from slideconcord.training.data.prepare import prepare
from slideconcord.training.options import TrainOptions
from slideconcord.training.run import train, train_steps
from training.stained_tiles import (
    PLAIN,
    batch,
    draws,
    picture,
    slow_restained,
    stained,
    tile_set,
    to_lab,
)
from training.training_data import folder_recipe, write_folder


def fitted(**settings) -> RandStainNA:
    return RandStainNA(**settings).fitted(tile_set())


def test_the_template_is_that_of_the_tiles_one_by_one():
    labs = [to_lab(stained(k)) for k in range(6)]
    means, sds = [lab.mean((0, 1)) for lab in labs], [lab.std((0, 1)) for lab in labs]
    template = fit_template(tile_set())
    np.testing.assert_allclose(template.mean_of_means, np.mean(means, 0), atol=0.01)
    np.testing.assert_allclose(template.sd_of_means, np.std(means, 0), atol=0.01)
    np.testing.assert_allclose(template.mean_of_sds, np.mean(sds, 0), atol=0.01)
    np.testing.assert_allclose(template.sd_of_sds, np.std(sds, 0), atol=0.01)
    assert template.tiles == 6
    assert template.fitted_on == "a" * 64
    assert fit_template(tile_set(), most=3).tiles == 3


def test_tiles_come_out_as_from_the_slow_twin():
    part = fitted()
    tiles = [stained(k + 20) for k in range(4)]
    seen = part.seen(batch(*tiles), draws(4))
    again = draws(4)
    again.chosen(part.p)
    mean, sd = part.targets(part.template, again)
    for k, tile in enumerate(tiles):
        wanted = slow_restained(tile, mean[k].numpy(), sd[k].numpy())
        np.testing.assert_allclose(picture(seen, k), wanted, atol=0.2)


@pytest.mark.parametrize("space", ["lab", "hsv", "hed"])
def test_its_own_mean_and_spread_change_nothing(space):
    template = fit_template(tile_set(1), space)
    image = batch(stained(0))
    mean, sd = torch.tensor(template.mean_of_means), torch.tensor(template.mean_of_sds)
    torch.testing.assert_close(restained(image, space, mean, sd), image, atol=0.02, rtol=0)


@pytest.mark.parametrize("distribution", ["normal", "laplace", "uniform"])
def test_targets_are_distributed_as_asked(distribution):
    part = fitted(distribution=distribution)
    template = replace(part.template, sd_of_sds=(1.0, 1.0, 1.0), mean_of_sds=(20.0, 20.0, 20.0))
    mean, sd = part.targets(template, draws(4000))
    spread = {"normal": 1.0, "laplace": 2**0.5, "uniform": 3**0.5}[distribution]
    torch.testing.assert_close(mean.mean(0), torch.tensor(template.mean_of_means), rtol=0.02,
                               atol=0.1)  # fmt: skip
    wanted = spread * torch.tensor(template.sd_of_means)
    torch.testing.assert_close(mean.std(0), wanted, rtol=0.06, atol=0)
    torch.testing.assert_close(sd.std(0), torch.full((3,), spread), rtol=0.06, atol=0)
    if distribution == "uniform":
        assert (sd - 20).abs().max() <= 3
    narrow = replace(part, std_hyper=-0.5).targets(template, draws(4000))[1]
    torch.testing.assert_close(narrow.std(0), sd.std(0) / 2, rtol=0.01, atol=0)


def test_a_spread_never_vanishes_however_it_is_drawn():
    template = replace(fitted().template, sd_of_sds=(99.0, 99.0, 99.0))
    _, sd = RandStainNA().targets(template, draws(500))
    assert (sd >= 0.0999 * torch.tensor(template.mean_of_sds)).all()


def test_about_p_of_the_tiles_change_and_the_others_not_at_all():
    images = batch(*[stained(1)] * 200)
    same = (fitted(p=0.25).seen(images, draws(200)) == images).flatten(1).all(1)
    assert 120 < same.sum() < 180
    assert torch.equal(fitted(p=0.0).seen(images, draws(200)), images)


@pytest.mark.parametrize("space", ["lab", "hsv", "hed"])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_tiles_stay_plain_and_within_the_scale(space, name):
    image = batch(PLAIN[name])
    seen = fitted(space=space).seen(image, draws(1))
    assert seen.shape == image.shape
    assert seen.isfinite().all()
    assert seen.min() >= 0
    assert seen.max() <= 255
    if name != "tiny":
        assert seen.std((2, 3)).max() < 1e-3


def test_it_is_refused_where_other_tiles_are_learnt_from():
    template = fit_template(tile_set())
    given = RandStainNA(template=template)
    assert given.fitted(tile_set()) is given
    with pytest.raises(MismatchError, match=r"randstainna was measured on other tiles \(aaaaaaaaa"):
        given.fitted(tile_set(fingerprint="b" * 64))


def test_wrong_uses_are_named():
    with pytest.raises(ParameterError, match="randstainna knows no stains yet: call fitted"):
        RandStainNA().seen(batch(stained(0)), draws(1))
    with pytest.raises(ParameterError, match="template is of the space 'lab', not 'hed'"):
        RandStainNA(space="hed", template=fit_template(tile_set()))
    with pytest.raises(TrainingError, match="no training tiles to measure colours on"):
        fit_template(tile_set(0))


STAINED = {"augment": ["flip", {"randstainna": {"p": 0.5}}]}


def test_a_run_measures_its_training_split_alone(tmp_path):
    recipe = folder_recipe(write_folder(tmp_path / "data"), **STAINED)
    prepared = prepare(recipe)
    template = prepared.augment.appearances[0].template
    tiles = [prepared.source.read(k)[0] for k in prepared.train]
    means = [to_lab(tile).mean((0, 1)) for tile in tiles]
    np.testing.assert_allclose(template.mean_of_means, np.mean(means, 0), atol=0.01)
    assert template.tiles == len(prepared.train) < len(prepared.source.records)
    other = prepare(replace(recipe, seed=1))
    assert other.train != prepared.train
    assert other.augment.appearances[0].template.fitted_on != template.fitted_on


def test_the_template_of_another_split_is_refused_by_a_run(tmp_path):
    data = write_folder(tmp_path / "data")
    (measured,) = prepare(folder_recipe(data, **STAINED)).facts()["measured"]
    template = {key: value for key, value in measured.items() if key != "name"}
    given = {"augment": [{"randstainna": {"template": template}}]}
    assert prepare(folder_recipe(data, **given)).facts()["measured"] == [measured]
    with pytest.raises(MismatchError, match="could leak into training"):
        prepare(folder_recipe(data, seed=1, **given))


def test_a_stopped_run_goes_on_to_the_same_weights_and_says_what_it_measured(tmp_path):
    recipe = folder_recipe(write_folder(tmp_path / "data"), **STAINED, train__steps=4)
    options = TrainOptions(device="cpu", readers=2)
    whole = train(recipe, tmp_path / "whole", options)
    with closing(train_steps(recipe, tmp_path / "cut", options)) as steps:
        next(steps)
    cut = train(recipe, tmp_path / "cut", options)
    name = "weights.safetensors"
    assert (whole / name).read_bytes() == (cut / name).read_bytes()
    (measured,) = json.loads((whole.parent / "run.json").read_text())["data"]["measured"]
    assert measured["tiles"] == 6
    card = (whole / "MODEL_CARD.md").read_text()
    assert f"training split {measured['fitted_on'][:12]}, none of those ch" in card
