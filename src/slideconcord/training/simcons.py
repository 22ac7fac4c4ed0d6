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
from slideconcord.training.data.pairs import CasePairs, Pairs
from slideconcord.training.learner import Batch, Learner
from slideconcord.training.settings import read_settings

TERM, PAIR_TERM = "consistency", "pair_consistency"
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
    Only x meets the mask. Beyond the paper, real pairs are each other's twin: tiles of the same
    tissue from two scanners, which need no mask. All go through the network as one batch.
    """

    style: tuple[str | dict[str, Any], ...] = ()
    """Appearances that make the twin, in order: the paper's SA."""
    weight: Annotated[float, Field(ge=0, le=1)] = 0.4
    """The paper's lambda; 0.3 to 0.5 was best there."""
    pairs: dict[str, Any] | None = None
    """Where real pairs come from, as `CasePairs`; as many are shown as the batch has tiles."""
    pair_weight: Annotated[float, Field(ge=0, le=1)] = 0.4
    """As ``weight``, of the real pairs."""
    stop_gradient: bool = False
    """Whether the twin alone is drawn towards x. The paper names no such stop."""
    form: Literal["plain", "squared"] = "plain"
    """What the Dice loss divides by; plain sums as in the supervised loss."""
    _chain: Any = field(init=False, repr=False, compare=False)
    _pairs: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not self.style and self.pairs is None:
            raise ParameterError("style names no appearance, and there are no pairs: no twin")
        if self.pairs is not None:
            self._source(self.pairs)
        self._keep(make_augment(self.style, "objective.simcons.style"), None)
        if self._chain.geometries:
            raise ParameterError("style moves pixels: only appearances can make a twin")

    def fitted(self, tiles: TrainingTiles) -> SimCons:
        """Return the objective whose appearances know the training tiles, with pairs opened."""
        made = replace(self)
        pairs = None
        if self.pairs is not None:
            pairs = self._source(self.pairs).open(tiles.grid, tiles.held_out)
        made._keep(self._chain.fitted(tiles), pairs)
        return made

    def facts(self) -> Facts:
        facts: Facts = self._chain.facts()
        return facts

    @property
    def data_fingerprint(self) -> str:
        """SHA-256 of the pairs; empty without."""
        return "" if self._pairs is None else self._pairs.fingerprint

    @property
    def added_terms(self) -> tuple[str, ...]:
        return (TERM,) * bool(self.style) + (PAIR_TERM,) * (self.pairs is not None)

    def terms(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        images, masks = learner.augment(batch.images.float(), batch.masks, batch.draws)
        seen = [images]
        if self.style:
            seen.append(self._chain.seen(images, batch.draws))
        seen = [learner.framed(each, masks) for each in seen]
        if self._pairs is not None:
            seen += self._drawn(learner, batch)
        # One pass: with several devices a network may be called once between two steps.
        logits, *others = learner.logits(torch.cat(seen)).float().chunk(len(seen))
        terms = learner.supervised(logits, masks)
        if self.style:
            terms = self._with(terms, TERM, self.weight, logits, others.pop(0))
        if others:
            terms = self._with(terms, PAIR_TERM, self.pair_weight, *others)
        return terms

    def _source(self, pairs: dict[str, Any]) -> CasePairs:
        return read_settings(CasePairs, pairs, "objective.simcons.pairs")

    def _keep(self, chain: Augment, pairs: Pairs | None) -> None:
        object.__setattr__(self, "_chain", chain)
        object.__setattr__(self, "_pairs", pairs)

    def _drawn(self, learner: Learner, batch: Batch) -> tuple[Tensor, Tensor]:
        """Draw as many real pairs as there are tiles, and move both tiles of a pair alike."""
        first, second = (each.to(batch.images.device) for each in self._pairs.drawn(batch.draws))
        warp = learner.augment.warp(first, batch.draws)
        return (first, second) if warp is None else (warp.images(first), warp.images(second))

    def _with(
        self, terms: dict[str, Tensor], name: str, weight: float, logits: Tensor, twin: Tensor
    ) -> dict[str, Tensor]:
        """Return the terms with one more, weighted in their sum."""
        kept = logits.detach() if self.stop_gradient else logits
        loss = soft_dice_loss(kept.softmax(1), twin.softmax(1), squared=self.form == "squared")
        return {**terms, "loss": terms["loss"] + weight * loss, name: loss}
