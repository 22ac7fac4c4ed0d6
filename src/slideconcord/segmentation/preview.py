"""What a tuning looks like in a view, at once, and whether that is what the exact mask will be.

Thresholds, pruning, areas and pins are exact in every view. Holes are, unless one goes on beyond
the view's margin or only every so manieth pixel is shown. Smoothing other than the index's is
seen in the view alone, for a region may be held by a peak beyond it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.holes import fill_part
from slideconcord.segmentation.smoothing import smooth
from slideconcord.segmentation.strides import Strided
from slideconcord.segmentation.threshold_build import index_thresholds
from slideconcord.segmentation.threshold_index import ThresholdIndex
from slideconcord.segmentation.tuned_pixels import LEVEL0, PinnedOut, Terms, pixel_um2, terms
from slideconcord.segmentation.tuning import Tuning

Bools = NDArray[np.bool_]
_HOLE_MARGIN_PX = 64
_SMOOTHING_MARGIN_PX = 64


class Preview(NamedTuple):
    """A view of a mask."""

    pixels: Bools
    """(y, x)."""
    approximate: Literal["", "holes", "smoothing"]
    """What may differ from the exact mask here; nothing when empty."""


def preview(
    index: ThresholdIndex,
    tuning: Tuning,
    box: Box | None = None,
    step: int = 1,
    *,
    mpp: float | Mpp = 1.0,
) -> Preview:
    """Return a part of the mask that a tuning makes, as quickly as can be.

    Parameters
    ----------
    index
        Of the map, not smoothed or smoothed as the tuning asks; only the latter is exact.
    tuning
        The thresholds and all else.
    box
        The part wanted, in pixels of the map; all of it when None.
    step
        Return only every ``step``-th pixel, beginning at the box's first.
    mpp
        The pixel size of a plain map, µm; maps on slides know theirs.

    Raises
    ------
    MismatchError
        When the index is of a map smoothed otherwise.
    ParameterError
        When the box does not lie in the map, or the step is not 1 or more.
    """
    box = index.checked(box, step)
    frame, slide_mpp = index.place.frame or LEVEL0, index.place.slide_mpp or Mpp.of(mpp)
    if index.place.smoothing_um != tuning.smoothing_um:
        return Preview(_smoothed_view(index, tuning, box, step, frame, slide_mpp), "smoothing")
    asked = terms(tuning, frame, slide_mpp)
    largest_px = tuning.hole_area_px(pixel_um2(frame, slide_mpp))
    if not largest_px:
        return Preview(index.mask(box=box, step=step, **asked), "")
    pixels, is_exact = _filled_view(index, asked, largest_px, box, step)
    return Preview(pixels, "" if is_exact else "holes")


def _filled_view(
    index: ThresholdIndex, asked: Terms, largest_px: int, box: Box, step: int
) -> tuple[Bools, bool]:
    """Fill the holes of a view, with a margin around it."""
    # A hole of so many pixels cannot reach farther than that.
    margin = min(largest_px // step + 1, _HOLE_MARGIN_PX)
    grid = _Grid.around(index, box, step, margin)
    mask = index.mask(box=grid.part, step=step, **asked)
    filled, is_exact = fill_part(
        mask, grid.coarse_part, grid.coarse_box, grid.coarse_whole, largest_px / step**2
    )
    if not all(pin.keep for pin in asked["pins"]):
        out = PinnedOut(index, asked)
        filled &= ~index.mask(box=box, step=step, **out.asked)
    return filled, is_exact and step == 1


class _Grid(NamedTuple):
    """A box and the part around it, in pixels of the map and in those of the result."""

    part: Box
    coarse_part: Box
    coarse_box: Box
    coarse_whole: Box

    @classmethod
    def around(cls, index: ThresholdIndex, box: Box, step: int, margin: int) -> _Grid:
        """Add up to ``margin`` result pixels on each side, within the map."""
        height, width = index.shape
        # Counted from the box's corner, so that the margin's pixels lie on its grid.
        before_y, before_x = (min(margin, at // step) for at in (box.y, box.x))
        shape = -(-box.height // step), -(-box.width // step)
        room_y, room_x = -(-(height - box.y) // step), -(-(width - box.x) // step)
        rows, columns = min(shape[0] + margin, room_y), min(shape[1] + margin, room_x)
        y, x = box.y - before_y * step, box.x - before_x * step
        part = Box(
            y, x,
            min((before_y + rows) * step, height - y), min((before_x + columns) * step, width - x),
        )  # fmt: skip
        return cls(
            part,
            Box(-before_y, -before_x, before_y + rows, before_x + columns),
            Box(0, 0, *shape),
            Box(
                -(box.y // step), -(box.x // step),
                box.y // step + room_y, box.x // step + room_x,
            ),
        )  # fmt: skip


_LATEST: WeakKeyDictionary[ThresholdIndex, tuple[tuple[Box, int, float], ThresholdIndex]] = (
    WeakKeyDictionary()
)


def _smoothed_view(
    index: ThresholdIndex, tuning: Tuning, box: Box, step: int, frame: Frame, slide_mpp: Mpp
) -> Bools:
    if index.place.smoothing_um:
        raise MismatchError(
            f"The index is of a map smoothed by {index.place.smoothing_um:g} µm, not "
            f"{tuning.smoothing_um:g}: preview with the index of the map itself."
        )
    mpp = Mpp(*frame.scale_um(slide_mpp))
    sigma = tuning.smoothing_um / mpp.y / step, tuning.smoothing_um / mpp.x / step
    grid = _Grid.around(index, box, step, int(4 * max(sigma)) + _SMOOTHING_MARGIN_PX)
    key = box, step, tuning.smoothing_um
    known = _LATEST.get(index)
    if known is None or known[0] != key:
        view = smooth(_averaged(index, grid, step), sigma)
        known = _LATEST[index] = key, index_thresholds(view)
    asked = _shrunk(terms(tuning, frame, slide_mpp), grid.part, step)
    largest_px = tuning.hole_area_px(pixel_um2(frame, slide_mpp)) / step**2
    mask = known[1].mask(**asked)
    return fill_part(mask, grid.coarse_part, grid.coarse_box, grid.coarse_whole, largest_px).pixels


def _averaged(index: ThresholdIndex, grid: _Grid, step: int) -> NDArray[np.uint8]:
    """Return the part of the map at the view's step; coarse pixels are means, to tame noise."""
    finer = Strided.of(grid.part, max(step // 4, 1), len(index.levels))
    rows, columns = (
        slice(start, start + (count - 1) * finer.stride + 1, finer.stride)
        for start, count in zip((finer.y, finer.x), finer.shape, strict=True)
    )
    values = np.ascontiguousarray(index.levels[finer.level].values[rows, columns])
    height, width = grid.coarse_part.shape
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA))


def _shrunk(asked: Terms, part: Box, step: int) -> Terms:
    pins = tuple(
        pin._replace(y=(pin.y - part.y) // step, x=(pin.x - part.x) // step)
        for pin in asked["pins"]
    )
    return {**asked, "pins": pins, "min_area_px": max(asked["min_area_px"] // step**2, 1)}
