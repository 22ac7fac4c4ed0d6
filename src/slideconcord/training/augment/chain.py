"""A chain of augmentations in the order of the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from slideconcord.errors import ParameterError
from slideconcord.training.augment.appearance import Appearance
from slideconcord.training.augment.fitting import Facts, Fits, TrainingTiles, fit
from slideconcord.training.augment.geometry import Crop, Geometry, Warp
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.tables import APPEARANCES, GEOMETRIES
from slideconcord.training.settings import make_part


class Augment:
    """A chain of augmentations: first all that move pixels, then all that do not.

    Parameters
    ----------
    geometries, appearances
        In the order in which they act.
    """

    def __init__(
        self, geometries: Sequence[Geometry] = (), appearances: Sequence[Appearance] = ()
    ) -> None:
        self.geometries = tuple(geometries)
        self.appearances = tuple(appearances)

    def side_px(self, tile_px: int) -> int:
        """Return the side of what comes out of tiles of ``tile_px``."""
        sides = [part.size_px for part in self.geometries if isinstance(part, Crop)]
        return sides[-1] if sides else tile_px

    def fitted(self, tiles: TrainingTiles) -> Augment:
        """Return the chain whose parts know the colours of the training tiles."""
        return Augment(self.geometries, [fit(part, tiles) for part in self.appearances])

    def facts(self) -> Facts:
        """Return what the parts measured; nobody's name."""
        return [
            fact for part in self.appearances if isinstance(part, Fits) for fact in part.facts()
        ]

    def warp(self, images: Tensor, draws: Draws) -> Warp | None:
        """Draw where pixels come from, for image, mask and twin alike; None moves nothing."""
        if not self.geometries:
            return None
        height, width = images.shape[2:]
        warp = Warp.identity(len(images), (height, width), images.device)
        for geometry in self.geometries:
            warp = geometry.warped(warp, draws)
        return warp

    def __call__(self, images: Tensor, masks: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return images (tile, 3, y, x) float32, 0 to 255, and masks (tile, y, x), augmented."""
        warp = self.warp(images, draws)
        if warp is not None:
            images, masks = warp.images(images), warp.masks(masks)
        return self.seen(images, draws), masks

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        """Apply the appearances alone."""
        for appearance in self.appearances:
            images = appearance.seen(images, draws)
        return images


def make_augment(parts: Iterable[Any], where: str = "augment") -> Augment:
    """Make the chain that a recipe lists.

    Raises
    ------
    ParameterError
        When a part is unknown or its parameters are wrong, or one that moves pixels comes after
        one that does not: the order would not be kept.
    """
    geometries: list[Geometry] = []
    appearances: list[Appearance] = []
    table: dict[str, type[Any]] = {**GEOMETRIES, **APPEARANCES}
    for number, value in enumerate(parts, 1):
        part: Any = make_part(table, value, f"{where}[{number}]")
        if type(part) in APPEARANCES.values():
            appearances.append(part)
        elif appearances:
            raise ParameterError(
                f"{where}[{number}]: augmentations that move pixels come before those that "
                "change colours."
            )
        else:
            geometries.append(part)
    return Augment(geometries, appearances)
