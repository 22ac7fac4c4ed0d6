"""Stain matrices and stain densities of a batch: what two stains make of white light.

By the law of Beer and Lambert a pixel's optical density ``-ln(value / 255)`` is ``density @
matrix``: how much of each stain, times the colour of each. Matrices are (tile, 2, 3), rows of
length 1, haematoxylin (the one that absorbs more red) first; densities (tile, 2, y, x).

`vahadane` is the estimator of structure-preserving colour normalisation (SPCN); `macenko` that of
`comparison.appearance.stain_vectors`, for many tiles at once and on the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from slideconcord.segmentation.stain_density import STAINS
from slideconcord.training.augment.colour import luminance

WHITE = 255.0
# Macenko et al. 2009: less density (log10) is glass; robust extremes of the angle.
_LEAST_DENSITY, _EXTREME = 0.15, 0.01
# Vahadane et al. 2016 as implemented by their successors: lighter than this share of L* is glass;
# the weight of sparsity when colours are sought, and when densities are.
_LIGHT, _SPARSITY, _SPARSITY_DENSITY = 0.8, 0.1, 0.01
# With this momentum 40 rounds come within 0.3 degrees of 500 on real tiles; without, 4.
_ROUNDS, _MOMENTUM = 40, 0.7
_MOST_PIXELS = 4096
_LEAST_TISSUE = 0.05
# Tissue whose density (natural) varies by less than this has one colour.
_LEAST_SPREAD = 0.01
# Two stains closer than this (1 - cosine) are one.
_ALIKE = 1e-4
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class StainMatrices:
    """The stains of each tile."""

    matrix: Tensor
    """(tile, 2, 3)."""
    found: Tensor
    """(tile,) bool: whether the tile has two stains; the matrix of others is the textbook's."""

    def __getitem__(self, tiles: slice) -> StainMatrices:
        return StainMatrices(self.matrix[tiles], self.found[tiles])


def optical_density(images: Tensor, least: float = 1.0) -> Tensor:
    """Return ``-ln(value / 255)`` (tile, 3, y, x); darker than ``least`` counts as that."""
    return images.clamp_min(least).log_().neg_().add_(math.log(WHITE))


def vahadane(images: Tensor) -> StainMatrices:
    """Return the stains by sparse non-negative matrix factorisation.

    Minimises over matrix and densities, none below 0, ``|density @ matrix - od|² / 2 + 0.1 *
    sum(density)``, mean over the tissue's pixels (at most 4096, evenly chosen), taking turns from
    the textbook's haematoxylin and eosin on. It is the objective of the published implementations,
    which minimise it by chance samples.
    """
    density, tissue = _tissue(images)
    start = _textbook(images).expand(len(images), -1, -1)
    matrix = before = start
    for _ in range(_ROUNDS):
        ahead = normalised((matrix + _MOMENTUM * (matrix - before)).clamp_min(0))
        amounts = densities(density, ahead, _SPARSITY)
        before, matrix = matrix, _next_matrix(ahead, amounts, density)
    enough = tissue.sum((1, 2)) >= _LEAST_TISSUE * tissue.shape[2]
    return _sorted(matrix, start, enough & _varies(density, tissue))


def densities(density: Tensor, matrix: Tensor, sparsity: float = _SPARSITY_DENSITY) -> Tensor:
    """Return how much of each stain, at least 0: the exact minimum for two stains.

    Parameters
    ----------
    density
        (tile, 3, pixel) or (tile, 3, y, x) optical density.
    matrix
        (tile, 2, 3).
    sparsity
        Weight of the amounts' sum in ``|amounts @ matrix - density|² / 2 + sparsity * sum``.
    """
    alike = (matrix[:, 0] * matrix[:, 1]).sum(1)[:, None, None]
    room = (1 - alike**2).clamp_min(_ALIKE)
    # Least squares with both stains for the first; and what each stain alone explains.
    rows = torch.cat([(matrix[:, :1] - alike * matrix[:, 1:]) / room, matrix], 1)
    less = sparsity * torch.cat([(1 - alike) / room, torch.ones_like(rows[:, :2, :1])], 1)
    found = torch.baddbmm(less, rows, density.flatten(2), beta=-1)
    first, own, other = found.split(1, 1)  # type: ignore[no-untyped-call]
    # Each stain takes what the other leaves, at least 0: the second given the first, then the first
    # given the second. One that would come out below 0 is absent.
    second = torch.addcmul(other, alike, first.clamp_min_(0), value=-1).clamp_min_(0)
    first = torch.addcmul(own, alike, second, value=-1).clamp_min_(0)
    amounts = torch.cat([first, second], 1)
    return amounts.reshape(len(amounts), 2, *density.shape[2:])


