"""Hue, saturation and value of a batch, on OpenCV's scale for 8 bits."""

from __future__ import annotations

import torch
from torch import Tensor

HUES = 180.0
"""Hue goes round from 0 to this; saturation and value from 0 to 255."""


def to_hsv(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue, saturation and value (tile, y, x) of RGB (tile, 3, y, x), 0 to 255."""
    value, place = rgb.max(1)
    span = value - rgb.amin(1)
    safe = torch.where(span > 0, span, 1)
    red, green, blue = rgb.unbind(1)
    sixths = torch.where(
        place == 0,
        (green - blue) / safe,
        torch.where(place == 1, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = (sixths * (HUES / 6)) % HUES
    return hue, 255 * span / torch.where(value > 0, value, 1), value


def to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return RGB (tile, 3, y, x), the inverse of `to_hsv`."""
    shifts = torch.tensor([5.0, 3.0, 1.0], device=hue.device)[:, None, None]
    k = (shifts + (hue * (6 / HUES))[:, None]) % 6
    drop = torch.minimum(k, 4 - k).clamp(0, 1)
    return value[:, None] * (1 - (saturation / 255)[:, None] * drop)
