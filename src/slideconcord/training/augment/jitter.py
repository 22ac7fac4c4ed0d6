"""Colours changed by chance, in RGB, hue and saturation: from mild to extreme."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.appearance import (
    HueSaturationValue,
    Level,
    changed,
    changed_in_place,
)
from slideconcord.training.augment.colour import hed_changed
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.hsv import chroma, of_chroma, to_hsv, to_rgb
from slideconcord.training.augment.random import Draws

WHITE = 255.0
Strength = Annotated[float, Field(ge=0, le=1)]
# ITU-R BT.601, as torchvision has it.
_GREY = (0.2989, 0.587, 0.114)


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast, saturation and hue, in an order drawn for each tile (torchvision's).

    SCORPION names this and no strengths; 0.4, 0.4, 0.4, 0.1 are those common in representation
    learning.
    """

    brightness: Strength = 0.4
    """Factor from 1 - this to 1 + this; so for contrast and saturation."""
    contrast: Strength = 0.4
    saturation: Strength = 0.4
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest shift either way; 0.5 is half the circle."""
    p: Chance = 1.0

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        some = draws.at(chosen)
        return changed(images, chosen, _jittered, self.factors(some), orders(some))

    def factors(self, draws: Draws) -> Tensor:
        """Draw (tile, 4): factors of brightness, contrast, saturation, and the shift of hue."""
        ranges = [(1 - s, 1 + s) for s in (self.brightness, self.contrast, self.saturation)]
        return torch.stack([draws.uniform(*r) for r in (*ranges, (-self.hue, self.hue))], 1)


def orders(draws: Draws) -> list[list[int]]:
    """Draw for each tile an order of the four changes, each order as likely."""
    return torch.stack([draws.uniform(0, 1) for _ in range(4)], 1).argsort(1).tolist()


def _jittered(images: Tensor, factors: Tensor, order: list[list[int]]) -> Tensor:
    """Make the changes of each tile in its order; in place."""
    for step in zip(*order, strict=True):
        for change, act in enumerate((_brighter, _contrasted, _saturated, _hued)):
            tiles = [tile for tile, which in enumerate(step) if which == change]
            if tiles:
                changed_in_place(images, tiles, act, factors[tiles, change, None, None, None])
    return images


def _brighter(images: Tensor, factor: Tensor) -> Tensor:
    return images.mul_(factor).clamp_(0, WHITE)


def _contrasted(images: Tensor, factor: Tensor) -> Tensor:
    mean = _grey(images.mean((2, 3), keepdim=True))
    return images.mul_(factor).add_(mean * (1 - factor)).clamp_(0, WHITE)


def _saturated(images: Tensor, factor: Tensor) -> Tensor:
    grey = _grey(images).mul_(1 - factor)
    return images.mul_(factor).add_(grey).clamp_(0, WHITE)


def _hued(images: Tensor, shift: Tensor) -> Tensor:
    sixths, span, value = chroma(images)
    return of_chroma(sixths.add_(6 * shift[:, 0]), span, value)


def _grey(images: Tensor) -> Tensor:
    red, green, blue = images.split(1, 1)  # type: ignore[no-untyped-call]
    grey: Tensor = (red * _GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])
    return grey


@dataclass(frozen=True)
class HeavyColour(HueSaturationValue):
    """Extreme colours, so that a network looks at shapes (the multi-class paper, *Heavy color*).

    The paper gives no range. Ours: hues all round, saturation and value as far as its Table 6 goes.
    """

    hue: Annotated[float, Field(ge=0, le=90)] = 90.0
    saturation: Level = 80.0
    value: Level = 80.0


@dataclass(frozen=True)
class HedJitter:
    """Scale and shift the amounts of haematoxylin, eosin and DAB (Tellez et al. 2018 and 2019).

    Amounts are optical densities (natural logarithm).
    """

    sigma: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Factors are from 1 - sigma to 1 + sigma, shifts from -sigma to sigma: 0.05 is *light*, 0.2
    *strong*."""
    p: Chance = 1.0

    _AMOUNT = -math.log(1e-6)

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        some = draws.at(chosen)
        even = torch.stack([some.uniform(-1, 1) for _ in range(6)], 1).reshape(-1, 2, 3)
        factor, shift = (self.sigma * even).unbind(1)
        return changed(images, chosen, hed_changed, 1 + factor, shift / self._AMOUNT)


@dataclass(frozen=True)
class TargetedHsv:
    """Shift saturation and value of stained nuclei alone, brown and blue each by its own draw.

    Source: the multi-class paper, *Targeted HSV Augmentation* and Table 6. Pixels are nuclear by
    their hue; the paper's hues are not given. What has less colour than ``least_saturation`` is
    background, and stays.
    """

    brown_saturation: tuple[float, float] = (-30.0, 81.0)
    """Least and largest shift, of 255, as all four."""
    brown_value: tuple[float, float] = (-80.0, 81.0)
    blue_saturation: tuple[float, float] = (-40.0, 61.0)
    blue_value: tuple[float, float] = (-60.0, 61.0)
    brown_hue: tuple[float, float] = (0.0, 25.0)
    """From, to, of 180; ours."""
    blue_hue: tuple[float, float] = (95.0, 135.0)
    least_saturation: Level = 80.0
    p: Chance = 1.0

    def __post_init__(self) -> None:
        for name in ("brown_saturation", "brown_value", "blue_saturation", "blue_value",
                     "brown_hue", "blue_hue"):  # fmt: skip
            low, high = getattr(self, name)
            if low > high:
                raise ParameterError(f"{name} must be two numbers in order")

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        hue, saturation, value = to_hsv(images)
        stained = (saturation >= self.least_saturation) & draws.chance(self.p)[:, None, None]
        touched = torch.zeros_like(stained)
        more, lighter = saturation, value
        for (low, high), of_saturation, of_value in (
            (self.brown_hue, self.brown_saturation, self.brown_value),
            (self.blue_hue, self.blue_saturation, self.blue_value),
        ):
            nuclei = stained & (hue >= low) & (hue <= high)
            more = more + nuclei * draws.uniform(*of_saturation)[:, None, None]
            lighter = lighter + nuclei * draws.uniform(*of_value)[:, None, None]
            touched = touched | nuclei
        seen = to_rgb(hue, more.clamp(0, 255), lighter.clamp(0, WHITE))
        return torch.where(touched[:, None], seen, images)


@dataclass(frozen=True)
class Gamma:
    """Raise the light to a power, drawn on a logarithmic scale."""

    gamma: tuple[float, float] = (0.8, 1.25)
    """Least and largest; 80 to 120 % are those of Albumentations."""
    p: Chance = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.gamma[0] <= self.gamma[1]:
            raise ParameterError("gamma must be two numbers in order, above 0")

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        low, high = (math.log(value) for value in self.gamma)
        power = torch.exp(draws.uniform(low, high) * draws.chance(self.p))[:, None, None, None]
        return WHITE * (images / WHITE) ** power
