"""Recipes: what is bundled is right, and what is wrong is named with the nearest right key."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import pytest

from slideconcord.errors import ParameterError, SlideconcordError
from slideconcord.training import recipe as recipes
from slideconcord.training.recipe import (
    DataSettings,
    ModelSettings,
    NetworkSettings,
    Phase,
    Recipe,
    TrainSettings,
    list_recipes,
    make_recipe,
    read_recipe,
)
from slideconcord.yaml_files import write_yaml
from training.training_data import TINY, tiny


@pytest.mark.parametrize("name", list_recipes())
def test_every_bundled_recipe_reads_and_says_what_it_takes(name):
    recipe = read_recipe(name)
    assert recipe.name == name
    head = list_recipes()[name].read_text().split("\nname:")[0]
    for promise in ("command", "hardware", "minutes", "expect"):
        assert promise in head
    assert f"slideconcord train {name}" in head


def test_the_pan_cancer_recipe_is_the_papers():
    recipe = read_recipe("pan-cancer")
    assert recipe.network.architecture == "eca_nfnet_l3-deeplabv3plus"
    assert (recipe.data.mpp, recipe.data.tile_px, recipe.data.overlap_px) == (1.0, 2048, 0)
    assert recipe.data.most_background == 0.5
    assert (recipe.train.batch, recipe.train.steps, recipe.train.keep) == (24, 500_000, "last")
    assert recipe.standardise == {
        "mean": (0.8297992, 0.7106879, 0.8241846),
        "std": (0.1051075, 0.1543867, 0.09917571),
    }
    assert set(recipe.losses) == {"dice", "top_cross_entropy"}
    assert recipe.losses["top_cross_entropy"].share == 0.9
    assert recipe.rates.rate(990, recipe.train.steps) == pytest.approx(1e-2)
    names = [next(iter(part)) for part in recipe.augment]
    assert names == ["flip", "quarter_turn", "crop", "noise", "blur", "brightness_contrast", "hsv"]
    crop = recipe.augmentation.geometries[2]
    assert crop.area == pytest.approx((0.9 * 0.75, 1.1 * 0.75))
    assert (crop.size_px, crop.ratio) == (1536, (0.8, 1.25))
    assert list(recipe.classes)[-1] == "tumour"
    assert len(recipe.classes) == 3


def changed(**changes):
    return lambda values: values.update(changes)


def deeper(section, **changes):
    return lambda values: values[section].update(changes)


def without(section, key=None):
    return lambda values: values.pop(section) if key is None else values[section].pop(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(augmnt=[]), "recipe: the key 'augmnt' is not known. Did you mean 'augment'?"),
        (deeper("train", step=5), "train: the key 'step' is not known. Did you mean 'steps'?"),
        (deeper("data", tile=5), "data: the key 'tile' is not known. Did you mean 'tile_px'?"),
        (deeper("train", steps=0), "train.steps: 0: Input should be greater than or equal to 1."),
        (deeper("train", steps="many"), "train.steps: 'many': Input should be a valid integer"),
        (deeper("train", keep="worst"), "train.keep: 'worst': Input should be 'best' or 'last'."),
        (without("train"), "recipe: the key 'train' is missing."),
        (without("data", "mpp"), "data: the key 'mpp' is missing."),
        (changed(train=7), "train must hold keys and values, not 7."),
        (changed(optimiser="adam"), "optimiser: 'adam' is not known. Did you mean 'adamw'?"),
        (changed(loss={"dise": {}}), "loss: 'dise' is not known. Did you mean 'dice'?"),
        (changed(loss={}), "loss names none: choose of dice"),
        (
            changed(loss={"top_cross_entropy": {"shares": 1}}),
            "loss.top_cross_entropy: the key 'shares' is not known. Did you mean 'share'?",
        ),
        (deeper("data", source="virtuel"), "data.source: 'virtuel' is not known. Did you mean "),
        (deeper("data", balance="slide"), "data.balance: 'slide' is not known. Did you mean "),
        (
            deeper("network", architecture="smp-unett"),
            "network.architecture: 'smp-unett' is not known. Did you mean 'smp-unet'?",
        ),
        (deeper("network", start="zero"), "network.start: 'zero' is not known. Known are as-built"),
        (deeper("data", tile_px=70), "70 px is no multiple of model.input_multiple 32"),
        (changed(classes={"tumour": ["t"]}), "classes: there are 1; give at least two"),
        (changed(standardise={"mean": [1, 1, 1], "sd": [1, 1, 1]}), "recipe.standardise"),
        (
            changed(schedule={"warm_up_cosine": {"first": 1.0}}),
            "schedule.warm_up_cosine: first 1 is above peak 0.01.",
        ),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(change, message):
    values = copy.deepcopy(TINY)
    change(values)
    with pytest.raises(ParameterError) as refused:
        make_recipe(values)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "mine.yaml is not YAML: "),
        ("name: a\nname: b\n", "the key 'name' stands twice, line 2"),
        ("- a\n- b\n", "mine.yaml holds no keys and values"),
        ("name: !!python/object/apply:os.system [true]", "mine.yaml is not YAML: could not det"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError) as refused:
        read_recipe(path)
    assert message in str(refused.value)


def test_an_unknown_recipe_is_named_with_the_nearest():
    with pytest.raises(ParameterError, match=r"'pan-cancr' is not known\. Did you mean 'pan-c"):
        read_recipe("pan-cancr")


def test_settings_can_be_replaced_one_by_one():
    changes = ["train.steps=7", "seed=4", "augment=[flip]", "schedule={constant: {peak: 1e-3}}"]
    recipe = read_recipe("pan-cancer-small", changes)
    assert (recipe.train.steps, recipe.seed, recipe.augment) == (7, 4, ("flip",))
    assert recipe.rates.rate(0, 7) == 1e-3
    assert recipe.fingerprint != read_recipe("pan-cancer-small").fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.stps=7", "train: the key 'stps' is not known. Did you mean 'steps'?"),
        ("train.steps", "'train.steps' changes nothing: write it as train.steps=100."),
        ("seed.number=1", "'seed.number=1': seed holds no keys in this recipe."),
        ("train.steps=[", "'[' is no value"),
        ("phases.0.epochs=2", "'phases.0.epochs=2': phases has 3 parts here, numbered from 1."),
        ("phases.4.epochs=2", "'phases.4.epochs=2': phases has 3 parts here, numbered from 1."),
        ("phases.last.epochs=2", "phases: the part 'last' is not known. Known are base, ma"),
        ("phases.mastr-1.epochs=2", "the part 'mastr-1' is not known. Did you mean 'master-1'?"),
        ("phases.2.treshold=0.8", "phases[2]: the key 'treshold' is not known. Did you mean 'thr"),
        ("phases.1.settings.train.stps=3", "train: the key 'stps' is not known. Did you mean"),
        ("augment.hvs.hue=9", "augment: the part 'hvs' is not known. Known are flip, quarter_turn"),
        ("augment.crop.hue=9", "augment[3].crop: the key 'hue' is not known. Known are size_px"),
        ("augment.1.crop.area=[1, 1]", "augment[1] must be one name with its parameters"),
        ("augment.crop.area.3=1", "augment.crop.area has 2 parts here, numbered from 1."),
        ("augment.crop.area.x=1", "augment.crop.area has 2 parts here, numbered from 1."),
    ],
)
def test_wrong_replacements_are_named(change, message):
    with pytest.raises(SlideconcordError) as refused:
        read_recipe("multi-level-small", [change])
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "found", "value"),
    [
        ("phases.2.threshold=0.7", lambda r: r.phases[1].threshold, 0.7),
        ("phases.master-1.threshold=0.7", lambda r: r.phases[1].threshold, 0.7),
        ("phases.1.settings.train.steps=9", lambda r: r.in_phase(r.phases[0]).train.steps, 9),
        ("phases.base.settings.seed=9", lambda r: r.in_phase(r.phases[0]).seed, 9),
        ("phases.base.settings.augment.crop.area.1=0.4",
         lambda r: r.in_phase(r.phases[0]).augment[2]["crop"]["area"], [0.4, 0.7]),
        ("augment.3.crop.area=[0.6, 0.9]", lambda r: r.augment[2]["crop"]["area"], [0.6, 0.9]),
        ("augment.crop.area.1=0.6", lambda r: r.augment[2]["crop"]["area"], [0.6, 0.7]),
        ("augment.1={flip: {p: 1}}", lambda r: r.augment[0], {"flip": {"p": 1}}),
        ("objective.multi-level.tile=0", lambda r: r.objective_settings.tile, 0),
        ("optimiser.adamw.weight_decay=0.5",
         lambda r: r.optimiser_settings.weight_decay, 0.5),
    ],
)  # fmt: skip
def test_replacements_reach_into_lists_by_number_and_by_name(change, found, value):
    plain, recipe = read_recipe("multi-level-small"), read_recipe("multi-level-small", [change])
    assert found(recipe) == value != found(plain)
    assert recipe.phases[2] == plain.phases[2]
    assert recipe.augment[1:2] == plain.augment[1:2]


def test_a_name_alone_is_a_part_whose_settings_can_be_given(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(write_yaml(TINY))
    recipe = read_recipe(path, ["augment.hsv.hue=9", "optimiser.sgd.momentum=0.5"])
    assert recipe.augment == ("flip", TINY["augment"][1], {"hsv": {"hue": 9}})
    assert recipe.optimiser == {"sgd": {"momentum": 0.5}}


def test_a_part_that_stands_twice_is_meant_by_its_number():
    change = "augment.affine.degrees=9"
    with pytest.raises(ParameterError, match=r"augment has affine more than once: .* 3 and 4\."):
        read_recipe("colon-epithelium", [change])
    recipe = read_recipe("colon-epithelium", ["augment.4.affine.degrees=9"])
    assert [part["affine"]["degrees"] for part in recipe.augment[2:4]] == [20, 9]


def test_what_a_phase_changes_in_a_list_stays_in_the_phase():
    changes = ["phases.base.settings.augment.crop.size_px=64"]
    recipe = read_recipe("multi-level-small", changes)
    assert recipe.in_phase(recipe.phases[0]).augment[2]["crop"]["size_px"] == 64
    assert recipe.augment[2]["crop"]["size_px"] == 96
    assert recipe.phases[1].settings["augment"][2]["crop"]["size_px"] == 96


def test_where_the_data_lie_is_neither_recorded_nor_part_of_the_recipe(tmp_path):
    one, other = (read_recipe("pan-cancer", data=tmp_path / name) for name in ("a", "b"))
    assert one.source.path == str(tmp_path / "a")
    assert one.fingerprint == other.fingerprint
    assert str(tmp_path) not in str(one.to_json())


def test_data_that_lie_nowhere_are_given_no_place():
    with pytest.raises(ParameterError, match="--data here: this recipe's data are virtual and lie"):
        read_recipe("pan-cancer-small", data="here")


def test_a_recipe_written_down_is_the_same_recipe():
    recipe = tiny()
    assert make_recipe(recipe.to_json()).fingerprint == recipe.fingerprint


@dataclass(frozen=True)
class LaterData(DataSettings):
    added: int = 0


def test_a_setting_that_an_update_adds_is_another_recipe_only_where_it_is_set(monkeypatch):
    recipe = tiny()
    monkeypatch.setitem(recipes._SECTIONS, "data", LaterData)
    unset, set_ = (replace(recipe, data=LaterData(**vars(recipe.data), added=n)) for n in (0, 1))
    assert unset.fingerprint == recipe.fingerprint != set_.fingerprint


def test_settings_that_are_given_as_they_are_anyway_change_nothing():
    given = tiny(data__fold=0, data__balance="none", objective="supervised", train__keep="best")
    assert given.fingerprint == tiny().fingerprint
    for other in ({"data__folds": 3}, {"objective": {"simcons": {"style": ["hsv"]}}}, {"seed": 4},
                  {"train__keep": "last"}, {"phases": [{"name": "a"}]}):  # fmt: skip
        assert tiny(**other).fingerprint != given.fingerprint
    phases = [[{"name": "a", **more}] for more in ({}, {"epochs": None}, {"epochs": 2.0})]
    one, same, other = (tiny(phases=each).fingerprint for each in phases)
    assert one == same != other


DEFAULTS = {
    Recipe: {
        "seed": 0,
        "standardise": "measure",
        "augment": (),
        "objective": "supervised",
        "phases": (),
    },
    DataSettings: {
        "overlap_px": 0,
        "val": 0.2,
        "test": 0.0,
        "scanners": (),
        "folds": None,
        "fold_by": "patient",
        "fold": 0,
        "ignore": (),
        "tile_labels": None,
        "most_background": 1.0,
        "balance": "none",
        "context": None,
    },
    NetworkSettings: {"parameters": {}, "start": "as-built", "weights": ""},
    TrainSettings: {
        "log_every": 10,
        "check_tiles": None,
        "keep": "best",
        "average": 0.0,
        "patience": None,
    },
    ModelSettings: {
        "version": "1",
        "description": "",
        "credit": "",
        "tile_px": None,
        "overlap_px": None,
        "half": False,
        "input_multiple": 32,
        "pad_value": 255,
        "low": 1 / 3,
        "high": 0.9,
    },
    Phase: {
        "settings": {},
        "epochs": None,
        "pseudo_scanners": (),
        "threshold": 0.9,
        "continues": False,
    },
}


@pytest.mark.parametrize("kind", DEFAULTS, ids=lambda kind: kind.__name__)
def test_defaults_do_not_change_without_a_new_format(kind):
    """They are in no fingerprint: change one here only together with `training.run.FORMAT`."""
    assert recipes._without_defaults(kind, DEFAULTS[kind]) == {}
