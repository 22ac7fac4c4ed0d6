"""An index of a map that answers every pair of thresholds at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation.chooser import Asked, Chooser
from slideconcord.segmentation.chosen import Chosen
from slideconcord.segmentation.index_values import (
    Areas,
    Level,
    Pin,
    Place,
    Rules,
    Standing,
    Why,
)
from slideconcord.segmentation.joined_tree import JoinedTree
from slideconcord.segmentation.scores import PixelScores
from slideconcord.segmentation.sharing import share
from slideconcord.segmentation.strides import Strided
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tree_query import Forest, Root, gather, tally
from slideconcord.segmentation.tree_tally import AREA, INSIDE, OUTSIDE, REGIONS

if TYPE_CHECKING:
    from slideconcord.segmentation.landscape import Landscape
    from slideconcord.segmentation.reference_counts import ReferenceCounts

__all__ = ["Areas", "Level", "Pin", "Place", "Rules", "Standing", "ThresholdIndex"]

Bools = NDArray[np.bool_]
FIVE_PERCENT = tuple(step / 20 for step in range(1, 20))
_DEFAULT = Thresholds()


class ThresholdIndex:
    """Masks, areas and regions of one map for any pair of thresholds, without looking at all of it.

    Made by `index_thresholds`. Equal to `hysteresis` on the same map for every pair. Threads may
    ask at the same time. Beside low and high its questions take `Rules`.
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
        self.chooser = Chooser(levels[0], forest, joined)
        self._totals = _totals(forest, joined)

    def mask(
        self,
        low: float = _DEFAULT.low,
        high: float = _DEFAULT.high,
        box: Box | None = None,
        step: int = 1,
        out: Bools | None = None,
        **rules: Unpack[Rules],
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
        rules
            See `Rules`.

        Raises
        ------
        MismatchError
            When low is above high.
        ParameterError
            When the box does not lie in the map, or another value is out of its range.
        """
        asked = Asked.of(low, high, rules)
        strided = Strided.of(self.checked(box, step), step, len(self.levels))
        out = _checked_out(out, strided.shape)
        if asked.greys[1] >= 255 and not asked.pins:
            out[:] = False
            return out
        found = self.chooser.choose(asked)
        if out.flags.c_contiguous:
            return self._paint(found, strided, out)
        # Kernels are compiled for one layout alone.
        out[:] = self._paint(found, strided, np.empty(strided.shape, np.bool_))
        return out

    def areas(
        self,
        low: float = _DEFAULT.low,
        high: float = _DEFAULT.high,
        **rules: Unpack[Rules],
    ) -> Areas:
        """Return area and number of the regions that stay on the whole map.

        Raises
        ------
        MismatchError
            When low is above high.
        ParameterError
            When a value is out of its range.
        """
        asked = Asked.of(low, high, rules)
        if not asked.is_ruled:
            area, count = self._totals
            return Areas(int(area[asked.greys]), int(count[asked.greys]))
        found = self.chooser.totals(asked)
        return Areas(int(found[AREA]), int(found[REGIONS]))

    def standing(
        self,
        y: int,
        x: int,
        low: float = _DEFAULT.low,
        high: float = _DEFAULT.high,
        **rules: Unpack[Rules],
    ) -> Standing:
        """Return why the pixel (y, x) of the map is in the mask or not.

        Raises
        ------
        MismatchError
            When low is above high.
        ParameterError
            When the pixel does not lie in the map.
        """
        asked = Asked.of(low, high, rules)
        self.checked(Box(y, x, 1, 1), 1)
        low_grey, high_grey = asked.greys
        root = self.chooser.root(y, x, low_grey)
        value = int(self.levels[0].values[y, x]) / 255
        if root is None:
            return Standing(value, 0.0, 0, False, False, "below low")
        is_kept = bool(self.mask(low, high, Box(y, x, 1, 1), **rules)[0, 0])
        is_pinned = root[:2] in {(p[0], p[1]) for p in self.chooser.pins(low_grey, asked.pins)}
        why = _why(root, is_kept, is_pinned, high_grey, asked.min_area_px)
        return Standing(value, root.peak / 255, root.area_px, True, is_kept, why)

    def inactive(self, low: float, pins: Sequence[Pin]) -> list[bool]:
        """Tell of each pin whether it does nothing: not above low, or not on the map."""
        grey = Thresholds(low, 1.0).low_grey
        return [self.chooser.root(pin.y, pin.x, grey) is None for pin in pins]

    def count_reference(self, reference: Any, tissue: Any = None) -> ReferenceCounts:
        """Look once at a reference, so that `scores` and `landscape` need no look at pixels.

        Parameters
        ----------
        reference
            A Mask in the map's frame, or bool pixels (y, x) of the map's shape.
        tissue
            Pixels that count, likewise; all when None.

        Raises
        ------
        MismatchError
            When the reference or the tissue lies in another frame, or has another shape.
        """
        from slideconcord.segmentation.reference_counts import count_reference

        steps = count_reference(self, reference, tissue)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def scores(
        self,
        counts: ReferenceCounts,
        low: float = _DEFAULT.low,
        high: float = _DEFAULT.high,
        **rules: Unpack[Rules],
    ) -> PixelScores:
        """Compare what stays on the whole map with a reference.

        Parameters
        ----------
        counts
            What `count_reference` of this index made.
        low, high, rules
            See `mask`.

        Raises
        ------
        MismatchError
            When low is above high.
        ParameterError
            When a value is out of its range.
        """
        asked = Asked.of(low, high, rules)
        if asked.is_ruled:
            found = self.chooser.totals(asked, counts.weights)
            outside, inside = int(found[OUTSIDE]), int(found[INSIDE])
        else:
            outside, inside = (int(table[asked.greys]) for table in counts.by_peak)
        return PixelScores(inside, outside, counts.inside - inside, counts.outside - outside)

    def curve(
        self, counts: ReferenceCounts, thresholds: Sequence[float] = FIVE_PERCENT
    ) -> list[PixelScores]:
        """Compare the masks of single thresholds (low and high alike) with a reference.

        Parameters
        ----------
        counts
            What `count_reference` of this index made.
        thresholds
            Fractions from 0 to 1; 5 % steps from 0.05 to 0.95 unless given.

        Raises
        ------
        ParameterError
            When a threshold is no fraction from 0 to 1.
        """
        return [self.scores(counts, threshold, threshold) for threshold in thresholds]

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
            A Mask in the map's frame, bool pixels (y, x) of the map's shape, or what
            `count_reference` of this index made.
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
        from slideconcord.segmentation.reference_counts import ReferenceCounts

        pairs = tuple(lows), tuple(highs)
        for value in (*lows, *highs):
            Thresholds(value, value)
        if not isinstance(reference, ReferenceCounts):
            reference = self.count_reference(reference, tissue)
        return survey(reference, *pairs)

    def _paint(self, found: Chosen, strided: Strided, out: Bools) -> Bools:
        level, columns = self.levels[strided.level], np.array(strided.block_columns())

        def fill(rows: range) -> None:
            block_rows = np.array(strided.block_rows(rows))
            found.fill(np.add.outer(block_rows * self.chooser.columns, columns).ravel())
            first = strided.y + rows[0] * strided.stride
            gather(
                level.values, level.branches, strided.block_px, self.chooser.columns,
                (first, strided.x), strided.stride, self.forest, found.reach, found.high,
                out[rows.start : rows.stop],
            )  # fmt: skip

        share(strided.parts(), fill)
        return out

    def checked(self, box: Box | None, step: int) -> Box:
        """Return a box that lies in the map, all of it for None, or refuse box or step."""
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


def _why(root: Root, is_kept: bool, is_pinned: bool, high: int, least: int) -> Why:
    if is_pinned:
        return "pinned in" if is_kept else "pinned out"
    if is_kept:
        return "kept"
    if root.peak <= high:
        return "below high"
    return "small" if root.area_px < least else "pruned"


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
