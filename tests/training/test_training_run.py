"""A run from recipe to model: resumed it gives the same curve; what goes astray is told."""

from __future__ import annotations

import json
import os
from contextlib import closing

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

import slideconcord as sc
from slideconcord.errors import ModelError, OutputError, TrainingError
from slideconcord.segmentation.model_files import model_weights
from slideconcord.segmentation.networks import build
from slideconcord.segmentation.spec import make_spec
from slideconcord.training.averaging import running_mean
from slideconcord.training.folder import CHECKPOINT
from slideconcord.training.initialise import take_over
from slideconcord.training.learning import Learning
from slideconcord.training.log import CsvLog, read_log
from slideconcord.training.losses import Dice
from slideconcord.training.options import TrainOptions
from slideconcord.training.results import halved
from slideconcord.training.run import train, train_steps
from training.training_data import TINY, folder_recipe, tiny, write_folder

CPU = TrainOptions(device="cpu", readers=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("training") / "data")


@pytest.fixture(scope="module")
def recipe(data):
    return folder_recipe(data)


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """Return the folder of a run that nobody interrupted, and its steps."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return out, list(train_steps(recipe, out, CPU))


def weights(folder) -> bytes:
    return (folder / "model" / "weights.safetensors").read_bytes()


def curves(folder) -> list[str]:
    return [(folder / name).read_text() for name in ("train.csv", "checks.csv")]


def test_a_run_leaves_a_model_that_opens_with_card_curves_and_origin(whole, recipe):
    out, steps = whole
    assert [step.step for step in steps] == list(range(1, 9))
    assert [step.step for step in steps if step.scores] == [4, 8]
    model = sc.load_model(out / "model", device="cpu")
    assert model(np.zeros((64, 64, 3), np.uint8)).shape == (2, 64, 64)
    assert model.spec.classes == ("background", "square")
    assert model.spec.mpp == recipe.data.mpp
    made = json.loads((out / "run.json").read_text())
    assert made["finished"]
    assert made["model"]["hash"] == model.hash
    assert made["recipe"]["seed"] == recipe.seed
    assert made["data"]["patients"] == 4
    assert "torch" in made["versions"]
    card = (out / "model" / "MODEL_CARD.md").read_text()
    assert "Research use only" in card
    assert "| square |" in card
    left = {path.name for path in out.iterdir()}
    assert left - {"curves.png"} == {"checks.csv", "model", "recipe.yaml", "run.json", "train.csv"}


def test_nothing_that_is_left_names_a_patient_or_a_place(whole, data):
    for path in whole[0].rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"patient-1" not in content
            assert str(data).encode() not in content


def test_the_logs_say_what_the_steps_said(whole):
    out, steps = whole
    rows = read_log(out / "train.csv")
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert [steps[row["step"] - 1].loss for row in rows] == [row["loss"] for row in rows]
    for row in rows:
        assert row["loss"] == pytest.approx(row["dice"] + row["top_cross_entropy"])
        assert row["rate"] == steps[row["step"] - 1].rate
    checks = read_log(out / "checks.csv")
    assert [row["dice square"] for row in checks] == [
        step.scores.dice["square"] for step in steps if step.scores
    ]


@pytest.mark.parametrize("stops", [(4,), (1, 3, 7)])
def test_an_interrupted_run_goes_on_to_the_same_curve_and_weights(whole, recipe, tmp_path, stops):
    out = tmp_path / "run"
    for stop in stops:
        with closing(train_steps(recipe, out, CPU)) as steps:
            for step in steps:
                if step.step == stop:
                    break
    done = [step.step for step in train_steps(recipe, out, CPU)]
    assert done == list(range(stops[-1] + 1, 9))
    assert curves(out) == curves(whole[0])
    assert weights(out) == weights(whole[0])


def test_a_killed_run_goes_on_from_its_last_check(whole, recipe, tmp_path):
    out = tmp_path / "run"
    steps = train_steps(recipe, out, CPU)
    for step in steps:
        if step.step == 4:
            kept = (out / CHECKPOINT).read_bytes()
        if step.step == 6:
            break
    steps.close()
    (out / CHECKPOINT).write_bytes(kept)  # as if step 5 and 6 had never been saved
    assert next(iter(train_steps(recipe, out, CPU))).step == 5
    train(recipe, out, CPU)
    assert curves(out) == curves(whole[0])
    assert weights(out) == weights(whole[0])


def test_the_same_recipe_gives_the_same_model_and_another_seed_another(whole, data, tmp_path):
    assert weights(train(folder_recipe(data), tmp_path / "again", CPU).parent) == weights(whole[0])
    other = train(folder_recipe(data, seed=4), tmp_path / "other", CPU).parent
    assert weights(other) != weights(whole[0])


def test_parts_of_a_batch_learn_as_much_as_the_batch(data, tmp_path):
    # Batch normalisation sees parts; without it only rounding is left between them.
    linear = {"loss": {"cross_entropy": {}}, "train__steps": 1, "train__check_every": 1}
    recipe = folder_recipe(data, **linear)
    losses = []
    for parts in (1, 2):
        out, options = tmp_path / str(parts), TrainOptions(device="cpu", parts=parts)
        step = next(iter(train_steps(recipe, out, options)))
        assert step.parts == parts
        losses.append(step.loss)
    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_a_finished_run_has_nothing_left_to_do(whole, recipe):
    before = weights(whole[0])
    assert list(train_steps(recipe, whole[0], CPU)) == []
    assert weights(whole[0]) == before


def test_the_folder_of_another_run_is_refused_and_can_be_replaced(recipe, data, tmp_path):
    out = tmp_path / "run"
    with closing(train_steps(recipe, out, CPU)) as steps:
        next(steps)
    other = folder_recipe(data, seed=9)
    with pytest.raises(OutputError, match="holds another training: other settings or other data"):
        next(iter(train_steps(other, out, CPU)))
    with closing(train_steps(other, out, CPU, overwrite=True)) as steps:
        assert next(steps).step == 1


def test_a_folder_where_nothing_was_learnt_yet_is_free(recipe, data, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(Learning, "step", lambda self, batch: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(recipe, tmp_path / "run", CPU)
    with closing(train_steps(folder_recipe(data, seed=9), tmp_path / "run", CPU)) as steps:
        assert next(steps).step == 1


def test_two_runs_cannot_share_a_folder(recipe, tmp_path):
    with closing(train_steps(recipe, tmp_path / "run", CPU)) as steps:
        next(steps)
        with pytest.raises(OutputError, match="is being written by another run"):
            next(iter(train_steps(recipe, tmp_path / "run", CPU)))


def test_a_damaged_checkpoint_is_named(recipe, tmp_path):
    out = tmp_path / "run"
    with closing(train_steps(recipe, out, CPU)) as steps:
        next(steps)
    (out / CHECKPOINT).write_bytes(b"half")
    with pytest.raises(OutputError, match=r"checkpoint\.safetensors is damaged .*remove it to beg"):
        next(iter(train_steps(recipe, out, CPU)))


def test_a_place_where_nothing_can_be_written_is_refused_before_data_are_read(
    data, tmp_path, monkeypatch
):
    unread = folder_recipe(data.with_name("nowhere"))
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OutputError, match=r"file is a file, where a folder belongs: choose an"):
            train(unread, out, CPU)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match=r"Nothing can be written into .*: choose another place"):
        train(unread, tmp_path / "closed" / "run", CPU)
    assert not (tmp_path / "closed").exists()


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_room(
    recipe, tmp_path, monkeypatch
):
    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(safetensors.torch, "save_file", full)
        with pytest.raises(OutputError, match=r"cannot be written \(I/O.*28\)\)\. Make room"):
            train(recipe, out, CPU)
    assert not list(out.glob(".*partial*"))
    assert (train(recipe, out, CPU) / "model.json").is_file()


def test_a_loss_that_is_no_number_stops_and_names_its_batch(recipe, tmp_path, monkeypatch):
    sound, calls = Dice.__call__, iter(range(100))

    def astray(self, logits, masks):
        return sound(self, logits, masks) * (torch.nan if next(calls) == 2 else 1)

    monkeypatch.setattr(Dice, "__call__", astray)
    with pytest.raises(TrainingError) as refused:
        train(recipe, tmp_path / "run", CPU)
    message = str(refused.value)
    assert "The loss is no longer a number at step 3 (loss nan, dice nan, top_cross" in message
    assert f"Its batch: {', '.join(refused.value.tiles)}. Look at these tiles" in message
    assert len(refused.value.tiles) == 4
    assert not (tmp_path / "run" / CHECKPOINT).exists()


def test_a_network_that_answers_other_pixels_is_refused(tmp_path):
    coarse = {"encoder_name": "timm-mobilenetv3_small_minimal_100", "encoder_depth": 4}
    recipe = tiny(network={"architecture": "smp-fpn", "parameters": coarse})
    with pytest.raises(TrainingError, match=r"answers 32 x 32 px with 64 x 64, and must .* such"):
        train(recipe, tmp_path)


def test_short_memory_makes_parts_and_no_memory_is_told(recipe, tmp_path, monkeypatch):
    sound = Learning._terms
    room = {"tiles": 2}

    def cramped(self, part):
        if len(part.places) > room["tiles"]:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return sound(self, part)

    monkeypatch.setattr(Learning, "_terms", cramped)
    assert {step.parts for step in train_steps(recipe, tmp_path / "run", CPU)} == {2}
    room["tiles"] = 0
    with pytest.raises(TrainingError, match=r"memory of the device does not suffice\. Give"):
        train(recipe, tmp_path / "none", CPU)


def test_other_errors_pass_as_they_are(recipe, tmp_path, monkeypatch):
    def broken(self, part):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Learning, "_terms", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(recipe, tmp_path / "run", CPU)


def test_patience_ends_a_run_that_gets_no_better(data, tmp_path, monkeypatch):
    from slideconcord.training.checks import Scores

    same = Scores({"background": 0.5, "square": 0.5}, 0.5, 2)
    monkeypatch.setattr(Learning, "check", lambda self: same)
    recipe = folder_recipe(data, train__check_every=2, train__patience=2, train__steps=100)
    steps = list(train_steps(recipe, tmp_path / "run", CPU))
    assert [(step.step, step.is_best) for step in steps if step.scores] == [
        (2, True),
        (4, False),
        (6, False),
    ]
    assert sc.load_model(tmp_path / "run" / "model", device="cpu").name == "tiny"


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_that_are_kept_are_those_of_the_best_check_or_the_last_step(
    data, tmp_path, monkeypatch, keep
):
    from slideconcord.training.checks import Scores

    given = iter([0.9, 0.1])
    monkeypatch.setattr(
        Learning, "check", lambda self: Scores({"background": 0.5, "square": next(given)}, 0.5, 2)
    )
    recipe, seen = folder_recipe(data, train__keep=keep), {}
    steps = train_steps(recipe, tmp_path / "run", CPU)
    sound = Learning.step

    def spied(self, batch):
        terms = sound(self, batch)
        name, tensor = next(iter(self.module.state_dict().items()))
        seen[self.step_number] = name, tensor.clone()
        return terms

    monkeypatch.setattr(Learning, "step", spied)
    list(steps)
    from safetensors.torch import load_file

    kept = load_file(tmp_path / "run" / "model" / "weights.safetensors")
    name, wanted = seen[4 if keep == "best" else 8]
    assert torch.equal(kept[name], wanted)
    assert not torch.equal(seen[4][1], seen[8][1])


def test_a_running_mean_is_kept_and_goes_on_to_the_same_weights(whole, data, tmp_path):
    recipe = folder_recipe(data, train__average=0.9, train__keep="last")
    list(train_steps(recipe, tmp_path / "at once", CPU))
    with closing(train_steps(recipe, tmp_path / "twice", CPU)) as steps:
        for step in steps:
            if step.step == 5:
                break
    train(recipe, tmp_path / "twice", CPU)
    assert weights(tmp_path / "at once") == weights(tmp_path / "twice")
    assert curves(tmp_path / "at once") == curves(tmp_path / "twice")
    assert weights(tmp_path / "at once") != weights(whole[0])


def test_the_running_mean_is_the_mean_that_its_decay_says():
    module = torch.nn.BatchNorm1d(1)
    mean = running_mean(module, 0.5)
    expected = None
    for step, value in enumerate([4.0, 8.0, 2.0, 6.0] * 10):
        with torch.no_grad():
            module.weight.fill_(value)
            module.num_batches_tracked.fill_(step)
        mean.update_parameters(module)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = value if expected is None else decay * expected + (1 - decay) * value
    assert mean.module.weight.item() == pytest.approx(expected)
    assert int(mean.module.num_batches_tracked) == 39


def test_a_run_starts_from_another_model_where_it_fits(whole, data, tmp_path):
    trained = whole[0] / "model"
    start = folder_recipe(data, network={**TINY["network"], "weights": str(trained)})
    assert str(trained) not in json.dumps(start.to_json())
    assert start.to_json()["network"]["weights"] == "model"
    spec = sc.load_model(trained, device="cpu").spec
    assert start.starting_point() == {"weights": {"name": spec.name, "hash": spec.hash}}
    three = tiny(network={**TINY["network"], "weights": str(trained)})
    fields = json.loads((trained / "model.json").read_text())
    network = build(make_spec({**fields, "classes": list(three.classes), "weights_sha256": None}))
    anew = take_over(network, str(trained))
    assert anew == ["segmentation_head.0.bias", "segmentation_head.0.weight"]
    kept = model_weights(trained)
    assert all(torch.equal(t, kept[k]) for k, t in network.state_dict().items() if k not in anew)
    with pytest.raises(TrainingError, match=r"nothing of the model .* fits this architecture"):
        take_over(torch.nn.Linear(2, 2), str(trained))
    absent = folder_recipe(data, network={**TINY["network"], "weights": "nowhere"})
    with pytest.raises(ModelError, match="No model 'nowhere'"):
        train(absent, tmp_path / "absent", CPU)


def test_weights_can_be_stored_in_half_the_size(whole, data, tmp_path):
    train(folder_recipe(data, model={**TINY["model"], "half": True}), tmp_path / "half", CPU)
    half, single = model_weights(tmp_path / "half/model"), model_weights(whole[0] / "model")
    for name, tensor in single.items():
        assert torch.equal(half[name], tensor.half() if tensor.is_floating_point() else tensor)
    black = np.zeros((64, 64, 3), np.uint8)
    given = [
        sc.load_model(f / "model", "cpu", "fp32")(black) for f in (tmp_path / "half", whole[0])
    ]
    np.testing.assert_allclose(*given, atol=0.01)
    with pytest.raises(TrainingError, match="w does not fit into 16 bits"):
        halved({"w": torch.tensor([1e6])})


def test_it_learns(data, tmp_path):
    recipe = folder_recipe(
        data,
        train__steps=40,
        train__check_every=40,
        schedule={"constant": {"peak": 0.02}},
        augment=["flip"],
    )
    *_, last = train_steps(recipe, tmp_path / "run", CPU)
    assert last.scores.dice["square"] > 0.9


def test_a_log_drops_what_a_resumed_run_writes_again(tmp_path):
    path = tmp_path / "log.csv"
    log = CsvLog(path, ["loss"], 0)
    for step in (2, 4, 6):
        log.write(step, {"loss": 1 / step})
    path.write_text(path.read_text() + "8,0.1")  # a crash cut this line short
    assert [row["step"] for row in read_log(path)] == [2, 4, 6]
    log = CsvLog(path, ["loss"], 4)
    log.write(6, {"loss": None})
    assert path.read_text() == "step,loss\n2,0.5\n4,0.25\n6,\n"


def test_virtual_data_are_learnt_from_too(tmp_path):
    recipe = tiny(train__steps=2, train__check_every=2)
    assert sc.load_model(train(recipe, tmp_path / "run", CPU), device="cpu").spec.mpp == 4.0
