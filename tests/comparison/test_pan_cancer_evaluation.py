"""The pan-cancer paper's items 19 to 25, one test each: how results are judged.

The parts have tests of their own beside this file; these say in one place what the paper asks.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import slideconcord as sc
from comparison.comparison_maps import picture, placed
from slideconcord.comparison.cohort import ScoredScan, cohort_table, has_prediction, subgroup_table
from slideconcord.comparison.compare import Scores
from slideconcord.comparison.correlation import spearman
from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.metrics import METRICS, PAPER
from slideconcord.comparison.scanners import scanner_differences

PREDICTION = picture("##..## ##..## ......")
REFERENCE = picture("##.### ###... ......")
TISSUE = picture("###### ###### ##....")


def scan(slide: str, dsc: float, scanner: str = "AT2", **groups: str) -> ScoredScan:
    """Return a scan whose DSC is what is said, to three digits."""
    tp = round(1000 * dsc)
    counts = ConfusionCounts(tp=tp, fp=2000 - 2 * tp, fn=0, tn=10)
    return ScoredScan(slide, Scores(counts), "VCo1", scanner, groups)


def test_item_19_white_background_enters_no_count():
    counts = sc.compare_masks(PREDICTION, REFERENCE, TISSUE).counts
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (6, 2, 2, 4)
    assert counts.n == TISSUE.sum()
    assert sc.compare_masks(PREDICTION, REFERENCE).counts.tn == counts.tn + (~TISSUE).sum()


def test_item_20_dsc_and_eleven_more_with_undefined_rules():
    assert len(PAPER) == 12
    scores = Scores(ConfusionCounts(tp=0, fp=0, fn=5, tn=5))
    assert scores.dsc == 0
    assert math.isnan(scores["precision"])
    assert math.isnan(scores["mcc"])
    assert set(scores.undefined) == {"precision", "markedness", "mcc"}
    assert all(METRICS[name].undefined for name in scores.undefined)
    assert math.isnan(Scores(ConfusionCounts(tn=9)).dsc)


def test_item_21_cohort_mean_with_students_interval():
    values = [0.9, 0.8, 0.85, 0.4]
    scans = [scan(str(i), value) for i, value in enumerate(values)]
    found = [s.scores.dsc for s in scans]
    row = next(r for r in cohort_table(scans).records() if r["metric"] == "dsc")
    low, high = stats.t.interval(0.95, 3, np.mean(found), stats.sem(found))
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((np.mean(found), low, high))


def test_item_22_differences_between_scanners_scan_by_scan():
    scans = [scan("a", 0.9), scan("b", 0.7), scan("a", 0.8, "XR"), scan("b", 0.75, "XR")]
    found = scanner_differences(scans, "AT2", "XR")
    first = [scans[0].scores.dsc, scans[1].scores.dsc]
    second = [scans[2].scores.dsc, scans[3].scores.dsc]
    assert found.differences == pytest.approx(np.subtract(second, first).tolist())
    assert found.worst[0] == "a"


def test_item_23_regions_are_4_connected_and_correspond_above_one_half():
    corner = sc.match_regions(picture("#. .#"), picture("#. .#"))
    assert corner.counts.tp == 2
    half = sc.match_regions(picture("##.."), picture("####"))
    assert half.counts == ConfusionCounts(tp=0, fp=1, fn=1), "exactly one half is not above it"
    assert sc.match_regions(picture("###."), picture("####")).counts.tp == 1


def test_item_24_every_pair_of_5_percent_steps_without_pruning():
    values = np.array([[10, 60, 120, 250, 40, 90]], np.uint8)
    reference = placed(values > 100)
    found = sc.sweep_thresholds(values, reference.array)
    pairs = [(round(pair.low, 2), round(pair.high, 2)) for pair, _ in found.pairs()]
    steps = [k / 20 for k in range(1, 20)]
    assert pairs == [(low, high) for low in steps for high in steps if low < high]
    for pair, counts in found.pairs():
        mask = sc.hysteresis(values, pair.low, pair.high)
        assert counts == sc.compare_masks(mask, reference.array).counts


def test_item_25_rank_correlation_with_its_interval():
    x, y = [1.0, 2, 3, 4, 5, 6], [2.0, 1, 4, 3, 6, 5]
    found = spearman(x, y)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    half = stats.norm.ppf(0.975) / math.sqrt(3)
    expected = [math.tanh(math.atanh(found.rho) + side * half) for side in (-1, 1)]
    assert [found.low, found.high] == pytest.approx(expected)


def test_item_25_subgroups_over_all_scans_and_over_those_with_a_prediction():
    scans = [scan("a", 0.9, pT="pTa"), scan("b", 0.8, pT="pT1")]
    empty = ScoredScan("c", Scores(ConfusionCounts(fn=9, tn=9)), "VCo1", "AT2", {"pT": "pTa"})
    of_all = {r["pT"]: r["mean"] for r in subgroup_table([*scans, empty], "pT").records()}
    kept = [s for s in (*scans, empty) if has_prediction(s)]
    of_some = {r["pT"]: r["mean"] for r in subgroup_table(kept, "pT").records()}
    assert of_all["pTa"] == pytest.approx(of_some["pTa"] / 2)
    assert of_all["pT1"] == of_some["pT1"]


def test_item_25_two_observers_are_compared_like_any_two_masks():
    """MP-1, MP-2 and LV in exploratory analysis 7 are annotations of one slide."""
    first, second = placed(PREDICTION), placed(REFERENCE)
    assert sc.compare_masks(first, second).dsc == sc.compare_masks(second, first).dsc
