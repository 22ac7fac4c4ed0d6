"""How good a network is on tiles it does not learn from: Dice of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from slideconcord.training.data.tile import IGNORE


@dataclass(frozen=True)
class Scores:
    """The result of a check."""

    dice: dict[str, float | None]
    """Of each class, all pixels of all tiles counted together; None where neither mask nor
    prediction has the class."""
    tile_dice: float | None
    """Of the last class: mean over the tiles in which mask or prediction has it."""
    tiles: int

    @property
    def score(self) -> float:
        """What is made large: the Dice of the last class; 0 where it is undefined."""
        return list(self.dice.values())[-1] or 0.0

    def to_json(self) -> dict[str, object]:
        return {"dice": self.dice, "tile_dice": self.tile_dice, "tiles": self.tiles}


def tile_counts(logits: Tensor, masks: Tensor) -> Tensor:
    """Return counts (tile, class, 3) int64: predicted and true, predicted, true.

    Pixels whose mask is `IGNORE` count nowhere.
    """
    classes = logits.shape[1]
    counted = masks != IGNORE
    found = logits.argmax(1)
    counts = []
    for number in range(classes):
        given, truth = (found == number) & counted, masks == number
        counts.append(torch.stack([(given & truth), given, truth], 1).sum((2, 3)))
    return torch.stack(counts, 1)


def summed(counts: Tensor) -> Tensor:
    """Return sums (class + 1, 3) float64 that may be added over devices.

    The rows are the classes' pixel counts; the last holds, for the last class, the sum of the
    tiles' Dice, the number of tiles where it is defined, and the number of all tiles.
    """
    counts = counts.double()
    both = counts[:, -1, 1] + counts[:, -1, 2]
    defined = both > 0
    dice = 2 * counts[:, -1, 0] / both.clamp_min(1)
    tiles = torch.stack([dice[defined].sum(), defined.sum().double(), both.new_tensor(len(counts))])
    return torch.cat([counts.sum(0), tiles[None]])


def scores_of(sums: Tensor, classes: Sequence[str]) -> Scores:
    """Return the scores of sums as `summed` gives them."""
    *rows, (tile_dice, defined, tiles) = sums.tolist()
    dice = {
        name: 2 * shared / (given + truth) if given + truth else None
        for name, (shared, given, truth) in zip(classes, rows, strict=True)
    }
    return Scores(dice, tile_dice / defined if defined else None, int(tiles))
