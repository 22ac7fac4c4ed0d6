"""Everything a hand can turn about a mask: the one home of defaults, ranges, texts and meaning.

A map becomes a mask in this order: smoothing of the map; regions above low that hold something
above high; of these, those large enough and with a percentile above high; what a hand pinned in
or out instead; holes filled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, Protocol

from slideconcord.errors import ParameterError
from slideconcord.segmentation.thresholds import PRESETS, Thresholds

# A hair's tolerance: 4 pixels of 0.25 µm² are 1 µm², whatever the rounding.
_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class Edit:
    """A pin: the region at a point of the slide is kept or left out, whatever the thresholds say.

    The region is the component above the present low that holds the point, so a pin follows the
    region as low moves. Of several pins on one region the last one counts. A pin on a point that
    is not above low does nothing.
    """

    y_level0: float
    """Level-0 row, corner convention: pixel 0 covers 0 to 1."""
    x_level0: float
    keep: bool

    def __post_init__(self) -> None:
        if not (math.isfinite(self.y_level0) and math.isfinite(self.x_level0)):
            raise ParameterError(
                f"({self.y_level0}, {self.x_level0}) is no point of a slide: give level-0 pixels."
            )


def _described(label: str, text: str, unit: str, most: float, step: float) -> Mapping[str, Any]:
    return {"label": label, "help": text, "unit": unit, "min": 0.0, "max": most, "step": step}


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a probability map becomes a mask.

    The metadata of a field that a slider or an option can set holds ``label``, ``help``, ``unit``,
    ``min``, ``max`` and ``step``.

    Raises
    ------
    ParameterError
        When a value is out of its range.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    min_area_um2: float = field(
        default=0.0,
        metadata=_described(
            "Smallest region",
            "Leave out smaller regions, in µm²; holes do not count as area.",
            "µm²",
            1e9,
            100.0,
        ),
    )
    prune_percentile: float | None = field(
        default=None,
        metadata=_described(
            "Pruning percentile",
            "Leave out regions whose percentile of probability is not above high; 95 in the "
            "pan-cancer segmentation paper, off when not given.",
            "%",
            100.0,
            1.0,
        ),
    )
    hole_area_um2: float = field(
        default=0.0,
        metadata=_described(
            "Largest hole to fill",
            "Fill holes up to this area, in µm²; what touches the map's border is no hole.",
            "µm²",
            1e9,
            100.0,
        ),
    )
    smoothing_um: float = field(
        default=0.0,
        metadata=_described(
            "Smoothing",
            "Standard deviation of the Gaussian that smooths the map first, in µm; 0 is off.",
            "µm",
            50.0,
            0.5,
        ),
    )
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        for name, about in DESCRIBED.items():
            value = getattr(self, name)
            if not (value is None and name == "prune_percentile"):
                _check(name, value, about)

    @property
    def low(self) -> float:
        return self.thresholds.low

    @property
    def high(self) -> float:
        return self.thresholds.high

    @property
    def is_plain(self) -> bool:
        """Whether the thresholds do all of it."""
        return self == Tuning(self.thresholds)

    def min_area_px(self, pixel_um2: float) -> int:
        """Return the smallest number of pixels that a region must have."""
        return max(math.ceil(self.min_area_um2 / pixel_um2 * (1 - _HAIR)), 1)

    def hole_area_px(self, pixel_um2: float) -> int:
        """Return the largest number of pixels that a hole may have to be filled."""
        return math.floor(self.hole_area_um2 / pixel_um2 * (1 + _HAIR))

    def nudged(self, name: Literal["low", "high"], by: float) -> Tuning:
        """Return this with one threshold moved; it stops at 0, at 1 and at the other one."""
        low, high = self.low, self.high
        if name == "low":
            low = min(max(round(low + by, 6), 0.0), high)
        else:
            high = max(min(round(high + by, 6), 1.0), low)
        return replace(self, thresholds=Thresholds(low, high))

    def pinned(self, y_level0: float, x_level0: float, keep: bool) -> Tuning:
        """Return this with one more pin."""
        return replace(self, edits=(*self.edits, Edit(y_level0, x_level0, keep)))

    def facts(self) -> dict[str, Any]:
        """Return all of it for a provenance record; `read_tuning` reads it."""
        return {
            "low": self.low,
            "high": self.high,
            "connectivity": 4,
            **{name: getattr(self, name) for name in DESCRIBED},
            "edits": [asdict(edit) for edit in self.edits],
        }


DESCRIBED: Mapping[str, Mapping[str, Any]] = {
    each.name: each.metadata for each in fields(Tuning) if each.metadata
}


def _check(name: str, value: Any, about: Mapping[str, Any]) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and about["min"] <= value <= about["max"]):
        raise ParameterError(
            f"{name}={value!r} is out of range: "
            f"give {about['min']:g} to {about['max']:,.0f} {about['unit']}."
        )


def read_tuning(facts: Mapping[str, Any]) -> Tuning:
    """Return the tuning that a mask's provenance records.

    Raises
    ------
    ParameterError
        When it records none, or one that cannot be.
    """
    try:
        return Tuning(
            Thresholds(facts["low"], facts["high"]),
            **{name: facts[name] for name in DESCRIBED if name in facts},
            edits=tuple(Edit(**edit) for edit in facts.get("edits", ())),
        )
    except (KeyError, TypeError) as error:
        raise ParameterError(
            f"This record says not how its mask was made ({error!r}): "
            "give the provenance of a mask."
        ) from error


class HasThresholds(Protocol):
    """A model's spec or a map that it made: both know the model's own thresholds."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class TuningPreset(NamedTuple):
    """A named tuning and when to use it."""

    tuning: Tuning
    help: str


def presets(model: HasThresholds | None = None) -> dict[str, TuningPreset]:
    """Return the tunings that have proved useful, with the model's own where it is known."""
    found = {
        name: TuningPreset(Tuning(each.thresholds), each.help) for name, each in PRESETS.items()
    }
    found["paper, pruned"] = TuningPreset(
        Tuning(PRESETS["paper"].thresholds, prune_percentile=95.0),
        "As paper, and regions stay only when their 95th percentile is above high, too.",
    )
    if model is not None:
        found["model"] = TuningPreset(
            Tuning(Thresholds(model.low, model.high)),
            f"Low {model.low:.3g} and high {model.high:.3g}: what the model's makers advise.",
        )
    return found
