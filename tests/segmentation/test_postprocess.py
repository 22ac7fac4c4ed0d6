"""The pan-cancer post-processing against a slow twin made of OpenCV, scikit-image and numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segmentation.pan_cancer_twin import slow_prune, slow_twin
from segmentation.probability_double import ProbabilityDouble
from slideconcord.errors import MismatchError, OutputError, ParameterError
from slideconcord.geometry import Frame, Mpp
from slideconcord.segmentation.coarse_map import coarse_map
from slideconcord.segmentation.mask import Mask
from slideconcord.segmentation.postprocess import (
    PAN_CANCER,
    PanCancer,
    postprocess,
    postprocess_pixels,
    smooth_map,
)
from slideconcord.segmentation.prune import prune_regions
from slideconcord.segmentation.reframe import in_frame, in_frame_of
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tissue_pixels import TissueOptions

# So small that a map of 60 px has holes and regions of every size.
SMALL = PanCancer(least_area_px=1500, cleanup=TissueOptions(square_px=3, hole_px=30, object_px=12))
ONE_UM = Frame(0.0, 0.0, 4.0, 4.0)


def hills(seed: int, height: int = 64, width: int = 57) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ground = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), 4)
    noise = rng.normal(0, 15, ground.shape)
    return np.clip(120 + 110 * ground / ground.std() + noise, 0, 255).astype(np.uint8)


OPTIONS = [
    SMALL,
    replace(SMALL, prune_map="unsmoothed"),
    replace(SMALL, thresholds=Thresholds(0.05, 0.10), prune_percentile=None),
    replace(SMALL, thresholds=Thresholds(0.4, 0.6), prune_percentile=80.0),
]


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(OPTIONS), st.booleans())
def test_equals_the_slow_twin(seed: int, options: PanCancer, has_tissue: bool):
    values = hills(seed)
    tissue = hills(seed + 1) > 60 if has_tissue else None
    found = postprocess_pixels(values, tissue, options)
    np.testing.assert_array_equal(found, slow_twin(values, tissue, options))


def test_the_twin_makes_masks_of_every_kind():
    """Or the test above would compare nothing with nothing."""
    shares = [slow_twin(hills(seed), None, SMALL).mean() for seed in range(20)]
    assert 0.05 < np.mean(shares) < 0.95


def test_a_map_of_natural_size_equals_the_twin():
    values = hills(5, 1100, 1400)
    tissue = hills(6, 1100, 1400) > 40
    found = postprocess_pixels(values, tissue)
    np.testing.assert_array_equal(found, slow_twin(values, tissue, PanCancer()))


few_greys = st.sampled_from([0, 100, 228, 229, 230, 231, 255])


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(arrays(np.bool_, (n, 9)), arrays(np.uint8, (n, 9), elements=few_greys))
    ),
    st.sampled_from([0.0, 50.0, 80.0, 90.0, 95.0, 100.0]),
)
def test_pruning_is_numpys_percentile(pair: tuple[np.ndarray, np.ndarray], percentile: float):
    mask, values = pair
    expected = slow_prune(mask, values, percentile, 229)
    np.testing.assert_array_equal(prune_regions(mask, values, percentile, 229), expected)


def test_pruning_between_two_ranks():
    """Of 11 values the 95th percentile is half way between the last two."""
    mask = np.ones((1, 11), bool)
    values = np.full((1, 11), 100, np.uint8)
    values[0, -1] = 255
    values[0, -2] = 203
    assert not prune_regions(mask, values, 95, 229).any(), "exactly 229 is not above it"
    values[0, -2] = 204
    assert prune_regions(mask, values, 95, 229).all()


def test_regions_that_touch_at_corners_are_pruned_as_one():
    mask = np.eye(2, dtype=bool)
    values = np.array([[255, 0], [0, 0]], np.uint8)
    assert prune_regions(mask, values, 100, 229).sum() == 2


def test_thresholds_are_strict_and_four_connected():
    options = replace(SMALL, prune_percentile=None, cleanup=TissueOptions(5.0, 0, 0, 1, 0, 0))
    assert not postprocess_pixels(np.full((50, 50), 229, np.uint8), None, options).any()
    assert postprocess_pixels(np.full((50, 50), 230, np.uint8), None, options).all()


def test_the_prune_map_matters():
    differ = [
        seed
        for seed in range(40)
        if (
            postprocess_pixels(hills(seed), None, SMALL)
            != postprocess_pixels(hills(seed), None, replace(SMALL, prune_map="unsmoothed"))
        ).any()
    ]
    assert differ


@pytest.mark.parametrize(
    ("shape", "small"), [((5000, 6000), (1000, 1200)), ((1000, 1500), (816, 1224))]
)
def test_smoothing_shrinks_by_the_papers_factor(monkeypatch, shape, small):
    sizes = []
    resize = cv2.resize

    def watched(image: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
        sizes.append((size[1], size[0], interpolation))
        return resize(image, size, interpolation=interpolation)

    monkeypatch.setattr(cv2, "resize", watched)
    smooth_map(np.zeros(shape, np.uint8))
    assert sizes == [(*small, cv2.INTER_AREA), (*shape, cv2.INTER_AREA)]


def test_a_plain_map_stays_plain():
    values = np.full((300, 200), 117, np.uint8)
    np.testing.assert_array_equal(smooth_map(values), values)


def test_presets_are_those_of_the_paper():
    paper, pieces = (PAN_CANCER[n].options for n in ("pan-cancer", "pan-cancer-fragmented"))
    assert (paper.thresholds.low_grey, paper.thresholds.high_grey) == (85, 229)
    assert (paper.prune_percentile, paper.prune_map) == (95.0, "smoothed")
    assert pieces.thresholds == Thresholds(0.05, 0.10)
    assert pieces.prune_percentile is None, "analysis 10 was made without pruning"


def at_1_um(values: np.ndarray, **fields: object) -> ProbabilityDouble:
    return ProbabilityDouble(values, frame=ONE_UM, **fields)


@pytest.mark.parametrize("shape", [(5 * 300, 5 * 220), (1504, 1103), (5, 9)])
def test_five_micrometres_are_means_of_25_pixels(shape: tuple[int, int]):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = coarse_map(at_1_um(values), 5.0)
    height, width = shape[0] // 5, shape[1] // 5
    blocks = values[: 5 * height, : 5 * width].reshape(height, 5, width, 5)
    np.testing.assert_array_equal(found.values, np.rint(blocks.mean((1, 3))))
    assert found.frame == Frame(0.0, 0.0, 20.0, 20.0)


def test_odd_pixel_sizes_are_resampled_to_the_exact_size():
    values = hills(2, 900, 700)
    odd = ProbabilityDouble(values, frame=Frame(0, 0, 1, 1), slide_mpp=Mpp(0.98, 1.03))
    found = coarse_map(odd, 5.0)
    assert found.shape == (int(900 * 0.98 / 5), int(700 * 1.03 / 5))
    assert abs(float(found.values.mean()) - float(values.mean())) < 1


def test_coarser_maps_are_refused():
    coarse = ProbabilityDouble(hills(1), frame=Frame(0, 0, 32, 32))
    with pytest.raises(ParameterError, match=r"8 µm per pixel, but 5 or finer"):
        postprocess(coarse, None)


def test_a_map_below_one_pixel_is_refused():
    with pytest.raises(ParameterError, match="smaller than one pixel of 5 µm"):
        postprocess(at_1_um(hills(1, 4, 40)), None)


def tissue_of(pixels: np.ndarray, frame: Frame, fingerprint: str = "f00d") -> Mask:
    return Mask(pixels, frame, Mpp(0.25, 0.25), fingerprint, class_name="tissue")


def test_the_mask_lies_where_the_map_does_and_says_what_made_it(tmp_path: Path):
    values = np.full((1000, 1000), 250, np.uint8)
    tissue = np.zeros((200, 200), bool)
    tissue[:, :100] = True
    found = postprocess(
        at_1_um(values), tissue_of(tissue, Frame(0, 0, 20, 20)), out=tmp_path / "mask.zarr"
    )
    np.testing.assert_array_equal(np.asarray(found.array), tissue)
    assert found.mpp == Mpp(5.0, 5.0)
    facts = found.provenance
    assert (facts["method"], facts["prune_map"]) == ("pan-cancer", "smoothed")
    assert facts["thresholds"] == {"low": 1 / 3, "high": 0.9}
    assert facts["cleanup"]["hole_px"] == 10_000
    with pytest.raises(OutputError, match="already there"):
        postprocess(at_1_um(values), None, out=tmp_path / "mask.zarr")
    assert postprocess(at_1_um(values), None).provenance["tissue"] is None


def test_tissue_of_the_whole_slide_is_cut_to_a_map_of_a_box():
    box_map = at_1_um(np.full((1000, 1000), 250, np.uint8))
    box_map.frame = Frame(400.0, 200.0, 4.0, 4.0)
    tissue = np.ones((400, 400), bool)
    tissue[:, :60] = False  # up to level-0 column 1200, that is 50 pixels into the map
    found = postprocess(box_map, tissue_of(tissue, Frame(0, 0, 20, 20)))
    assert not found.array[:, :50].any()
    assert found.array[:, 50:].all()


def test_tissue_of_another_slide_is_refused():
    other = tissue_of(np.ones((20, 20), bool), Frame(0, 0, 20, 20), "beef")
    with pytest.raises(MismatchError, match="tissue belongs to another slide"):
        postprocess(at_1_um(hills(1, 100, 100)), other)


def test_tissue_of_another_shape_is_refused():
    with pytest.raises(MismatchError, match="9 x 9 px"):
        postprocess_pixels(hills(1), np.ones((9, 9), bool))


@pytest.mark.parametrize("bad", [hills(1) / 255.0, hills(1)[None], hills(1)[:0]])
def test_what_is_no_map_is_refused(bad: np.ndarray):
    with pytest.raises(ParameterError, match="uint8"):
        postprocess_pixels(bad)


def test_unknown_options_are_refused():
    with pytest.raises(ParameterError, match="Choose smoothed or unsmoothed"):
        PanCancer(prune_map="both")
    with pytest.raises(ParameterError, match="is no percentile"):
        PanCancer(prune_percentile=101)


@given(
    arrays(np.bool_, (7, 9)),
    st.tuples(*[st.sampled_from([-30.0, 0.0, 10.0, 12.5, 40.0])] * 2),
    st.sampled_from([2.0, 5.0, 20.0, 33.0]),
)
def test_another_frame_takes_the_pixel_of_the_centre(
    pixels: np.ndarray, origin: tuple[float, float], step: float
):
    mask, frame = tissue_of(pixels, Frame(10.0, 10.0, 10.0, 10.0)), Frame(*origin, step, step)
    seen = in_frame(mask, frame, (8, 6), "f00d").array[:, :]
    for i in range(8):
        for j in range(6):
            y = (origin[0] + (i + 0.5) * step - 10) / 10
            x = (origin[1] + (j + 0.5) * step - 10) / 10
            inside = 0 <= y < 7 and 0 <= x < 9
            assert seen[i, j] == (inside and pixels[int(y), int(x)])


def test_the_same_frame_is_the_same_mask():
    mask = tissue_of(np.ones((3, 3), bool), ONE_UM)
    assert in_frame_of(mask, mask) is mask
