"""Checklist (e) 20: DSC and the eleven further statistics, with their undefined cases."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparison.comparison_maps import masks, placed
from slideconcord.comparison.compare import Scores, compare_masks
from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.metrics import METRICS, PAPER, metric_of
from slideconcord.errors import ParameterError

ELEVEN = ("RP/N", "PP/N", "TPR", "FNR", "TNR", "FPR", "PPV", "NPV", "BIN", "BMA", "MCC")
counts = st.builds(ConfusionCounts, *[st.integers(0, 10**11)] * 4)


def test_the_table_holds_the_papers_twelve_and_iou():
    assert METRICS["dsc"].symbol == "DSC"
    assert tuple(METRICS[name].symbol for name in PAPER) == ("DSC", *ELEVEN)
    assert set(METRICS) - set(PAPER) == {"iou"}
    equations = [METRICS[name].source for name in PAPER if "eq." in METRICS[name].source]
    assert sorted(equations) == sorted(f"eq. ({number})" for number in range(5, 15))


def test_values_by_hand():
    # 6 of 10 reference pixels found, 2 in vain, 12 left alone
    scores = Scores(ConfusionCounts(tp=6, fp=2, fn=4, tn=12))
    expected = {
        "dsc": 12 / 18, "reference_positives": 10 / 24, "predicted_positives": 8 / 24,
        "sensitivity": 6 / 10, "false_negative_rate": 4 / 10, "specificity": 12 / 14,
        "false_positive_rate": 2 / 14, "precision": 6 / 8, "negative_predictive_value": 12 / 16,
        "informedness": 6 / 10 + 12 / 14 - 1, "markedness": 6 / 8 + 12 / 16 - 1,
        "mcc": (6 * 12 - 4 * 2) / math.sqrt(10 * 8 * 16 * 14), "iou": 6 / 12,
    }  # fmt: skip
    assert dict(scores.values) == pytest.approx(expected)
    assert list(scores.values) == list(METRICS)


some = st.builds(ConfusionCounts, *[st.integers(1, 10**11)] * 4)


@given(some)
def test_identities(c):
    v = Scores(c).values
    assert v["sensitivity"] + v["false_negative_rate"] == pytest.approx(1)
    assert v["specificity"] + v["false_positive_rate"] == pytest.approx(1)
    assert v["dsc"] == pytest.approx(2 * v["iou"] / (1 + v["iou"]))
    # the geometric mean of informedness and markedness, as the paper says
    assert v["mcc"] ** 2 == pytest.approx(v["informedness"] * v["markedness"], abs=1e-6)
    assert np.sign(v["mcc"]) == np.sign(c.tp * c.tn - c.fp * c.fn)


@given(counts)
def test_values_lie_in_their_range(c):
    for name, value in Scores(c).values.items():
        assert math.isnan(value) or METRICS[name].smallest - 1e-9 <= value <= 1 + 1e-9


@given(counts)
def test_prediction_and_reference_may_change_places_where_the_paper_says_so(c):
    swapped = ConfusionCounts(c.tp, c.fn, c.fp, c.tn)
    for name in ("dsc", "iou", "mcc"):
        assert METRICS[name](c) == pytest.approx(METRICS[name](swapped), nan_ok=True)
    assert METRICS["precision"](c) == pytest.approx(METRICS["sensitivity"](swapped), nan_ok=True)


def test_mcc_does_not_overflow_on_gigapixels():
    whole = ConfusionCounts(10**10, 10**9, 10**9, 10**10)
    assert METRICS["mcc"](whole) == pytest.approx((10**20 - 10**18) / (1.1e10) ** 2)


@pytest.mark.parametrize(
    ("c", "undefined"),
    [
        # both empty
        (
            ConfusionCounts(tn=9),
            {"dsc", "iou", "sensitivity", "false_negative_rate", "precision", "informedness",
             "markedness", "mcc"},
        ),
        # nothing predicted, something there
        (ConfusionCounts(fn=4, tn=5), {"precision", "markedness", "mcc"}),
        # something predicted, nothing there
        (
            ConfusionCounts(fp=4, tn=5),
            {"sensitivity", "false_negative_rate", "informedness", "mcc"},
        ),
        # the reference is everything that counts
        (
            ConfusionCounts(tp=4, fn=5),
            {"specificity", "false_positive_rate", "informedness", "mcc"},
        ),
        # the prediction is everything that counts
        (ConfusionCounts(tp=4, fp=5), {"negative_predictive_value", "markedness", "mcc"}),
        # no tissue at all
        (ConfusionCounts(), set(METRICS)),
        (ConfusionCounts(1, 1, 1, 1), set()),
    ],
)  # fmt: skip
def test_what_would_divide_by_zero_is_undefined_and_says_why(c, undefined):
    scores = Scores(c)
    assert set(scores.undefined) == undefined
    assert all(METRICS[name].undefined == why for name, why in scores.undefined.items())
    found = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert {name for name, value in found["metrics"].items() if value is None} == undefined
    assert set(found["undefined"]) == undefined


def test_an_empty_prediction_of_a_reference_that_is_not_has_a_dsc_of_0():
    reference = np.array([[True, False]])
    assert compare_masks(np.zeros_like(reference), reference).dsc == 0
    assert math.isnan(compare_masks(reference & False, reference & False).dsc)


@given(masks())
def test_comparing_masks_gives_the_statistics_of_their_counts(three):
    prediction, reference, tissue = three
    a, b = prediction & tissue, reference & tissue
    total = int(a.sum()) + int(b.sum())
    expected = 2 * int((a & b).sum()) / total if total else math.nan
    assert compare_masks(*three).dsc == pytest.approx(expected, nan_ok=True)


def test_scores_say_what_was_compared_and_not_where_it_lies(tmp_path):
    path = tmp_path / "patient.zarr"
    mask = placed(np.eye(9, dtype=bool)).save(path)
    scores = compare_masks(mask, np.eye(9, dtype=bool), mask)
    about = scores.to_json()["provenance"]
    assert about["software"] == "slideconcord"
    assert about["shape"] == [9, 9]
    assert about["frame"] == [8.0, 4.0, 4.0, 4.0]
    assert about["slide_fingerprint"] == "f00d"
    assert about["tissue"]["kind"] == "mask"
    assert Path(path).stem not in json.dumps(about)


def test_an_unknown_statistic_is_refused_with_the_known_ones():
    with pytest.raises(ParameterError, match=r"'dice': choose from dsc, .* iou"):
        metric_of("dice")
    with pytest.raises(ParameterError, match="'dice'"):
        _ = Scores(ConfusionCounts())["dice"]


def test_the_table_of_scores_has_a_row_per_statistic():
    rows = Scores(ConfusionCounts(fn=4, tn=5)).table().records()
    assert [row["metric"] for row in rows] == list(METRICS)
    assert {row["metric"]: row["undefined"] for row in rows}["precision"] == (
        "the prediction is empty"
    )
