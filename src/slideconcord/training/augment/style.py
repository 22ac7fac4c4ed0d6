"""Style transfer between scanners: a small generator for each scanner, held to the structure.

The multi-level paper trains a StyleGAN from each scanner's tiles to the others' with SSIM "as a
loss while training", and mixes what it makes into training with probability 0.3; it gives no
numbers beyond that. Scanners differ in colour and sharpness, not in where things are: here colours
are mapped from each scanner to each other by their mean and covariance, and a generator for each
scanner refines what comes of it. What is kept of the structure, and how near it comes to the
scanner's colours, is measured on training tiles that are not learnt from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from slideconcord.errors import ParameterError, TrainingError
from slideconcord.training.augment.colour_map import STRIDE, WHITE, ColourMap, Parts
from slideconcord.training.augment.fitting import Facts, TrainingTiles, require_split, unfitted
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.ssim import ssim
from slideconcord.training.augment.style_generator import (
    PART_PX,
    as_images,
    luma,
    recoloured,
    trained,
)

# Every so many tiles of a scanner one is not learnt from, but checked on.
_CHECKED_OF = 8
_PERCENTS = np.linspace(0.5, 99.5, 100)

Pair = tuple[str, str]
"""The scanner a tile is of, and the one it is shown as."""


@dataclass(frozen=True)
class Measured:
    """What becomes of a scanner's tiles that were not learnt from, shown as another would."""

    ssim: float
    """Mean structural similarity of the brightness before and after."""
    colour_before: float
    """Grey levels, before, that red, green and blue are off the tiles of the scanner that they
    shall look as: mean difference over percentiles and channels (Wasserstein-1)."""
    colour_after: float
    """The same, after."""
    colour_own: float
    """The same, of the other scanner's own tiles not learnt from: what is chance."""


@dataclass(frozen=True)
class StyleTransfer:
    """Show a tile as another of the training tiles' scanners would, as learnt before.

    It learns from the training tiles alone, when the run begins.
    """

    steps: Annotated[int, Field(ge=1)] = 2000
    """Batches of 8 parts of 64 px that each generator learns from."""
    structure: Annotated[float, Field(ge=0)] = 4.0
    """Weight of 1 - SSIM of the brightness, of what the generator does to mapped colours."""
    colour: Annotated[float, Field(ge=0)] = 50.0
    """Weight of how far it moves each channel's mean and standard deviation (of the scale 0 to 1)
    from those of mapped colours, which are the scanner's."""
    p: Chance = 0.3
    """The paper's."""
    most_tiles: Annotated[int, Field(ge=2)] = 400
    """At most so many training tiles of each scanner are read."""
    seed: Annotated[int, Field(ge=0)] = 0

    def fitted(self, tiles: TrainingTiles) -> FittedStyle:
        """Train a generator towards each scanner.

        Raises
        ------
        TrainingError
            When the training tiles are of fewer than two scanners, or there is but one of a
            scanner; or when what was learnt is further from a scanner's colours than before.
        """
        scanners = sorted(set(tiles.scanners))
        if len(scanners) < 2:
            raise TrainingError(
                f"style_transfer needs training tiles of two scanners, not of "
                f"{', '.join(scanners) or 'none that is named'}: leave it out, or add scans."
            )
        parts = {name: _parts_of(tiles, name, self.most_tiles) for name in scanners}
        learnt = {name: of[np.arange(len(of)) % _CHECKED_OF != 0] for name, of in parts.items()}
        checked = {name: of[::_CHECKED_OF] for name, of in parts.items()}
        maps = {
            (source, target): ColourMap.between(learnt[source], learnt[target])
            for source, target in permutations(scanners, 2)
        }
        generators: dict[str, nn.Module] = {}
        for number, name in enumerate(scanners):
            mapped = [recoloured(learnt[s], maps[s, name]) for s in scanners if s != name]
            generators[name] = trained(
                np.concatenate(mapped), learnt[name],
                self.steps, self.structure, self.colour, self.seed + number,
            )  # fmt: skip
        made = FittedStyle(self.p, maps, generators, {}, tiles.count, tiles.fingerprint)
        measured = {
            (source, target): _measured(
                made, (source, target), checked[source], checked[target], learnt[target]
            )
            for source, target in maps
        }
        return replace(made, measured=measured)

    def facts(self) -> Facts:
        return []

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        raise unfitted("style_transfer")


