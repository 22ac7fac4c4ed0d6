"""Tiles without tissue are left out when asked: not read, not computed, and the record says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conftest import tissue_like, write_pyramid
from segmentation.predict_helpers import chunks_of, edgy, edgy_model, red_and_blue, spec_for
from slideconcord.cli import main
from slideconcord.geometry import Box
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.plan import plan_run
from slideconcord.segmentation.predict import PredictOptions, predict, predict_tiles
from slideconcord.segmentation.probability import open_probability
from slideconcord.segmentation.tissue import find_tissue
from slideconcord.slides import Slide, open_slide

OPTIONS = PredictOptions(tile_px=300, overlap_px=60, skip_background=True, readers=2)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide of 1500 x 1800 px at 1 µm whose tissue lies in one corner."""
    image = np.full((1500, 1800, 3), 240, np.uint8)
    image[:700, :800] = tissue_like(700, 800)
    grain = np.random.default_rng(0).integers(-60, 60, (140, 160, 1)).repeat(5, 0).repeat(5, 1)
    image[:700, :800] = np.clip(image[:700, :800] + grain, 0, 255)
    return write_pyramid(tmp_path_factory.mktemp("corner") / "corner.tif", image, mpp=1.0)


@pytest.fixture(scope="module")
def slide(path: Path) -> Iterator[Slide]:
    with open_slide(path) as opened:
        yield opened


def test_a_tile_is_left_out_exactly_when_it_holds_no_tissue(slide: Slide):
    plan = plan_run(slide, edgy_model(mpp=1.0), OPTIONS)
    tissue = np.asarray(find_tissue(slide).array).repeat(5, 0).repeat(5, 1)
    empty = {i for i in range(len(plan.grid)) if not tissue[plan.grid.box(i).slices].any()}
    assert plan.skipped == empty
    assert 10 < len(empty) < len(plan.grid) - 5


def test_what_is_left_out_is_not_computed_and_0_and_the_rest_is_the_same(
    slide: Slide, tmp_path: Path
):
    seen: list[int] = []

    def counted(rgb: np.ndarray) -> np.ndarray:
        seen.append(1)
        return edgy(rgb)

    model = Model.from_function(spec_for(mpp=1.0), counted)
    plan = plan_run(slide, model, OPTIONS)
    tiles = list(predict_tiles(slide, model, tmp_path / "a", OPTIONS))
    assert len(seen) == len(tiles) == tiles[-1].total == len(plan.grid) - len(plan.skipped)
    assert not {tile.index for tile in tiles} & plan.skipped
    part = open_probability(tmp_path / "a")
    whole = predict(slide, model, tmp_path / "b", tile_px=300, overlap_px=60)
    alone, untouched = np.ones((2, 1500, 1800), bool)
    for index in range(len(plan.grid)):
        (alone if index in plan.skipped else untouched)[plan.grid.box(index).slices] &= False
    # Where only computed tiles lie, and where only skipped ones do.
    np.testing.assert_array_equal(part.array()[alone], whole.array()[alone])
    assert not part.array()[untouched].any()
    fine, coarse = (np.asarray(part.level(i), np.uint16) for i in range(2))
    four = fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]
    np.testing.assert_array_equal(coarse, (four + 2) // 4)


def test_where_a_tile_is_left_out_its_neighbours_alone_count(slide: Slide, tmp_path: Path):
    model = Model.from_function(spec_for(mpp=1.0), red_and_blue)
    plan = plan_run(slide, model, OPTIONS)
    list(predict_tiles(slide, model, tmp_path, OPTIONS))
    touched = np.zeros((1500, 1800), bool)
    for index in set(range(len(plan.grid))) - plan.skipped:
        touched[plan.grid.box(index).slices] = True
    blue = slide.read_grid(1.0, Box(0, 0, 1500, 1800))[..., 2]
    np.testing.assert_array_equal(open_probability(tmp_path).array(), np.where(touched, blue, 0))


def test_it_is_part_of_the_key_and_of_the_record(slide: Slide, tmp_path: Path):
    model = edgy_model(mpp=1.0)
    plan = plan_run(slide, model, OPTIONS)
    predict(slide, model, tmp_path, tile_px=300, overlap_px=60, skip_background=True)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["parameters"]["skipped"]["tiles"] == sorted(plan.skipped)
    assert run["parameters"]["skipped"]["tissue"]["canny_high"] == 50
    every = plan_run(slide, model, PredictOptions(tile_px=300, overlap_px=60))
    assert plan.key != every.key
    assert "skipped" not in every.parameters


def test_a_part_full_of_tissue_leaves_nothing_out_and_is_the_same_run(slide: Slide):
    box = Box(100, 100, 400, 400)
    plans = [
        plan_run(slide, edgy_model(mpp=1.0), PredictOptions(box=box, skip_background=skips))
        for skips in (False, True)
    ]
    assert plans[0].key == plans[1].key


def test_a_part_without_tissue_is_done_at_once(slide: Slide, tmp_path: Path):
    box = Box(1100, 1100, 300, 500)
    result = predict(slide, edgy_model(mpp=1.0), tmp_path, box=box, skip_background=True)
    assert result.complete
    assert result.shape == (300, 500)
    assert not result.array().any()


def test_a_stopped_run_goes_on(slide: Slide, tmp_path: Path):
    list(predict_tiles(slide, edgy_model(mpp=1.0), tmp_path / "whole", OPTIONS))
    tiles = predict_tiles(slide, edgy_model(mpp=1.0), tmp_path / "stopped", OPTIONS)
    next(tiles)
    tiles.close()
    list(predict_tiles(slide, edgy_model(mpp=1.0), tmp_path / "stopped", OPTIONS))
    assert chunks_of(tmp_path / "stopped") == chunks_of(tmp_path / "whole")


def test_the_command_says_what_was_left_out(path: Path, tmp_path: Path, capsys):
    words = ["segment", str(path), "--model", "stain-density", "--out", str(tmp_path)]
    sizes = ["--tile-px", "300", "--overlap-px", "60", "--skip-background"]
    assert main([*words, *sizes, "--low", "0.1", "--high", "0.2"]) == 0
    assert "tiles without tissue, left out: " in capsys.readouterr().out
