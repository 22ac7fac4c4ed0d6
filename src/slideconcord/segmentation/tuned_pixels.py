"""A tuning in the words of an index, and the pixels that the index then gives."""

from __future__ import annotations

import math
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Frame, Mpp
from slideconcord.segmentation.index_values import Pin
from slideconcord.segmentation.mask import BLOCK_PX
from slideconcord.segmentation.threshold_index import ThresholdIndex
from slideconcord.segmentation.tuning import Edit, Tuning
from slideconcord.slides.level import split_index

LEVEL0 = Frame(0.0, 0.0, 1.0, 1.0)


class Terms(TypedDict):
    """A tuning in the words of an index: pixels instead of µm."""

    low: float
    high: float
    min_area_px: int
    prune_percentile: float | None
    pins: tuple[Pin, ...]


def terms(tuning: Tuning, frame: Frame, slide_mpp: Mpp) -> Terms:
    """Return what to ask an index of a map in this frame; smoothing and holes are no part of it."""
    return {
        "low": tuning.low,
        "high": tuning.high,
        "min_area_px": tuning.min_area_px(pixel_um2(frame, slide_mpp)),
        "prune_percentile": tuning.prune_percentile,
        "pins": tuple(_pin(edit, frame) for edit in tuning.edits),
    }


def pixel_um2(frame: Frame, slide_mpp: Mpp) -> float:
    """Return the area of a pixel of a map in µm²."""
    return math.prod(frame.scale_um(slide_mpp))


def inactive_edits(index: ThresholdIndex, tuning: Tuning) -> tuple[Edit, ...]:
    """Return the pins that do nothing: not above the present low, or not on the map."""
    frame = index.place.frame or LEVEL0
    idle = index.inactive(tuning.low, [_pin(edit, frame) for edit in tuning.edits])
    return tuple(edit for edit, is_idle in zip(tuning.edits, idle, strict=True) if is_idle)


class TunedPixels:
    """The mask of a tuning without its holes filled, (y, x) bool, made where it is read."""

    dtype = np.dtype(np.bool_)
    ndim = 2
    chunks = (BLOCK_PX, BLOCK_PX)

    def __init__(self, index: ThresholdIndex, asked: Terms) -> None:
        self._index, self.asked = index, asked
        self.shape = index.shape
        self.size = index.shape[0] * index.shape[1]

    def __getitem__(self, key: Any) -> Any:
        box, rest = split_index(key, (*self.shape, 1))
        mask = self._index.mask(box=box, **self.asked) if box.area else np.zeros(box.shape, bool)
        return mask[rest[:2]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:, :], dtype)


class PinnedOut(TunedPixels):
    """The regions that a hand pinned out; filling holes leaves them out, too."""

    def __init__(self, index: ThresholdIndex, asked: Terms) -> None:
        opposite = tuple(pin._replace(keep=not pin.keep) for pin in asked["pins"])
        super().__init__(index, {**asked, "high": 1.0, "pins": opposite})


def _pin(edit: Edit, frame: Frame) -> Pin:
    y, x = frame.from_level0(edit.y_level0, edit.x_level0)
    return Pin(math.floor(y), math.floor(x), edit.keep)
