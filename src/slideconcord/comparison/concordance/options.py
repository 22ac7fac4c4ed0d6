"""Everything about measuring agreement that can be turned: names, defaults, ranges, texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from slideconcord.errors import ParameterError
from slideconcord.geometry import Mpp

Empty = Literal["undefined", "perfect"]


@dataclass(frozen=True, slots=True)
class Measuring:
    """How masks of the scans of one glass slide are compared.

    Raises
    ------
    ParameterError
        When a value is out of its range.
    """

    mpp: float | None = field(
        default=None,
        metadata={"help": "Pixel size in µm of the comparison; that of the coarsest mask if not."},
    )
    empty: Empty = field(
        default="undefined",
        metadata={
            "help": "Dice of two empty masks: undefined leaves it out and counts it, perfect "
            "takes it as 1. One empty mask gives 0 either way."
        },
    )
    tissue_only: bool = field(
        default=False, metadata={"help": "Count tissue of the hub only, not white background."}
    )
    accept_coarse: bool = field(
        default=False, metadata={"help": "Measure scans whose registration is only coarse, too."}
    )
    regions: int = field(
        default=10, metadata={"help": "Square regions of tissue that are sampled.", "min": 0}
    )
    region_um: float = field(default=800.0, metadata={"help": "Side of a region in µm.", "min": 1})
    seed: int = field(default=0, metadata={"help": "Names the random choices.", "min": 0})

    def __post_init__(self) -> None:
        if self.mpp is not None:
            Mpp.of(self.mpp)
        if self.empty not in ("undefined", "perfect"):
            raise ParameterError(f"empty={self.empty!r} is no rule: give undefined or perfect.")
        for name in ("regions", "region_um", "seed"):
            least = type(self).__dataclass_fields__[name].metadata["min"]
            if not getattr(self, name) >= least:
                raise ParameterError(
                    f"{name}={getattr(self, name)!r} is too small: give {least} or more."
                )
