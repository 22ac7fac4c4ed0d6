"""The values an index of thresholds is made of and answers with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box, Frame, Mpp

Why = Literal["kept", "pinned in", "pinned out", "below low", "below high", "small", "pruned"]


class Level(NamedTuple):
    """Every 2^k-th pixel of the map."""

    values: NDArray[np.uint8]
    branches: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Place:
    """What an index knows of its map's place on a slide; nothing for a plain array."""

    frame: Frame | None = None
    slide_mpp: Mpp | None = None
    slide_fingerprint: str = ""
    slide_bounds: Box | None = None
    class_name: str = ""
    complete: bool = True
    """False when the map was still being filled: the answers are those "so far"."""
    smoothing_um: float = 0.0
    """How the map was smoothed before it was indexed."""


class Pin(NamedTuple):
    """A point of the map, in its pixels, whose region is kept or left out by hand."""

    y: int
    x: int
    keep: bool


class Rules(TypedDict, total=False):
    """What decides beside low and high which regions stay; each may be left out."""

    min_area_px: int
    """Leave out regions of fewer pixels."""
    prune_percentile: float | None
    """Leave out regions whose percentile of values (0 to 100, linear between two pixels, as numpy
    has it) is not above high. None asks for none."""
    pins: Sequence[Pin]
    """Points whose region is kept or left out whatever the rest says; of several on one region
    the last counts. One that is not above low does nothing."""


class Areas(NamedTuple):
    """What a pair of thresholds keeps, on the whole map."""

    area_px: int
    region_count: int


class Standing(NamedTuple):
    """Why a pixel is in the mask or not."""

    value: float
    """Its own probability."""
    peak: float
    """The highest probability of the region above low that it is part of; 0 when in none."""
    area_px: int
    """Area of that region."""
    is_above_low: bool
    is_kept: bool
    why: Why
    """What decided."""
