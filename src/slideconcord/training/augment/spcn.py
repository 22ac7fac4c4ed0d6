"""Other stain colours, the same stain densities: augmentation by SPCN.

Structure-preserving colour normalisation (Vahadane et al., IEEE TMI 2016) takes a tile apart into
how much of each stain there is and what colour the stain has. Here the colours change and the
densities stay, as in the stain-separation paper (section 2.2); its distribution of colours is
unpublished, ours is stated below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.appearance import changed
from slideconcord.training.augment.fitting import Facts, TrainingTiles, require_split, unfitted
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.givers import Givers, Of, giving
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.stains import (
    StainMatrices,
    densities,
    normalised,
    optical_density,
    vahadane,
)

WHITE = 255.0


@dataclass(frozen=True)
class Spcn:
    """Perturb the colours of a tile's two stains, or take those of a training tile."""

    colours: Literal["perturb", "swap"] = "perturb"
    """Add normal numbers to the tile's own colours, or take a training tile's."""
    sd: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Of what is added to each of red, green and blue of a colour of length 1: 0.05 turns it by
    about 4 degrees."""
    p: Chance = 1.0
    most_tiles: Annotated[int, Field(ge=1)] = 500
    """At most so many training tiles are taken apart, for ``swap``."""
    of: Of = "any"
    """For ``swap``, whose colours: any training tile's, or one of another scanner's."""
    scanners: tuple[str, ...] = ()
    """For ``swap``, only colours of these scanners' tiles; of all when empty."""

    def fitted(self, tiles: TrainingTiles) -> Spcn | SwappedSpcn:
        if self.colours == "perturb":
            return self
        looked = giving("spcn", tiles, self.most_tiles, self.of, self.scanners)
        taken = {tile: vahadane(tiles.image(tile)) for tile in looked}
        found = {tile: stains.matrix for tile, stains in taken.items() if stains.found}
        if not found:
            raise ParameterError(
                "spcn: no training tile has two stains, there are no colours to swap: "
                "take colours: perturb."
            )
        givers = Givers.of_tiles(self.of, tiles, list(found))
        return SwappedSpcn(self.p, torch.cat(list(found.values())), givers, tiles.fingerprint)

    def facts(self) -> Facts:
        return []

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        if self.colours == "swap":
            raise unfitted("spcn")
        chosen = draws.chosen(self.p)
        stains = _stains(images, chosen)
        moved = stains.matrix + self.sd * draws.at(chosen).normal(2, 3)
        return changed(images, chosen, recoloured, stains, normalised(moved.clamp_min(0)))


@dataclass(frozen=True, eq=False)
class SwappedSpcn:
    """SPCN that takes the colours of training tiles."""

    p: float
    matrices: Tensor = field(repr=False)
    """(training tile, 2, 3)."""
    givers: Givers
    """The training tiles of the colours."""
    fitted_on: str
    """Fingerprint of the training split."""

    def fitted(self, tiles: TrainingTiles) -> SwappedSpcn:
        require_split("What spcn takes colours from", self.fitted_on, tiles)
        return self

    def facts(self) -> Facts:
        return [{"name": "spcn", "tiles": len(self.matrices), "fitted_on": self.fitted_on,
                 **self.givers.facts()}]  # fmt: skip

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        picked = self.givers.picked(draws.at(chosen))
        taken = self.matrices.to(images.device)[picked]
        return changed(images, chosen, recoloured, _stains(images, chosen), taken)


def _stains(images: Tensor, chosen: list[int]) -> StainMatrices:
    """Return those of the chosen tiles."""
    return vahadane(images if len(chosen) == len(images) else images[chosen])


def recoloured(images: Tensor, stains: StainMatrices, matrix: Tensor) -> Tensor:
    """Return tiles whose stains have other colours, in the same densities.

    What two stains do not explain (pigment, noise) stays as it is. Tiles without two stains stay.

    Parameters
    ----------
    images
        (tile, 3, y, x) float32, 0 to 255.
    stains
        Theirs.
    matrix
        (tile, 2, 3), the new colours.
    """
    amounts = densities(optical_density(images), stains.matrix)
    less = (stains.matrix - matrix) * stains.found[:, None, None] * math.log2(math.e)
    light = (less.mT @ amounts.flatten(2)).exp2_()
    return light.reshape(images.shape).mul_(images).clamp_(0, WHITE)
