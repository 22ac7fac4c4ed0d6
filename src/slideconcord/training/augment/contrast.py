"""Contrast made even over a tile, and its colours shifted along those that it has.

The multi-class paper names CLAHE and PCA, without parameters; those here are of the sources named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from slideconcord.errors import ParameterError
from slideconcord.training.augment.appearance import WHITE, changed
from slideconcord.training.augment.colour import lab_to_rgb, rgb_to_lab
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.random import Draws

_LEVELS = 256


@dataclass(frozen=True)
class Clahe:
    """Equalise the histogram of L* in each cell of a grid, its slope limited (Zuiderveld 1994).

    Colours (a*, b*) stay. As OpenCV has it, with the limits of Albumentations, but what is cut is
    shared by all levels alike: there, up to 255 counts of each cell that are left over go to the
    darkest levels, which lightens small cells.
    """

    clip: tuple[float, float] = (1.0, 4.0)
    """Least and largest height that a level's count is cut to, of what each has on average."""
    cells: Annotated[int, Field(ge=1, le=64)] = 8
    """Cells of the grid along a side; no more than the tile has pixels."""
    p: Chance = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.clip[0] <= self.clip[1]:
            raise ParameterError("clip must be two numbers in order, above 0")

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        limit = draws.at(chosen).uniform(*self.clip)
        return changed(images, chosen, self._even, limit)

    def _even(self, images: Tensor, limit: Tensor) -> Tensor:
        lab = rgb_to_lab(images)
        lab[:, 0] = equalised(lab[:, 0], limit, self.cells)
        return lab_to_rgb(lab)


def equalised(channel: Tensor, limit: Tensor, cells: int) -> Tensor:
    """Return a channel after contrast-limited adaptive histogram equalisation.

    Levels in between, and places between the cells' middles, take what is linearly between.

    Parameters
    ----------
    channel
        (tile, y, x) float32, 0 to 255.
    limit
        (tile,), as `Clahe.clip`.
    cells
        Along each side.
    """
    height, width = channel.shape[1:]
    rows, columns = (min(cells, size) for size in (height, width))
    y, x = (torch.arange(size, device=channel.device) for size in (height, width))
    cell = (y * rows // height)[:, None] * columns + x * columns // width
    tables = _tables(channel, cell, rows * columns, limit)
    # All tables make a solid of levels, rows and columns: one look-up interpolates along all three.
    solid = tables.reshape(-1, rows, columns, _LEVELS).permute(0, 3, 1, 2)[:, None]
    level = (2 * channel + 1) / _LEVELS - 1
    places = torch.stack(
        [(2 * x / width - 1).expand_as(channel), (2 * y / height - 1)[:, None].expand_as(channel),
         level], -1,
    )  # fmt: skip
    found = functional.grid_sample(
        solid, places[:, None], padding_mode="border", align_corners=False
    )
    return found[:, 0, 0]


def _tables(channel: Tensor, cell: Tensor, cells: int, limit: Tensor) -> Tensor:
    """Return what each level becomes in each cell, (tile, cell, level)."""
    tiles = torch.arange(len(channel), device=channel.device)[:, None, None]
    level = channel.round().long().clamp_(0, _LEVELS - 1)
    place = (tiles * cells + cell) * _LEVELS + level
    counts = torch.bincount(place.flatten(), minlength=len(channel) * cells * _LEVELS)
    counts = counts.reshape(-1, cells, _LEVELS).float()
    area = counts.sum(2, keepdim=True)
    most = (limit[:, None, None] * area / _LEVELS).floor().clamp_min(1)
    cut = counts.minimum(most)
    spread = (area - cut.sum(2, keepdim=True)) / _LEVELS
    return (cut + spread).cumsum(2) * (WHITE / area)


@dataclass(frozen=True)
class PcaColour:
    """Shift a tile's colour along the principal components of its pixels' colours.

    Source: Krizhevsky et al., NIPS 2012 (section 4.1), by tile as in Albumentations: the sum of the
    components, each times its variance (on the scale 0 to 1) and a normal number.
    """

    sd: Annotated[float, Field(ge=0)] = 0.1
    """Standard deviation of the normal numbers; theirs."""
    p: Chance = 0.5

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        normal = self.sd * draws.at(chosen).normal(3)
        return changed(images, chosen, shifted, normal)


def shifted(images: Tensor, normal: Tensor) -> Tensor:
    """Return tiles shifted by their covariance times ``normal`` (tile, 3).

    Independent normal numbers are so in every direction: along the components, too, for which the
    covariance multiplies each by its variance. So the components need not be found.
    """
    away = (images - images.mean((2, 3), keepdim=True)).div_(WHITE).flatten(2)
    covariance = away @ away.mT / away.shape[2]
    shift = WHITE * covariance @ normal[..., None]
    return (images + shift[..., None]).clamp_(0, WHITE)
