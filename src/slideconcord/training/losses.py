"""Losses. One frozen dataclass and one line in `LOSSES` add one.

Each takes logits (tile, class, y, x) float32 and masks (tile, y, x) of class numbers, where
`IGNORE` counts nowhere, and returns one number for the batch. On several devices each computes it
over its own part of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from slideconcord.training.class_weights import WeightedCrossEntropy, WeightedDice
from slideconcord.training.data.tile import IGNORE

Weight = Annotated[float, Field(gt=0)]
_LEAST = 1e-7


class Loss(Protocol):
    """A term of the loss."""

    @property
    def weight(self) -> float: ...

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Dice:
    """1 - Dice coefficient, mean over the classes: DiceLoss of segmentation-models-pytorch.

    Sums run over batch and pixels together, without smoothing. A class that no pixel of the batch
    has contributes 0, and stays in the mean.
    """

    weight: Weight = 1.0
    per_tile: bool = False
    """Whether sums run over the pixels of each tile alone, so that every tile counts alike."""

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        classes = logits.shape[1]
        counted = (masks != IGNORE)[:, None]
        truth = functional.one_hot(masks.where(masks != IGNORE, 0), classes)
        truth = truth.movedim(-1, 1).to(logits.dtype) * counted
        given = logits.softmax(1) * counted
        over = (2, 3) if self.per_tile else (0, 2, 3)
        shared, both = (given * truth).sum(over), (given + truth).sum(over)
        present = truth.sum(over) > 0
        return ((1 - 2 * shared / both.clamp_min(_LEAST)) * present).mean()


@dataclass(frozen=True)
class TopCrossEntropy:
    """Cross entropy, mean over the pixels where it is highest ("top-90": ``share`` 0.9).

    All pixels of the batch are ranked together; the ``int(share * pixels)`` highest count.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    weight: Weight = 1.0

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        each = functional.cross_entropy(logits, masks, ignore_index=IGNORE, reduction="none")
        counted = each.flatten() if not (masks == IGNORE).any() else each[masks != IGNORE]
        kept = max(int(self.share * counted.numel()), 1)
        if not counted.numel():
            return logits.sum() * 0
        return counted.topk(kept, sorted=False).values.mean()


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy, mean over all pixels that count."""

    weight: Weight = 1.0

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        return TopCrossEntropy(1.0)(logits, masks)


@dataclass(frozen=True)
class SoftIou:
    """1 - intersection over union of the last class with all others, on probabilities.

    Sums run over batch and pixels together, as in the stain-separation paper's code (``smooth``
    is added above and below).
    """

    smooth: Annotated[float, Field(ge=0)] = 1e-4
    weight: Weight = 1.0

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        given, truth = _last_class(logits, masks)
        shared = (given * truth).sum()
        union = given.sum() + truth.sum() - shared
        return 1 - (shared + self.smooth) / (union + self.smooth)


@dataclass(frozen=True)
class Mcc:
    """1 - Matthews correlation of the last class with all others, on probabilities.

    Sums run over batch and pixels together; the denominator is one larger than defined, as in the
    stain-separation paper's code (Abhishek and Hamarneh 2021, arXiv 2010.13454).
    """

    weight: Weight = 1.0

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        given, truth = _last_class(logits, masks)
        if not given.numel():
            return logits.sum() * 0
        hit = (given * truth).sum()
        false, missed = given.sum() - hit, truth.sum() - hit
        rest = given.numel() - hit - false - missed
        above = hit * rest - false * missed
        found, absent = (hit + false) * (hit + missed), (rest + false) * (rest + missed)
        # The slope of a root is infinite at 0, which a batch without the class would give.
        below = found.clamp_min(_LEAST).sqrt() * absent.clamp_min(_LEAST).sqrt()
        return 1 - above / (below + 1)


def _last_class(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return probability and truth of the last class, of the pixels that count (pixel,)."""
    counted = masks != IGNORE
    given = logits.softmax(1)[:, -1][counted]
    return given, (masks[counted] == logits.shape[1] - 1).to(given.dtype)


LOSSES: MappingProxyType[str, type[Loss]] = MappingProxyType(
    {
        "dice": Dice,
        "top_cross_entropy": TopCrossEntropy,
        "cross_entropy": CrossEntropy,
        "soft_iou": SoftIou,
        "mcc": Mcc,
        "weighted_cross_entropy": WeightedCrossEntropy,
        "weighted_dice": WeightedDice,
    }
)


def weighted_sum(losses: dict[str, Loss], logits: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Return each term as it is and ``"loss"``, their weighted sum."""
    logits = logits.float()
    terms = {name: loss(logits, masks) for name, loss in losses.items()}
    total = torch.stack([losses[name].weight * term for name, term in terms.items()]).sum()
    return {"loss": total, **terms}