def macenko(images: Tensor) -> StainMatrices:
    """Return the stains at the ends of the angles in the plane of densities.

    See `comparison.appearance.stain_vectors` for what is measured; white is 255.
    """
    od = optical_density(images, 0.5).flatten(2).mT.double()
    stained = od.norm(dim=2) > _LEAST_DENSITY * math.log(10)
    weight = stained[..., None].double()
    mean = (od * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
    away = (od - mean) * weight
    _, vectors = torch.linalg.eigh(away.mT @ away)
    plane = vectors[..., [2, 1]]
    plane = plane * torch.where(plane.sum(1, keepdim=True) < 0, -1.0, 1.0)
    on_plane = od @ plane
    angle = torch.atan2(on_plane[..., 1], on_plane[..., 0])
    ends = [masked_quantile(angle, stained, q) for q in (_EXTREME, 1 - _EXTREME)]
    rows = [plane @ torch.stack([end.cos(), end.sin()], 1)[..., None] for end in ends]
    matrix = torch.cat(rows, 2).mT.abs()
    matrix = normalised(matrix).to(images.dtype)
    enough = stained.sum(1) >= _LEAST_TISSUE * stained.shape[1]
    return _sorted(matrix, _textbook(images).expand_as(matrix), enough)


def normalised(matrix: Tensor) -> Tensor:
    """Return the matrix with rows of length 1; rows of nothing stay so."""
    return matrix / matrix.norm(dim=2, keepdim=True).clamp_min(_TINY)


def masked_quantile(values: Tensor, mask: Tensor, q: float) -> Tensor:
    """Return a quantile (tile,) of those values (tile, pixel) that the mask has, linear between."""
    count = mask.sum(1).clamp_min(1)
    ordered = torch.where(mask, values, torch.inf).sort(1).values
    place = q * (count - 1).to(values.dtype)
    below = place.long()[:, None]
    low, high = (ordered.gather(1, k) for k in (below, (below + 1).minimum(count[:, None] - 1)))
    return torch.lerp(low[:, 0], high[:, 0], place - below[:, 0])


def is_tissue(images: Tensor) -> Tensor:
    """Return which pixels (tile, y, x) are darker than 0.8 of white in L*."""
    return luminance(images)[:, 0] < ((100 * _LIGHT + 16) / 116) ** 3


def _tissue(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return optical densities (tile, 3, pixel) of evenly chosen pixels, 0 beside the tissue, and
    whether each is tissue (tile, 1, pixel).
    """
    flat = images.flatten(2)
    pixels = flat.shape[2]
    chosen = torch.linspace(0, pixels - 1, min(pixels, _MOST_PIXELS), device=images.device)
    some = flat[:, :, chosen.round().long(), None]
    tissue = is_tissue(some)[..., 0][:, None].to(images.dtype)
    return optical_density(some)[..., 0] * tissue, tissue


def _varies(density: Tensor, tissue: Tensor) -> Tensor:
    """Return whether a tile's tissue (tile,) has more than one colour."""
    count = tissue.sum(2).clamp_min(1)
    mean = density.sum(2) / count
    away = (density - mean[..., None]).square() * tissue
    return (away.sum(2) / count).sum(1).sqrt() > _LEAST_SPREAD


def _next_matrix(matrix: Tensor, amounts: Tensor, density: Tensor) -> Tensor:
    """Return the best rows one after the other, given the amounts (Mairal et al. 2010)."""
    of_both, with_density = amounts @ amounts.mT, amounts @ density.mT
    rows = list(matrix.unbind(1))
    for k in (0, 1):
        own, other = of_both[:, k, k, None], of_both[:, k, 1 - k, None]
        row = (with_density[:, k] - other * rows[1 - k]).clamp_min(0)
        length = row.norm(dim=1, keepdim=True)
        # A stain that no pixel has keeps its colour.
        rows[k] = torch.where((own > _TINY) & (length > _TINY), row / length.clamp_min(_TINY),
                              rows[k])  # fmt: skip
    return torch.stack(rows, 1)


def _sorted(matrix: Tensor, otherwise: Tensor, enough: Tensor) -> StainMatrices:
    """Put haematoxylin first; where there are no two stains, return the textbook's."""
    swapped = matrix[:, :1, :1] < matrix[:, 1:, :1]
    matrix = torch.where(swapped, matrix.flip(1), matrix)
    found = enough & ((matrix[:, 0] * matrix[:, 1]).sum(1) < 1 - _ALIKE)
    return StainMatrices(torch.where(found[:, None, None], matrix, otherwise), found)


def _textbook(like: Tensor) -> Tensor:
    return torch.tensor(STAINS, dtype=like.dtype, device=like.device)
