"""Phases: a model labels tiles for the next; each is a run that goes on where it stood."""

from __future__ import annotations

import copy
import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import slideconcord as sc
from slideconcord.errors import MismatchError, OutputError, ParameterError, TrainingError
from slideconcord.segmentation.context import Context
from slideconcord.segmentation.model import Model
from slideconcord.training.data.prepare import tiles_of
from slideconcord.training.data.pseudo import PseudoLabelled, pseudo_mask
from slideconcord.training.data.split import VAL
from slideconcord.training.data.tile import IGNORE, Grid
from slideconcord.training.options import TrainOptions
from slideconcord.training.phases import LABELS, PHASES
from slideconcord.training.recipe import Recipe, make_recipe, read_recipe
from slideconcord.training.run import train, train_steps
from training.test_multi_level_training import MULTI
from training.training_data import TINY, record

CPU = TrainOptions(device="cpu", precision="fp32", readers=2)
BASE = {
    "name": "base",
    "settings": {
        "data.context": None,
        "network.architecture": "smp-unet",
        "objective": "supervised",
        "data.scanners": ["virtual-A"],
    },
}


def phased(*phases: dict[str, object], **changes: object) -> Recipe:
    values = copy.deepcopy(TINY)
    for key, value in {**MULTI, **changes}.items():
        *sections, last = key.split("__")
        place = values
        for section in sections:
            place = place[section]
        place[last] = value
    values["data"]["source"] = {"virtual": {"tissues": 2, "side_um": 384}}
    values["data"]["scanners"] = ["virtual-A", "virtual-B"]
    values["train"] |= {"steps": 2, "check_every": 1, "log_every": 1}
    return make_recipe({**values, "phases": list(phases)})


