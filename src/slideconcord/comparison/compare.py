"""Compare two masks: all statistics at once, with what they were made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from slideconcord.comparison.counts import ConfusionCounts, count_operands
from slideconcord.comparison.metrics import METRICS, metric_of
from slideconcord.comparison.operands import bring_together, facts_of
from slideconcord.comparison.tables import Table, without_nan
from slideconcord.provenance import record

if TYPE_CHECKING:
    from slideconcord.comparison.operands import Comparable, Operands


@dataclass(frozen=True, slots=True)
class Scores:
    """How far a prediction agrees with a reference; an undefined statistic is NaN."""

    counts: ConfusionCounts
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def dsc(self) -> float:
        return self["dsc"]

    @property
    def values(self) -> Mapping[str, float]:
        """Every statistic of METRICS by name."""
        return MappingProxyType({name: metric(self.counts) for name, metric in METRICS.items()})

    @property
    def undefined(self) -> Mapping[str, str]:
        """The statistics that have no value, and why."""
        return {name: METRICS[name].undefined for name, v in self.values.items() if math.isnan(v)}

    def __getitem__(self, name: str) -> float:
        return metric_of(name)(self.counts)

    def table(self) -> Table:
        """Return one row per statistic, with the reason where it is undefined."""
        return Table.of(
            {
                "metric": name,
                "symbol": METRICS[name].symbol,
                "value": value,
                "label": METRICS[name].label,
                "source": METRICS[name].source,
                "undefined": self.undefined.get(name, ""),
            }
            for name, value in self.values.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; what is undefined is null."""
        return {
            "counts": asdict(self.counts),
            "metrics": without_nan(self.values),
            "undefined": dict(self.undefined),
            "provenance": dict(self.provenance),
        }


def compare_masks(
    prediction: Comparable, reference: Comparable, tissue: Comparable | None = None
) -> Scores:
    """Compare a prediction with a reference: DSC, the paper's eleven further statistics, IoU.

    Parameters
    ----------
    prediction, reference
        A Mask, Annotations, or bool pixels (y, x). Annotations are drawn in the frame of the
        masks, and count inside it only.
    tissue
        What counts, likewise; white background enters no count. All pixels count when None.

    Returns
    -------
    Scores, whose ``counts`` are tissue pixels.

    Raises
    ------
    MismatchError
        When the three lie in different frames or on different slides.
    ParameterError
        When all are annotations, or an array is not bool (y, x).
    """
    return compare_operands(bring_together(prediction, reference, tissue))


def compare_operands(operands: Operands) -> Scores:
    """Do as `compare_masks` for what lies in one frame already."""
    return Scores(count_operands(operands), provenance_of(operands))


def provenance_of(operands: Operands) -> dict[str, Any]:
    """Return what made a comparison: both sides, the frame, whether background was left out."""
    frame = operands.prediction.frame
    return record(
        prediction=facts_of(operands.prediction),
        reference=facts_of(operands.reference),
        tissue=None if operands.tissue is None else facts_of(operands.tissue),
        frame=[frame.origin_y, frame.origin_x, frame.step_y, frame.step_x],
        shape=list(operands.shape),
        slide_mpp=list(operands.prediction.slide_mpp),
        slide_fingerprint=operands.prediction.slide_fingerprint,
    )
