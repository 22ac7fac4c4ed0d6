"""A stand-in for ProbabilityMap, with a plain array inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box, Frame, Mpp

FRAME, MPP, BOUNDS = Frame(8.0, 4.0, 4.0, 4.0), Mpp(0.25, 0.25), Box(1, 2, 30, 40)


@dataclass
class ProbabilityDouble:
    values: NDArray[Any]
    frame: Frame = FRAME
    slide_mpp: Mpp = MPP
    slide_fingerprint: str = "f00d"
    slide_bounds: Box | None = BOUNDS
    target: str = "tumour"
    classes: tuple[str, ...] = ("tumour",)
    provenance: dict[str, Any] = field(default_factory=lambda: {"model": "stain-density"})
    complete: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def mpp(self) -> Mpp:
        return Mpp(*self.frame.scale_um(self.slide_mpp))

    def level(self, index: int, class_name: str | None = None) -> NDArray[Any]:
        assert index == 0
        assert class_name in (None, *self.classes)
        return self.values


def hills(height: int = 90, width: int = 70, seed: int = 3) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width)).astype(np.uint8)
