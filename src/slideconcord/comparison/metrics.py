"""The statistics of a contingency table, named and numbered as in the pan-cancer paper.

A ratio that would divide by zero is undefined: NaN, never a convenient 0 or 1. Averages leave it
out and say how many they left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Metric:
    """A statistic, and what a reader of a table needs to know of it."""

    function: Callable[[ConfusionCounts], float]
    symbol: str
    """As in the paper, and as the heading of a column."""
    label: str
    source: str
    undefined: str
    """When it has no value."""
    smallest: float = 0.0

    def __call__(self, counts: ConfusionCounts) -> float:
        return self.function(counts)


def dsc(c: ConfusionCounts) -> float:
    """Return the Dice coefficient; 0 when one of the two is empty, undefined when both are."""
    return _ratio(2 * c.tp, 2 * c.tp + c.fn + c.fp)


def reference_positives(c: ConfusionCounts) -> float:
    """Return the share of pixels that are foreground in the reference."""
    return _ratio(c.reference, c.n)


def predicted_positives(c: ConfusionCounts) -> float:
    """Return the share of pixels that are foreground in the prediction."""
    return _ratio(c.predicted, c.n)


def sensitivity(c: ConfusionCounts) -> float:
    """Return the share of the reference's foreground that was found."""
    return _ratio(c.tp, c.tp + c.fn)


def false_negative_rate(c: ConfusionCounts) -> float:
    """Return the share of the reference's foreground that was missed."""
    return _ratio(c.fn, c.tp + c.fn)


def specificity(c: ConfusionCounts) -> float:
    """Return the share of the reference's background that was left alone."""
    return _ratio(c.tn, c.tn + c.fp)


def false_positive_rate(c: ConfusionCounts) -> float:
    """Return the share of the reference's background that was taken for foreground."""
    return _ratio(c.fp, c.tn + c.fp)


def precision(c: ConfusionCounts) -> float:
    """Return the share of the prediction's foreground that is right."""
    return _ratio(c.tp, c.tp + c.fp)


def negative_predictive_value(c: ConfusionCounts) -> float:
    """Return the share of the prediction's background that is right."""
    return _ratio(c.tn, c.tn + c.fn)


def informedness(c: ConfusionCounts) -> float:
    """Return TPR + TNR - 1: -1 to 1, 0 by chance."""
    return sensitivity(c) + specificity(c) - 1


def markedness(c: ConfusionCounts) -> float:
    """Return PPV + NPV - 1: -1 to 1, 0 by chance."""
    return precision(c) + negative_predictive_value(c) - 1


def mcc(c: ConfusionCounts) -> float:
    """Return the geometric mean of informedness and markedness, with their sign."""
    # Whole numbers of Python: the product of four areas outgrows 64 bits.
    product = (c.tp + c.fn) * (c.tp + c.fp) * (c.tn + c.fn) * (c.tn + c.fp)
    return (c.tp * c.tn - c.fn * c.fp) / math.sqrt(product) if product else math.nan


def iou(c: ConfusionCounts) -> float:
    """Return the intersection over the union of both."""
    return _ratio(c.tp, c.tp + c.fn + c.fp)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


_BOTH_EMPTY = "prediction and reference are empty"
_NO_PIXEL = "no pixel counts"
_NO_REFERENCE, _ALL_REFERENCE = "the reference is empty", "the reference fills all that counts"
_NO_PREDICTION = "the prediction is empty"
_ALL_PREDICTION = "the prediction fills all that counts"

METRICS: dict[str, Metric] = {
    "dsc": Metric(dsc, "DSC", "Sørensen-Dice coefficient", "eq. (14)", _BOTH_EMPTY),
    "reference_positives": Metric(
        reference_positives, "RP/N", "fraction of reference positives", "RP / N", _NO_PIXEL
    ),
    "predicted_positives": Metric(
        predicted_positives, "PP/N", "fraction of predicted positives", "PP / N", _NO_PIXEL
    ),
    "sensitivity": Metric(
        sensitivity, "TPR", "true positive rate, recall", "eq. (5)", _NO_REFERENCE
    ),
    "false_negative_rate": Metric(
        false_negative_rate, "FNR", "false negative rate", "eq. (6)", _NO_REFERENCE
    ),
    "specificity": Metric(specificity, "TNR", "true negative rate", "eq. (7)", _ALL_REFERENCE),
    "false_positive_rate": Metric(
        false_positive_rate, "FPR", "false positive rate", "eq. (8)", _ALL_REFERENCE
    ),
    "precision": Metric(precision, "PPV", "positive predictive value", "eq. (9)", _NO_PREDICTION),
    "negative_predictive_value": Metric(
        negative_predictive_value,
        "NPV",
        "negative predictive value",
        "eq. (10)",
        _ALL_PREDICTION,
    ),
    "informedness": Metric(
        informedness,
        "BIN",
        "informedness",
        "eq. (11)",
        f"{_NO_REFERENCE} or fills all that counts",
        -1.0,
    ),
    "markedness": Metric(
        markedness,
        "BMA",
        "markedness",
        "eq. (12)",
        f"{_NO_PREDICTION} or fills all that counts",
        -1.0,
    ),
    "mcc": Metric(
        mcc,
        "MCC",
        "Matthews correlation coefficient",
        "eq. (13)",
        "either mask is empty or fills all that counts",
        -1.0,
    ),
    "iou": Metric(iou, "IoU", "Jaccard index", "not in the paper's table", _BOTH_EMPTY),
}
"""DSC, the paper's eleven further statistics, and the Jaccard index."""
PAPER = tuple(name for name in METRICS if name != "iou")
"""The twelve of the paper, DSC first."""


def metric_of(name: str) -> Metric:
    """Return a line of METRICS.

    Raises
    ------
    ParameterError
        When no statistic has this name.
    """
    if name not in METRICS:
        raise ParameterError(f"No statistic is called {name!r}: choose from {', '.join(METRICS)}.")
    return METRICS[name]
