"""Colour spaces of a batch in which the channels' mean and spread may be changed.

All are (tile, 3, y, x) float32, their inverses give RGB from 0 to 255, and nothing is rounded on
the way there and back. ``lab`` and ``hsv`` have the scale that OpenCV gives them in 8 bits, in
which statistics of stains are published; ``hed`` that of scikit-image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from slideconcord.training.augment.hsv import HUES, to_hsv, to_rgb

WHITE = 255.0
# IEC 61966-2-1 (sRGB) to CIE XYZ with the white of D65, as OpenCV and scikit-image have it.
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169),
        (0.019334, 0.119193, 0.950227))  # fmt: skip
_BEND, _SLOPE, _DARK = 0.008856, 7.787, 0.0031308
# Ruifrok and Johnston 2001: haematoxylin, eosin and DAB; columns red, green, blue.
_HED = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
_LEAST_LIGHT = 1e-6


@dataclass(frozen=True)
class Space:
    """A colour space."""

    of_rgb: Callable[[Tensor], Tensor]
    to_rgb: Callable[[Tensor], Tensor]
    span: float
    """Of one channel: what the scale of its numbers is."""


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Return L*, a*, b* of sRGB as L* 255 / 100, a* + 128, b* + 128."""
    light = rgb / WHITE
    curved = _power(light.add(0.055).div_(1.055), 2.4)
    linear = torch.where(light > 0.04045, curved, light.div_(12.92))
    xyz = _mixed(_XYZ, linear).div_(_white(rgb))
    bent = torch.where(
        xyz > _BEND, _power(xyz.clamp_min(_BEND), 1 / 3), xyz.mul(_SLOPE).add_(16 / 116)
    )
    x, y, z = bent.unbind(1)
    return torch.stack([(116 * y - 16) * 2.55, 500 * (x - y) + 128, 200 * (y - z) + 128], 1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Return RGB of what `rgb_to_lab` gives; colours that no screen shows are cut to the scale."""
    lightness, a, b = lab.clamp(0, 255).unbind(1)
    y = (lightness / 2.55 + 16) / 116
    bent = torch.stack([y + (a - 128) / 500, y, y - (b - 128) / 200], 1)
    cube = bent**3
    xyz = torch.where(cube > _BEND, cube, bent.sub_(16 / 116).div_(_SLOPE)).mul_(_white(lab))
    inverse = torch.linalg.inv(torch.tensor(_XYZ, dtype=torch.float64)).tolist()
    linear = _mixed(inverse, xyz).clamp_(0, 1)
    curved = _power(linear.clamp_min(_DARK), 1 / 2.4).mul_(1.055).sub_(0.055)
    light = torch.where(linear > _DARK, curved, linear.mul_(12.92))
    return light.mul_(WHITE).clamp_(0, WHITE)


def rgb_to_hed(rgb: Tensor) -> Tensor:
    """Return the amounts of haematoxylin, eosin and DAB.

    As scikit-image's ``rgb2hed``, but amounts below 0 stay: cutting them would change the picture.
    """
    light = (rgb / WHITE).clamp_min(_LEAST_LIGHT)
    unmix = torch.linalg.inv(torch.tensor(_HED, dtype=torch.float64)).T.tolist()
    return _mixed(unmix, light.log() / _log_least(rgb))


def hed_to_rgb(hed: Tensor) -> Tensor:
    """Return RGB of amounts of haematoxylin, eosin and DAB."""
    mix = torch.tensor(_HED, dtype=torch.float64).T.tolist()
    return (_mixed(mix, hed) * _log_least(hed)).exp().mul(WHITE).clamp(0, WHITE)


def _hsv(rgb: Tensor) -> Tensor:
    return torch.stack(to_hsv(rgb), 1)


def _of_hsv(hsv: Tensor) -> Tensor:
    hue, saturation, value = hsv.unbind(1)
    return to_rgb(hue % HUES, saturation.clamp(0, 255), value.clamp(0, WHITE))


def _mixed(matrix: object, channels: Tensor) -> Tensor:
    weights = torch.tensor(matrix, dtype=channels.dtype, device=channels.device)
    return (weights @ channels.flatten(2)).reshape(channels.shape)


def _power(base: Tensor, exponent: float) -> Tensor:
    # In place, of numbers above 0; several times as fast as torch's own power on a processor.
    return base.log_().mul_(exponent).exp_()


def _white(like: Tensor) -> Tensor:
    return torch.tensor(_XYZ, dtype=like.dtype, device=like.device).sum(1)[:, None, None]


def _log_least(like: Tensor) -> Tensor:
    return torch.tensor(_LEAST_LIGHT, dtype=like.dtype, device=like.device).log()


SPACES: MappingProxyType[str, Space] = MappingProxyType(
    {
        "lab": Space(rgb_to_lab, lab_to_rgb, 255.0),
        "hsv": Space(_hsv, _of_hsv, 255.0),
        "hed": Space(rgb_to_hed, hed_to_rgb, 1.0),
    }
)
