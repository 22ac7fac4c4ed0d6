"""Augmentations that move pixels. Each draws a `Warp`, which image, mask and twin then share.

A chain of warps is one map, and pixels are interpolated once at its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from slideconcord.errors import ParameterError
from slideconcord.training.augment.random import Draws

Chance = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Warp:
    """Where the pixels of a batch come from."""

    matrix: Tensor
    """(tile, 2, 3): maps (x, y, 1) of the output to (x, y) of the input, both from -1 to 1 across
    the image's edges."""
    size: tuple[int, int]
    """Height and width of the output, pixels."""
    field: Tensor | None = None
    """(tile, y, x, 2): by how much (x, y) an output pixel is moved before ``matrix`` looks it up,
    on the output's own scale from -1 to 1; None where all is affine."""

    @classmethod
    def identity(cls, tiles: int, size: tuple[int, int], device: torch.device) -> Warp:
        return cls(torch.eye(2, 3, device=device).repeat(tiles, 1, 1), size)

    def then(self, matrix: Tensor, size: tuple[int, int] | None = None) -> Warp:
        """Return this warp followed by one whose output pixels look up at ``matrix``."""
        last = torch.tensor([[[0.0, 0.0, 1.0]]], device=matrix.device).expand(len(matrix), 1, 3)
        together, size = self.matrix @ torch.cat([matrix, last], 1), size or self.size
        if self.field is None:
            return Warp(together, size)
        # What moves after the matrix, moves by less before one that enlarges.
        places = functional.affine_grid(matrix, [len(matrix), 1, *size], align_corners=False)
        back = torch.linalg.inv(matrix[:, None, :, :2]).mT
        return Warp(together, size, _sampled(self.field, places) @ back)

    def bent(self, field: Tensor) -> Warp:
        """Return this warp followed by one whose output pixels look up at themselves + ``field``.

        ``field`` is (tile, y, x, 2): x and y, on the scale from -1 to 1.
        """
        if self.field is None:
            return Warp(self.matrix, self.size, field)
        places = base_grid(len(field), self.size, field.device) + field
        return Warp(self.matrix, self.size, field + _sampled(self.field, places))

    def around(self, downsample: int) -> Warp:
        """Return the warp of the context of the tile that comes out, about the same centre.

        Images are then tiles' contexts, whose pixels are ``downsample`` times as wide. Where the
        tile is bent, what is beyond it moves as its edge does.
        """
        matrix = self.matrix.clone()
        matrix[:, :, 2] /= downsample
        if self.field is None:
            return Warp(matrix, self.size)
        places = base_grid(len(self.field), self.size, self.field.device) * downsample
        return Warp(matrix, self.size, _sampled(self.field, places) / downsample)

    def images(self, images: Tensor) -> Tensor:
        """Return images (tile, channel, y, x) float, interpolated between four pixels."""
        return self._sampled(images, "bilinear")

    def masks(self, masks: Tensor) -> Tensor:
        """Return masks (tile, y, x) of whole numbers, from the nearest pixel."""
        return self._sampled(masks[:, None].float(), "nearest")[:, 0].round().to(masks.dtype)

    def _sampled(self, images: Tensor, mode: str) -> Tensor:
        # Edges go on outwards: zeros would mix into the outermost half pixel.
        return functional.grid_sample(
            images, self._grid(images), mode, padding_mode="border", align_corners=False
        )

    def _grid(self, images: Tensor) -> Tensor:
        shape = [len(images), images.shape[1], *self.size]
        grid = functional.affine_grid(self.matrix, shape, align_corners=False)
        if self.field is None:
            return grid
        moves = self.field.flatten(1, 2) @ self.matrix[:, :, :2].mT
        return grid + moves.reshape(grid.shape)


def base_grid(tiles: int, size: tuple[int, int], device: torch.device) -> Tensor:
    """Return where pixels are, (tile, y, x, 2): x and y from -1 to 1 across the image's edges."""
    matrix = torch.eye(2, 3, device=device).repeat(tiles, 1, 1)
    return functional.affine_grid(matrix, [tiles, 1, *size], align_corners=False)


