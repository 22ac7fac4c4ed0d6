"""An index of a map that answers every pair of thresholds at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.component_tree import BLOCK_PX
from slideconcord.segmentation.joined_tree import JoinedTree
from slideconcord.segmentation.sharing import share, workers
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tree_query import (
    Forest,
    Reach,
    area_of,
    fill_reach,
    gather,
    start_reach,
    tally,
    tally_large,
)

if TYPE_CHECKING:
    from slideconcord.segmentation.landscape import Landscape

Bools = NDArray[np.bool_]
FIVE_PERCENT = tuple(step / 20 for step in range(1, 20))
_REMEMBERED = 3
_ALONE_PX = 1 << 18  # smaller masks are not worth a second thread


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


@dataclass(frozen=True, slots=True, eq=False)
class _Memory:
    """Reaches asked for lately: a slider's next question is often about the same grey level."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    reaches: OrderedDict[tuple[int, int, int], Reach] = field(default_factory=OrderedDict)


class ThresholdIndex:
    """Masks, areas and regions of one map for any pair of thresholds, without looking at all of it.

    Made by `index_thresholds`. Equal to `hysteresis` on the same map for every pair. Threads may
    ask at the same time.
    """

    def __init__(
        self, levels: tuple[Level, ...], forest: Forest, joined: JoinedTree, place: Place
    ) -> None:
        self.levels = levels
        self.forest = forest
        self.joined = joined
        self.place = place
        height, width = levels[0].values.shape
        self.shape: tuple[int, int] = (height, width)
        self._columns = -(-width // BLOCK_PX)
        self._memory = _Memory()
        self._totals = _totals(forest, joined)

    def mask(
        self,
        low: float = Thresholds().low,
        high: float = Thresholds().high,
        box: Box | None = None,
        step: int = 1,
        out: Bools | None = None,
        *,
        min_area_px: int = 0,
    ) -> Bools:
        """Return the mask, or part of it.

        Parameters
        ----------
        low, high
            Fractions from 0 to 1, compared strictly.
        box
            The part wanted, in pixels of the map; all of it when None.
        step
            Return only every ``step``-th pixel of the exact mask, beginning at the box's first.
            Powers of 2, from a box whose corner they divide, cost no more than their result.
        out
            Filled and returned when given: bool, (y, x) of the result.
        min_area_px
            Leave out regions of fewer pixels.

        Raises
        ------
        MismatchError
            When low is above high.
        ParameterError
            When the box does not lie in the map, or another value is out of its range.
        """
        thresholds = Thresholds(low, high)
        box = self._checked(box, step)
        shape = -(-box.height // step), -(-box.width // step)
        out = _checked_out(out, shape)
        if not out.flags.c_contiguous:  # compiled for this layout alone
            out[:] = self.mask(low, high, box, step, min_area_px=min_area_px)
            return out
        if thresholds.high_grey >= 255:
            out[:] = False
            return out
        reach = self._reach(thresholds, min_area_px)
        index = min(_twos(step), _twos(box.y), _twos(box.x), len(self.levels) - 1)
        level, block_px = self.levels[index], BLOCK_PX >> index
        y, x, stride = box.y >> index, box.x >> index, step >> index
        block_columns = range(x // block_px, (x + (shape[1] - 1) * stride) // block_px + 1)

        def fill(rows: range) -> None:
            first, last = (y + i * stride for i in (rows[0], rows[-1]))
            block_rows = range(first // block_px, last // block_px + 1)
            blocks = np.add.outer(np.array(block_rows) * self._columns, np.array(block_columns))
            fill_reach(self.forest, reach, blocks.ravel())
            gather(
                level.values, level.branches, block_px, self._columns, (first, x), stride,
                self.forest, reach, thresholds.high_grey, out[rows.start : rows.stop],
            )  # fmt: skip

        share(_rows_by_block(y, stride, shape, block_px), fill)
        return out

    def areas(
        self,
        low: float = Thresholds().low,
        high: float = Thresholds().high,
        *,
        min_area_px: int = 0,
    ) -> Areas:
        """Return area and number of the regions that the thresholds keep on the whole map.

        Raises
        ------
        MismatchError
            When low is above high.
        ParameterError
            When a threshold is no fraction from 0 to 1.
        """
        thresholds = Thresholds(low, high)
        greys = thresholds.low_grey, thresholds.high_grey
        if min_area_px <= 1:
            area, count = self._totals
            return Areas(int(area[greys]), int(count[greys]))
        return Areas(*tally_large(self.forest, self.joined, *greys, min_area_px))

    def standing(
        self, y: int, x: int, low: float = Thresholds().low, high: float = Thresholds().high
    ) -> Standing:
        """Return why the pixel (y, x) of the map is in the mask or not.

        Raises
        ------
        MismatchError
            When low is above high.
        ParameterError
            When the pixel does not lie in the map.
        """
        thresholds = Thresholds(low, high)
        self._checked(Box(y, x, 1, 1), 1)
        value = int(self.levels[0].values[y, x])
        grey = thresholds.low_grey
        if value <= grey:
            return Standing(value / 255, 0.0, 0, False, False)
        block = (y // BLOCK_PX) * self._columns + x // BLOCK_PX
        branch = int(self.levels[0].branches[y, x])
        peak, area = area_of(self.forest, self.joined, self._ranks, block, branch, grey)
        return Standing(value / 255, peak / 255, int(area), True, peak > thresholds.high_grey)

    @property
    def nbytes(self) -> int:
        """Bytes that the index holds, on disk or in memory."""
        levels = sum(array.nbytes for level in self.levels for array in level)
        return levels + sum(array.nbytes for array in (*self.forest, *self.joined))

    def landscape(
        self,
        reference: Any,
        tissue: Any = None,
        *,
        lows: Sequence[float] = FIVE_PERCENT,
        highs: Sequence[float] = FIVE_PERCENT,
    ) -> Landscape:
        """Compare the masks of all pairs of thresholds with a reference, in one look at the map.

        Parameters
        ----------
        reference
            A Mask in the map's frame, or bool pixels (y, x) of the map's shape.
        tissue
            Pixels that count, likewise; all when None.
        lows, highs
            Fractions from 0 to 1; 5 % steps from 0.05 to 0.95 unless given.

        Raises
        ------
        MismatchError
            When the reference or the tissue lies in another frame, or has another shape.
        ParameterError
            When a threshold is no fraction from 0 to 1.
        """
        from slideconcord.segmentation.landscape import survey

        return survey(self, reference, tissue, tuple(lows), tuple(highs))

    @cached_property
    def _ranks(self) -> NDArray[np.int32]:
        ranks = np.empty(len(self.joined.border), np.int32)
        ranks[self.joined.border] = np.arange(len(ranks), dtype=np.int32)
        return ranks

    def _reach(self, thresholds: Thresholds, min_area_px: int) -> Reach:
        least = max(int(min_area_px), 1)
        # While nothing is left out for its area, moving high asks nothing new of the tree.
        key = thresholds.low_grey, thresholds.high_grey if least > 1 else 0, least
        with self._memory.lock:
            reach = self._memory.reaches.pop(key, None)
            if reach is None:
                reach = start_reach(self.forest, self.joined, *key)
            self._memory.reaches[key] = reach
            if len(self._memory.reaches) > _REMEMBERED:
                self._memory.reaches.popitem(last=False)
        return reach

    def _checked(self, box: Box | None, step: int) -> Box:
        whole = Box(0, 0, *self.shape)
        if step < 1:
            raise ParameterError(f"step={step} must be 1 or more: it counts pixels of the map.")
        if box is None:
            return whole
        if box.area < 1 or not whole.contains(box):
            raise ParameterError(
                f"{box} does not lie in the map of {whole.height} x {whole.width} px: "
                "intersect it with the map's box first."
            )
        return box


def _totals(forest: Forest, joined: JoinedTree) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return area and count of all regions by [low, high] in grey levels."""
    # Those with a peak above high are all from the next grey level on.
    from_peak = [np.cumsum(t[:, ::-1], axis=1)[:, ::-1] for t in tally(forest, joined)]
    area, count = (np.pad(table[:, 1:], ((0, 0), (0, 1))) for table in from_peak)
    return area, count


def _checked_out(out: Bools | None, shape: tuple[int, int]) -> Bools:
    if out is None:
        return np.empty(shape, np.bool_)
    if out.shape != shape or out.dtype != np.bool_:
        raise ParameterError(
            f"out is {out.dtype} {out.shape}, but the mask is bool {shape}: "
            "give an array of that type and shape, or none."
        )
    return out


def _twos(number: int) -> int:
    """Return how often 2 divides the number; for 0, more often than there are levels."""
    return (number & -number).bit_length() - 1 if number else 64


def _rows_by_block(y: int, stride: int, shape: tuple[int, int], block_px: int) -> list[range]:
    """Cut the rows of a result into parts that share no block."""
    height = shape[0]
    if shape[0] * shape[1] < _ALONE_PX or workers() == 1:
        return [range(height)]
    parts, begin = [], 0
    # Some more parts than threads, because empty parts of a slide are done at once.
    least = -(-height // (4 * workers()))
    while begin < height:
        block_end = (-(-(y + (begin + least) * stride) // block_px)) * block_px
        end = min(max(-(-(block_end - y) // stride), begin + 1), height)
        parts.append(range(begin, end))
        begin = end
    return parts
