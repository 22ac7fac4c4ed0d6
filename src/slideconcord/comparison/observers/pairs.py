"""How far two readings of one class agree, as a value; NaN is undefined."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.metrics import METRICS, dsc, precision, sensitivity
from slideconcord.comparison.observers.ratings import cohen_kappa
from slideconcord.comparison.observers.readings import Reader

Kind = Literal["inter", "intra", "rounds", "consensus", "model"]
KINDS: dict[Kind, str] = {
    "inter": "two observers in one round",
    "intra": "one observer in two rounds",
    "rounds": "two observers in different rounds",
    "consensus": "an observer and the consensus",
    "model": "a model and an observer, the consensus or another model",
}
Empty = Literal["none", "one", "both"]
EMPTY_RULES: dict[Empty, str] = {
    "none": "both marked something",
    "one": "one marked nothing: DSC, IoU and surface Dice are 0, distances are undefined",
    "both": "both marked nothing: all of these are undefined, left out of means and counted",
}
_ORDER = {"model": 0, "observer": 1, "consensus": 2}


@dataclass(frozen=True, slots=True)
class Surface:
    """How far the borders of two readings lie apart; NaN where one has none."""

    hd_um: float
    """Largest distance of a border pixel to the other border, either way."""
    hd95_um: float
    """The larger of both directions' 95th percentiles."""
    mean_um: float
    """Mean over the border pixels of both."""
    dice: float
    """Share of the border pixels of both that lie within the tolerance; 0 where one has none."""
    first_px: int
    """Border pixels."""
    second_px: int


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two readings of one class of one slide. In ratios the first predicts, the second is right."""

    first: Reader
    second: Reader
    counts: ConfusionCounts
    pixel_um2: float
    surface: Surface | None = None
    """None when it was not asked for."""
    regions: ConfusionCounts | None = None
    """Regions, not pixels: the same in both, in the first alone, in the second alone."""

    @property
    def kind(self) -> Kind:
        return kind_of(self.first, self.second)

    @property
    def empty(self) -> Empty:
        """Which rule for empty readings holds."""
        marked = bool(self.counts.predicted) + bool(self.counts.reference)
        return ("both", "one", "none")[marked]

    @property
    def dsc(self) -> float:
        return dsc(self.counts)

    @property
    def kappa(self) -> float:
        """Cohen's, on the pixels that count."""
        c = self.counts
        return cohen_kappa(np.array([[c.tp, c.fp], [c.fn, c.tn]]))

    @property
    def first_um2(self) -> float:
        return self.counts.predicted * self.pixel_um2

    @property
    def second_um2(self) -> float:
        return self.counts.reference * self.pixel_um2

    @property
    def difference_um2(self) -> float:
        """Area of the first less that of the second."""
        return self.first_um2 - self.second_um2

    @property
    def values(self) -> dict[str, float]:
        """Every number by name: METRICS, kappa, those of borders and regions, areas."""
        found = {name: metric(self.counts) for name, metric in METRICS.items()}
        found["kappa"] = self.kappa
        surface, regions = self.surface, self.regions
        for name, of in _SURFACE.items():
            found[name] = getattr(surface, of) if surface else math.nan
        for name, metric in _REGIONS.items():
            found[name] = metric(regions) if regions else math.nan
        found |= {"first_um2": self.first_um2, "second_um2": self.second_um2}
        return found | {"difference_um2": self.difference_um2}

    def row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        c = self.counts
        return {
            "kind": self.kind,
            "first": self.first.name,
            "first_round": self.first.round,
            "second": self.second.name,
            "second_round": self.second.round,
            "empty": self.empty,
            **{name: getattr(c, name) for name in ("tp", "fp", "fn", "tn")},
            **self.values,
        }


_SURFACE = {
    "hd_um": "hd_um",
    "hd95_um": "hd95_um",
    "mean_surface_um": "mean_um",
    "surface_dice": "dice",
}
_REGIONS = {"region_precision": precision, "region_recall": sensitivity, "region_f1": dsc}
STATISTICS = (*METRICS, "kappa", *_SURFACE, *_REGIONS)
"""What is averaged over slides, by name."""
AGREE_WHEN_EMPTY = ("dsc", "iou", "surface_dice", "region_f1")
"""What can be taken as 1 where both readers marked nothing."""


def kind_of(first: Reader, second: Reader) -> Kind:
    """Return what a pair tells about."""
    roles = {first.role, second.role}
    if "model" in roles:
        return "model"
    if "consensus" in roles:
        return "consensus"
    if first.name == second.name:
        return "intra"
    return "inter" if first.round == second.round else "rounds"


def all_pairs(readers: Sequence[Reader]) -> Iterator[tuple[int, int]]:
    """Yield every pair of places, the one that predicts first: model, observer, consensus."""
    order = sorted(range(len(readers)), key=lambda place: _ORDER[readers[place].role])
    return combinations(order, 2)


def find_pair(pairs: Iterable[PairAgreement], first: Reader, second: Reader) -> PairAgreement:
    """Return the pair of two readers, whichever predicts.

    Raises
    ------
    KeyError
        When there is none.
    """
    wanted = {first, second}
    for pair in pairs:
        if {pair.first, pair.second} == wanted:
            return pair
    raise KeyError(f"{first.label} and {second.label}")


def empty_counts(pairs: Iterable[PairAgreement]) -> Mapping[Empty, int]:
    """Return how many pairs fall under each rule for empty readings."""
    found: dict[Empty, int] = dict.fromkeys(EMPTY_RULES, 0)
    for pair in pairs:
        found[pair.empty] += 1
    return found
