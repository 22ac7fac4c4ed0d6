"""Hue, saturation and value of a batch, on OpenCV's scale for 8 bits.

Without masks: on a processor choosing by one costs as much as ten sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

HUES = 180.0
"""Hue goes round from 0 to this; saturation and value from 0 to 255."""
_LEAST = 1e-30


def to_hsv(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue, saturation and value (tile, y, x) of RGB (tile, 3, y, x), 0 to 255."""
    sixths, span, value = chroma(rgb)
    turns = (sixths / 6).floor_()
    hue = sixths.sub_(turns, alpha=6).mul_(HUES / 6)
    return hue, span.mul_(255).div_(value.clamp_min(_LEAST)), value


def chroma(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue in sixths of the circle, from -2 to 4, largest minus least channel, and largest.

    A hue's way from yellow, which is 1, grows with blue and with what red and green lack, to where
    there is more of them: up to 3 either way.
    """
    red, green, blue = rgb.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    span = value - least
    way = (blue - green).add_(least.sub_(red)).add_(span, alpha=2)
    sixths = torch.copysign(way, green - red, out=way).add_(span)
    return sixths.div_(span.clamp_min(_LEAST)), span, value


def of_chroma(sixths: Tensor, span: Tensor, value: Tensor) -> Tensor:
    """Return RGB (tile, 3, y, x), the inverse of `chroma`; hues may go round."""
    middle = torch.tensor([3.0, 1.0, -1.0], device=sixths.device)[:, None, None]
    away = sixths[:, None] + middle
    away = away.sub_((away / 6).round_(), alpha=6).abs_()
    drop = away.neg_().add_(2).clamp_(0, 1)
    return torch.addcmul(value[:, None], span[:, None], drop, value=-1, out=drop)


def to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return RGB (tile, 3, y, x), the inverse of `to_hsv`."""
    return of_chroma(hue * (6 / HUES), saturation * value / 255, value)
