"""Structural similarity of two pictures (Wang et al. 2004), the multi-level paper's equation 2."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SIGMA, _REACH = 1.5, 5
# Wang et al.: (0.01 L)² and (0.03 L)², of the scale 0 to 1.
_C1, _C2 = 0.01**2, 0.03**2


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean similarity of each pair (n,), at most 1.

    Means, variances and covariance are weighted by a Gaussian of sigma 1.5 px, 11 px wide; only
    places are compared where all of it lies inside.

    Parameters
    ----------
    first, second
        (n, channel, y, x) on the scale 0 to 1, at least 11 px a side.
    """
    both = torch.stack([first, second, first * first, second * second, first * second])
    smooth = _smoothed(both.flatten(0, 2)[:, None])
    x, y, xx, yy, xy = smooth.reshape(*both.shape[:3], *smooth.shape[1:])
    over, under = (2 * x * y + _C1), (x * x + y * y + _C1)
    over, under = over * (2 * (xy - x * y) + _C2), under * (xx - x * x + yy - y * y + _C2)
    return (over / under).mean((1, 2, 3, 4))


def _smoothed(images: Tensor) -> Tensor:
    away = torch.arange(-_REACH, _REACH + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-(away**2) / (2 * _SIGMA**2))
    kernel = (kernel / kernel.sum()).reshape(1, 1, -1, 1)
    return functional.conv2d(functional.conv2d(images, kernel), kernel.mT)
