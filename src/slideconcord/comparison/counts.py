"""Counts of pixels on which a prediction and a reference agree and differ, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.segmentation.mask import BLOCK_PX, block_boxes
from slideconcord.segmentation.sharing import in_order, workers

if TYPE_CHECKING:
    from slideconcord.comparison.operands import Comparable, Operands
    from slideconcord.geometry import Box


@dataclass(frozen=True, slots=True)
class ConfusionCounts:
    """The paper's contingency table: counts of tissue pixels, white background left out."""

    tp: int = 0
    """Foreground in prediction and reference."""
    fp: int = 0
    """Foreground in the prediction alone."""
    fn: int = 0
    """Foreground in the reference alone."""
    tn: int = 0
    """Background in both, and tissue."""

    @property
    def n(self) -> int:
        """All pixels that count."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def predicted(self) -> int:
        """Foreground in the prediction, PP in the paper."""
        return self.tp + self.fp

    @property
    def reference(self) -> int:
        """Foreground in the reference, RP in the paper."""
        return self.tp + self.fn

    def __add__(self, other: ConfusionCounts) -> ConfusionCounts:
        return ConfusionCounts(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )


def count_masks(
    prediction: Comparable, reference: Comparable, tissue: Comparable | None = None
) -> ConfusionCounts:
    """Count where prediction and reference agree; masks on disk stay there, a block at a time.

    Parameters
    ----------
    prediction, reference
        A Mask, Annotations, or bool pixels (y, x). Annotations are drawn in the mask's frame, and
        count inside it only.
    tissue
        What counts, likewise. White background enters no count, true negatives included. All
        pixels count when None.

    Raises
    ------
    MismatchError
        When the three lie in different frames or on different slides.
    ParameterError
        When all are annotations, or an array is not bool (y, x).
    """
    from slideconcord.comparison.operands import bring_together

    return count_operands(bring_together(prediction, reference, tissue))


def count_operands(operands: Operands, block_px: int = BLOCK_PX) -> ConfusionCounts:
    """Do as `count_masks` for what lies in one frame already."""

    def count(box: Box) -> ConfusionCounts:
        prediction, reference, tissue = operands.read(box)
        n = box.area if tissue is None else int(np.count_nonzero(tissue))
        tp = int(np.count_nonzero(prediction & reference))
        fp = int(np.count_nonzero(prediction)) - tp
        fn = int(np.count_nonzero(reference)) - tp
        return ConfusionCounts(tp, fp, fn, n - tp - fp - fn)

    boxes = block_boxes(operands.shape, block_px)
    return sum((done for _, done in in_order(count, boxes, workers())), ConfusionCounts())
