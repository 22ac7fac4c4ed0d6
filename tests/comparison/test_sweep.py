"""Checklist (e) 24: all pairs of thresholds at 5 % steps, pruning off."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison.comparison_maps import placed
from segmentation.probability_double import ProbabilityDouble, hills
from segmentation.threshold_maps import maps
from slideconcord.annotations import Annotation, Annotations
from slideconcord.comparison.compare import Scores, compare_masks
from slideconcord.comparison.metrics import METRICS
from slideconcord.comparison.sweep import mean_sweep, sweep_thresholds
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Frame
from slideconcord.segmentation.hysteresis import hysteresis, index_thresholds


@settings(max_examples=15)
@given(maps(20), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_pair_is_that_of_a_single_comparison(values, with_tissue, seed):
    rng = np.random.default_rng(seed)
    reference = rng.random(values.shape) < 0.5
    tissue = rng.random(values.shape) < 0.8 if with_tissue else None
    steps = (0.0, *np.sort(rng.random(3)), 1.0)
    pairs = 0
    sweep = sweep_thresholds(values, reference, tissue, lows=steps, highs=steps)
    for pair, counts in sweep.pairs():
        mask = hysteresis(values, pair.low, pair.high)
        assert counts == compare_masks(mask, reference, tissue).counts
        pairs += 1
    assert pairs == 10


def test_there_are_171_pairs_as_in_the_paper():
    values = hills(40, 50)
    sweep = sweep_thresholds(values, values > 99)
    pairs = [pair for pair, _ in sweep.pairs()]
    assert len(pairs) == 171
    percent = {(round(100 * p.low), round(100 * p.high)) for p in pairs}
    assert percent == {(x, y) for x in range(5, 95, 5) for y in range(x + 5, 100, 5)}


def test_values_are_nan_where_low_is_not_below_high():
    values = hills(40, 50)
    sweep = sweep_thresholds(values, values > 99)
    for metric in METRICS:
        found = sweep.values(metric)
        for i, low in enumerate(sweep.lows):
            for j, high in enumerate(sweep.highs):
                assert low < high or math.isnan(found[i, j])
    for pair, counts in sweep.pairs():
        place = sweep.lows.index(pair.low), sweep.highs.index(pair.high)
        assert sweep.values("mcc")[place] == pytest.approx(Scores(counts)["mcc"], nan_ok=True)


def test_the_best_pair_finds_the_reference_again():
    values = hills(60, 60)
    sweep = sweep_thresholds(index_thresholds(values), hysteresis(values, 0.3, 0.8))
    best, dsc = sweep.best()
    assert dsc == 1
    assert np.array_equal(hysteresis(values, best.low, best.high), hysteresis(values, 0.3, 0.8))
    assert sweep.to_json()["best"] == {"low": best.low, "high": best.high, "dsc": 1.0}


def test_a_reference_without_foreground_leaves_the_best_pair_undefined():
    sweep = sweep_thresholds(np.zeros((9, 9), np.uint8), np.zeros((9, 9), bool))
    with pytest.raises(ParameterError, match="No pair of thresholds has a value"):
        sweep.best()
    found = json.loads(json.dumps(sweep.to_json(), allow_nan=False))
    assert found["best"] is None
    assert np.array(found["dsc"]).shape == (19, 19)


def test_a_map_knows_where_annotations_and_masks_must_lie():
    probability = ProbabilityDouble(hills(50, 60))
    drawn = Annotations.of([Annotation(shapely.box(44, 48, 200, 160))])
    mask = np.zeros((50, 60), bool)
    mask[10:38, 10:49] = True
    by_annotations = sweep_thresholds(probability, drawn).table()
    assert by_annotations == sweep_thresholds(probability, placed(mask), mask | True).table()
    with pytest.raises(MismatchError, match="different frames"):
        sweep_thresholds(probability, placed(mask, Frame(0.0, 0.0, 8.0, 8.0)))
    with pytest.raises(MismatchError, match="different slides"):
        sweep_thresholds(probability, placed(mask, fingerprint="beef"))
    with pytest.raises(ParameterError, match="give at least one Mask"):
        sweep_thresholds(probability.values, drawn)


def test_a_mean_over_scans_leaves_out_what_is_undefined_for_a_scan():
    values = hills(30, 30)
    defined = sweep_thresholds(values, values > 99)
    undefined = sweep_thresholds(np.zeros_like(values), values > 255)
    found = mean_sweep([defined, defined, undefined])
    assert len(found) == 171
    for pair, counts in defined.pairs():
        summary = found[pair.low, pair.high]
        assert (summary.n, summary.undefined) == (2, 1)
        assert summary.mean == pytest.approx(Scores(counts).dsc)


def test_sweeps_of_other_thresholds_have_no_mean():
    values = hills(30, 30)
    sweeps = [
        sweep_thresholds(values, values > 99, lows=lows, highs=(0.9,)) for lows in ((0.1,), (0.2,))
    ]
    with pytest.raises(MismatchError, match="same lows and highs"):
        mean_sweep(sweeps)
    with pytest.raises(ParameterError, match="give one per scan"):
        mean_sweep([])
