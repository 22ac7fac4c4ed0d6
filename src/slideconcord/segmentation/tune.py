"""The mask of a tuning in one call, for scripts and notebooks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.exact import exact_mask, fill_from_index
from slideconcord.segmentation.mask import Mask
from slideconcord.segmentation.probability import ProbabilityMap
from slideconcord.segmentation.seams import Blocks
from slideconcord.segmentation.smoothing import stored
from slideconcord.segmentation.threshold_index import ThresholdIndex
from slideconcord.segmentation.thresholds import check_map
from slideconcord.segmentation.tuned_pixels import LEVEL0, pixel_um2, terms
from slideconcord.segmentation.tuning import Tuning

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _PlainMap:
    """A plain array as a map whose level 0 is the slide's."""

    values: NDArray[Any]
    slide_mpp: Mpp
    frame: Frame = field(default=LEVEL0)
    slide_fingerprint: str = ""
    slide_bounds: Box | None = None
    target: str = ""
    complete: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def mpp(self) -> Mpp:
        return self.slide_mpp

    @property
    def provenance(self) -> dict[str, Any]:
        return {}

    def level(self, index: int, class_name: str | None = None) -> NDArray[Any]:
        return self.values


@overload
def tune(
    source: ProbabilityMap,
    tuning: Tuning = ...,
    box: Box | None = ...,
    step: int = ...,
    *,
    mpp: float | Mpp | None = ...,
    class_name: str | None = ...,
) -> Mask: ...
@overload
def tune(
    source: NDArray[Any] | ThresholdIndex,
    tuning: Tuning = ...,
    box: Box | None = ...,
    step: int = ...,
    *,
    mpp: float | Mpp | None = ...,
    class_name: str | None = ...,
) -> Bools: ...
def tune(
    source: Any,
    tuning: Tuning = Tuning(),  # noqa: B008  (it cannot change)
    box: Box | None = None,
    step: int = 1,
    *,
    mpp: float | Mpp | None = None,
    class_name: str | None = None,
) -> Mask | Bools:
    """Return the exact mask that a tuning makes of a map, or a part of it.

    Parameters
    ----------
    source
        A ProbabilityMap; a plain map (y, x) of uint8, or of fractions, which count as maps store
        them, ``floor(255 p)``; or an index of a map.
    tuning
        The thresholds and all else.
    box
        The part wanted, in pixels of the map; all of it when None. What lies outside counts.
    step
        Return only every ``step``-th pixel, beginning at the box's first.
    mpp
        The pixel size of a plain map, µm; needed where the tuning speaks of µm.
    class_name
        Which class of a ProbabilityMap; its target class when None.

    Returns
    -------
    Mask
        For a ProbabilityMap, in the frame of the part.
    numpy.ndarray
        bool (y, x), for the others.

    Raises
    ------
    ParameterError
        When the map is no probability map, the box does not lie in it, or ``mpp`` is missing.
    MismatchError
        When an index is of another smoothing than the tuning's.
    """
    if isinstance(source, ThresholdIndex):
        return _part(_of_index(source, tuning, mpp), box, step)
    if isinstance(source, np.ndarray):
        check_map(source)
        plain = _PlainMap(stored(source), _pixel(tuning, mpp))
        return _part(np.asarray(_finish(exact_mask(plain, tuning)).array), box, step)
    mask = _finish(exact_mask(source, tuning, class_name=class_name))
    part = box or Box(0, 0, *mask.shape)
    frame = mask.frame.inside(part)
    return replace(
        mask,
        array=_part(np.asarray(mask.array), part, step),
        # Every so manieth pixel stands for itself, at its place, and for those that it skips.
        frame=frame.coarser(step),
    )


def _of_index(index: ThresholdIndex, tuning: Tuning, mpp: float | Mpp | None) -> Bools:
    place = index.place
    if place.smoothing_um != tuning.smoothing_um:
        raise MismatchError(
            f"The index is of a map smoothed by {place.smoothing_um:g} µm, not "
            f"{tuning.smoothing_um:g}: index the smoothed map, or give the map itself."
        )
    slide_mpp = place.slide_mpp or _pixel(tuning, mpp)
    frame = place.frame or LEVEL0
    out = np.zeros(index.shape, np.bool_)
    largest_px = tuning.hole_area_px(pixel_um2(frame, slide_mpp))
    asked = terms(tuning, frame, slide_mpp)
    _finish(fill_from_index(index, asked, largest_px, out, Blocks(index.shape)))
    return out


def _pixel(tuning: Tuning, mpp: float | Mpp | None) -> Mpp:
    if mpp is not None:
        return Mpp.of(mpp)
    for name in ("min_area_um2", "hole_area_um2", "smoothing_um"):
        if getattr(tuning, name):
            raise ParameterError(
                f"{name}={getattr(tuning, name):g} needs the size of a pixel, which a plain map "
                "does not know: pass mpp=, in µm, such as mpp=1.0."
            )
    return Mpp(1.0, 1.0)


def _part(mask: Bools, box: Box | None, step: int) -> Bools:
    if step < 1:
        raise ParameterError(f"step={step} must be 1 or more: it counts pixels of the map.")
    if box is None:
        return mask[::step, ::step]
    if box.area < 1 or not Box(0, 0, *mask.shape).contains(box):
        raise ParameterError(
            f"{box} does not lie in the map of {mask.shape[0]} x {mask.shape[1]} px: "
            "intersect it with the map's box first."
        )
    return mask[box.slices][::step, ::step]


def _finish(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