def _sampled(field: Tensor, places: Tensor) -> Tensor:
    """Return the field (tile, y, x, 2) at places of the same form."""
    found = functional.grid_sample(
        field.permute(0, 3, 1, 2), places, "bilinear", padding_mode="border", align_corners=False
    )
    return found.permute(0, 2, 3, 1)


class Geometry(Protocol):
    """An augmentation that moves pixels."""

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        """Return ``warp`` followed by what this augmentation draws for each tile."""
        ...


@dataclass(frozen=True)
class Flip:
    """Mirror left and right."""

    p: Chance = 0.5

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        return warp.then(_scaled(1 - 2.0 * draws.chance(self.p), draws.full(1)))


@dataclass(frozen=True)
class FlipUpsideDown:
    """Mirror top and bottom."""

    p: Chance = 0.5

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        return warp.then(_scaled(draws.full(1), 1 - 2.0 * draws.chance(self.p)))


@dataclass(frozen=True)
class QuarterTurn:
    """With probability ``p``, turn by 0, 90, 180 or 270 degrees, each as likely."""

    p: Chance = 0.5

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        if warp.size[0] != warp.size[1]:
            raise ParameterError("augment: quarter_turn needs tiles that are as high as wide.")
        turns = draws.integers(0, 3) * draws.chance(self.p)
        cos = torch.tensor([1.0, 0.0, -1.0, 0.0], device=turns.device)[turns]
        sin = torch.tensor([0.0, 1.0, 0.0, -1.0], device=turns.device)[turns]
        zero = torch.zeros_like(cos)
        return warp.then(torch.stack([cos, -sin, zero, sin, cos, zero], 1).reshape(-1, 2, 3))


@dataclass(frozen=True)
class Crop:
    """Cut a random part out and bring it to one size: RandomResizedCrop of Albumentations 1.1.

    ``area`` is the part's share of the tile's area (of the area, as in that version: crops of a
    2048 px tile are about 1683 to 1860 px wide in the pan-cancer paper's recipe); ``ratio`` its
    width over height, drawn on a logarithmic scale. A part that would not fit is drawn anew up to
    ten times; after that the largest centred part within the ratio is taken.
    """

    size_px: Annotated[int, Field(ge=16)]
    """Side of what comes out, pixels."""
    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    _tries = 10

    def __post_init__(self) -> None:
        for name, (low, high), most in (("area", self.area, 1.0), ("ratio", self.ratio, 100.0)):
            if not 0 < low <= high <= most:
                raise ParameterError(f"{name} must be two numbers in order, above 0")

    def warped(self, warp: Warp, draws: Draws) -> Warp:
        height, width = self._sides(draws, warp.size)
        # The centre of the part, on the scale from -1 to 1.
        x = draws.uniform(-1, 1) * (1 - width)
        y = draws.uniform(-1, 1) * (1 - height)
        return warp.then(_scaled(width, height, x, y), (self.size_px, self.size_px))

    def _sides(self, draws: Draws, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return height and width of the parts as shares of the tile's."""
        shape = size[1] / size[0]
        low, high = (math.log(value) for value in self.ratio)
        fallback = min(max(shape, self.ratio[0]), self.ratio[1]) / shape
        height, width = draws.full(min(1.0, 1 / fallback)), draws.full(min(1.0, fallback))
        open_ = torch.ones_like(height, dtype=torch.bool)
        for _ in range(self._tries):
            area, ratio = draws.uniform(*self.area), draws.uniform(low, high).exp() / shape
            tall, wide = (area / ratio).sqrt(), (area * ratio).sqrt()
            taken = open_ & (tall <= 1) & (wide <= 1)
            height, width = torch.where(taken, tall, height), torch.where(taken, wide, width)
            open_ = open_ & ~taken
        return height, width


def _scaled(
    scale_x: Tensor, scale_y: Tensor, x: Tensor | None = None, y: Tensor | None = None
) -> Tensor:
    """Return matrices (tile, 2, 3) that scale and then move."""
    zero = torch.zeros_like(scale_x)
    rows = [scale_x, zero, zero if x is None else x, zero, scale_y, zero if y is None else y]
    return torch.stack(rows, 1).reshape(-1, 2, 3)
