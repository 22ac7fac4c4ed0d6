"""Everything about comparing observers that can be turned: names, defaults, ranges, texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from slideconcord.comparison.cohort import check_confidence
from slideconcord.errors import ParameterError
from slideconcord.geometry import Mpp

Rule = Literal["majority", "staple"]


@dataclass(frozen=True, slots=True)
class Comparing:
    """How readings of one slide are compared.

    Raises
    ------
    ParameterError
        When a value is out of its range.
    """

    mpp: float | None = field(
        default=None,
        metadata={
            "help": "Pixel size in µm of the comparison; that of the coarsest mask if not given, "
            "1 µm where all is drawn."
        },
    )
    consensus: Rule = field(
        default="majority",
        metadata={"help": "What observers say together: more than half of them, or STAPLE."},
    )
    tolerance_um: float = field(
        default=10.0,
        metadata={
            "help": "Borders this near, in µm, are one border in the surface Dice.",
            "min": 0,
        },
    )
    surfaces: bool = field(default=True, metadata={"help": "Measure distances of borders."})
    regions: bool = field(default=True, metadata={"help": "Match regions one to one."})
    min_region_um2: float = field(
        default=0.0,
        metadata={"help": "Leave out smaller regions when matching them, in µm².", "min": 0},
    )
    draws: int = field(
        default=2000, metadata={"help": "Draws of cases for bootstrap intervals.", "min": 100}
    )
    seed: int = field(default=0, metadata={"help": "Names the random draws.", "min": 0})
    confidence: float = field(default=0.95, metadata={"help": "Of all intervals."})

    def __post_init__(self) -> None:
        if self.mpp is not None:
            Mpp.of(self.mpp)
        if self.consensus not in ("majority", "staple"):
            raise ParameterError(
                f"consensus={self.consensus!r} is no rule: give majority or staple."
            )
        check_confidence(self.confidence)
        for name in ("tolerance_um", "min_region_um2", "draws", "seed"):
            least = type(self).__dataclass_fields__[name].metadata["min"]
            if not getattr(self, name) >= least:
                raise ParameterError(
                    f"{name}={getattr(self, name)!r} is too small: give {least} or more."
                )
