"""A linear map of colours that makes one scanner's tiles have another's mean and covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WHITE = 255.0
# Variance of one grey level, added to every colour: those of one tone alone have no inverse.
_LEAST_VARIANCE = 1.0
# Every so many pixels of every so many rows are measured.
STRIDE = 4
Parts = NDArray[np.uint8]
"""Parts of tiles (n, y, x, 3)."""
Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ColourMap:
    """What becomes of a pixel's colour, wherever it is."""

    matrix: Tensor
    """(3, 3), symmetric and positive: red, green and blue by red, green and blue."""
    shift: Tensor
    """(3,), of the scale 0 to 1."""

    @classmethod
    def between(cls, sources: Parts, targets: Parts) -> ColourMap:
        """Return the map that gives the sources' pixels the targets' mean and covariance.

        Of all linear ones that do, this one moves colours least (Pitie and Kokaram 2007).
        """
        (mean, spread), (wanted, wanted_spread) = (_moments(parts) for parts in (sources, targets))
        root, back = _power(spread, 0.5), _power(spread, -0.5)
        matrix = back @ _power(root @ wanted_spread @ root, 0.5) @ back
        shift = (wanted - matrix @ mean) / WHITE
        return cls(torch.from_numpy(matrix).float(), torch.from_numpy(shift).float())

    def __call__(self, images: Tensor) -> Tensor:
        """Return images (n, 3, y, x), 0 to 1, with their colours mapped, cut to the scale."""
        matrix, shift = self.matrix.to(images.device), self.shift.to(images.device)
        mapped = torch.einsum("dc,ncyx->ndyx", matrix, images)
        return mapped.add_(shift[:, None, None]).clamp_(0, 1)


def _moments(parts: Parts) -> tuple[Reals, Reals]:
    """Return mean (3,) and covariance (3, 3) of pixels, grey levels."""
    pixels = parts[:, ::STRIDE, ::STRIDE].reshape(-1, 3).astype(np.float64)
    return pixels.mean(0), np.cov(pixels.T) + _LEAST_VARIANCE * np.eye(3)


def _power(symmetric: Reals, exponent: float) -> Reals:
    values, vectors = np.linalg.eigh(symmetric)
    powered: Reals = (vectors * values**exponent) @ vectors.T
    return powered
