"""Randomness of augmentations: one generator for each tile, a pure function of seed and place.

What happens to a tile depends neither on its batch, nor on how many devices share the batch, nor
on whether the run was interrupted before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor


class Draws:
    """Draws random numbers for the tiles of a batch, as tensors (tile,).

    Parameters
    ----------
    seed
        The run's.
    places
        Where each tile stands in the endless order of tiles.
    device
        Where the numbers are wanted.
    scanners
        The scanner of each tile, for what depends on it.
    """

    def __init__(
        self, seed: int, places: Iterable[int], device: torch.device | str = "cpu",
        scanners: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._each = [np.random.default_rng((seed, place)) for place in places]
        self._device = torch.device(device)
        self.scanners = tuple(scanners)

    def __len__(self) -> int:
        return len(self._each)

    def at(self, tiles: Iterable[int]) -> Draws:
        """Return what draws for some of the tiles: each goes on where its generator stands."""
        chosen = list(tiles)
        scanners = [self.scanners[tile] for tile in chosen] if self.scanners else ()
        some = Draws(0, (), self._device, scanners)
        some._each = [self._each[tile] for tile in chosen]
        return some

    def full(self, number: float) -> Tensor:
        """Return the same number for every tile; nothing is drawn."""
        return self._tensor([number] * len(self))

    def uniform(self, low: float, high: float) -> Tensor:
        """Return numbers from ``low`` to ``high``, float32."""
        return self._tensor([random.uniform(low, high) for random in self._each])

    def chance(self, p: float) -> Tensor:
        """Return True with probability ``p``, bool."""
        return self.uniform(0, 1) < p

    def chosen(self, p: float) -> list[int]:
        """Return the tiles that something of probability ``p`` befalls; nothing is copied."""
        return [tile for tile, random in enumerate(self._each) if random.uniform(0, 1) < p]

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers (tile, *shape), float32, the same on every device.

        For a few numbers a tile; `noise` is for whole images.
        """
        drawn = [random.standard_normal(shape) for random in self._each]
        numbers = np.array(drawn, np.float32).reshape(len(self), *shape)
        return torch.from_numpy(numbers).to(self._device)

    def integers(self, low: int, high: int) -> Tensor:
        """Return whole numbers from ``low`` to ``high``, both included, int64."""
        drawn = [int(random.integers(low, high + 1)) for random in self._each]
        return torch.tensor(drawn, dtype=torch.int64, device=self._device)

    def below(self, counts: Sequence[int]) -> Tensor:
        """Return a whole number from 0 to below each tile's count, int64."""
        drawn = [int(random.integers(n)) for random, n in zip(self._each, counts, strict=True)]
        return torch.tensor(drawn, dtype=torch.int64, device=self._device)

    def noise(self, *shape: int) -> Tensor:
        """Return standard normal noise (tile, *shape), float32."""
        numbers = torch.empty((len(self), *shape), device=self._device)
        return self._filled(numbers, lambda tile, by: tile.normal_(generator=by))

    def whole_noise(self, low: int, high: int, *shape: int) -> Tensor:
        """Return whole numbers (tile, *shape), int64, from ``low`` to ``high``, both included."""
        numbers = torch.empty((len(self), *shape), dtype=torch.int64, device=self._device)
        return self._filled(numbers, lambda tile, by: tile.random_(low, high + 1, generator=by))

    def _filled(self, numbers: Tensor, fill: Callable[[Tensor, torch.Generator], object]) -> Tensor:
        """Fill each tile by a generator of its own, on the device."""
        for tile, seed in zip(numbers, self.integers(0, 2**62).tolist(), strict=True):
            fill(tile, torch.Generator(self._device).manual_seed(seed))
        return numbers

    def _tensor(self, numbers: list[float]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=self._device)
