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
from slideconcord.segmentation.context import Context
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.spec import make_spec
from slideconcord.training.data.folders import FolderData
from slideconcord.training.data.rescan import rescan_tile
from slideconcord.training.data.tile import Grid
from slideconcord.training.experiments.shift import scores_on
from slideconcord.training.scoring import score
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


# --- models that see a context


@pytest.fixture(scope="module")
def levels(tmp_path_factory):
    """Return tiles of 32 px with contexts of twice their width."""
    folder = write_folder(tmp_path_factory.mktemp("levels") / "data")
    data = FolderData(path=str(folder), centre=True)
    return data.open(Grid(4.0, 32, 0, Context(2)), folder_recipe(folder).labels)


def around_model() -> Model:
    """Return a model that takes a tile for a square where its context is dark."""

    def scores(rgb: np.ndarray) -> np.ndarray:
        assert rgb.shape == (2, 32, 32, 3)
        dark = np.broadcast_to(rgb[1, ..., 1].mean() < 185, rgb.shape[1:3])
        return np.stack([~dark, dark]).astype(np.float32)

    return Model.from_function(SPEC.changed(context={"downsample": 2}), scores)


def test_each_scanner_shows_tile_and_context_alike(levels):
    model_ = around_model()
    result = measure_sensitivity(model_, levels, range(8))
    for name, scanner in FIVE_SCANNERS.items():
        wanted = []
        for tile in range(8):
            rgb, mask = levels.read(tile)
            seen = rescan_tile(rgb, scanner, 4.0, Context(2), tile)
            np.testing.assert_array_equal(seen[0], rescan(rgb[0], scanner, 4.0, tile))
            wanted.append(dice(model_(seen)[1] > 0.5, mask[0] == 1))
        assert result.tile_dice(name, REFERENCE) == pytest.approx(wanted, nan_ok=True)
    sizes = result.overlaps[:, 1, range(7), range(7)]
    assert len(np.unique(sizes[:, 1:6])) == 2, "scanners darken some contexts below the limit"


def test_a_context_is_blurred_by_as_many_um_and_its_noise_is_the_mean_of_many_pixels():
    edge = np.full((2, 64, 64, 3), 250, np.uint8)
    edge[:, :, 32:] = 80
    blunt = replace(next(iter(FIVE_SCANNERS.values())), blur_um=4.0, noise=0.0)
    tile, around = rescan_tile(edge, blunt, 1.0, Context(4))[:, 32, :, 1].astype(int)
    assert (np.abs(np.diff(tile)) > 2).sum() > 2 * (np.abs(np.diff(around)) > 2).sum() > 0
    noisy = replace(blunt, blur_um=0.0, noise=8.0, white=(200.0,) * 3)
    glass = np.full((2, 64, 64, 3), 255, np.uint8)
    seen = rescan_tile(glass, noisy, 1.0, Context(4), 3).astype(float)
    assert seen[1].std() == pytest.approx(seen[0].std() / 4, rel=0.1)
    assert abs(np.corrcoef(seen[0, ..., 0].ravel(), seen[1, ..., 0].ravel())[0, 1]) < 0.1


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the same tiles as `levels`, without contexts."""
    folder = write_folder(tmp_path_factory.mktemp("alone") / "data")
    return FolderData(path=str(folder), centre=True).open(
        Grid(4.0, 32), folder_recipe(folder).labels
    )


MEASURES = {
    "sensitivity": lambda model, tiles, which: measure_sensitivity(model, tiles, which).summary(),
    "score": lambda model, tiles, which: score(model, tiles, which).summary(),
    "rotations": lambda model, tiles, which: score(model, tiles, which, "rotations").summary(),
    "shift": lambda model, tiles, which: scores_on(model, tiles, which, 0.05),
}
"""All that measure a model on tiles; cross-validation does by `score`."""


@pytest.mark.parametrize("measure", MEASURES.values(), ids=list(MEASURES))
def test_a_model_without_context_is_shown_the_tile_alone(levels, alone, measure):
    shown = []

    def scores(rgb: np.ndarray) -> np.ndarray:
        shown.append(rgb.shape)
        return DARK(rgb)

    told = [
        measure(Model.from_function(SPEC, scores), tiles, range(4)) for tiles in (levels, alone)
    ]
    np.testing.assert_equal(*told)
    assert set(shown) == {(32, 32, 3)}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=list(MEASURES))
def test_a_model_with_context_refuses_tiles_alone(source, measure):
    with pytest.raises(MismatchError, match=r"sees each tile with .* show tiles alone: give them"):
        measure(around_model(), source, [0])
