"""Cross-validation: checklist (b) 16 to 18, its tables, and a run on virtual tissue."""

from __future__ import annotations

import pytest

from slideconcord.errors import OutputError, ParameterError
from slideconcord.training.data.prepare import tiles_of
from slideconcord.training.experiments.cross_validation import SCORES, CrossValidation, held_out
from slideconcord.training.experiments.reading import read_experiment
from slideconcord.training.experiments.runs import experiment_steps
from slideconcord.training.options import TrainOptions
from training.test_scanner_shift import RECIPE
from training.training_data import record, tiny

CPU = TrainOptions(device="cpu", readers=2)
THREE_FOLDS = {"data": {"folds": 3}, "train": {"steps": 2, "batch": 2, "check_every": 2}}
SMALL = CrossValidation({"plain": {}, "hsv": {"augment+": ["hsv"]}}, RECIPE, THREE_FOLDS)


class Records:
    """A source of which nobody reads a tile."""

    def __init__(self, *records):
        self.records = records


def test_every_fold_is_held_out_once_from_all_variants_alike():
    recipe = SMALL.base(None)
    source = Records(*(record(str(k), str(k), scanner="AB"[k % 2]) for k in range(12)))
    runs = SMALL.runs(recipe, source)
    assert [run.name for run in runs[:3]] == ["seed-1/fold-0/plain", "seed-1/fold-0/hsv",
                                              "seed-1/fold-1/plain"]  # fmt: skip
    held = {run.name: held_out(run.recipe, source) for run in runs}
    assert held["seed-1/fold-1/plain"] == held["seed-1/fold-1/hsv"]
    folds = [held[f"seed-1/fold-{k}/plain"] for k in range(3)]
    assert sorted(tile for fold in folds for tile in fold) == list(range(12))
    for run in runs:
        learnt = [*tiles_of(run.recipe, source, "train"), *tiles_of(run.recipe, source, "val")]
        assert sorted([*learnt, *held[run.name]]) == list(range(12))


def test_scanners_not_learnt_from_are_scored_and_what_the_data_hold_back_is_not():
    """Checklist (b) 17, where every patient went through every scanner."""
    records = [record(f"{p}{s}", str(p), scanner=s) for p in range(6) for s in "AB"]
    kept = [record("kept", "kept", scanner="A", split="test")]
    named = [record(r.name, r.patient, scanner=r.scanner, split="train") for r in records]
    recipe = tiny(data__folds=3, data__scanners=["A"])
    source = Records(*named, *kept)
    assert {source.records[i].scanner for i in held_out(recipe, source)} == {"A", "B"}
    assert 12 not in held_out(recipe, source)
    assert {source.records[i].scanner for i in tiles_of(recipe, source, "train")} == {"A"}


def rows(scores: dict[tuple[str, int], float], tta: str = "none") -> list[dict]:
    """Return rows of runs: a score for each variant and fold."""
    counts = {"tiles": 2, "empty_tiles": 1}
    return [
        {"variant": name, "seed": 1, "fold": fold, "tta": tta, "scanner": scanner, **counts,
         **dict.fromkeys(SCORES, value)}
        for (name, fold), value in scores.items()
        for scanner in ("all", "A")
    ]  # fmt: skip


def test_the_table_is_mean_and_deviation_over_folds_that_all_variants_have_done():
    done = rows({("plain", 0): 0.5, ("hsv", 0): 0.6, ("plain", 1): 0.7, ("hsv", 1): 0.8})
    table = SMALL.summary([*done, *rows({("plain", 2): 0.1})])
    assert [(r["variant"], r["scanner"], r["models"], r["tiles"]) for r in table] == [
        ("plain", "all", 2, 4), ("hsv", "all", 2, 4), ("plain", "A", 2, 4), ("hsv", "A", 2, 4)
    ]  # fmt: skip
    assert [r["iou"] for r in table[:2]] == pytest.approx([0.6, 0.7])
    assert table[0]["iou_sd"] == pytest.approx(0.02**0.5)
    text = SMALL.text(table)
    assert "| plain | none | 2 | 60.00 ± 14.14 |" in text
    assert "| A | hsv | none | 2 | 70.00 ± 14.14 |" in text


