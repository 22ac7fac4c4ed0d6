"""Models under virtual scanners: items 8 to 10 and 21 of the SCORPION checklist."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from slideconcord.errors import MismatchError
from slideconcord.samples import FIVE_SCANNERS
from slideconcord.samples.rescan import rescan
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.spec import make_spec
from slideconcord.training.sensitivity import AS_IT_IS, REFERENCE, measure_sensitivity
from training.training_data import FOLDER_CLASSES, folder_recipe, write_folder

SPEC = make_spec(
    {"name": "by-hand", "version": "1", "architecture": "none", "mpp": 4.0, "tile_px": 64,
     "overlap_px": 0, "classes": list(FOLDER_CLASSES), "activation": "none", "licence": "CC0-1.0",
     "training_data": "none"}
)  # fmt: skip


def model(*, says) -> Model:
    """Return a model that calls a pixel a square where ``says(rgb)`` is true."""

    def scores(rgb: np.ndarray) -> np.ndarray:
        square = np.broadcast_to(says(rgb), rgb.shape[:2])
        return np.stack([~square, square]).astype(np.float32)

    return Model.from_function(SPEC, scores)


DARK = model(says=lambda rgb: rgb[..., 1] < 42)
"""Finds squares, whose green is 40: every scanner shows them in another green."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    recipe = folder_recipe(write_folder(tmp_path_factory.mktemp("seen") / "data"))
    return recipe.source.open(recipe.data.grid, recipe.labels)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    sizes = first.sum() + second.sum()
    return 2 * (first & second).sum() / sizes if sizes else np.nan


def test_item_8_all_pairs_of_scanners_as_counted_pixel_by_pixel(source):
    result = measure_sensitivity(DARK, source, [0, 3, 5])
    seen, references = {}, []
    for tile in (0, 3, 5):
        rgb, mask = source.read(tile)
        references.append(mask == 1)
        for name, scanner in FIVE_SCANNERS.items():
            answer = DARK(rescan(rgb, scanner, 4.0, tile))[1] > 0.5
            seen.setdefault(name, []).append(answer)
        seen.setdefault(AS_IT_IS, []).append(DARK(rgb)[1] > 0.5)
    assert len(result.pairs().rows) == 10 * 2
    for a, b in combinations(FIVE_SCANNERS, 2):
        each = [dice(*both) for both in zip(seen[a], seen[b], strict=True)]
        assert result.tile_dice(a, b) == pytest.approx(each, nan_ok=True)
    for look, found in seen.items():
        each = [dice(*both) for both in zip(found, references, strict=True)]
        assert result.dice(look, REFERENCE) == pytest.approx(np.nanmean(each))
    [row] = [
        r for r in result.accuracy().records()
        if (r["look"], r["class"], r["group"]) == (AS_IT_IS, "square", "all")
    ]  # fmt: skip
    pooled = dice(np.array(seen[AS_IT_IS]), np.array(references))
    assert row["pooled_dice"] == pytest.approx(pooled)
    assert row["tiles"] == 3
    assert row["iou"] == pytest.approx(np.mean([d / (2 - d) for d in (
        dice(*both) for both in zip(seen[AS_IT_IS], references, strict=True))]))  # fmt: skip


def test_item_9_mean_and_worst_pair_which_has_a_name(source):
    result = measure_sensitivity(DARK, source, range(4))
    summary = result.summary()
    pairs = {p: result.dice(*p) for p in combinations(FIVE_SCANNERS, 2)}
    assert summary["mean_pair"] == pytest.approx(np.mean(list(pairs.values())))
    assert summary["worst_pair_dice"] == min(pairs.values()) < summary["mean_pair"]
    assert pairs[tuple(summary["worst_pair"])] == summary["worst_pair_dice"]
    assert summary["accuracy"] == result.dice(AS_IT_IS, REFERENCE)
    worst = summary["worst_scanner"]
    assert summary["worst_scanner_accuracy"] == result.dice(worst, REFERENCE)


def test_item_21_a_model_that_always_says_the_same_agrees_and_is_wrong(source):
    summary = measure_sensitivity(model(says=lambda rgb: True), source, range(4)).summary()
    assert summary["mean_pair"] == summary["worst_pair_dice"] == 1.0
    assert summary["accuracy"] < 0.3
    never = measure_sensitivity(model(says=lambda rgb: False), source, range(4))
    assert np.isnan(never.dice(*list(FIVE_SCANNERS)[:2])), "nothing found is nothing to compare"
    assert never.summary()["accuracy"] == 0


def test_what_is_written_has_scores_groups_and_origin(source, tmp_path):
    result = measure_sensitivity(DARK, source, range(2))
    replace(result, groups=("benign", "malign")).write(tmp_path / "out")
    told = json.loads((tmp_path / "out" / "sensitivity.json").read_text())
    assert told["summary"]["tiles"] == 2
    assert told["model"]["hash"] == DARK.hash
    assert set(told["scanners"]) == set(FIVE_SCANNERS)
    assert "slideconcord" in told["versions"]
    rows = (tmp_path / "out" / "accuracy.csv").read_text().splitlines()
    assert len(rows) == 1 + 6 * 2 * 3  # looks, classes, all and both groups
    assert len((tmp_path / "out" / "pairs.csv").read_text().splitlines()) == 1 + 10 * 2


def test_a_model_of_other_classes_is_refused(source):
    other = Model.from_function(SPEC.changed(classes=["background", "circle"]), DARK)
    with pytest.raises(MismatchError, match="tells apart background, circle, the data background,"):
        measure_sensitivity(other, source, [0])
