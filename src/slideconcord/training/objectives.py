"""What is made of a batch and the losses: the number that training makes small.

An objective takes the batch as read and gives named numbers, ``"loss"`` among them. One dataclass
and one line in `OBJECTIVES` add one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor

from slideconcord.training.learner import Batch, Learner, MakesObjective
from slideconcord.training.multi_level import MultiLevel
from slideconcord.training.separation import StainSeparation
from slideconcord.training.simcons import SimCons


@dataclass(frozen=True)
class Supervised:
    """The losses between prediction and mask, after augmentation."""

    @property
    def added_terms(self) -> tuple[str, ...]:
        return ()

    def terms(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        images, masks = learner.augment(batch.images.float(), batch.masks, batch.draws)
        return learner.supervised(learner.logits(learner.framed(images, masks)), masks)


OBJECTIVES: MappingProxyType[str, type[MakesObjective]] = MappingProxyType(
    {
        "supervised": Supervised,
        "simcons": SimCons,
        "stain-separation": StainSeparation,
        "multi-level": MultiLevel,
    }
)
