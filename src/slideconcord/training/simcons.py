"""SimCons: one answer for one tissue, whatever it looks like.

Source: SCORPION (Ryu et al. 2025, arXiv 2507.20907), section 3 and equation 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.chain import Augment, make_augment
from slideconcord.training.augment.fitting import Facts, TrainingTiles
from slideconcord.training.learner import Batch, Learner

TERM = "consistency"
_LEAST = 1e-7


def soft_dice_loss(first: Tensor, second: Tensor, *, squared: bool = False) -> Tensor:
    """Return 1 - soft Dice of two predictions, mean over the classes.

    As in the supervised loss sums run over tiles and pixels together, and a class that nowhere is
    the likeliest, in neither prediction, contributes 0 and stays in the mean.

    Parameters
    ----------
    first, second
        Probabilities (tile, class, y, x).
    squared
        Divide by the sums of squares instead of the plain sums. Then two equal predictions give 0
        however unsure they are; plain sums also reward being sure.
    """
    over = (0, 2, 3)
    sizes = first.square() + second.square() if squared else first + second
    agreed = 2 * (first * second).sum(over) / sizes.sum(over).clamp_min(_LEAST)
    likeliest = torch.cat([first.argmax(1), second.argmax(1)])
    found = torch.isin(torch.arange(first.shape[1], device=first.device), likeliest)
    return ((1 - agreed) * found).mean()


@dataclass(frozen=True)
class SimCons:
    """The losses on x, and ``weight`` times the Dice loss between predictions on x and its twin.

    x is the augmented tile; its style twin SA(x) has the same geometry and another appearance.
    Only x meets the mask. Both go through the network as one batch.
    """

    style: tuple[str | dict[str, Any], ...]
    """Appearances that make the twin, in order: the paper's SA."""
    weight: Annotated[float, Field(ge=0, le=1)] = 0.4
    """The paper's lambda; 0.3 to 0.5 was best there."""
    stop_gradient: bool = False
    """Whether the twin alone is drawn towards x. The paper names no such stop."""
    form: Literal["plain", "squared"] = "plain"
    """What the Dice loss divides by; plain sums as in the supervised loss."""

    _chain: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.style:
            raise ParameterError("style names no appearance: the twin would be x itself")
        self._keep(make_augment(self.style, "objective.simcons.style"))
        if self._chain.geometries:
            raise ParameterError("style moves pixels: only appearances can make a twin")

    def fitted(self, tiles: TrainingTiles) -> SimCons:
        """Return the objective whose appearances know the colours of the training tiles."""
        made = replace(self)
        made._keep(self._chain.fitted(tiles))
        return made

    def facts(self) -> Facts:
        facts: Facts = self._chain.facts()
        return facts

    @property
    def added_terms(self) -> tuple[str, ...]:
        return (TERM,)

    def terms(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        images, masks = learner.augment(batch.images.float(), batch.masks, batch.draws)
        twins = self._chain.seen(images, batch.draws)
        # One pass: with several devices a network may be called once between two steps.
        logits, of_twins = learner.logits(torch.cat([images, twins])).float().chunk(2)
        terms = learner.supervised(logits, masks)
        return self._with_consistency(terms, logits, of_twins)

    def _keep(self, chain: Augment) -> None:
        object.__setattr__(self, "_chain", chain)

    def _with_consistency(
        self, terms: dict[str, Tensor], logits: Tensor, of_twins: Tensor
    ) -> dict[str, Tensor]:
        kept = logits.detach() if self.stop_gradient else logits
        consistency = soft_dice_loss(
            kept.softmax(1), of_twins.softmax(1), squared=self.form == "squared"
        )
        return {**terms, "loss": terms["loss"] + self.weight * consistency, TERM: consistency}
