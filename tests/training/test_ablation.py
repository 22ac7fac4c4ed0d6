"""The ablation: SCORPION's items 19 and 20, its table, and tiles that are classified."""

from __future__ import annotations

import pytest

from slideconcord.training.experiments.ablation import SCORES, Ablation
from slideconcord.training.experiments.reading import read_experiment
from slideconcord.training.experiments.runs import experiment_steps
from slideconcord.training.experiments.variant_tables import markdown
from slideconcord.training.experiments.variants import changed
from slideconcord.training.options import TrainOptions
from training.test_scanner_shift import RECIPE

CPU = TrainOptions(device="cpu", readers=2)
SMALL = Ablation(
    {
        "baseline": {},
        "hsv": {"augment+": ["hsv"]},
        "hsv+simcons": {"objective": {"simcons": {"style": ["hsv"], "weight": 0.4}}},
    },
    RECIPE,
    seeds=1,
)


def test_changes_replace_what_they_name_and_nothing_else():
    values = {"train": {"steps": 5, "batch": 2}, "augment": ["flip"], "objective": "supervised"}
    made = changed(values, {"train": {"steps": 9}, "augment+": ["hsv"], "objective": {"a": {}}})
    assert made == {
        "train": {"steps": 9, "batch": 2}, "augment": ["flip", "hsv"], "objective": {"a": {}}
    }  # fmt: skip
    assert values["augment"] == ["flip"]


def test_item_20_the_rows_of_the_papers_table_differ_in_style_and_consistency_alone():
    ablation = read_experiment("simcons-ablation", ["ablation.seeds=1"])
    recipe = ablation.base("nowhere")
    recipes = {run.about["variant"]: run.recipe for run in ablation.runs(recipe, None)}
    assert list(recipes) == [
        "baseline", "color_jitter", "color_jitter+simcons", "randstainna", "randstainna+simcons",
        "fda", "fda+simcons",
    ]  # fmt: skip
    for name, made in recipes.items():
        style, _, twins = name.partition("+")
        alone = style != "baseline" and not twins
        assert made.augment == (*recipe.augment, style) if alone else recipe.augment
        expected = {"simcons": {"style": [style], "weight": 0.4}} if twins else "supervised"
        assert made.objective == expected
        same = [(r.network, r.train, r.data, r.loss, r.seed) for r in (made, recipes["baseline"])]
        assert same[0] == same[1]


def test_only_seeds_that_all_variants_have_done_enter_the_table():
    def row(variant, seed, score):
        return {"variant": variant, "seed": seed, **dict.fromkeys(SCORES, score)}

    rows = [row("baseline", 1, 0.5), row("hsv", 1, 0.6), row("hsv+simcons", 1, 0.7)]
    more = [row("baseline", 2, 0.7), row("hsv", 2, 0.8), row("hsv+simcons", 2, 0.9)]
    assert [r["seeds"] for r in SMALL.summary([*rows, *more[:2]])] == [1, 1, 1]
    table = SMALL.summary([*rows, *more])
    assert [r["mean_pair"] for r in table] == pytest.approx([0.6, 0.7, 0.8])
    assert table[0]["mean_pair_sd"] == pytest.approx(0.02**0.5)
    assert "| hsv | 2 | 70.00 ± 14.14 |" in markdown(table, ("variant", "seeds"), SCORES)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    pytest.importorskip("segmentation_models_pytorch")
    out = tmp_path_factory.mktemp("ablation")
    return out, list(experiment_steps(SMALL, out, CPU))


def test_it_runs_end_to_end_on_virtual_data_and_leaves_the_table(done):
    out, steps = done
    rows = [row for step in steps for row in step.rows]
    assert [row["variant"] for row in rows] == ["baseline", "hsv", "hsv+simcons"]
    assert all(row["seed"] == 1 and " / " in row["worst_pair"] for row in rows)
    lines = (out / "table.md").read_text().splitlines()
    assert len(lines) == 2 + 3
    assert lines[0].startswith("| variant | seeds | Dice | Dice, scanners |")
    assert {path.name for path in out.iterdir()} == {
        "experiment.json", "runs", "runs.csv", "table.csv", "table.json", "table.md"
    }  # fmt: skip


def test_variants_may_see_other_data_and_are_measured_on_the_same_tiles(tmp_path):
    """Tiles with and without context, by one scanner and by both; tested on virtual-B alone."""
    pytest.importorskip("segmentation_models_pytorch")
    from dataclasses import asdict

    from slideconcord.segmentation.context import Context
    from slideconcord.segmentation.model import load_model
    from slideconcord.training.data.prepare import tiles_of
    from training.test_multi_level_training import MULTI
    from training.training_data import TINY, tiny

    train = {**TINY["train"], "steps": 1, "check_every": 1, "batch": 2}
    recipe = tiny(**MULTI, train=train)
    alone = {
        "data": {"context": None, "scanners": ["virtual-A"]},
        "network": TINY["network"],
        "objective": "supervised",
    }
    variants = {"one-level": alone, "two-levels": {}}
    ablation = Ablation(variants, asdict(recipe), seeds=1, scanner="virtual-B")
    rows = [row for step in experiment_steps(ablation, tmp_path, CPU) for row in step.rows]
    source = recipe.open()
    tiles = tiles_of(recipe, source, "val", "virtual-B")
    assert 0 < len(tiles) < len(tiles_of(recipe, source, "val"))
    assert [row["tiles"] for row in rows] == [len(tiles)] * 2
    for name, context in (("one-level", None), ("two-levels", Context(4))):
        model = load_model(tmp_path / "runs" / "seed-1" / name / "model", device="cpu")
        assert model.spec.context == context


def test_tiles_are_classified_by_the_same_loop():
    pytest.importorskip("timm")
    import torch

    from slideconcord.segmentation.networks import build
    from slideconcord.training.data.prepare import prepare
    from slideconcord.training.experiments.variants import variant
    from slideconcord.training.run import _spec
    from training.training_data import tiny

    recipe = variant(
        tiny(),
        {
            "data": {"tile_labels": 0.05},
            "network": {"architecture": "tile-classifier",
                        "parameters": {"encoder_name": "mobilenetv3_small_050"}},
        },
    )  # fmt: skip
    source, pixels = recipe.open(), tiny().open()
    for index, (tile, whole) in enumerate(zip(source.records, pixels.records, strict=True)):
        [number] = [k for k, share in enumerate(tile.shares) if share]
        covering = [k for k, share in enumerate(whole.shares) if share >= 0.05]
        assert number == max(covering, default=0)
        assert set(source.read(index)[1].ravel()) == {number}
    assert source.fingerprint != pixels.fingerprint
    network = build(_spec(recipe, prepare(recipe, source=source))).eval()
    logits = network(torch.zeros(2, 3, 64, 96))
    assert logits.shape == (2, 3, 64, 96)
    assert torch.equal(logits, logits[:, :, :1, :1].expand_as(logits))
