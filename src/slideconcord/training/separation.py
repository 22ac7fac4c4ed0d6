"""The objective of the stain-separation multitask U-Net: segment, and rebuild the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import mse_loss

from slideconcord.segmentation.stain_separation import Reconstruction
from slideconcord.training.learner import Batch, Learner

TERM = "reconstruction"


@dataclass(frozen=True)
class StainSeparation:
    """The losses, and ``alpha`` times the error of the image rebuilt from its stains.

    Kim et al. 2025, equation 2. The error is the mean square over all pixels and colours of the
    augmented tile, in whatever space the network rebuilds it: see `RECONSTRUCTIONS`.
    """

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.3
    """The best in the paper's search from 0 to 1 in steps of 0.1."""

    @property
    def added_terms(self) -> tuple[str, ...]:
        return (TERM,)

    def terms(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        images, masks = learner.augment(batch.images.float(), batch.masks, batch.draws)
        images = learner.framed(images, masks)
        # `Recipe.check` has seen to it that the network takes stains apart.
        space: Reconstruction = learner.network.reconstruction
        normalised = (images - learner.mean) / learner.std
        found = learner.network(normalised, with_stains=True)
        rebuilt = space.rebuilt(found.matrix.float(), found.density.float())
        error = mse_loss(rebuilt, space.target(images, normalised))
        terms = learner.supervised(found.logits, masks)
        return {**terms, "loss": terms["loss"] + self.alpha * error, TERM: error}
