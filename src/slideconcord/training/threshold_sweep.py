"""One threshold on a class's probability from 0 to 1, and what it finds of the pixels of tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.metrics import METRICS
from slideconcord.comparison.tables import Table
from slideconcord.training.data.tile import IGNORE

Levels = NDArray[np.int64]
THRESHOLDS = np.arange(101) / 100
"""A pixel is of the class from the threshold on: at 0 all are."""


def count_levels(scores: NDArray[np.float32], masks: NDArray[np.uint8]) -> Levels:
    """Return (2, 101): pixels that are not, and that are, of the last class, by probability.

    Each counts at the highest of `THRESHOLDS` that its probability reaches.

    Parameters
    ----------
    scores
        Probabilities (tile, class, y, x), 0 to 1.
    masks
        Class numbers (tile, y, x); `IGNORE` does not count.
    """
    counted = masks != IGNORE
    # In double precision, as the thresholds are, or 0.3 would not reach 0.3.
    reached = THRESHOLDS.searchsorted(np.round(scores[:, -1][counted].astype(float), 7), "right")
    is_last = masks[counted] == scores.shape[1] - 1
    return np.stack(
        [
            np.bincount(np.maximum(reached[is_last == yes] - 1, 0), minlength=len(THRESHOLDS))
            for yes in (False, True)
        ]
    )


def sweep(levels: Levels) -> Table:
    """Return a row for each threshold with counts and all statistics of `METRICS`."""
    # How many pixels reach each threshold: those at it, and above.
    negative, positive = levels[:, ::-1].cumsum(1)[:, ::-1].tolist()
    return Table.of(
        _row(threshold, ConfusionCounts(tp, fp, positive[0] - tp, negative[0] - fp))
        for threshold, tp, fp in zip(THRESHOLDS.tolist(), positive, negative, strict=True)
    )


def area_under_curve(levels: Levels) -> float:
    """Return the chance that a pixel of the class scores higher than another, ties counting half.

    NaN without pixels of both. Probabilities that reach the same threshold are tied.
    """
    negative, positive = levels.astype(float)
    below = negative.cumsum() - negative / 2
    pairs = negative.sum() * positive.sum()
    return float((below * positive).sum() / pairs) if pairs else float("nan")


def _row(threshold: float, counts: ConfusionCounts) -> dict[str, Any]:
    return {
        "threshold": threshold,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "tn": counts.tn,
        **{name: metric(counts) for name, metric in METRICS.items()},
    }
