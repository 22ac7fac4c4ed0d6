"""The objective of the multi-level paper: the losses at every output, added with fixed weights.

Source: the multi-level multi-class paper, "Loss function", equation 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.levels import augment_levels
from slideconcord.training.learner import Batch, Learner

Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class MultiLevel:
    """The recipe's losses at the fused output, at the tile's own and at the context's own.

    Each output is held against the mask of its own level. The paper calls the weights static and
    does not give them.
    """

    fused: Weight = 0.5
    tile: Weight = 0.25
    context: Weight = 0.25

    def __post_init__(self) -> None:
        if not self.fused:
            raise ParameterError("fused is 0: the output that the model gives would learn nothing")

    @property
    def added_terms(self) -> tuple[str, ...]:
        return "tile", "context"

    def terms(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        """Return the losses at the fused output, and the sums of those of the two levels."""
        assert batch.downsample is not None  # `Recipe.check` has seen to it
        images, masks = augment_levels(
            learner.augment, batch.images.float(), batch.masks, batch.draws, batch.downsample
        )
        tile, context = masks.unbind(1)
        fused, own, around = learner.logits(learner.framed(images, masks))
        terms = learner.supervised(fused, tile)
        levels = [
            learner.supervised(own, tile)["loss"],
            learner.supervised(around, context)["loss"],
        ]
        loss = self.fused * terms["loss"] + self.tile * levels[0] + self.context * levels[1]
        return {**terms, "loss": loss, "tile": levels[0], "context": levels[1]}
