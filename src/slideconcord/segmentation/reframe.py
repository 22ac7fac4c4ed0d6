"""A mask seen in the pixels of another frame of the same slide, read when somebody looks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Frame
from slideconcord.segmentation.mask import Mask

Bools = NDArray[np.bool_]


class ReframedBools:
    """Pixels (y, x) bool, each that of the mask in which its centre lies; false outside."""

    dtype = np.dtype(np.bool_)
    ndim = 2

    def __init__(self, mask: Mask, frame: Frame, shape: tuple[int, int]) -> None:
        self._array, self.shape = mask.array, shape
        self.size = shape[0] * shape[1]
        own = mask.frame
        self._rows = _places(frame.origin_y, frame.step_y, shape[0], own.origin_y, own.step_y)
        self._columns = _places(frame.origin_x, frame.step_x, shape[1], own.origin_x, own.step_x)

    def __getitem__(self, index: Any) -> Bools:
        key = index if isinstance(index, tuple) else (index,)
        if not all(isinstance(part, slice) for part in key):
            raise ParameterError("A reframed mask is read in boxes: index it with slices.")
        rows, columns = (*key, slice(None))[:2]
        return self._pick(self._rows[rows], self._columns[columns])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:, :].astype(dtype or np.bool_, copy=False)

    def _pick(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Bools:
        height, width = self._array.shape
        in_y, in_x = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        out = np.zeros((len(rows), len(columns)), np.bool_)
        if not (in_y.any() and in_x.any()):
            return out
        y, x = rows[in_y], columns[in_x]
        part = np.asarray(self._array[y.min() : y.max() + 1, x.min() : x.max() + 1])
        out[np.ix_(in_y, in_x)] = part[np.ix_(y - y.min(), x - x.min())]
        return out


def _places(
    origin: float, step: float, count: int, own_origin: float, own_step: float
) -> NDArray[np.int64]:
    centres = origin + (np.arange(count) + 0.5) * step
    # A centre on a border, up to the dust of floats, belongs to the pixel after it.
    return np.floor((centres - own_origin) / own_step + 1e-9).astype(np.int64)


def in_frame_of(mask: Mask, other: Mask) -> Mask:
    """Return a mask in the pixels of another mask of the same slide.

    Each pixel is that of ``mask`` in which its centre lies, and false outside. The result reads
    from ``mask`` when it is read.

    Raises
    ------
    MismatchError
        When the two lie on different slides.
    """
    return in_frame(mask, other.frame, other.shape, other.slide_fingerprint)


def in_frame(mask: Mask, frame: Frame, shape: tuple[int, int], slide_fingerprint: str) -> Mask:
    """Do as `in_frame_of` for a frame and the slide that it lies on."""
    if mask.slide_fingerprint != slide_fingerprint:
        raise MismatchError(
            f"The {mask.class_name or 'mask'} belongs to another slide: give the one of this slide."
        )
    if (mask.frame, mask.shape) == (frame, shape):
        return mask
    pixels = ReframedBools(mask, frame, shape)
    return replace(mask, array=pixels, frame=frame, path=None, levels=())
