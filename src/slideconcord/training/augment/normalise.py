"""Stain normalisation, to compare augmentation with: every tile in the colours of one picture.

A plain function of pixels, batched and on the device:

>>> normalise = fit_normaliser(reference_rgb, "vahadane")
>>> seen = normalise(images)

A model that learnt from normalised tiles must be given normalised tiles: recipes do not offer it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.colour import rgb_to_lab
from slideconcord.training.augment.randstainna import restained
from slideconcord.training.augment.stains import (
    WHITE,
    StainMatrices,
    densities,
    is_tissue,
    macenko,
    masked_quantile,
    optical_density,
    vahadane,
)

Method = Literal["reinhard", "macenko", "vahadane"]
_DENSE = 0.99


class Normaliser(Protocol):
    """Brings tiles to the colours of a reference."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return tiles (tile, 3, y, x) float32, 0 to 255, in the reference's colours.

        Tiles in which no two stains are found stay as they are, but for ``reinhard``.

        Raises
        ------
        ParameterError
            When a pixel is not a number.
        """
        ...


@dataclass(frozen=True, eq=False)
class Reinhard:
    """Mean and standard deviation of L*, a*, b* (Reinhard et al. 2001)."""

    mean: Tensor
    sd: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        _require_numbers(images)
        return restained(images, "lab", self.mean.to(images.device), self.sd.to(images.device))


@dataclass(frozen=True, eq=False)
class StainNormaliser:
    """Colours and 99th percentiles of two stains (Macenko et al. 2009; Vahadane et al. 2016)."""

    method: Literal["macenko", "vahadane"]
    matrix: Tensor
    """(2, 3)."""
    dense: Tensor
    """(2,): 99th percentile of the densities of tissue."""

    def __call__(self, images: Tensor) -> Tensor:
        _require_numbers(images)
        stains = separate(images, self.method)
        amounts = amounts_of(images, stains, self.method)
        scale = self.dense.to(images.device) / dense(images, amounts).clamp_min(1e-6)
        od = self.matrix.to(images.device).T @ (amounts * scale[:, :, None, None]).flatten(2)
        seen = WHITE * (-od.reshape(images.shape)).exp().clamp(0, 1)
        return torch.where(stains.found[:, None, None, None], seen, images)


def fit_normaliser(reference: NDArray[np.uint8], method: Method) -> Normaliser:
    """Return what brings tiles to the colours of a reference picture.

    Parameters
    ----------
    reference
        (y, x, 3) uint8, of tissue.
    method
        ``"reinhard"``, ``"macenko"`` or ``"vahadane"``.

    Raises
    ------
    ParameterError
        When the reference is no such picture, or two stains cannot be told apart in it.
    """
    if reference.dtype != np.uint8 or reference.ndim != 3 or reference.shape[2] != 3:
        raise ParameterError(
            f"The reference is {reference.dtype} {reference.shape}: give RGB (y, x, 3) uint8."
        )
    image = torch.from_numpy(reference.astype(np.float32)).permute(2, 0, 1)[None]
    if method == "reinhard":
        sd, mean = torch.std_mean(rgb_to_lab(image), (2, 3), correction=0)
        return Reinhard(mean[0], sd[0])
    if method not in ("macenko", "vahadane"):
        raise ParameterError(f"{method!r} is none of reinhard, macenko, vahadane.")
    stains = separate(image, method)
    if not bool(stains.found[0]):
        raise ParameterError(
            "Two stains cannot be told apart in the reference: give a picture of stained tissue."
        )
    amounts = amounts_of(image, stains, method)
    return StainNormaliser(method, stains.matrix[0], dense(image, amounts)[0])


def separate(images: Tensor, method: Literal["macenko", "vahadane"]) -> StainMatrices:
    """Return the stains of tiles (tile, 3, y, x), 0 to 255."""
    return macenko(images) if method == "macenko" else vahadane(images)


def amounts_of(images: Tensor, stains: StainMatrices, method: str) -> Tensor:
    """Return densities (tile, 2, y, x): least squares for macenko, else sparse and not below 0."""
    od = optical_density(images)
    if method == "vahadane":
        return densities(od, stains.matrix)
    unmix = torch.linalg.pinv(stains.matrix)
    return (unmix.mT @ od.flatten(2)).reshape(len(od), 2, *od.shape[2:])


def dense(images: Tensor, amounts: Tensor) -> Tensor:
    """Return the 99th percentile (tile, 2) of each stain's density over the tissue's pixels."""
    tissue = is_tissue(images).flatten(1)
    each = [masked_quantile(amount.flatten(1), tissue, _DENSE) for amount in amounts.unbind(1)]
    return torch.stack(each, 1)


def _require_numbers(images: Tensor) -> None:
    if not bool(images.isfinite().all()):
        raise ParameterError("The tiles hold pixels that are not numbers (NaN): nothing is made.")
