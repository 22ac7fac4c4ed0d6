"""What is made of a batch and the losses: the number that training makes small.

An objective takes the batch as read and gives named numbers, ``"loss"`` among them. One dataclass
and one line in `OBJECTIVES` add one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from slideconcord.training.losses import weighted_sum

if TYPE_CHECKING:
    from slideconcord.training.augment.chain import Augment
    from slideconcord.training.augment.random import Draws
    from slideconcord.training.losses import Loss


@dataclass(frozen=True)
class Batch:
    """Tiles on the device, as read."""

    images: Tensor
    """(tile, 3, y, x) uint8."""
    masks: Tensor
    """(tile, y, x) int64."""
    draws: Draws
    """The randomness that belongs to these tiles."""


@dataclass(frozen=True)
class Learner:
    """What an objective works with."""

    network: Any
    """Normalised images (tile, 3, y, x) -> logits (tile, class, y, x)."""
    augment: Augment
    losses: Mapping[str, Loss]
    mean: Tensor
    """(3, 1, 1), grey levels 0 to 255."""
    std: Tensor

    def logits(self, images: Tensor) -> Tensor:
        """Return logits of images on the scale 0 to 255."""
        return self.network((images - self.mean) / self.std)


class MakesObjective(Protocol):
    """Settings of an objective."""

    def terms(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        """Return ``"loss"``, and its terms by name."""
        ...


@dataclass(frozen=True)
class Supervised:
    """The losses between prediction and mask, after augmentation."""

    def terms(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        images, masks = learner.augment(batch.images.float(), batch.masks, batch.draws)
        return weighted_sum(dict(learner.losses), learner.logits(images), masks)


OBJECTIVES: MappingProxyType[str, type[MakesObjective]] = MappingProxyType(
    {"supervised": Supervised}
)
