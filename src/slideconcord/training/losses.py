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

from slideconcord.training.data.tile import IGNORE

Weight = Annotated[float, Field(gt=0)]


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
    _least = 1e-7

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        classes = logits.shape[1]
        counted = (masks != IGNORE)[:, None]
        truth = functional.one_hot(masks.where(masks != IGNORE, 0), classes)
        truth = truth.movedim(-1, 1).to(logits.dtype) * counted
        given = logits.softmax(1) * counted
        over = (0, 2, 3)
        shared, both = (given * truth).sum(over), (given + truth).sum(over)
        present = truth.sum(over) > 0
        return ((1 - 2 * shared / both.clamp_min(self._least)) * present).mean()


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


LOSSES: MappingProxyType[str, type[Loss]] = MappingProxyType(
    {"dice": Dice, "top_cross_entropy": TopCrossEntropy, "cross_entropy": CrossEntropy}
)


def weighted_sum(losses: dict[str, Loss], logits: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Return each term as it is and ``"loss"``, their weighted sum."""
    logits = logits.float()
    terms = {name: loss(logits, masks) for name, loss in losses.items()}
    total = torch.stack([losses[name].weight * term for name, term in terms.items()]).sum()
    return {"loss": total, **terms}
