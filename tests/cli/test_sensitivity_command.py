"""The command models sensitivity: what it says, and what it refuses."""

from __future__ import annotations

import json

import pytest

from slideconcord.cli import main

torch = pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")
pytest.importorskip("lightning_fabric")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return data, and a run's folder whose model has learnt nothing yet."""
    from training.training_data import folder_recipe, write_folder

    place = tmp_path_factory.mktemp("sensitivity")
    begin_run(folder_recipe(write_folder(place / "data")), place / "run")
    return place / "data", place / "run"


def begin_run(recipe, folder):
    from slideconcord.segmentation.model_files import save_model
    from slideconcord.segmentation.networks import build
    from slideconcord.training.data.prepare import prepare
    from slideconcord.training.run import _spec
    from slideconcord.yaml_files import write_yaml

    torch.manual_seed(0)
    spec = _spec(recipe, prepare(recipe))
    save_model(folder / "model", spec, build(spec).state_dict())
    (folder / "recipe.yaml").write_text(write_yaml(recipe.to_json()))


def run(capsys, *words):
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def test_it_measures_the_tiles_checked_on_and_writes_tables(trained, capsys, tmp_path):
    data, folder = trained
    words = ("models", "sensitivity", folder / "model", "--data", data, "--device", "cpu")
    status, out, _ = run(capsys, *words, "--out", tmp_path / "out", "--json")
    assert status == 0
    told = json.loads(out)
    assert told["tiles"] == 2
    assert len(told["worst_pair"]) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "accuracy.csv", "pairs.csv", "sensitivity.json"
    }  # fmt: skip
    status, _, err = run(capsys, *words, "--out", tmp_path / "out")
    assert (status, err.count("\n")) == (2, 1)
    assert "--overwrite" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("no-such-model",), "no-such-model"),
        (("MODEL", "--recipe", "pan-cancer-smal"), "Did you mean 'pan-cancer-small'"),
        (
            ("MODEL", "--recipe", "pan-cancer-small"),
            "sees 4.0 µm per pixel, and the recipe reads tiles of 2.0",
        ),
        (("MODEL", "--split", "test"), "No tile is in the split test"),
        (("MODEL",), "--data"),
    ],
)
def test_wrong_input_is_one_line_that_helps(trained, capsys, tmp_path, words, message):
    data, folder = trained
    words = [folder / "model" if word == "MODEL" else word for word in words]
    known = [] if words[1:] in ([], ["--recipe", "pan-cancer-small"]) else ["--data", data]
    status, _, err = run(capsys, "models", "sensitivity", *words, *known, "--out", tmp_path / "o")
    assert (status, err.count("\n")) == (2, 1)
    assert message in err


@pytest.mark.parametrize("command", ["sensitivity", "score"])
def test_tiles_of_another_pixel_size_are_refused(trained, capsys, tmp_path, command):
    from slideconcord.training.recipe import read_recipe
    from slideconcord.yaml_files import write_yaml

    data, folder = trained
    other = read_recipe(folder / "recipe.yaml", ["data.mpp=2.0"])
    (tmp_path / "other.yaml").write_text(write_yaml(other.to_json()))
    words = (folder / "model", "--recipe", tmp_path / "other.yaml", "--data", data)
    status, _, err = run(capsys, "models", command, *words, "--out", tmp_path / "out")
    assert (status, err) == (
        2,
        "slideconcord: The model tiny sees 4.0 µm per pixel, and the recipe reads tiles of 2.0: "
        "set data.mpp: 4.0 in the recipe.\n",
    )


def test_it_puts_its_result_into_the_card_once(trained, capsys, tmp_path):
    data, folder = trained
    card = folder / "model" / "MODEL_CARD.md"
    card.write_text("# tiny\n\nWords.\n\n## How it was made\n\nBy hand.\n")
    words = ("models", "sensitivity", folder / "model", "--data", data, "--device", "cpu", "--card")
    for out in ("one", "two"):
        status, _, _ = run(capsys, *words, "--out", tmp_path / out)
        assert status == 0
    text = card.read_text()
    assert text.count("## By diagnosis and by scanner") == 1
    assert text.count("## How it was made\n\nBy hand.") == 1
    told = json.loads((tmp_path / "two" / "sensitivity.json").read_text())["summary"]
    assert f"| as it is | {100 * told['accuracy']:.1f} % |" in text
    assert f"{100 * told['worst_pair_dice']:.1f} % for the worst pair" in text
    card.unlink()
    status, _, err = run(capsys, *words, "--out", tmp_path / "three")
    assert status == 2
    assert "MODEL_CARD.md cannot be changed: No such file" in err


def test_a_model_of_two_levels_is_scored_and_tested_like_any(capsys, tmp_path):
    from slideconcord.yaml_files import write_yaml
    from training.test_multi_level_training import MULTI
    from training.training_data import FOLDER_CLASSES, tiny, write_folder

    data = write_folder(tmp_path / "data", side=80)
    multi = {**MULTI, "data__context": {"downsample": 2}, "augment": []}
    source = {"folder": {"path": str(data), "centre": True}}
    recipe = tiny(**multi, data__source=source, data__tile_px=32, classes=FOLDER_CLASSES)
    begin_run(recipe, tmp_path / "run")
    words = (tmp_path / "run" / "model", "--data", data, "--device", "cpu", "--json")
    for command, told in (("sensitivity", "accuracy"), ("score", "pixel_auc")):
        status, out, _ = run(
            capsys, "models", command, *words, "--split", "val", "--out", tmp_path / command
        )
        assert status == 0
        assert 0 <= json.loads(out)[told] <= 1
    values = recipe.to_json()
    for context, message in (
        ({"downsample": 4}, "sees a context of downsample 2, and the recipe reads one of 4: give"),
        (None, "and these data show tiles alone: give them the data.context"),
    ):
        other = {**values, "data": {**values["data"], "context": context}}
        if context is None:
            other |= {"objective": "supervised"}
            other["network"] = {**values["network"], "architecture": "smp-unet"}
        (tmp_path / "other.yaml").write_text(write_yaml(other))
        status, _, err = run(
            capsys, "models", "sensitivity", *words, "--recipe", tmp_path / "other.yaml",
            "--out", tmp_path / "refused",
        )  # fmt: skip
        assert (status, err.count("\n")) == (2, 1)
        assert message in err
