"""Colour spaces of a batch in which the channels' mean and spread may be changed.

All are (tile, 3, y, x) float32, their inverses give RGB from 0 to 255, and nothing is rounded on
the way there and back. ``lab`` and ``hsv`` have the scale that OpenCV gives them in 8 bits, in
which statistics of stains are published; ``hed`` that of scikit-image. Powers go
by ``log2`` and ``exp2``, the quickest on a processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slideconcord.training.augment.hsv import HUES, to_hsv, to_rgb

WHITE = 255.0
Reals = NDArray[np.floating[Any]]
# IEC 61966-2-1 (sRGB) to CIE XYZ, as shares of the white of D65, as OpenCV and scikit-image do it.
_XYZ: Reals = np.array(((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169),
                        (0.019334, 0.119193, 0.950227)))  # fmt: skip
_XYZ_OF_RGB: Reals = _XYZ / _XYZ.sum(1, keepdims=True)
_BEND, _SLOPE, _BEND_OF_RGB = 0.008856, 7.787, 0.04045
# CIE L*a*b* of the bent XYZ.
_LAB: Reals = np.array(((0.0, 295.8, 0.0), (500.0, -500.0, 0.0), (0.0, 200.0, -200.0)))
_LAB_START: Reals = np.array((-40.8, 128.0, 128.0))
_LEAST_LIGHT = 1e-6
# Ruifrok and Johnston 2001: haematoxylin, eosin and DAB; columns red, green, blue. An amount of 1
# leaves the least light.
_HED: Reals = np.array(((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78)))
_MIX: Reals = math.log2(_LEAST_LIGHT) * _HED.T
_UNMIX: Reals = np.linalg.inv(_MIX)


@dataclass(frozen=True)
class Space:
    """A colour space."""

    of_rgb: Callable[[Tensor], Tensor]
    to_rgb: Callable[[Tensor], Tensor]
    span: float
    """Of one channel: what the scale of its numbers is."""


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Return L*, a*, b* of sRGB as L* 255 / 100, a* + 128, b* + 128."""
    bent = _root(_mixed(_XYZ_OF_RGB, _linear(rgb)))
    return _mixed(_LAB, bent, _LAB_START)


def luminance(rgb: Tensor) -> Tensor:
    """Return CIE Y (tile, 1, y, x), 0 to 1, of sRGB (tile, 3, y, x)."""
    return _mixed(_XYZ_OF_RGB[1:2], _linear(rgb))


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Return RGB of what `rgb_to_lab` gives; colours that no screen shows are cut to the scale."""
    back = np.linalg.inv(_LAB)
    bent = _mixed(back, lab.clamp(0, 255), -back @ _LAB_START)
    linear = _mixed(np.linalg.inv(_XYZ_OF_RGB), _cube(bent))
    return _curved(linear.clamp_(0, 1)).clamp_(0, WHITE)


# Each curve is straight below a bend: of what is less than it, only by how much is added.


def _linear(rgb: Tensor) -> Tensor:
    above = rgb.clamp_min(WHITE * _BEND_OF_RGB)
    below = rgb - above
    start, whole = 0.055 * WHITE, math.log2(1.055 * WHITE)
    above = above.add_(start).log2_().sub_(whole).mul_(2.4).exp2_()
    return above.add_(below, alpha=1 / (12.92 * WHITE))


def _curved(linear: Tensor) -> Tensor:
    """Undo `_linear`; in place."""
    above = linear.clamp_min(_BEND_OF_RGB / 12.92)
    below = linear.sub_(above)
    above = above.log2_().mul_(1 / 2.4).exp2_().mul_(1.055 * WHITE).sub_(0.055 * WHITE)
    return above.add_(below, alpha=12.92 * WHITE)


def _root(xyz: Tensor) -> Tensor:
    """Bend XYZ as L*a*b* does; in place."""
    above = xyz.clamp_min(_BEND)
    below = xyz.sub_(above)
    return above.log2_().mul_(1 / 3).exp2_().add_(below, alpha=_SLOPE)


def _cube(bent: Tensor) -> Tensor:
    """Undo `_root`; in place."""
    above = bent.clamp_min(_BEND ** (1 / 3))
    below = bent.sub_(above)
    return above.pow_(3).add_(below, alpha=1 / _SLOPE)


def rgb_to_hed(rgb: Tensor) -> Tensor:
    """Return the amounts of haematoxylin, eosin and DAB.

    As scikit-image's ``rgb2hed``, but amounts below 0 stay: cutting them would change the picture.
    """
    return _mixed(_UNMIX, _log_light(rgb), -_UNMIX.sum(1) * math.log2(WHITE))


def hed_to_rgb(hed: Tensor) -> Tensor:
    """Return RGB of amounts of haematoxylin, eosin and DAB."""
    return _mixed(_MIX, hed, np.full(3, math.log2(WHITE))).exp2_().clamp_(0, WHITE)


def hed_changed(rgb: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
    """Return RGB whose amounts (as of `rgb_to_hed`) are multiplied and shifted, (tile, 3) each."""
    # Between both logarithms all is linear: one matrix for each tile.
    mix, unmix = (torch.tensor(m, dtype=rgb.dtype, device=rgb.device) for m in (_MIX, _UNMIX))
    matrix, white = mix @ (factor[..., None] * unmix), math.log2(WHITE)
    start = (mix @ shift[..., None]) + white * (1 - matrix.sum(2, keepdim=True))
    light = torch.baddbmm(start, matrix, _log_light(rgb).flatten(2))
    return light.exp2_().clamp_(0, WHITE).reshape(rgb.shape)


def _log_light(rgb: Tensor) -> Tensor:
    return rgb.clamp_min(WHITE * _LEAST_LIGHT).log2_()


def _hsv(rgb: Tensor) -> Tensor:
    return torch.stack(to_hsv(rgb), 1)


def _of_hsv(hsv: Tensor) -> Tensor:
    hue, saturation, value = hsv.unbind(1)
    return to_rgb(hue % HUES, saturation.clamp(0, 255), value.clamp(0, WHITE))


def _mixed(matrix: Reals, channels: Tensor, start: Reals | None = None) -> Tensor:
    """Return ``start + matrix @ channels``, a new tensor."""
    made = channels.new_tensor(matrix).expand(len(channels), -1, -1)
    begin = channels.new_tensor(np.zeros(1) if start is None else start)[:, None]
    mixed = torch.baddbmm(begin, made, channels.flatten(2), beta=0 if start is None else 1)
    return mixed.reshape(len(channels), len(matrix), *channels.shape[2:])


SPACES: MappingProxyType[str, Space] = MappingProxyType(
    {
        "lab": Space(rgb_to_lab, lab_to_rgb, 255.0),
        "hsv": Space(_hsv, _of_hsv, 255.0),
        "hed": Space(rgb_to_hed, hed_to_rgb, 1.0),
    }
)
