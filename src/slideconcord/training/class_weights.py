"""The losses of the multi-level multi-class paper, weighted by how rare a class is in the batch.

Equation 1: the dynamic weight of a class is 1 minus its share of the batch's pixels. Equations 5
and 6 weight cross entropy and Dice loss with it, class by class, and add the classes up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from slideconcord.errors import ParameterError
from slideconcord.training.data.tile import IGNORE

Weight = Annotated[float, Field(gt=0)]
ClassWeights = Literal["dynamic", "equal"] | tuple[Annotated[float, Field(ge=0)], ...]


def dynamic_weights(masks: Tensor, classes: int) -> Tensor:
    """Return the weight of each class, float32, on average 1.

    ``1 - share of the pixels that count`` (equation 1). "Normalized so that the losses don't get
    scaled much": here divided by their mean, so that classes of one size weigh 1 each.

    Parameters
    ----------
    masks
        Class numbers of any shape; `IGNORE` does not count.
    """
    counts = torch.bincount(masks[masks != IGNORE].flatten(), minlength=classes).float()
    weights = 1 - counts / counts.sum().clamp_min(1)
    return weights / weights.mean()


def weights_of(kind: ClassWeights, masks: Tensor, classes: int) -> Tensor:
    """Return the weight of each class, on average 1: dynamic, equal, or as the recipe says.

    Raises
    ------
    ParameterError
        When the recipe gives another number of weights than there are classes, or only zeros.
    """
    if kind == "dynamic":
        return dynamic_weights(masks, classes)
    given = (1.0,) * classes if kind == "equal" else kind
    if len(given) != classes or not sum(given):
        raise ParameterError(
            f"class_weights {list(given)}: give {classes} numbers, one for each class, "
            "not all 0; or dynamic, or equal."
        )
    weights = torch.tensor(given, device=masks.device)
    return weights / weights.mean()


@dataclass(frozen=True)
class WeightedCrossEntropy:
    """Cross entropy in which each pixel counts as its class does; mean over the pixels."""

    class_weights: ClassWeights = "dynamic"
    weight: Weight = 1.0

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        weights = weights_of(self.class_weights, masks, logits.shape[1])
        each = functional.cross_entropy(logits, masks, weights, ignore_index=IGNORE,
                                        reduction="none")  # fmt: skip
        return each.sum() / (masks != IGNORE).sum().clamp_min(1)


@dataclass(frozen=True)
class WeightedDice:
    """Mean over the classes of their weight times 1 - Dice; sums run over batch and pixels.

    A class that no pixel of the batch has weighs most with dynamic weights, and is pushed out of
    the prediction. The paper's epsilon is not given: it is one pixel here.
    """

    class_weights: ClassWeights = "dynamic"
    weight: Weight = 1.0
    _epsilon = 1.0

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        classes = logits.shape[1]
        weights = weights_of(self.class_weights, masks, classes)
        counted = (masks != IGNORE)[:, None]
        truth = functional.one_hot(masks.where(masks != IGNORE, 0), classes)
        truth = truth.movedim(-1, 1).to(logits.dtype) * counted
        given = logits.softmax(1) * counted
        over = (0, 2, 3)
        shared, both = (given * truth).sum(over), (given + truth).sum(over)
        dice = (2 * shared + self._epsilon) / (both + self._epsilon)
        return (weights * (1 - dice)).mean()
