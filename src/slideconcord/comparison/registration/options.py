"""Everything about a registration that can be turned: names, defaults, ranges, texts."""

from __future__ import annotations

from dataclasses import dataclass, field

from slideconcord.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Registering:
    """How two scans are laid on one another.

    Raises
    ------
    ParameterError
        When a value is out of its range.
    """

    residual_field: bool = field(
        default=True,
        metadata={
            "help": "Follow what an affine leaves over, where it helps tiles that it has not seen."
        },
    )
    most_tiles: int = field(
        default=4000,
        metadata={
            "help": "Tiles compared at fine resolution; more follow smaller fields of a scanner.",
            "min": 40,
            "max": 20_000,
        },
    )
    scale_tolerance: float = field(
        default=0.025,
        metadata={
            "help": "How far the scans' scales may differ from what their pixel sizes say.",
            "min": 0.001,
            "max": 0.2,
        },
    )
    seed: int = field(
        default=0, metadata={"help": "Names the random choices.", "min": 0, "max": 2**31 - 1}
    )

    def __post_init__(self) -> None:
        for name in ("most_tiles", "scale_tolerance", "seed"):
            about, value = type(self).__dataclass_fields__[name].metadata, getattr(self, name)
            if not about["min"] <= value <= about["max"]:
                raise ParameterError(
                    f"{name}={value!r} is out of range: give {about['min']:g} to {about['max']:g}."
                )
