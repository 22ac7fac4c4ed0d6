"""What depends on the machine and not on the method: the one home of defaults, ranges and help."""

from __future__ import annotations

from dataclasses import dataclass, field

from slideconcord.errors import ParameterError


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of `train`; the command line is made from them.

    Raises
    ------
    ParameterError
        When a value is out of range.
    """

    device: str = field(
        default="auto",
        metadata={"help": "Where to compute: auto (CUDA, then MPS, then CPU), cpu, cuda, mps."},
    )
    devices: int = field(
        default=1,
        metadata={
            "help": "How many devices share each batch; losses are computed on each.",
            "min": 1,
            "max": 1024,
        },
    )
    precision: str = field(
        default="auto",
        metadata={"help": "Arithmetic: auto takes bf16 or fp16 on CUDA and fp32 elsewhere."},
    )
    parts: int = field(
        default=1,
        metadata={
            "help": "In how many parts a device works through its share of a batch, one after "
            "another, when memory is short; doubled by itself when it runs out.",
            "min": 1,
            "max": 1024,
        },
    )
    readers: int = field(
        default=4, metadata={"help": "Tiles read at the same time.", "min": 1, "max": 64}
    )
    tensorboard: bool = field(
        default=False,
        metadata={
            "help": "Also write the curves for TensorBoard, into OUT/tensorboard. A run that has "
            "begun with them goes on with them."
        },
    )

    def __post_init__(self) -> None:
        for name, about in self.__dataclass_fields__.items():
            limits, value = about.metadata, getattr(self, name)
            if "min" in limits and not limits["min"] <= value <= limits["max"]:
                raise ParameterError(
                    f"{name}={value} is out of range: give {limits['min']} to {limits['max']}."
                )