def test_a_recipe_without_folds_and_wrong_variants_are_refused():
    with pytest.raises(ParameterError, match=r"has no folds: say how many, as in changes: \{data"):
        CrossValidation({"plain": {}}, RECIPE).base(None)
    with pytest.raises(ParameterError, match="variants names none"):
        CrossValidation({}, RECIPE)
    with pytest.raises(ParameterError, match="the variant 'a/b' becomes a folder"):
        CrossValidation({"a/b": {}}, RECIPE)
    with pytest.raises(
        ParameterError, match=r"'plain' must be scored on the same.* data\.folds into"
    ):
        CrossValidation({"plain": {"data": {"folds": 2}}}, RECIPE)


def test_the_bundled_one_holds_the_rows_of_the_papers_table_apart_from_the_encoder_alike():
    chosen = read_experiment("stain-separation-ebhi")
    runs = chosen.runs(chosen.base("nowhere"), None)
    made = {run.about["variant"]: run.recipe for run in runs if run.about["fold"] == 0}
    assert list(made) == ["supervised", "multitask-alpha-0", "multitask-alpha-0.3"]
    assert len(runs) == 3 * 4
    for recipe in made.values():
        assert recipe.augment[-1] == {"one_of": {"p": 0.5, "parts": ["randstainna", "spcn"]}}
        assert (recipe.data, recipe.train, recipe.loss) == (
            made["supervised"].data, made["supervised"].train, made["supervised"].loss
        )  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    pytest.importorskip("segmentation_models_pytorch")
    out = tmp_path_factory.mktemp("cross-validation")
    one = {"plain": {}}
    chosen = CrossValidation(one, RECIPE, THREE_FOLDS, tta="rotations")
    return chosen, out, list(experiment_steps(chosen, out, CPU))


def test_it_runs_end_to_end_on_virtual_data_and_leaves_the_table(done):
    _, out, steps = done
    found = [row for step in steps for row in step.rows]
    assert {(r["fold"], r["tta"]) for r in found} == {
        (fold, tta) for fold in range(3) for tta in ("none", "rotations")
    }
    assert {r["scanner"] for r in found} > {"all"}
    assert {path.name for path in out.iterdir()} == {
        "experiment.json", "runs", "runs.csv", "table.csv", "table.json", "table.md"
    }  # fmt: skip


def test_results_measured_otherwise_are_not_taken_for_these(done):
    """A table with four turns must not be made of results without."""
    from dataclasses import replace

    chosen, out, _ = done
    with pytest.raises(OutputError, match="is a run of other settings or other data"):
        next(experiment_steps(replace(chosen, tta="none"), out, CPU))


def test_one_run_is_scored_on_its_fold_from_the_command_line(done, capsys, tmp_path):
    import json

    from slideconcord.cli import main

    _, out, steps = done
    words = ["models", "score", out / "runs/seed-1/fold-1/plain", "--device", "cpu", "--json"]
    assert main([*map(str, words), "--out", str(tmp_path / "score")]) == 0
    told = json.loads(capsys.readouterr().out)
    [row] = [r for step in steps for r in step.rows
             if (r["fold"], r["tta"], r["scanner"]) == (1, "none", "all")]  # fmt: skip
    assert {name: told[name] for name in (*SCORES, "tiles")} == pytest.approx(
        {name: row[name] for name in (*SCORES, "tiles")}, nan_ok=True
    )
    assert (tmp_path / "score" / "scores.csv").is_file()


def test_data_that_a_run_was_not_made_with_are_refused(done, capsys, tmp_path):
    """Which of them it has seen cannot be told."""
    from slideconcord.cli import main

    run = done[1] / "runs/seed-1/fold-1/plain"
    text = (run / "recipe.yaml").read_text()
    assert "tissues: 6" in text
    (run / "recipe.yaml").write_text(text.replace("tissues: 6", "tissues: 7"))
    words = ["models", "score", str(run), "--device", "cpu", "--out", str(tmp_path / "score")]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "These are not the data that" in err
