"""What a user can choose about a prediction: the one home of defaults, ranges and help."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box


def _help(text: str, **limits: Any) -> dict[str, Any]:
    return {"help": text, **limits}


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """Options of `predict`; None leaves the choice to the model or the machine.

    Each field's metadata holds ``help`` and, where they apply, ``min``, ``max``, ``choices`` (with
    ``labels``, what the Segment dock calls them) and ``pattern``; the command line and the Segment
    dock are made from them.
    """

    tile_px: int | None = field(
        default=None,
        metadata=_help(
            "Side of a tile in pixels of the model. Networks with global pooling answer "
            "differently on other sizes than their own.",
            min=64,
            max=16_384,
        ),
    )
    overlap_px: int | None = field(
        default=None,
        metadata=_help(
            "Least overlap of neighbouring tiles in pixels of the model.", min=0, max=8_192
        ),
    )
    batch: int | None = field(
        default=None,
        metadata=_help(
            "Tiles computed at once; chosen for the device when not given.", min=1, max=256
        ),
    )
    device: str = field(
        default="auto",
        metadata=_help(
            "Where to compute: auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps.",
            pattern=r"auto|cpu|mps|cuda(:\d+)?",
        ),
    )
    precision: str = field(
        default="auto",
        metadata=_help(
            "Arithmetic of the network: auto takes bf16 where the GPU or the processor is made "
            "for it, else fp16 on CUDA and fp32 elsewhere.",
            choices=("auto", "fp32", "bf16", "fp16"),
        ),
    )
    engine: str = field(
        default="eager",
        metadata=_help(
            "What executes the network: eager (PyTorch as it is), compile (PyTorch fuses it: "
            "minutes before the first tile, worth it for many tiles on a GPU), openvino (on a "
            "CPU, when it is installed).",
            choices=("eager", "compile", "openvino"),
        ),
    )
    tta: str = field(
        default="none",
        metadata=_help(
            "Test-time augmentation: none, or rotations (the mean answer to each tile turned by "
            "0, 90, 180 and 270 degrees; takes four times as long).",
            choices=("none", "rotations"),
            labels=("None", "Rotations (4x)"),
        ),
    )
    readers: int | None = field(
        default=None,
        metadata=_help(
            "Tiles read at the same time; 1 to 8 by the processor when not given.", min=1, max=64
        ),
    )
    box: Box | None = field(
        default=None, metadata=_help("Predict only this box of level-0 pixels.")
    )
    skip_background: bool = field(
        default=False,
        metadata=_help(
            "Leave out tiles without tissue (the pan-cancer paper's mask at 5 µm): neither read "
            "nor computed, their pixels are 0 in every class."
        ),
    )
    jpeg_tiles: bool = field(
        default=False,
        metadata=_help(
            "Put each tile through JPEG of quality 95 before the network, as the pan-cancer "
            "paper did: only for parity with its results."
        ),
    )
    within_bounds: bool = field(
        default=False,
        metadata=_help("Predict only the part of the slide that its file names as scanned."),
    )

    def __post_init__(self) -> None:
        for name, spec in self.__dataclass_fields__.items():
            value = getattr(self, name)
            if value is not None:
                _check(name, value, spec.metadata)


def _check(name: str, value: Any, limits: Any) -> None:
    if "min" in limits and not limits["min"] <= value <= limits["max"]:
        raise ParameterError(
            f"{name}={value} is out of range: give {limits['min']} to {limits['max']}."
        )
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        raise ParameterError(f"{name}={value!r} is not known. {limits['help']}")
    if "choices" in limits and value not in limits["choices"]:
        raise ParameterError(
            f"{name}={value!r} is not known. Choose {', '.join(limits['choices'])}."
        )
