"""What lenses, glass and shaking do to a tile, and relief: each pixel shows some of its neighbours.

The multi-class paper names motion blur, glass blur and emboss, without parameters; those here are
of the sources named.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from slideconcord.errors import ParameterError
from slideconcord.training.augment.appearance import WHITE, changed, smoothed
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.random import Draws

# A Gaussian is cut off so many sigmas from its middle, as in scipy and scikit-image.
_SIGMAS = 4


@dataclass(frozen=True)
class MotionBlur:
    """Blur along a line, as of a stage that has not come to rest; each tile has its direction."""

    length_px: tuple[int, int] = (3, 7)
    """Least and largest length of the line, pixels; 3 to 7 are those of Albumentations."""
    p: Chance = 0.5

    def __post_init__(self) -> None:
        if not 1 <= self.length_px[0] <= self.length_px[1]:
            raise ParameterError("length_px must be two whole numbers in order, from 1 up")

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        return changed(images, chosen, filtered, self.lines(draws.at(chosen)))

    def lines(self, draws: Draws) -> Tensor:
        """Draw the kernels (tile, k, k), each a line through the middle.

        It has one point for each pixel of its length, which the four pixels about it share.
        """
        longest = self.length_px[1]
        length, angle = draws.integers(*self.length_px)[:, None], draws.uniform(0, math.pi)[:, None]
        number = torch.arange(longest, device=angle.device)
        away = number - (length - 1) / 2
        pixel = torch.arange(-(longest // 2), longest // 2 + 1, device=angle.device)
        near_x, near_y = (
            (1 - (part[..., None] - pixel).abs()).clamp_min(0)
            for part in (away * angle.cos(), away * angle.sin())
        )
        weight = (number < length) / length
        return torch.einsum("tn,tny,tnx->tyx", weight, near_y, near_x)


@dataclass(frozen=True)
class GlassBlur:
    """Frosted glass: pixels take the place of near ones by chance, between two Gaussian blurs.

    Source: Hendrycks and Dietterich, ICLR 2019; the defaults are their weakest. Pixels swap places
    there and are looked up here. Nothing moves on the whole, and edges by a pixel or two.
    """

    sigma_px: Annotated[float, Field(gt=0, le=8)] = 0.7
    """Of both Gaussians."""
    reach_px: Annotated[int, Field(ge=1, le=16)] = 1
    """How far a pixel looks at most in each round, along each axis."""
    rounds: Annotated[int, Field(ge=1, le=8)] = 2
    p: Chance = 0.5

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        size = images.shape[2], images.shape[3]
        moves = [self.moves(draws.at(chosen), size) for _ in range(self.rounds)]
        return changed(images, chosen, self._through_glass, *moves)

    def _through_glass(self, images: Tensor, *rounds: Tensor) -> Tensor:
        cut = int(_SIGMAS * self.sigma_px + 0.5)
        seen = smoothed(images, self.sigma_px, cut)
        for moves in rounds:
            seen = looked_up(seen, moves)
        return smoothed(seen, self.sigma_px, cut)

    def moves(self, draws: Draws, size: tuple[int, int]) -> Tensor:
        """Draw how far each pixel looks down and across, (tile, 2, y, x) whole pixels."""
        return draws.whole_noise(-self.reach_px, self.reach_px, 2, *size)


@dataclass(frozen=True)
class Emboss:
    """Mix the tile with its relief, lit from the upper left, which shows edges (Albumentations)."""

    alpha: tuple[float, float] = (0.2, 0.5)
    """Least and largest share of the relief."""
    strength: tuple[float, float] = (0.2, 0.7)
    """Least and largest height of the relief."""
    p: Chance = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.alpha[0] <= self.alpha[1] <= 1:
            raise ParameterError("alpha must be two numbers in order, from 0 to 1")
        if not 0 <= self.strength[0] <= self.strength[1]:
            raise ParameterError("strength must be two numbers in order, from 0 up")

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        return changed(images, chosen, filtered, self.kernels(draws.at(chosen)))

    def kernels(self, draws: Draws) -> Tensor:
        """Draw the kernels (tile, 3, 3)."""
        alpha, strength = (draws.uniform(*r)[:, None, None] for r in (self.alpha, self.strength))
        slope = torch.tensor([[-1.0, -1, 0], [-1, 0, 1], [0, 1, 1]], device=alpha.device)
        relief = torch.tensor([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]], device=alpha.device)
        still = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]], device=alpha.device)
        return torch.lerp(still, relief + strength * slope, alpha)


def filtered(images: Tensor, kernels: Tensor) -> Tensor:
    """Return each tile under its own kernel, 0 to 255; edges are mirrored without their pixel.

    Parameters
    ----------
    images
        (tile, channel, y, x) float32, wider and higher than half a kernel.
    kernels
        (tile, k, k), k odd: what pixels at ``[y, x]`` from the middle count.
    """
    channels, reach = images.shape[1], kernels.shape[-1] // 2
    padded = functional.pad(images, [reach] * 4, mode="reflect").flatten(0, 1)[None]
    each = kernels.repeat_interleave(channels, 0)[:, None]
    seen = functional.conv2d(padded, each, groups=len(each)).clamp_(0, WHITE)
    return seen.reshape(images.shape)


def looked_up(images: Tensor, moves: Tensor) -> Tensor:
    """Return tiles whose pixels are those ``moves`` (tile, 2, y, x) down and across from them.

    What would be beyond an edge is at the edge.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device)
    y, x = (rows + moves[:, 0]).clamp_(0, height - 1), (columns + moves[:, 1]).clamp_(0, width - 1)
    place = (y * width + x).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, place).reshape(images.shape)
