from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.probability_double import ProbabilityDouble, hills
from segmentation.threshold_maps import maps
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Frame
from slideconcord.segmentation.hysteresis import hysteresis, index_thresholds
from slideconcord.segmentation.thresholds import Thresholds


def check_all_pairs(values, reference, tissue, **steps):
    landscape = index_thresholds(values).landscape(reference, tissue, **steps)
    counted = np.ones_like(reference) if tissue is None else tissue
    pairs = 0
    for i, low in enumerate(landscape.lows):
        for j, high in enumerate(landscape.highs):
            got = [
                getattr(landscape, f"{truth}_{sign}")[i, j]
                for truth, sign in (
                    ("true", "positive"), ("false", "positive"),
                    ("false", "negative"), ("true", "negative"),
                )
            ]  # fmt: skip
            if low > high:
                assert got == [0, 0, 0, 0]
                assert np.isnan(landscape.dsc[i, j])
                continue
            pairs += 1
            mask = hysteresis(values, low, high)
            expected = [
                (a & b & counted).sum()
                for a, b in (
                    (mask, reference), (mask, ~reference), (~mask, reference), (~mask, ~reference)
                )
            ]  # fmt: skip
            assert got == expected, (low, high)
    return landscape, pairs


@settings(max_examples=25, deadline=None)
@given(maps(24), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_pair_is_that_of_a_single_evaluation(values, with_tissue, seed):
    rng = np.random.default_rng(seed)
    reference = rng.random(values.shape) < 0.5
    tissue = rng.random(values.shape) < 0.8 if with_tissue else None
    lows = (*rng.random(3), 0.0, 1.0)
    check_all_pairs(values, reference, tissue, lows=lows, highs=(*rng.random(3), 0.0, 1.0))


def test_the_171_pairs_and_the_diagonal_over_many_blocks():
    rng = np.random.default_rng(5)
    values = np.kron(rng.integers(0, 256, (60, 90)), np.ones((9, 7))).astype(np.uint8)
    reference = rng.random(values.shape) < values / 300
    landscape, pairs = check_all_pairs(values, reference, None)
    assert pairs == 171 + 19
    assert landscape.lows == landscape.highs
    assert landscape.lows[0] == 0.05
    assert landscape.lows[-1] == 0.95


def test_ratios_are_what_their_names_say():
    values = np.array([[200, 200, 0, 100]], np.uint8)
    reference = np.array([[True, False, False, True]])
    landscape = index_thresholds(values).landscape(reference, lows=(0.5,), highs=(0.6,))
    got = [getattr(landscape, name)[0, 0] for name in ("dsc", "iou", "sensitivity", "precision")]
    assert got == [1 / 2, 1 / 3, 1 / 2, 1 / 2]


def test_the_best_pair_finds_the_reference_again():
    values = hills(60, 60)
    reference = hysteresis(values, 0.3, 0.8)
    best, dsc = index_thresholds(values).landscape(reference).best()
    assert dsc == 1
    assert np.array_equal(hysteresis(values, best.low, best.high), reference)


def test_one_pixel_is_in_or_out_of_its_landscape():
    index = index_thresholds(np.array([[240]], np.uint8))  # above 0.9, not above 0.95
    landscape = index.landscape(np.array([[True]]), lows=(0.3, 0.95), highs=(0.9, 0.95))
    assert landscape.dsc[0].tolist() == [1.0, 0.0]
    assert index.scores(index.count_reference(np.array([[False]])), 0.3, 0.9).precision == 0.0


def test_no_dsc_anywhere_is_said():
    nothing = np.zeros((8, 8), np.uint8)
    with pytest.raises(ParameterError, match="reference is empty and so is every mask"):
        index_thresholds(nothing).landscape(nothing > 0).best()


def test_a_mask_of_the_same_frame_is_a_reference():
    probability = ProbabilityDouble(hills())
    reference = hysteresis(probability, 0.25, 0.7)
    index = index_thresholds(probability)
    assert index.landscape(reference).best() == (Thresholds(0.25, 0.7), 1.0)
    with pytest.raises(MismatchError, match="make it in the map's frame"):
        index.landscape(replace(reference, frame=Frame(0, 0, 1, 1)))
    with pytest.raises(MismatchError, match="The tissue lies in another frame"):
        index.landscape(reference, replace(reference, slide_fingerprint="beef"))


@pytest.mark.parametrize("reference", [np.zeros((3, 3), bool), np.zeros((90, 70), np.uint8)])
def test_other_shapes_and_types_are_refused(reference):
    with pytest.raises(MismatchError, match=r"needs bool \(90, 70\)"):
        index_thresholds(hills()).landscape(reference)


def test_what_is_no_threshold_is_refused():
    with pytest.raises(ParameterError, match="fraction from 0 to 1"):
        index_thresholds(hills()).landscape(hills() > 9, lows=(0.1, 2.0))
