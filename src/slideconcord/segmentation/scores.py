"""Agreement of one mask with a reference: counts of pixels, and the ratios made of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PixelScores:
    """Counts of the pixels that count as tissue; a ratio is NaN where it would divide by 0."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def dsc(self) -> float:
        wrong = self.false_positive + self.false_negative
        return _ratio(2 * self.true_positive, 2 * self.true_positive + wrong)

    @property
    def iou(self) -> float:
        wrong = self.false_positive + self.false_negative
        return _ratio(self.true_positive, self.true_positive + wrong)

    @property
    def sensitivity(self) -> float:
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def precision(self) -> float:
        return _ratio(self.true_positive, self.true_positive + self.false_positive)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
