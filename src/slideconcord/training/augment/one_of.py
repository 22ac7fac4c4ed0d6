"""One of several appearances for each tile, such as the stain mix of the stain-separation paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.appearance import Appearance
from slideconcord.training.augment.fitting import Facts, Fits, TrainingTiles, fit
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.random import Draws
from slideconcord.training.settings import make_part


@dataclass(frozen=True)
class OneOf:
    """With probability ``p`` let one of the parts act, each as likely, by its own ``p``."""

    parts: tuple[str | dict[str, Any], ...]
    """Appearances as in a recipe: name, or ``{name: {parameter: value}}``."""
    p: Chance = 1.0

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ParameterError("parts must name two appearances or more")
        _ = self.choice  # wrong parts are told at once

    @cached_property
    def choice(self) -> Choice:
        # The table holds this class, too.
        from slideconcord.training.augment.tables import APPEARANCES

        made = [
            make_part(APPEARANCES, part, f"one_of.parts[{number}]")
            for number, part in enumerate(self.parts, 1)
        ]
        return Choice(made, self.p)

    def fitted(self, tiles: TrainingTiles) -> Choice:
        return self.choice.fitted(tiles)

    def facts(self) -> Facts:
        return self.choice.facts()

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        return self.choice.seen(images, draws)


class Choice:
    """What `OneOf` makes: appearances of which one acts on a tile."""

    def __init__(self, appearances: Sequence[Appearance], p: float) -> None:
        self.appearances, self._p = tuple(appearances), p

    def fitted(self, tiles: TrainingTiles) -> Choice:
        return Choice([fit(part, tiles) for part in self.appearances], self._p)

    def facts(self) -> Facts:
        return [
            fact for part in self.appearances if isinstance(part, Fits) for fact in part.facts()
        ]

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self._p)
        picks = draws.at(chosen).integers(0, len(self.appearances) - 1).tolist()
        seen = images.clone()
        for number, part in enumerate(self.appearances):
            tiles = [tile for tile, pick in zip(chosen, picks, strict=True) if pick == number]
            if tiles:
                seen[tiles] = part.seen(images[tiles], draws.at(tiles))
        return seen
