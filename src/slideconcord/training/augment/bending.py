"""Augmentations that turn, scale and bend tiles, for image, mask and style twin alike.

The multi-class paper names local elastic, grid and optical distortions, rotation, rescaling and
shifts, without parameters; those here are of the sources named.
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
from slideconcord.training.augment.geometry import Chance, Warp, base_grid
from slideconcord.training.augment.random import Draws

Degrees = Annotated[float, Field(ge=0, le=180)]


@dataclass(frozen=True)
class Affine:
    """Turn by any angle, scale, shear and shift; edges go on outwards."""

    degrees: Degrees = 15.0
    """Largest turn either way."""
    scale: tuple[float, float] = (0.9, 1.1)
    """Least and largest enlargement, drawn on a logarithmic scale."""
    shear_degrees: Annotated[float, Field(ge=0, le=45)] = 0.0
    """Largest slant of the columns either way."""
    shift: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Largest shift either way along each axis, as a share of the side."""
    p: Chance = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ParameterError("scale must be two numbers in order, above 0")

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        chosen = draws.chance(self.p)
        turn = chosen * draws.uniform(-1, 1) * math.radians(self.degrees)
        low, high = (math.log(value) for value in self.scale)
        smaller = 1 / torch.exp(chosen * draws.uniform(low, high))
        slant = torch.tan(chosen * draws.uniform(-1, 1) * math.radians(self.shear_degrees))
        x, y = (2 * self.shift * chosen * draws.uniform(-1, 1) for _ in range(2))
        # Pixels are turned, not the scale from -1 to 1: it is wider than high where tiles are.
        wide = warp.size[1] / warp.size[0]
        cos, sin = turn.cos() * smaller, turn.sin() * smaller
        rows = [cos, (cos * slant - sin) / wide, x, sin * wide, sin * slant + cos, y]
        return warp.then(torch.stack(rows, 1).reshape(-1, 2, 3))


@dataclass(frozen=True)
class Elastic:
    """Move the nodes of a coarse grid at random, and what lies between smoothly with them.

    As the U-Net paper has it (Ronneberger et al., MICCAI 2015, section 3.1): normal displacements
    on a grid of 3 x 3, bicubic in between.
    """

    nodes: Annotated[int, Field(ge=2, le=64)] = 3
    """Nodes along a side, the outermost at the tile's corners."""
    sd_px: Annotated[float, Field(ge=0)] = 10.0
    """Standard deviation of a node's displacement along each axis, pixels."""
    p: Chance = 0.5

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        sd = self.sd_px * draws.chance(self.p)[:, None, None, None]
        moves = draws.normal(2, self.nodes, self.nodes) * sd
        field = functional.interpolate(moves, warp.size, mode="bicubic", align_corners=True)
        return warp.bent(field.permute(0, 2, 3, 1) * _per_pixel(warp))


@dataclass(frozen=True)
class GridDistortion:
    """Stretch and squeeze the columns and rows of a grid, as Albumentations does (normalised)."""

    steps: Annotated[int, Field(ge=1, le=64)] = 5
    """Columns, and rows, of the grid."""
    limit: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Largest change of a column's width, or a row's height, as a share."""
    p: Chance = 0.5

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        limit = self.limit * draws.chance(self.p)[:, None]
        height, width = warp.size
        x, y = (self._moves(size, draws, limit) for size in (width, height))
        both = [x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)]
        return warp.bent(torch.stack(both, -1))

    def _moves(self, size: int, draws: Draws, limit: Tensor) -> Tensor:
        """Draw by how much the pixels of an axis move, (tile, pixel)."""
        even = torch.stack([draws.uniform(-1, 1) for _ in range(self.steps)], 1)
        widths = 1 + limit * even
        edges = functional.pad((widths / widths.sum(1, keepdim=True)).cumsum(1), (1, 0))
        place = (torch.arange(size, device=edges.device) + 0.5) / size
        cell = (place * self.steps).long().clamp_max(self.steps - 1)
        within = place * self.steps - cell
        return 2 * (torch.lerp(edges[:, cell], edges[:, cell + 1], within) - place)


@dataclass(frozen=True)
class OpticalDistortion:
    """Barrel or cushion: pixels look up at ``1 + k r²`` times their distance r from the centre.

    r is 1 at the middle of the tile's edges.
    """

    limit: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Largest k either way; 0.05 is that of Albumentations."""
    p: Chance = 0.5

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        k = (draws.uniform(-1, 1) * self.limit * draws.chance(self.p))[:, None, None, None]
        places = base_grid(len(draws), warp.size, k.device)
        return warp.bent(places * k * places.square().sum(-1, keepdim=True))


def _per_pixel(warp: Warp) -> Tensor:
    """Return what one pixel is along x and y, on the scale from -1 to 1."""
    height, width = warp.size
    return torch.tensor([2 / width, 2 / height], device=warp.matrix.device)
