"""Style transfer between scanners: a small generator for each scanner, held to the structure.

The multi-level paper trains a StyleGAN from each scanner's tiles to the others' with SSIM "as a
loss while training", and mixes what it makes into training with probability 0.3; it gives no
numbers beyond that. Scanners differ in colour and sharpness, not in where things are: here a
generator adds what a few small convolutions make of a tile's surroundings, and a discriminator of
patches says whether the result could be of the other scanner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from slideconcord.errors import TrainingError
from slideconcord.training.augment.fitting import Facts, TrainingTiles, require_split, unfitted
from slideconcord.training.augment.geometry import Chance
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.ssim import ssim

WHITE = 255.0
_PART_PX = 64
_BATCH = 8
_RATE = 1e-3
_LUMA = (0.299, 0.587, 0.114)
_CHECKED = 16

Generators = dict[str, nn.Module]


@dataclass(frozen=True)
class StyleTransfer:
    """Show a tile as another of the training tiles' scanners would, by generators trained before.

    They learn from the training tiles alone, when the run begins.
    """

    steps: Annotated[int, Field(ge=1)] = 2000
    """Batches of 8 parts of 64 px that each generator learns from."""
    structure: Annotated[float, Field(ge=0)] = 4.0
    """Weight of 1 - SSIM of the brightness before and after."""
    p: Chance = 0.3
    """The paper's."""
    most_tiles: Annotated[int, Field(ge=1)] = 400
    """At most so many training tiles of each scanner are read."""
    seed: Annotated[int, Field(ge=0)] = 0

    def fitted(self, tiles: TrainingTiles) -> FittedStyle:
        """Train a generator towards each scanner.

        Raises
        ------
        TrainingError
            When the training tiles are of fewer than two scanners.
        """
        scanners = sorted(set(tiles.scanners))
        if len(scanners) < 2:
            raise TrainingError(
                f"style_transfer needs training tiles of two scanners, not of "
                f"{', '.join(scanners) or 'none that is named'}: leave it out, or add scans."
            )
        shown = {name: _parts_of(tiles, name, self.most_tiles) for name in scanners}
        generators: Generators = {}
        kept: dict[str, float] = {}
        for number, name in enumerate(scanners):
            others = np.concatenate([parts for other, parts in shown.items() if other != name])
            generators[name], kept[name] = trained(
                others, shown[name], self.steps, self.structure, self.seed + number
            )
        return FittedStyle(self.p, generators, kept, tiles.count, tiles.fingerprint)

    def facts(self) -> Facts:
        return []

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        raise unfitted("style_transfer")


@dataclass(frozen=True, eq=False)
class FittedStyle:
    """Style transfer that knows its scanners."""

    p: float
    generators: Generators = field(repr=False)
    """Scanner -> what shows a tile as it would."""
    ssim: dict[str, float]
    """Scanner -> structural similarity of tiles of the others before and after, at the end."""
    tiles: int
    fitted_on: str

    def fitted(self, tiles: TrainingTiles) -> FittedStyle:
        require_split("What style_transfer learnt from", self.fitted_on, tiles)
        return self

    def facts(self) -> Facts:
        return [{"name": "style_transfer", "tiles": self.tiles, "fitted_on": self.fitted_on,
                 "ssim": self.ssim}]  # fmt: skip

    def seen(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = draws.chosen(self.p)
        if not chosen:
            return images
        names = sorted(self.generators)
        targets = draws.at(chosen).integers(0, len(names) - 1).tolist()
        seen = images.clone()
        with torch.no_grad():
            for number, name in enumerate(names):
                of = [
                    tile for tile, target in zip(chosen, targets, strict=True) if target == number
                ]
                if of:
                    seen[of] = self.shown_as(name, images[of])
        return seen

    def shown_as(self, scanner: str, images: Tensor) -> Tensor:
        """Return tiles (n, 3, y, x), 0 to 255, as a scanner would show them."""
        shown: Tensor = self.generators[scanner].to(images.device)(images / WHITE)
        return shown * WHITE


class Generator(nn.Module):
    """Adds to each pixel what two layers of 16 channels make of its 5 x 5 neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, padding_mode="reflect"),
            nn.LeakyReLU(0.1),
            nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"),
            nn.LeakyReLU(0.1),
            last := nn.Conv2d(16, 3, 1),
        )
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Return images (n, 3, y, x), 0 to 1; of an untrained generator the same."""
        changed: Tensor = (images + self.change(images)).clamp(0, 1)
        return changed


def discriminator() -> nn.Module:
    """Return what judges patches of 22 px: a number for each, 1 for the real scanner."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 4),
    )


def trained(
    sources: np.ndarray, targets: np.ndarray, steps: int, structure: float, seed: int
) -> tuple[nn.Module, float]:
    """Train a generator from some scanners' parts to another's; return it and the SSIM it keeps.

    Least-squares adversarial losses (Mao et al. 2017) plus ``structure`` times 1 - SSIM.

    Parameters
    ----------
    sources, targets
        (n, y, x, 3) uint8.
    """
    random = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, judge = Generator(), discriminator()
    make, tell = (torch.optim.Adam(m.parameters(), _RATE, (0.5, 0.99)) for m in (generator, judge))
    for _ in range(steps):
        before, real = (_batch(parts, random) for parts in (sources, targets))
        after = generator(before)
        judged = (judge(real) - 1).square().mean() + judge(after.detach()).square().mean()
        _step(tell, judged)
        fooled = (judge(after) - 1).square().mean()
        _step(make, fooled + structure * (1 - ssim(_luma(before), _luma(after))).mean())
    generator.eval().requires_grad_(False)
    before = _batch(sources, random, _CHECKED)
    return generator, round(float(ssim(_luma(before), _luma(generator(before))).mean()), 4)


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _luma(images: Tensor) -> Tensor:
    weights = images.new_tensor(_LUMA)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def _batch(parts: np.ndarray, random: np.random.Generator, size: int = _BATCH) -> Tensor:
    """Return parts at random places (n, 3, y, x), 0 to 1, mirrored at random."""
    picked = parts[random.integers(0, len(parts), size)]
    side = min(_PART_PX, *picked.shape[1:3])
    y, x = (int(random.integers(0, length - side + 1)) for length in picked.shape[1:3])
    cut = picked[:, y : y + side, x : x + side]
    cut = cut[:, :, ::-1] if random.random() < 0.5 else cut
    return torch.from_numpy(np.ascontiguousarray(cut)).permute(0, 3, 1, 2) / WHITE


def _parts_of(tiles: TrainingTiles, scanner: str, most: int) -> np.ndarray:
    """Return middle parts (n, y, x, 3) of at most so many tiles of a scanner, evenly chosen."""
    of = [k for k, name in enumerate(tiles.scanners) if name == scanner]
    chosen = np.linspace(0, len(of) - 1, min(most, len(of))).round().astype(int).tolist()
    return np.stack(list(_middles(tiles, [of[k] for k in chosen])))


def _middles(tiles: TrainingTiles, chosen: Sequence[int]) -> Iterator[np.ndarray]:
    side = min(2 * _PART_PX, tiles.side_px)
    for tile in chosen:
        rgb = np.asarray(tiles.read(tile))
        padded = np.pad(
            rgb,
            ((0, max(side - rgb.shape[0], 0)), (0, max(side - rgb.shape[1], 0)), (0, 0)),
            "edge",
        )
        y, x = ((length - side) // 2 for length in padded.shape[:2])
        yield padded[y : y + side, x : x + side]
