"""The scanner-shift study: checklist (d) of the facts, on made-up scores and end to end."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from slideconcord.errors import OutputError, ParameterError
from slideconcord.segmentation.model import Model
from slideconcord.training.data.prepare import prepare, tiles_of
from slideconcord.training.experiments import runs as running
from slideconcord.training.experiments.reading import list_experiments, read_experiment
from slideconcord.training.experiments.runs import experiment_steps
from slideconcord.training.experiments.shift import ScannerShift, auc, scores_on
from slideconcord.training.experiments.shift_plots import delta_figure
from slideconcord.training.experiments.shift_tables import ShiftTables
from slideconcord.training.options import TrainOptions
from training.test_sensitivity import SPEC
from training.training_data import FOLDER_CLASSES, TINY, folder_recipe, with_context, write_folder

CPU = TrainOptions(device="cpu", readers=2)
RECIPE = {
    **TINY,
    "data": {
        **TINY["data"],
        "source": {"virtual": {"tissues": 6, "side_um": 384}},
    },
    "augment": [],
    "train": {"steps": 2, "batch": 2, "check_every": 2},
}
STUDY = ScannerShift(RECIPE, seeds=2, mixing=(0.5,), noise=(10.0,), more_seeds=1)


def row(train, test, seed, auc, kind="matrix", level=0.0):
    return {"kind": kind, "level": level, "seed": seed, "train": train, "test": test,
            "auc": auc, "dice": None, "iou": None}  # fmt: skip


def found(table, **wanted):
    [only] = [r for r in table.records() if wanted.items() <= r.items()]
    return only


def test_items_4_to_6_the_matrix_and_delta_are_different_less_same():
    tables = ShiftTables(
        tuple(
            row(j, k, seed, value)
            for j, k, values in (
                ("A", "A", (0.78, 0.80)), ("A", "B", (0.50, 0.51)),
                ("B", "A", (0.70, 0.60)), ("B", "B", (0.68, 0.70)),
            )
            for seed, value in enumerate(values, 1)
        )
    )  # fmt: skip
    of = found(tables.matrix(), metric="auc", train="A", test="B")
    assert (of["mean"], of["n"]) == (pytest.approx(0.505), 2)
    assert of["sd"] == pytest.approx(np.std([0.50, 0.51], ddof=1))
    assert of["delta_mean"] == pytest.approx(0.505 - 0.79)
    assert of["delta_sd"] == pytest.approx(np.std([-0.28, -0.29], ddof=1))
    of = found(tables.deltas(), metric="auc", train="A")
    assert (of["same_mean"], of["different_mean"]) == pytest.approx((0.79, 0.505))
    assert of["delta_mean"] == pytest.approx(-0.285)
    summary = tables.summary()["auc"]
    assert summary["mean_delta"] == pytest.approx((-0.285 - 0.04) / 2)
    assert (summary["settings"], summary["not_below_0"], summary["worst"]) == (2, 0, "A > B")
    assert found(tables.matrix(), metric="dice", train="A", test="B")["mean"] is None


def test_items_2_5_9_and_11_to_13_the_numbers_are_the_papers():
    study = read_experiment("scanner-shift")
    assert (study.val, study.test) == (1 / 6, 1 / 6)
    assert (study.seeds, study.more_seeds) == (10, 3)
    assert study.mixing == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert study.noise == (1, 2, 3, 4, 5, 7, 10, 15, 30, 50)
    recipe = study.base("nowhere")
    assert (recipe.train.batch, recipe.rates.rate(0, 1)) == (50, 1e-4)
    assert recipe.standardise == "measure"
    bare = ScannerShift(RECIPE)
    assert (bare.val, bare.test, bare.seeds, bare.more_seeds) == (1 / 6, 1 / 6, 10, 3)
    assert (bare.mixing, bare.noise) == (study.mixing, study.noise)


def test_item_8_each_scanners_own_training_tiles_are_standardised():
    recipe = STUDY.base(None)
    source = recipe.open()
    for run in STUDY.runs(recipe, source)[:2]:
        data = prepare(run.recipe, source=source)
        assert {source.records[i].scanner for i in data.train} == {run.about["train"]}
        pixels = [source.read(i)[0].reshape(-1, 3) / 255 for i in data.train]
        assert data.mean == pytest.approx(np.mean([each.mean(0) for each in pixels], 0))


def test_item_10_a_box_for_each_scanner_with_its_mean_in_red():
    pytest.importorskip("matplotlib")
    scores = {("A", "A"): 0.8, ("A", "B"): 0.5, ("B", "A"): 0.9, ("B", "B"): 0.7}
    rows = [row(j, k, s, v + 0.01 * s * (j == k)) for (j, k), v in scores.items() for s in (1, 2)]
    axes = delta_figure(ShiftTables(tuple(rows)), "auc").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "B"]
    means = [float(line.get_ydata()[0]) for line in axes.lines if line.get_color() == "red"]
    assert means == pytest.approx([-0.315, 0.185])


def test_item_14_settings_that_got_no_worse_are_counted():
    scores = {("A", "A"): 0.8, ("A", "B"): 0.8, ("B", "A"): 0.9, ("B", "B"): 0.7}
    summary = ShiftTables(tuple(row(j, k, 1, v) for (j, k), v in scores.items())).summary()["auc"]
    assert (summary["settings"], summary["not_below_0"]) == (2, 2)
    assert summary["mean_delta"] == pytest.approx(0.1)


def test_seeds_that_are_not_done_yet_do_not_enter_delta():
    tables = ShiftTables((row("A", "A", 1, 0.8), row("A", "A", 2, 0.6), row("A", "B", 1, 0.7)))
    assert tables.shifts("auc", "A", "B") == pytest.approx([-0.1])


def test_curves_begin_with_the_matrix_of_the_same_seeds():
    rows = [row("A", "B", seed, 0.5 + seed / 100) for seed in (1, 2, 3)]
    rows += [row("A", "B", seed, 0.7, "mixing", 0.5) for seed in (1, 2)]
    curve = ShiftTables(tuple(rows)).curve("mixing")
    plain = found(curve, metric="auc", level=0.0)
    assert (plain["mean"], plain["n"]) == (pytest.approx(0.515), 2)
    assert found(curve, metric="auc", level=0.5)["mean"] == pytest.approx(0.7)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_the_auc_is_the_chance_that_a_positive_scores_higher(pairs):
    scores = np.array([score for score, _ in pairs], float)
    positive = np.array([is_one for _, is_one in pairs], bool)
    wins = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
    expected = np.mean(wins) if wins else np.nan
    assert auc(scores, positive) == pytest.approx(expected, nan_ok=True)


def test_scores_are_means_over_tiles_and_the_auc_goes_by_the_mean_probability(tmp_path):
    recipe = folder_recipe(write_folder(tmp_path / "data"))
    source = recipe.open()

    def half(rgb):  # finds the dark square, and the same number of pixels besides
        dark = (rgb[..., 1] < 100).astype(np.float32)
        return np.stack([0.6 - dark, 0.4 + dark])

    scores = scores_on(Model.from_function(SPEC, half), source, [0, 1, 2], 0.05)
    assert scores == pytest.approx(
        {"dice": 1.0, "iou": 1.0, "auc": np.nan, "tiles": 3}, nan_ok=True
    )  # all tiles have a square


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    pytest.importorskip("segmentation_models_pytorch")
    out = tmp_path_factory.mktemp("study")
    with closing(experiment_steps(STUDY, out, CPU)) as steps:
        for step in steps:
            if step.done == 2 and not step.rows:
                break  # in the middle of the third training
    return out, list(experiment_steps(STUDY, out, CPU))


def test_item_4_all_runs_end_to_end_with_tables_and_pictures(study):
    out, _ = study
    told = json.loads((out / "study.json").read_text())
    assert len(told["matrix"]) == 3 * 4
    assert all(r["n"] == 2 for r in told["matrix"] if r["metric"] == "dice" and r["mean"])
    assert {r["level"] for r in told["mixing"]} == {0.0, 0.5}
    assert {r["level"] for r in told["noise"]} == {0.0, 10.0}
    runs = (out / "runs.csv").read_text().splitlines()
    assert len(runs) == 1 + 2 * 2 * 2 + 2 + 2 * 2
    made = json.loads((out / "experiment.json").read_text())
    assert made["experiment"]["seeds"] == 2
    assert "torch" in made["versions"]
    pytest.importorskip("matplotlib")
    assert (out / "matrix-dice.png").stat().st_size > 5000
    assert "<svg" in (out / "delta-dice.svg").read_text()


def test_what_is_done_is_not_done_again_and_gives_the_same(study, monkeypatch):
    out, steps = study
    rows = [r for step in steps for r in step.rows]
    before = (out / "study.json").read_bytes()

    def train_again(*_, **__):
        raise AssertionError("a finished run was trained again")

    monkeypatch.setattr(running, "train_steps", train_again)
    again = list(experiment_steps(STUDY, out, CPU))
    assert [r for step in again for r in step.rows] == rows
    assert (out / "study.json").read_bytes() == before


def test_a_folder_of_other_settings_is_refused(study):
    other = ScannerShift({**RECIPE, "loss": {"dice": {}}}, seeds=2, mixing=(), noise=())
    with pytest.raises(OutputError, match="is a run of other settings or other data"):
        list(experiment_steps(other, study[0], CPU))


def test_items_2_3_and_15_who_is_learnt_from_checked_on_and_tested_on():
    recipe = STUDY.base(None)
    source = recipe.open()
    for run in STUDY.runs(recipe, source):
        data = prepare(run.recipe, source=source)
        records, about = source.records, run.about
        test = tiles_of(run.recipe, source, "test")
        used = {records[i].slide for i in (*data.train, *data.val)}
        assert not used & {records[i].slide for i in test}, "on whichever scanner"
        scanners = {records[i].scanner for i in data.train}
        assert scanners == ({about["train"]} if about["kind"] != "mixing" else
                            {"virtual-A", "virtual-B"})  # fmt: skip
        patients = [len({records[i].patient for i in part}) for part in (data.train, data.val)]
        assert patients == [4, 1]


def test_items_11_and_12_mixing_and_noise_are_what_the_runs_say():
    recipe = STUDY.base(None)
    source = recipe.open()
    runs = {run.name: run for run in STUDY.runs(recipe, source)}
    mixed = prepare(runs["mixing/seed-1/virtual-A+virtual-B-0.5"].recipe, source=source)
    shown = [source.records[mixed.train[mixed.order[k]]].scanner for k in
             range(mixed.order.epoch_length)]  # fmt: skip
    assert shown.count("virtual-B") == shown.count("virtual-A")
    [noise] = runs["noise/seed-1/virtual-A-10"].recipe.augmentation.appearances
    assert (noise.variance, noise.p) == ((100, 100), 1)
    assert not recipe.augment


def test_mixing_and_noise_may_be_learnt_from_fewer_scanners():
    names = ["virtual-A", "virtual-B", "virtual-UFS"]
    source = {"virtual": {"tissues": 6, "side_um": 384, "scanners": names}}
    values = {**RECIPE, "data": {**RECIPE["data"], "source": source}}
    study = ScannerShift(values, seeds=1, mixing=(0.5,), noise=(10.0,), more_seeds=1,
                         more_scanners=("virtual-A", "virtual-UFS"))  # fmt: skip
    recipe = study.base(None)
    assert [run.name.split("/")[-1] for run in study.runs(recipe, recipe.open())] == [
        *names, "virtual-A+virtual-UFS-0.5", "virtual-UFS+virtual-A-0.5",
        "virtual-A-10", "virtual-UFS-10",
    ]  # fmt: skip


def test_item_7_a_classifier_of_whole_tiles_has_an_auc_and_no_outline(tmp_path):
    pytest.importorskip("timm")
    names = ["virtual-AT2", "virtual-P1000"]
    folder = write_folder(tmp_path / "data", patients=12)
    for mask in folder.glob("mask/*-1.png"):  # the second tile of each patient has no square
        Image.new("L", (64, 64)).save(mask)
    shown = {"source": {"folder": {"path": str(folder)}}, "scanners": names, "each_patient": "all"}
    values = {**RECIPE, "classes": FOLDER_CLASSES,
              "network": {"architecture": "tile-classifier",
                          "parameters": {"encoder_name": "resnet10t"}},
              "loss": {"cross_entropy": {}}}  # fmt: skip
    values["data"] = {**TINY["data"], "source": {"rescanned": shown}, "tile_labels": 0.05}
    study = ScannerShift(values, seeds=1, mixing=(), noise=())
    rows = [r for step in experiment_steps(study, tmp_path / "out", CPU) for r in step.rows]
    assert {(r["train"], r["test"]) for r in rows} == {(j, k) for j in names for k in names}
    assert all(r["dice"] is r["iou"] is None for r in rows)
    assert all(0 <= r["auc"] <= 1 for r in rows)


def test_a_network_that_sees_a_context_is_studied_too(tmp_path):
    pytest.importorskip("segmentation_models_pytorch")
    values = {**with_context(RECIPE["data"]["source"]), "train": RECIPE["train"]}
    study = ScannerShift(values, seeds=1, mixing=(), noise=(10.0,), more_seeds=1,
                         more_scanners=("virtual-A",))  # fmt: skip
    rows = [r for step in experiment_steps(study, tmp_path, CPU) for r in step.rows]
    assert [r["kind"] for r in rows] == ["matrix"] * 4 + ["noise"] * 2
    assert all(0 <= r["dice"] <= 1 for r in rows)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scanners": ["virtual-C"]}, "'virtual-C' is not known. Did you mean 'virtual-"),
        ({"more_scanners": ["virtual-C"]}, "more_scanners: 'virtual-C' is not known. Did you mean"),
        ({"scanners": ["virtual-A"]}, "are of 1 scanner .* a shift needs two"),
    ],
)
def test_scanners_that_make_no_study_are_named(settings, message):
    study = ScannerShift(RECIPE, **{k: tuple(v) for k, v in settings.items()})
    recipe = study.base(None)
    with pytest.raises(ParameterError, match=message):
        study.runs(recipe, recipe.open())


def test_item_1_tiles_without_a_scanner_are_refused(tmp_path):
    data = write_folder(tmp_path / "data", patients=6)
    values = {**RECIPE, "classes": FOLDER_CLASSES}
    values["data"] = {**TINY["data"], "source": {"folder": {"path": str(data)}}}
    study = ScannerShift(values)
    recipe = study.base(None)
    with pytest.raises(ParameterError, match=r"name no scanner.* add the column scanner"):
        study.runs(recipe, recipe.open())


@pytest.mark.parametrize("name", list_experiments())
def test_every_bundled_experiment_reads_and_says_what_it_takes(name):
    experiment = read_experiment(name)
    head = list_experiments()[name].read_text().split("\n\n", 1)[0]
    for promise in ("command", "hardware", "minutes", "expect"):
        assert promise in head
    assert f"slideconcord experiment {name}" in head
    experiment.base("somewhere" if "small" not in name or "ablation" in name else None)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("scanner-shif", [], "'scanner-shif' is not known. Did you mean 'scanner-shift"),
        ("scanner-shift", ["scanner-shift.seed=2"], "Did you mean 'seeds'"),
        ("scanner-shift", ["scanner-shift.mixing=[1.5]"], "less than 1"),
        ("simcons-ablation", ["ablation.variants={}"], "names none"),
        ("simcons-ablation", ["ablation.variants={a/b: {}}"], "becomes a folder"),
    ],
)
def test_wrong_experiments_are_named(name, changes, message):
    with pytest.raises(ParameterError, match=message):
        read_experiment(name, changes)
