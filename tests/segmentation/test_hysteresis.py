import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import apply_hysteresis_threshold

from segmentation.probability_double import ProbabilityDouble, hills
from segmentation.threshold_maps import ADVERSARIAL, grey_pairs, maps
from slideconcord.errors import MismatchError, OutputError, ParameterError
from slideconcord.segmentation.hysteresis import hysteresis, hysteresis_blocks
from slideconcord.segmentation.mask import open_mask
from slideconcord.segmentation.thresholds import PRESETS, Thresholds


def in_blocks(values, low, high, block_px):
    steps = hysteresis_blocks(values, low, high, block_px=block_px, workers=2)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@settings(max_examples=100, deadline=None)
@given(maps(), grey_pairs, st.integers(1, 45))
def test_any_blocks_give_the_mask_of_the_whole(values, greys, block_px):
    low, high = greys
    expected = apply_hysteresis_threshold(values, low, high)
    assert np.array_equal(in_blocks(values, low / 255, high / 255, block_px), expected)


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("block_px", [3, 16, 2048])
def test_hard_maps(name, block_px):
    values = ADVERSARIAL[name]
    for low, high in [(0, 0), (2, 99), (85, 229), (100, 254), (199, 200), (254, 255), (255, 255)]:
        expected = apply_hysteresis_threshold(values, low, high)
        got = in_blocks(values, low / 255, high / 255, block_px)
        assert np.array_equal(got, expected), (low, high)


@settings(max_examples=40, deadline=None)
@given(maps(), grey_pairs, st.sampled_from([np.float32, np.float64]))
def test_floats_are_compared_as_they_are(values, greys, dtype):
    fractions = (values / 255).astype(dtype)
    low, high = (grey / 255 for grey in greys)
    expected = apply_hysteresis_threshold(fractions, low, high)
    assert np.array_equal(in_blocks(fractions, low, high, 7), expected)


def test_the_default_is_the_papers_85_and_229():
    assert (Thresholds().low_grey, Thresholds().high_grey) == (85, 229)
    row = np.array([[85, 86, 229, 0, 86, 230]], np.uint8)
    assert hysteresis(row).tolist() == [[False, False, False, False, True, True]]


@given(st.integers(0, 255), st.sampled_from([20, 100, 255, 1000]))
def test_every_step_of_a_slider_means_what_its_fraction_says(value, steps):
    for step in range(steps + 1):
        assert (value > Thresholds(step / steps, 1.0).low_grey) == (value * steps > 255 * step)


def test_low_above_high_is_refused_with_the_way_out():
    with pytest.raises(MismatchError, match=r"lower low to 0\.5 or raise high to 0\.7"):
        hysteresis(hills(), 0.7, 0.5)


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf"), "0.5", None])
def test_what_is_no_fraction_is_refused(bad):
    with pytest.raises(ParameterError, match="give a fraction from 0 to 1"):
        Thresholds(low=0.1, high=bad)


def test_presets_are_the_two_of_the_paper():
    assert PRESETS["paper"].thresholds == Thresholds(1 / 3, 0.9)
    assert PRESETS["fragmented"].thresholds == Thresholds(0.05, 0.10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4), np.nan), "never NaN"),
        (np.full((4, 4), 7.0), "from 7 to 7"),
        (np.zeros((4, 4), np.int32), "not int32"),
        (np.zeros((4, 4), bool), "not bool"),
        (np.zeros((2, 4, 4), np.uint8), "choose one class"),
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
    ],
)
def test_what_is_no_map_is_refused(values, message):
    with pytest.raises(ParameterError, match=message):
        hysteresis(values)


def test_a_probability_map_gives_a_mask_that_knows_its_place():
    probability = ProbabilityDouble(hills())
    mask = hysteresis(probability, 0.5, 0.8)
    assert np.array_equal(mask.array, hysteresis(probability.values, 0.5, 0.8))
    assert (mask.frame, mask.mpp) == (probability.frame, (1.0, 1.0))
    assert (mask.class_name, mask.slide_fingerprint) == ("tumour", "f00d")
    assert mask.provenance["low"] == 0.5
    assert mask.provenance["probability"] == {"model": "stain-density"}


def test_on_disk_and_in_memory_are_one(tmp_path: Path):
    probability = ProbabilityDouble(hills(700, 1300))
    stored = hysteresis(probability, 0.55, 0.9, out=tmp_path / "mask.zarr")
    assert np.array_equal(stored.array, hysteresis(probability, 0.55, 0.9).array)
    assert open_mask(tmp_path / "mask.zarr").provenance["high"] == 0.9
    assert json.loads((tmp_path / "mask.zarr" / ".zattrs").read_text())["image-label"]
    assert [path.name for path in tmp_path.iterdir()] == ["mask.zarr"]


def test_a_mask_already_there_is_kept_unless_told(tmp_path: Path):
    probability = ProbabilityDouble(hills())
    hysteresis(probability, 0.5, 0.8, out=tmp_path / "mask.zarr")
    with pytest.raises(OutputError, match="already there"):
        hysteresis(probability, 0.1, 0.2, out=tmp_path / "mask.zarr")
    assert open_mask(tmp_path / "mask.zarr").provenance["low"] == 0.5
    hysteresis(probability, 0.1, 0.2, out=tmp_path / "mask.zarr", overwrite=True)
    assert open_mask(tmp_path / "mask.zarr").provenance["low"] == 0.1
    assert [path.name for path in tmp_path.iterdir()] == ["mask.zarr"]


def test_cancelled_work_leaves_nothing(tmp_path: Path):
    steps = hysteresis_blocks(ProbabilityDouble(hills()), out=tmp_path / "mask.zarr", block_px=16)
    for _ in range(40):
        next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_every_block_is_reported_twice_and_painted_once():
    values = hills(50, 40)
    steps = list(hysteresis_blocks(values, 0.5, 0.8, block_px=16))
    assert [step.done for step in steps] == list(range(1, 2 * 12 + 1))
    assert {step.total for step in steps} == {24}
    painted = np.zeros(values.shape, bool)
    for step in steps[12:]:
        painted[step.box.slices] = step.mask
    assert all(step.mask is None for step in steps[:12])
    assert np.array_equal(painted, hysteresis(values, 0.5, 0.8))


def test_a_plain_array_cannot_go_to_disk(tmp_path: Path):
    with pytest.raises(ParameterError, match="needs a ProbabilityMap"):
        hysteresis(hills(), out=tmp_path / "mask.zarr")
