"""RandStainNA: normalise each tile to a stain that is drawn anew (Shen et al., MICCAI 2022).

The means and standard deviations of a tile's three channels are moved to ones drawn from the
distributions that they have over the training tiles.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.appearance import changed
from slideconcord.training.augment.colour import SPACES
from slideconcord.training.augment.fitting import Facts, TrainingTiles, require_split, unfitted
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.random import Draws

Three = tuple[float, float, float]
# Spread below this share of the scale is rounding: such a channel has one colour.
_FLAT = 1e-4
# A drawn spread may come out near 0 or below: it would wipe the tile's content out.
_LEAST_SPREAD = 0.1


@dataclass(frozen=True)
class StainTemplate:
    """How channel means and standard deviations are distributed over the training tiles."""

    space: Literal["lab", "hsv", "hed"]
    mean_of_means: Three
    sd_of_means: Three
    mean_of_sds: Three
    sd_of_sds: Three
    tiles: int
    """Tiles measured."""
    fitted_on: str
    """Fingerprint of the training split."""


def fit_template(
    tiles: TrainingTiles, space: Literal["lab", "hsv", "hed"] = "lab", most: int = 2000
) -> StainTemplate:
    """Measure at most ``most`` training tiles, evenly chosen."""
    measured = [torch.stack(_centred(SPACES[space].of_rgb(image))) for image in tiles.images(most)]
    moments = torch.stack(measured).double().flatten(2)
    (mean_of_means, mean_of_sds), (sd_of_means, sd_of_sds) = (
        [_three(row) for row in found] for found in (moments.mean(0), moments.std(0, correction=0))
    )
    return StainTemplate(
        space, mean_of_means, sd_of_means, mean_of_sds, sd_of_sds, len(measured), tiles.fingerprint
    )


@dataclass(frozen=True)
class RandStainNA:
    """Move each tile to a stain drawn from the training tiles' distribution of stains."""

    space: Literal["lab", "hsv", "hed"] = "lab"
    """Colour space: CIE L*a*b*, hue-saturation-value, or haematoxylin-eosin-DAB."""
    distribution: Literal["normal", "laplace", "uniform"] = "normal"
    """What is drawn from; uniform within 3 standard deviations."""
    std_hyper: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """Widens (above 0) or narrows what is drawn: spreads are multiplied by 1 + this."""
    p: Chance = 1.0
    most_tiles: Annotated[int, Field(ge=1)] = 2000
    """At most so many training tiles are measured."""
    template: StainTemplate | None = None
    """Measured on the training tiles; a given one must be of the very same split."""

    def __post_init__(self) -> None:
        if self.template is not None and self.template.space != self.space:
            raise ParameterError(
                f"template is of the space {self.template.space!r}, not {self.space!r}"
            )

    def fitted(self, tiles: TrainingTiles) -> RandStainNA:
        if self.template is None:
            return replace(self, template=fit_template(tiles, self.space, self.most_tiles))
        require_split("The stain template of randstainna", self.template.fitted_on, tiles)
        return self

    def facts(self) -> Facts:
        return [] if self.template is None else [{"name": "randstainna", **asdict(self.template)}]

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        if self.template is None:
            raise unfitted("randstainna")
        chosen = draws.chosen(self.p)
        mean, sd = self.targets(self.template, draws.at(chosen))
        return changed(images, chosen, self._restained, mean, sd)

    def _restained(self, images: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
        return restained(images, self.space, mean, sd)

    def targets(self, template: StainTemplate, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw the mean and the standard deviation (tile, 3) that each tile is moved to."""
        standard = self._standard(draws) * (1 + self.std_hyper)
        mean_of_means, sd_of_means, mean_of_sds, sd_of_sds = (
            torch.tensor(three, device=standard.device, dtype=standard.dtype)
            for three in (template.mean_of_means, template.sd_of_means,
                          template.mean_of_sds, template.sd_of_sds)
        )  # fmt: skip
        sd = mean_of_sds + sd_of_sds * standard[:, 1]
        return mean_of_means + sd_of_means * standard[:, 0], sd.maximum(_LEAST_SPREAD * mean_of_sds)

    def _standard(self, draws: Draws) -> Tensor:
        """Draw (tile, 2, 3) numbers around 0: for the means and for the deviations."""
        if self.distribution == "normal":
            return draws.normal(2, 3)
        even = torch.stack([draws.uniform(-1, 1) for _ in range(6)], 1).reshape(-1, 2, 3)
        if self.distribution == "uniform":
            return 3 * even
        return -even.sign() * torch.log1p(-even.abs().clamp_max(1 - 1e-7))


def restained(images: Tensor, space: str, mean: Tensor, sd: Tensor) -> Tensor:
    """Return tiles whose channels have another mean and standard deviation (Reinhard et al. 2001).

    Parameters
    ----------
    images
        (tile, 3, y, x) float32, 0 to 255.
    space
        A name in `SPACES`.
    mean, sd
        (tile, 3) or (3,), in that space. A channel of one colour takes the mean alone.
    """
    kind = SPACES[space]
    channels = kind.of_rgb(images)
    _, from_sd = _centred(channels)
    factor = torch.where(from_sd > _FLAT * kind.span, sd[..., None, None] / from_sd, 0)
    return kind.to_rgb(channels.mul_(factor).add_(mean[..., None, None]))


def _centred(channels: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the mean over a tile's pixels in place; return it and the standard deviation.

    Both are (tile, 3, 1, 1).
    """
    mean = channels.mean((2, 3), keepdim=True)
    length = torch.linalg.vector_norm(channels.sub_(mean).flatten(2), dim=2)
    pixels = channels.shape[2] * channels.shape[3]
    return mean, (length / math.sqrt(pixels))[..., None, None]


def _three(numbers: Tensor) -> Three:
    first, second, third = numbers.tolist()
    return first, second, third
