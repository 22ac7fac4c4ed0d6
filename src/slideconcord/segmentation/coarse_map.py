"""A probability map at a coarser pixel size, each pixel the mean of the area it covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.slides.resample import SAME_STEP, grid_count

Bytes = NDArray[np.uint8]
_STRIP_PX = 1024


@dataclass(frozen=True, slots=True, eq=False)
class CoarseMap:
    """One class of a map in memory; answers like the ProbabilityMap that it was made of."""

    values: Bytes
    """(y, x) uint8."""
    frame: Frame
    target: str
    slide_mpp: Mpp
    slide_fingerprint: str
    slide_bounds: Box | None
    complete: bool
    provenance: Mapping[str, Any]
    """That of the map it was made of."""

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.values.shape
        return height, width

    @property
    def mpp(self) -> Mpp:
        """Pixel size in µm, (y, x)."""
        return Mpp(*self.frame.scale_um(self.slide_mpp))

    def level(self, index: int, class_name: str | None = None) -> Bytes:
        """Return the only level of the only class."""
        return self.values


def coarse_map(probability: Any, mpp: float, class_name: str | None = None) -> CoarseMap:
    """Return one class of a map at ``mpp``, as large as whole pixels fit in (INTER_AREA).

    Raises
    ------
    ParameterError
        When the map is coarser, or smaller than one pixel of that size.
    """
    level = probability.level(0, class_name)
    step_y, step_x = mpp / probability.mpp.y, mpp / probability.mpp.x
    if min(step_y, step_x) < 1 - SAME_STEP:
        raise ParameterError(
            f"The map has {max(probability.mpp):g} µm per pixel, but {mpp:g} or finer is needed, "
            "and pixels are never made up: use a model of finer pixels."
        )
    height, width = level.shape
    if min(height / step_y, width / step_x) < 1 - SAME_STEP:
        raise ParameterError(
            f"The map of {height} x {width} px is smaller than one pixel of {mpp:g} µm: "
            "predict a larger box."
        )
    shape = grid_count(height, step_y), grid_count(width, step_x)
    frame = probability.frame
    coarser = Frame(frame.origin_y, frame.origin_x, frame.step_y * step_y, frame.step_x * step_x)
    return CoarseMap(
        values=_shrink(level, (step_y, step_x), shape),
        frame=coarser,
        target=class_name or probability.target,
        slide_mpp=probability.slide_mpp,
        slide_fingerprint=probability.slide_fingerprint,
        slide_bounds=probability.slide_bounds,
        complete=probability.complete,
        provenance=probability.provenance,
    )


def _shrink(level: Any, step: tuple[float, float], shape: tuple[int, int]) -> Bytes:
    whole = round(step[0]), round(step[1])
    if max(abs(s - w) for s, w in zip(step, whole, strict=True)) > SAME_STEP:
        return _resized(np.asarray(level[:, :]), step, shape)
    # Rows of whole pixels do not depend on one another, so that memory need not hold the map.
    out = np.empty(shape, np.uint8)
    rows = max(_STRIP_PX // whole[0], 1)
    for y in range(0, shape[0], rows):
        stop = min(y + rows, shape[0])
        strip = np.asarray(level[y * whole[0] : stop * whole[0], : shape[1] * whole[1]])
        out[y:stop] = cv2.resize(strip, (shape[1], stop - y), interpolation=cv2.INTER_AREA)
    return out


def _resized(values: Bytes, step: tuple[float, float], shape: tuple[int, int]) -> Bytes:
    height, width = (
        min(round(n * s), side) for n, s, side in zip(shape, step, values.shape, strict=True)
    )
    inside = np.ascontiguousarray(values[:height, :width])
    return np.asarray(cv2.resize(inside, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
