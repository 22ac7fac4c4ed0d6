"""The check by moved tiles: 0 for a network of single pixels, exact for one that sees its tile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import slideconcord as sc
from segmentation.predict_helpers import edgy, edgy_model, pixel_model, red_and_blue, spec_for
from slideconcord.cli import main
from slideconcord.errors import ParameterError
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.options import PredictOptions
from slideconcord.segmentation.shift import shift_steps
from slideconcord.slides import Slide

OPTIONS = PredictOptions(tile_px=400, overlap_px=100)


@pytest.fixture(scope="module")
def slide(tiny_slide_path: Path) -> Iterator[Slide]:
    with sc.open_slide(tiny_slide_path) as opened:
        yield opened


def test_single_pixels_do_not_see_their_tile(slide: Slide):
    check = sc.check_shift(slide, pixel_model(), OPTIONS)
    assert (check.p99, check.mean, check.largest) == (0, 0, 0)
    assert (check.places, check.shift_px, check.tile_px) == (4, (150, 150), 400)
    # Half an overlap off each inner side, half a stride moved: at least this much is compared.
    assert check.pixels >= 4 * (400 - 100 - 150) ** 2


def test_a_network_that_sees_its_tile_is_told_by_the_exact_difference(slide: Slide):
    """A ramp over the tile, moved by half a stride, is off by the same everywhere."""
    check = sc.check_shift(slide, edgy_model(), OPTIONS, places=3)
    step = 150 / 399 * 0.5
    assert check.places == 3
    for value in (check.p99, check.mean, check.largest):
        assert abs(value - step) < 1.5 / 255


def test_a_global_pool_is_seen(slide: Slide):
    def pooled(rgb: np.ndarray) -> np.ndarray:
        return np.clip(red_and_blue(rgb) * 0.5 + rgb.mean() / 510, 0, 1)

    check = sc.check_shift(slide, Model.from_function(spec_for(), pooled), OPTIONS)
    assert 0 < check.p99 < 0.2


def test_a_map_little_larger_than_a_tile_is_moved_as_far_as_it_allows(slide: Slide):
    options = PredictOptions(tile_px=400, overlap_px=100, box=sc.Box(0, 0, 400, 460))
    check = sc.check_shift(slide, edgy_model(), options)
    assert check.shift_px == (0, 60)
    assert check.places == 2


def test_one_tile_cannot_be_moved(slide: Slide):
    options = PredictOptions(tile_px=400, overlap_px=100, box=sc.Box(0, 0, 300, 400))
    with pytest.raises(ParameterError, match=r"has 300 x 400 px and is one tile.* larger part"):
        sc.check_shift(slide, edgy_model(), options)


def test_it_can_be_watched_and_stopped(slide: Slide):
    seen = []

    def counted(rgb: np.ndarray) -> np.ndarray:
        seen.append(1)
        return edgy(rgb)

    steps = shift_steps(slide, Model.from_function(spec_for(), counted), OPTIONS)
    assert next(steps) == (1, 4)
    steps.close()
    assert len(seen) == 2


@pytest.mark.parametrize("tile_px", ["400", "2048"])
def test_the_command_gives_the_figures_or_says_why_not(
    tile_px: str, tiny_slide_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["segment", str(tiny_slide_path), "--model", "stain-density", "--out", str(tmp_path)]
    sizes = ["--tile-px", tile_px, "--check-shift", "--low", "0.1", "--high", "0.2"]
    assert main([*words, *sizes]) == 0
    told = capsys.readouterr().out
    assert main([*words, *sizes, "--json"]) == 0
    shift = json.loads(capsys.readouterr().out)["slides"][0]["shift"]
    if tile_px == "400":
        assert "with tiles moved by 136, 136 px, 99 % of pixels differ by 0.0" in told
        assert shift["p99"] < 0.05
    else:
        assert "no shift check: The part to predict has 750 x 1000 px and is one tile" in told
        assert set(shift) == {"refused"}
