"""Fourier domain adaptation: another tile's broad colours, one's own structure (CVPR 2020).

Yang and Soatto swap the amplitudes of the lowest frequencies for those of a style image; phases
stay. Here style images are training tiles. Of each only the amplitudes that are swapped are kept,
so that a style is a few hundred numbers, and only these frequencies of a tile are ever computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.appearance import changed
from slideconcord.training.augment.fitting import Facts, TrainingTiles, require_split, unfitted
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.givers import Givers, Of, giving
from slideconcord.training.augment.random import Draws

WHITE = 255.0
# Below this share of white a frequency is rounding, and has no phase that an amplitude could take.
_SILENT = 1e-6


@dataclass(frozen=True)
class FourierDomainAdaptation:
    """Give each tile the low frequencies' amplitudes of a training tile drawn at random."""

    beta: Annotated[float, Field(ge=0, lt=0.5)] = 0.01
    """Half the width of the swapped square of frequencies, as a share of the tile's side."""
    p: Chance = 1.0
    most_tiles: Annotated[int, Field(ge=1)] = 2000
    """At most so many training tiles become styles."""
    of: Of = "any"
    """Whose style a tile takes: any training tile's, or one of another scanner than its own."""
    scanners: tuple[str, ...] = ()
    """Only tiles of these scanners become styles; of all when empty."""

    def fitted(self, tiles: TrainingTiles) -> FittedFda:
        reach = reach_of((tiles.side_px, tiles.side_px), self.beta)
        chosen = giving("fda", tiles, self.most_tiles, self.of, self.scanners)
        styles = torch.cat([low_frequencies(tiles.image(k), reach).abs() for k in chosen])
        givers = Givers.of_tiles(self.of, tiles, chosen)
        return FittedFda(self.beta, self.p, styles, givers, tiles.fingerprint)

    def facts(self) -> Facts:
        return []

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        raise unfitted("fda")


@dataclass(frozen=True, eq=False)
class FittedFda:
    """Fourier domain adaptation that knows its styles."""

    beta: float
    p: float
    styles: Tensor = field(repr=False)
    """(style, 3, 2 reach + 1, reach + 1): amplitudes as shares of the pixels, of `WHITE` 255."""
    givers: Givers
    """The training tiles of the styles."""
    fitted_on: str
    """Fingerprint of the training split."""

    def fitted(self, tiles: TrainingTiles) -> FittedFda:
        require_split("What fda takes as styles", self.fitted_on, tiles)
        return self

    def facts(self) -> Facts:
        return [{"name": "fda", "tiles": len(self.styles), "fitted_on": self.fitted_on,
                 **self.givers.facts()}]  # fmt: skip

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        picked = self.givers.picked(draws.at(chosen))
        styles = self._reaching(self.styles.to(images.device)[picked], images)
        return changed(images, chosen, styled, styles)

    def _reaching(self, styles: Tensor, images: Tensor) -> Tensor:
        """Return the part of the styles that tiles of this size take."""
        height, width = images.shape[2:]
        reach, kept = reach_of((height, width), self.beta), styles.shape[-1] - 1
        if reach > kept:
            raise ParameterError(
                f"fda: its styles hold frequencies up to {kept}, tiles of {height} x {width} px "
                f"need {reach}. Fit it with the side that these tiles have."
            )
        return styles[..., kept - reach : kept + reach + 1, : reach + 1]


def reach_of(size: tuple[int, int], beta: float) -> int:
    """Return the highest frequency that is swapped, in periods across the tile."""
    return int(min(size) * beta)


def low_frequencies(images: Tensor, reach: int) -> Tensor:
    """Return Fourier coefficients (tile, 3, 2 reach + 1, reach + 1) complex, divided by the pixels.

    Rows are vertical frequencies from ``-reach`` to ``reach``, columns horizontal ones from 0 up:
    those of a real image below 0 follow.
    """
    down, across = _waves(images, reach)
    rows = torch.complex(images @ across.real.T, images @ across.imag.T)
    return down @ rows / (images.shape[2] * images.shape[3])


def styled(images: Tensor, amplitudes: Tensor) -> Tensor:
    """Return tiles whose low frequencies have other amplitudes, and the phases they had.

    A frequency that a tile does not have, as all but one of a blank tile, has no phase: it stays.

    Parameters
    ----------
    images
        (tile, 3, y, x) float32, 0 to 255.
    amplitudes
        (tile, 3, 2 reach + 1, reach + 1), as of `low_frequencies`.
    """
    reach = amplitudes.shape[-1] - 1
    down, across = _waves(images, reach)
    own = low_frequencies(images, reach)
    size = own.abs()
    heard = size > _SILENT * WHITE
    change = own * torch.where(heard, amplitudes / torch.where(heard, size, 1) - 1, 0)
    change[..., 1:] *= 2  # each stands for its mirror image below 0, too
    rows = down.mH @ change
    added = rows.real @ across.real + rows.imag @ across.imag
    return (images + added).clamp(0, WHITE)


def _waves(images: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Return exp(-i k x) of the frequencies k along both axes: (2 reach + 1, y), (reach + 1, x)."""
    height, width = images.shape[2:]
    return _wave(height, -reach, reach, images.device), _wave(width, 0, reach, images.device)


@lru_cache(16)
def _wave(size: int, first: int, last: int, device: torch.device) -> Tensor:
    frequency = torch.arange(first, last + 1, device=device, dtype=torch.float64)
    place = torch.arange(size, device=device, dtype=torch.float64)
    angle = -2 * torch.pi * frequency[:, None] * place / size
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
