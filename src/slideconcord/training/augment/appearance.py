"""Augmentations that change colours and sharpness, and move no pixel.

Images are (tile, 3, y, x) float32 on the scale 0 to 255, and stay within it. The numbers are those
of Albumentations 1.1 on 8-bit images; what it rounds to whole grey levels between two steps is not
rounded here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from slideconcord.errors import ParameterError
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.hsv import HUES, to_hsv, to_rgb
from slideconcord.training.augment.random import Draws

Level = Annotated[float, Field(ge=0, le=255)]
WHITE = 255.0
# Pixels of which a few copies fit a processor's second cache.
_CACHED_PX = 1 << 16


class Appearance(Protocol):
    """An augmentation that moves no pixel."""

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the images as another microscope might have seen them."""
        ...


def changed(
    images: Tensor, chosen: list[int], change: Callable[..., Tensor], *of_each: Any
) -> Tensor:
    """Return the images with the chosen tiles changed; the images themselves stay as they are.

    Parameters
    ----------
    images
        (tile, 3, y, x).
    chosen
        Tiles, in order.
    change
        Takes some of them, which it may write to, and as many of ``of_each``; returns them changed.
        On a processor it gets a few tiles at a time, with which it stays in the cache.
    of_each
        Tensors or lists: something for each chosen tile.
    """
    if not chosen:
        return images
    seen = images.clone()
    size = len(chosen)
    if images.device.type == "cpu":
        size = max(1, _CACHED_PX // (images.shape[2] * images.shape[3]))
    for first in range(0, len(chosen), size):
        cut = slice(first, first + size)
        changed_in_place(seen, chosen[cut], change, *(of[cut] for of in of_each))
    return seen


def changed_in_place(
    images: Tensor, chosen: list[int], change: Callable[..., Tensor], *of_each: Any
) -> None:
    """Change the chosen tiles of the images themselves, all at once."""
    if chosen[-1] - chosen[0] == len(chosen) - 1:
        neighbours = images[chosen[0] : chosen[-1] + 1]
        neighbours.copy_(change(neighbours, *of_each))
    else:
        images[chosen] = change(images[chosen], *of_each)


@dataclass(frozen=True)
class Noise:
    """Normal noise of a variance drawn for each tile, independent in each pixel and channel."""

    variance: tuple[float, float] = (10.0, 50.0)
    """Least and largest variance, squared grey levels."""
    p: Chance = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.variance[0] <= self.variance[1]:
            raise ParameterError("variance must be two numbers in order, from 0 up")

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        sd = draws.uniform(*self.variance).sqrt() * draws.chance(self.p)
        noise = draws.noise(*images.shape[1:])
        return (images + sd[:, None, None, None] * noise).clamp(0, WHITE)


@dataclass(frozen=True)
class Blur:
    """Gaussian blur with a kernel of odd width, whose sigma follows from it as in OpenCV."""

    kernel_px: tuple[int, int] = (3, 7)
    """Least and largest width of the kernel, pixels."""
    p: Chance = 0.5

    def __post_init__(self) -> None:
        low, high = self.kernel_px
        if not (1 <= low <= high and low % 2 == high % 2 == 1):
            raise ParameterError("kernel_px must be two odd numbers in order")

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        low, high = self.kernel_px
        widths = low + 2 * draws.integers(0, (high - low) // 2)
        widths = torch.where(draws.chance(self.p), widths, 1)
        blurred = torch.empty_like(images)
        for width in sorted(set(widths.tolist())):
            chosen = widths == width
            blurred[chosen] = blur(images[chosen], width)
        return blurred


def blur(images: Tensor, width: int) -> Tensor:
    """Blur with a Gaussian kernel of ``width`` pixels; edges are mirrored without their pixel."""
    if width == 1:
        return images
    return smoothed(images, 0.3 * ((width - 1) * 0.5 - 1) + 0.8, width // 2)


def smoothed(images: Tensor, sigma_px: float, reach_px: int) -> Tensor:
    """Blur with a Gaussian kernel of ``2 * reach_px + 1`` pixels; edges are mirrored likewise."""
    away = torch.arange(-reach_px, reach_px + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-(away**2) / (2 * sigma_px**2))
    kernel = (kernel / kernel.sum()).repeat(images.shape[1], 1, 1, 1)
    padded = functional.pad(images, [reach_px] * 4, mode="reflect")
    rows = functional.conv2d(padded, kernel, groups=images.shape[1])
    return functional.conv2d(rows, kernel.transpose(2, 3), groups=images.shape[1])


@dataclass(frozen=True)
class BrightnessContrast:
    """Multiply and shift the grey levels: ``image * (1 + contrast) + 255 * brightness``."""

    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Largest shift either way, as a share of white ("by max")."""
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Largest change of the factor either way."""
    p: Chance = 1.0

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chance(self.p)
        factor = 1 + draws.uniform(-self.contrast, self.contrast) * chosen
        shift = WHITE * draws.uniform(-self.brightness, self.brightness) * chosen
        factor, shift = factor[:, None, None, None], shift[:, None, None, None]
        return (images * factor + shift).clamp(0, WHITE)


@dataclass(frozen=True)
class HueSaturationValue:
    """Shift hue, saturation and value, on OpenCV's 8-bit scale (hue 0 to 180, others to 255)."""

    hue: Annotated[float, Field(ge=0, le=90)] = 20.0
    """Largest shift either way; 90 is half the circle."""
    saturation: Level = 30.0
    value: Level = 20.0
    p: Chance = 1.0

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chance(self.p)
        shifts = (
            (draws.uniform(-most, most) * chosen)[:, None, None]
            for most in (self.hue, self.saturation, self.value)
        )
        hue, saturation, value = (
            channel + shift for channel, shift in zip(to_hsv(images), shifts, strict=True)
        )
        return to_rgb(hue % HUES, saturation.clamp(0, 255), value.clamp(0, WHITE))
