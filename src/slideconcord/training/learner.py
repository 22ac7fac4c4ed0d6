"""What an objective works with: a batch as read, and the network with what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from torch import Tensor

from slideconcord.errors import TrainingError
from slideconcord.training.data.tile import PADDING
from slideconcord.training.losses import weighted_sum

if TYPE_CHECKING:
    from slideconcord.training.augment.chain import Augment
    from slideconcord.training.augment.random import Draws
    from slideconcord.training.losses import Loss


@dataclass(frozen=True)
class Batch:
    """Tiles on the device, as read."""

    images: Tensor
    """(tile, 3, y, x) uint8; with context (tile, 6, y, x): RGB of the tile, then of its context."""
    masks: Tensor
    """(tile, y, x) int64; with context (tile, 2, y, x)."""
    draws: Draws
    """The randomness that belongs to these tiles."""
    downsample: int | None = None
    """How many times wider the context's pixels are; None where tiles have none."""


@dataclass(frozen=True)
class Learner:
    """What an objective works with."""

    network: Any
    """Normalised images (tile, 3, y, x) -> logits (tile, class, y, x)."""
    augment: Augment
    losses: Mapping[str, Loss]
    mean: Tensor
    """(3, 1, 1), grey levels 0 to 255; (6, 1, 1) where tiles have a context."""
    std: Tensor
    pad_value: int = 0
    """Grey level around tiles that are smaller than their batch, as the model will see it."""
    pad_class: int = 0
    """What the pixels there are: a class number, or `IGNORE`."""

    def framed(self, images: Tensor, masks: Tensor) -> Tensor:
        """Return augmented images (tile, 3 or 6, y, x) with ``pad_value`` where masks say so."""
        around = masks == PADDING
        around = around[:, None] if masks.ndim == 3 else around.repeat_interleave(3, 1)
        return images.masked_fill(around, self.pad_value)

    def logits(self, images: Tensor) -> Tensor:
        """Return logits of images on the scale 0 to 255."""
        return self.network((images - self.mean) / self.std)

    def supervised(self, logits: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """Return the recipe's losses by name, and ``"loss"``, their weighted sum.

        Raises
        ------
        TrainingError
            When the network answers with more or fewer pixels than it was shown.
        """
        if logits.shape[2:] != masks.shape[1:]:
            (height, width), (y, x) = logits.shape[2:], masks.shape[1:]
            raise TrainingError(
                f"network.parameters: the network answers {y} x {x} px with {height} x {width}, "
                "and must give as many: see its architecture's parameters, such as upsampling."
            )
        known = masks.masked_fill(masks == PADDING, self.pad_class)
        return weighted_sum(dict(self.losses), logits, known)


class MakesObjective(Protocol):
    """Settings of an objective."""

    @property
    def added_terms(self) -> tuple[str, ...]:
        """Names of the terms beside the recipe's losses, for the log."""
        ...

    def terms(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        """Return ``"loss"``, and its terms by name."""
        ...


@runtime_checkable
class HasOwnData(Protocol):
    """An objective that learns from more than the recipe's data."""

    @property
    def data_fingerprint(self) -> str:
        """SHA-256 that changes with these data; empty where there are none."""
        ...