MASTER = {"name": "master", "pseudo_scanners": ["virtual-B"], "threshold": 0.4, "epochs": 0.2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a run of two phases that nobody interrupted, and its steps."""
    out = tmp_path_factory.mktemp("phases") / "whole"
    return out, list(train_steps(phased(BASE, MASTER), out, CPU))


def test_the_last_phases_model_is_the_result_and_each_phase_is_a_run(finished):
    out, steps = finished
    base, master = out / PHASES / "1-base", out / PHASES / "2-master"
    assert sc.load_model(base / "model", device="cpu").spec.context is None
    model = sc.load_model(out / "model", device="cpu")
    assert model.spec.context == Context(4)
    assert model.spec.classes == ("background", "other tissue", "tumour")
    run = json.loads((out / "run.json").read_text())
    first = json.loads((base / "run.json").read_text())
    assert (run["data"]["scanners"], first["data"]["scanners"]) == (
        ["virtual-A", "virtual-B"],
        ["virtual-A"],
    )
    assert run["data"]["labelled"]["by"] == first["model"]
    labels = list((master / LABELS).rglob("*.png"))
    assert {path.parent.name for path in labels} == {f"{first['model']['hash'][:12]}-0.4"}
    named = [step.phase for step in steps]
    assert [*dict.fromkeys(named)] == ["base (1 of 2)", "labels for master", "master (2 of 2)"]
    epoch = run["data"]["tiles_an_epoch"]
    assert sum(name == "master (2 of 2)" for name in named) == -(-epoch // 5 // 4) or epoch < 20


def test_only_tiles_to_learn_from_are_labelled_and_nothing_is_checked_on_them(finished):
    out, _ = finished
    recipe = phased(BASE, MASTER)
    source = recipe.source.open(recipe.data.grid, recipe.labels)
    run = json.loads((out / "run.json").read_text())
    labelled = [int(p.stem) for p in (out / PHASES / "2-master" / LABELS).rglob("*.png")]
    assert {source.records[i].scanner for i in labelled} == {"virtual-B"}
    assert 2 * len(labelled) == run["data"]["train_tiles"]
    checked = [r for r in source.records if r.scanner == "virtual-A"]
    assert run["data"]["val_tiles"] == len(checked) - len(labelled)


def test_a_run_that_was_stopped_goes_on_in_its_phase_and_ends_the_same(finished, tmp_path):
    out, steps = finished
    recipe = phased(BASE, MASTER)
    taken = 0
    # Stopped in the base phase, while labelling, and in the last phase.
    for stop in (1, 4, 9):
        with closing(train_steps(recipe, tmp_path / "run", CPU)) as some:
            for taken, _ in enumerate(some, 1):
                if taken == stop:
                    break
    rest = list(train_steps(recipe, tmp_path / "run", CPU))
    assert len(rest) < len(steps)
    weights = [path / "model" / "weights.safetensors" for path in (out, tmp_path / "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert list(train_steps(recipe, tmp_path / "run", CPU))[-1].phase == "labels for master"


def test_another_threshold_labels_anew(finished, tmp_path):
    out = shutil.copytree(finished[0], tmp_path / "run")
    for _ in train_steps(phased(BASE, {**MASTER, "threshold": 1.0}), out, CPU, overwrite=True):
        pass
    made = {path.parent.name.split("-")[1]: path for path in out.rglob(f"{LABELS}/*/*.png")}
    assert set(made) == {"0.4", "1"}
    told = json.loads((out / "run.json").read_text())["data"]["labelled"]
    assert told["threshold"] == 1.0
    assert (np.asarray(Image.open(made["1"])) == IGNORE).all(), "nobody is that sure"


def test_the_small_recipe_runs_from_end_to_end_and_its_model_finds_every_class(
    tiny_slide_path: Path, tmp_path: Path
):
    recipe = read_recipe("multi-level-small")
    smaller = {"virtual": {"tissues": 2, "side_um": 384, "scanners": ["virtual-A", "virtual-B"]}}
    phases = [
        replace(phase, settings={**phase.settings, "train.steps": 1, "train.batch": 2})
        for phase in recipe.phases
    ]
    data = replace(recipe.data, source=smaller, tile_px=96)
    run = train(replace(recipe, data=data, phases=tuple(phases)), tmp_path / "run", CPU)
    model = sc.load_model(run, device="cpu", precision="fp32")
    with sc.open_slide(tiny_slide_path) as slide:
        found = sc.predict(slide, model, tmp_path / "case")
    assert found.classes == ("background", "normal", "tumour")
    together = sum(np.asarray(found.array(name), int) for name in found.classes)
    assert found.arrays[0].shape == (3, 375, 500)
    assert 251 <= together.min() <= together.max() <= 255, "floors of probabilities that add up"


class Listed:
    """Two tiles of noise, one class everywhere."""

    classes = ("background", "tumour")
    records = tuple(record(f"t{k}", scanner=name) for k, name in enumerate("AB"))
    fingerprint = "0" * 64

    def __init__(self, levels: int = 1) -> None:
        self.levels = levels

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        shape = (32, 32) if self.levels == 1 else (self.levels, 32, 32)
        rgb = np.random.default_rng(index).integers(0, 256, (*shape, 3), dtype=np.uint8)
        return rgb, np.zeros(shape, np.uint8)


def red_model(**fields: object) -> Model:
    from segmentation.predict_helpers import spec_for

    def scores(rgb: np.ndarray) -> np.ndarray:
        red = (rgb if rgb.ndim == 3 else rgb[0])[..., 0].astype(np.float32) / 255
        return np.stack([1 - red, red])

    return Model.from_function(spec_for(**fields), scores)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_below_the_threshold_nothing_is_learnt_from(threshold: float):
    rgb, _ = Listed().read(0)
    red = rgb[..., 0].astype(np.float32) / 255
    wanted = np.where(red >= threshold, 1, np.where(1 - red >= threshold, 0, IGNORE))
    np.testing.assert_array_equal(pseudo_mask(red_model(), rgb, threshold), wanted)


@pytest.mark.parametrize("sees", [None, {"downsample": 4}])
def test_of_a_context_only_what_its_tile_covers_is_labelled(tmp_path: Path, sees: object):
    grid = Grid(0.5, 32, 0, Context(4))
    model = red_model(context=sees)
    source = PseudoLabelled(Listed(2), grid, [1], model, 0.8, tmp_path)
    assert list(source.make()) == [(1, 1)]
    rgb, mask = source.read(1)
    own = pseudo_mask(red_model(), rgb[0], 0.8)
    np.testing.assert_array_equal(mask[0], own)
    np.testing.assert_array_equal(mask[1][12:20, 12:20], own[2::4, 2::4])
    ring = mask[1].copy()
    ring[12:20, 12:20] = IGNORE
    assert (ring == IGNORE).all()
    assert (source.read(0)[1] == 0).all(), "the other tile keeps what people drew"
    counted = own[own != IGNORE]
    assert source.records[1].shares == pytest.approx(((counted == 0).mean(), (counted == 1).mean()))
    assert source.records[0] == Listed.records[0]


def test_labels_are_made_once_and_name_who_made_them(tmp_path: Path):
    grid, calls = Grid(0.5, 32), []

    class Counting(Listed):
        def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            calls.append(index)
            return super().read(index)

    first = PseudoLabelled(Counting(), grid, [0, 1], red_model(), 0.8, tmp_path)
    next(first.make())
    assert list(first.make()) == [(1, 2), (2, 2)]
    assert calls == [0, 1]
    second = PseudoLabelled(Listed(), grid, [0, 1], red_model(version="2"), 0.8, tmp_path)
    third = PseudoLabelled(Listed(), grid, [0, 1], red_model(), 0.7, tmp_path)
    assert len({source.fingerprint for source in (first, second, third)}) == 3


def test_a_model_of_other_classes_cannot_label(tmp_path: Path):
    model = red_model(classes=("tumour", "background"))
    with pytest.raises(TrainingError, match="finds tumour, background, but the classes to learn"):
        PseudoLabelled(Listed(), Grid(0.5, 32), [0], model, 0.8, tmp_path)


@pytest.mark.parametrize(
    ("phases", "says"),
    [
        (({**MASTER, "name": "first"},), "first is the first: there is no model before it"),
        ((BASE, {**MASTER, "name": "base"}), "phases: base, base name one phase twice"),
        ((BASE, {"name": "b", "treshold": 0.5}), "'treshold' is not known. Did you mean 'thresho"),
        (({"name": "a", "settings": {"train.batchs": 4}},), "'batchs' is not known. Did you mean"),
        (({"name": "a/b"},), "phases[1].name"),
        (({"name": "a", "settings": {"data.context": None}},), "see two levels, data.context one"),
    ],
)
def test_wrong_phases_are_named(phases: tuple[dict[str, object], ...], says: str):
    with pytest.raises(ParameterError) as error:
        phased(*phases)
    assert says in str(error.value)


def test_a_folder_with_another_model_is_refused_before_the_first_phase(tmp_path: Path):
    (tmp_path / "model").mkdir()
    with pytest.raises(OutputError, match="holds another training"):
        next(train_steps(phased(BASE, MASTER), tmp_path, CPU))


def test_whom_a_phase_learnt_from_no_later_phase_checks_on(tmp_path: Path):
    def checked(seed: int) -> set[str]:
        recipe = phased(BASE, MASTER, seed=seed)
        source = recipe.open()
        return {source.records[i].patient for i in tiles_of(recipe, source, VAL)}

    other = next(seed for seed in range(4, 40) if checked(seed) != checked(3))
    moved = {**BASE, "settings": {**BASE["settings"], "seed": other}, "epochs": 0.1}
    with pytest.raises(
        MismatchError, match=r"master would check on 1 patient\(s\) that an earlier"
    ):
        list(train_steps(phased(moved, MASTER), tmp_path / "run", CPU))
    assert not (tmp_path / "run" / "model").exists()


def test_every_scanner_labelled_leaves_nothing_to_check_on(tmp_path: Path):
    greedy = {**MASTER, "pseudo_scanners": ["virtual-A", "virtual-B"]}
    with pytest.raises(TrainingError, match="every scanner is labelled by the model"):
        list(train_steps(phased({**BASE, "epochs": 0.1}, greedy), tmp_path, CPU))