@dataclass(frozen=True, eq=False)
class FittedStyle:
    """Style transfer that knows its scanners."""

    p: float
    maps: dict[Pair, ColourMap] = field(repr=False)
    generators: dict[str, nn.Module] = field(repr=False)
    """Scanner -> what makes mapped colours look as it would show them."""
    measured: dict[Pair, Measured]
    tiles: int
    fitted_on: str

    def fitted(self, tiles: TrainingTiles) -> FittedStyle:
        require_split("What style_transfer learnt from", self.fitted_on, tiles)
        return self

    def facts(self) -> Facts:
        shown = [
            {"scanner": source, "shown_as": target, **asdict(measured)}
            for (source, target), measured in self.measured.items()
        ]
        return [{"name": "style_transfer", "tiles": self.tiles, "fitted_on": self.fitted_on,
                 "shown": shown}]  # fmt: skip

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        if len(draws.scanners) != len(draws):
            raise ParameterError(
                "style_transfer must know each tile's scanner: give their Draws scanners."
            )
        chosen = draws.chosen(self.p)
        pairs = self._pairs(draws.at(chosen))
        seen = images.clone() if chosen else images
        for pair in sorted(set(pairs)):
            of = [tile for tile, its in zip(chosen, pairs, strict=True) if its == pair]
            seen[of] = self.shown(pair, images[of])
        return seen

    def _pairs(self, draws: Draws) -> list[Pair]:
        """Draw for each tile one of the other scanners."""
        others = [[name for name in self.generators if name != own] for own in draws.scanners]
        picks = draws.below([len(some) for some in others]).tolist()
        return [
            (own, some[pick]) for own, some, pick in zip(draws.scanners, others, picks, strict=True)
        ]

    @torch.no_grad()
    def shown(self, pair: Pair, images: Tensor) -> Tensor:
        """Return a scanner's tiles (n, 3, y, x), 0 to 255, as another would show them."""
        generator = self.generators[pair[1]].to(images.device)
        made: Tensor = generator(self.maps[pair](images / WHITE))
        return made * WHITE


def _measured(
    style: FittedStyle, pair: Pair, checked: Parts, own: Parts, wanted: Parts
) -> Measured:
    """Measure what becomes of tiles that were not learnt from.

    Raises
    ------
    TrainingError
        When their colours end further from the other scanner's than they were, by more than its
        ``own`` tiles that were not learnt from are off.
    """
    before = as_images(checked)
    after = style.shown(pair, before * WHITE) / WHITE
    goal = _percentiles(as_images(wanted))
    off, left, chance = (
        round(WHITE * float(np.abs(_percentiles(of) - goal).mean()), 2)
        for of in (before, after, as_images(own))
    )
    if left > off + chance:
        raise TrainingError(
            f"style_transfer leaves tiles of {pair[0]}, shown as {pair[1]} would, further from its "
            f"colours than they were: {off:.1f} grey levels off before, {left:.1f} after, on "
            f"training tiles not learnt from ({len(checked)}). Give it more tiles of each scanner "
            "or a greater weight of colour, or take fda instead, or leave it out."
        )
    kept = float(ssim(luma(before), luma(after)).mean())
    return Measured(round(kept, 4), off, left, chance)


def _percentiles(images: Tensor) -> NDArray[np.float64]:
    """Return percentiles (100, 3) of each channel."""
    pixels = images[..., ::STRIDE, ::STRIDE].numpy()
    found: NDArray[np.float64] = np.percentile(pixels, _PERCENTS, (0, 2, 3))
    return found


def _parts_of(tiles: TrainingTiles, scanner: str, most: int) -> Parts:
    """Return middle parts (n, y, x, 3) of at most so many tiles of a scanner, evenly chosen."""
    of = [k for k, name in enumerate(tiles.scanners) if name == scanner]
    if len(of) < 2:
        raise TrainingError(
            f"style_transfer needs two training tiles of {scanner} or more, one to learn from and "
            "one to check on: leave it out, or add scans."
        )
    chosen = np.linspace(0, len(of) - 1, min(most, len(of))).round().astype(int).tolist()
    return np.stack(list(_middles(tiles, [of[k] for k in chosen])))


def _middles(tiles: TrainingTiles, chosen: Sequence[int]) -> Iterator[Parts]:
    side = min(2 * PART_PX, tiles.side_px)
    for tile in chosen:
        rgb = np.asarray(tiles.read(tile))
        padded = np.pad(
            rgb,
            ((0, max(side - rgb.shape[0], 0)), (0, max(side - rgb.shape[1], 0)), (0, 0)),
            "edge",
        )
        y, x = ((length - side) // 2 for length in padded.shape[:2])
        yield padded[y : y + side, x : x + side]
