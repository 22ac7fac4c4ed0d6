"""The pan-cancer paper's items 1 to 6, 14 and 18, one test each: from slide to mask.

Items 7 to 10 (network) are in test_pan_cancer.py, 11 to 13 and 15 to 17 (training) in
tests/training/test_pan_cancer_training.py, 19 to 25 (evaluation) in
tests/comparison/test_pan_cancer_evaluation.py.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

import slideconcord as sc
from conftest import tissue_like, write_pyramid
from fake_slides import array_slide
from segmentation.predict_helpers import edgy_model
from slideconcord.errors import MissingMppError, ParameterError
from slideconcord.segmentation import postprocess as chain
from slideconcord.segmentation.blend import Blend, side_weights
from slideconcord.segmentation.plan import plan_run
from slideconcord.segmentation.predict import PredictOptions
from slideconcord.segmentation.published import PAN_CANCER
from slideconcord.segmentation.tiles import INFERENCE, TRAINING, TileGrid, tile_starts
from slideconcord.segmentation.tissue_pixels import PAPER_TISSUE

GRID = TileGrid((120, 90), 50, 12)


def test_item_1_pixel_size_is_read_and_a_missing_one_refused(tmp_path: Path):
    image = tissue_like(300, 300)
    with sc.open_slide(write_pyramid(tmp_path / "known.tif", image, mpp=0.253, levels=1)) as slide:
        assert slide.mpp == pytest.approx((0.253, 0.253), rel=1e-3)
    with pytest.raises(MissingMppError, match="--mpp"):
        sc.open_slide(write_pyramid(tmp_path / "unknown.tif", image, mpp=None, levels=1))


@pytest.mark.parametrize("mpp", [(0.2530, 0.2530), (0.2267, 0.2530), (0.5, 0.5)])
def test_item_2_area_resampling_to_the_exact_size_with_a_factor_per_axis(mpp: tuple[float, float]):
    image = tissue_like(1013, 877)
    slide = array_slide(image)
    slide.mpp = sc.Mpp(*mpp)
    height, width = slide.grid_shape(1.0)
    assert (height, width) == (int(1013 * mpp[0]), int(877 * mpp[1]))
    read = slide.read_grid(1.0, sc.Box(0, 0, height, width)).astype(int)
    covered = image[: round(height / mpp[0]), : round(width / mpp[1])]
    expected = cv2.resize(covered, (width, height), interpolation=cv2.INTER_AREA)
    assert np.abs(read - expected).max() <= 3, "its factor is rounded to whole pixels, ours is not"
    assert np.abs(read - expected).mean() < 0.5


def test_item_2_pixels_are_never_made_up():
    slide = array_slide(tissue_like(400, 400))
    slide.mpp = sc.Mpp(1.2, 1.2)
    with pytest.raises(ParameterError, match="never made up"):
        plan_run(slide, edgy_model(mpp=1.0), PredictOptions())


def test_item_2_only_the_scanned_part_where_asked():
    slide = array_slide(tissue_like(900, 900), bounds=sc.Box(100, 200, 500, 600))
    slide.__dict__["fingerprint"] = "f" * 64
    inside = plan_run(slide, edgy_model(), PredictOptions(within_bounds=True))
    assert inside.box_px == slide.bounds
    assert plan_run(slide, edgy_model(), PredictOptions()).box_px == slide.box


@pytest.mark.parametrize(
    ("tiling", "length", "starts"),
    [
        (INFERENCE, 7680, [0]),
        (INFERENCE, 7681, [0, 1]),
        (INFERENCE, 14336, [0, 6656]),
        (INFERENCE, 14337, [0, 3328, 6657]),
        (INFERENCE, 20000, [0, 6160, 12320]),
        (INFERENCE, 20001, [0, 6160, 12321]),
        (INFERENCE, 23040, [0, 5120, 10240, 15360]),
        (INFERENCE, 50003, [0, 6046, 12092, 18138, 24184, 30230, 36276, 42323]),
        (TRAINING, 8000, [0, 1984, 3968, 5952]),
    ],
)
def test_item_3_every_vector_of_the_tiling(tiling, length: int, starts: list[int]):
    assert tile_starts(length, *tiling) == starts


def test_item_3_tiles_are_the_papers():
    assert (INFERENCE, TRAINING) == ((7680, 1024), (2048, 0))
    assert (PAN_CANCER.tile_px, PAN_CANCER.overlap_px) == INFERENCE


def test_item_4_weights_sum_to_one_once_divided_by_their_sum():
    rows = side_weights(GRID.starts[0], GRID.tile_shape[0], GRID.shape[0])
    total = np.zeros(GRID.shape[0])
    for start, weights in zip(GRID.starts[0], rows, strict=True):
        total[start : start + len(weights)] += weights
    shares = [Fraction(0)] * GRID.shape[0]
    for start, weights in zip(GRID.starts[0], rows, strict=True):
        for k, weight in enumerate(weights):
            shares[start + k] += Fraction(int(weight), int(total[start + k]))
    assert set(shares) == {1}
    assert total.min() > 0


def test_item_5_a_constant_map_survives_the_merging():
    whole = sc.Box(0, 0, *GRID.shape)
    for value in (0, 1, 84, 85, 229, 255):
        tiles = {i: np.full((3, *GRID.tile_shape), value, np.uint8) for i in range(len(GRID))}
        assert (Blend(GRID)(whole, tiles) == value).all()


def test_item_6_merging_rounds_half_to_even():
    # two tiles that share one column, where both weigh the same
    grid, whole = TileGrid((1, 19), 10, 1), sc.Box(0, 0, 1, 19)
    for value in (0, 2, 4, 254):
        tiles = {i: np.full((1, 1, 10), v, np.uint8) for i, v in enumerate((value, value + 1))}
        assert Blend(grid)(whole, tiles)[0, 0, 9] == value
    for value in (1, 3, 253):
        tiles = {i: np.full((1, 1, 10), v, np.uint8) for i, v in enumerate((value, value + 1))}
        assert Blend(grid)(whole, tiles)[0, 0, 9] == value + 1


def test_item_14_constants_of_the_tissue_mask():
    assert PAPER_TISSUE.facts() == {
        "mpp": 5.0,
        "canny_low": 10,
        "canny_high": 50,
        "square_px": 9,
        "hole_px": 10_000,
        "object_px": 1_600,
    }


def test_item_18_smooth_threshold_prune_tissue_clean_in_this_order(monkeypatch):
    done: list[str] = []
    for name in ("smooth_map", "hysteresis", "prune_regions", "clean_mask"):
        step = getattr(chain, name)

        def watched(*given, _step=step, _name=name):
            done.append(_name)
            if _name == "clean_mask":
                done.append("tissue before" if not given[0][:, 300:].any() else "tissue missing")
            if _name == "hysteresis":
                assert [round(t * 255 - 0.25) for t in given[1:]] == [85, 229]
            if _name == "prune_regions":
                assert given[2:] == (95.0, 229)
            return _step(*given)

        monkeypatch.setattr(chain, name, watched)
    tissue = np.ones((1000, 1000), bool)
    tissue[:, 300:] = False
    chain.postprocess_pixels(np.full((1000, 1000), 240, np.uint8), tissue)
    assert done == ["smooth_map", "hysteresis", "prune_regions", "clean_mask", "tissue before"]
