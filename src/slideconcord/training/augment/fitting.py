"""Augmentations that know the colours of the training tiles, and how they come to know them.

Only tiles that are learnt from are ever shown to them: what is measured says so by the split's
fingerprint, and is refused where another split is learnt from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from slideconcord.errors import MismatchError, ParameterError, TrainingError
from slideconcord.training.data.tile import Grid, Rgb

Part = TypeVar("Part")
Facts = list[dict[str, Any]]
_SHOWN = 12


@dataclass(frozen=True)
class TrainingTiles:
    """The tiles that are learnt from, for measuring their colours."""

    read: Callable[[int], Rgb]
    """Reads the k-th of them, (y, x, 3) uint8."""
    count: int
    fingerprint: str
    """SHA-256 of the data and of which of its tiles are learnt from."""
    side_px: int
    """Side that tiles have when their colours are changed, after all that moves pixels."""
    grid: Grid
    """How they were cut."""
    scanners: tuple[str, ...] = ()
    """The scanner of each of them."""
    held_out: frozenset[str] = frozenset()
    """`TileRecord.scan` of the tiles that are checked or tested on, where known."""

    def evenly(self, most: int, scanners: Collection[str] = ()) -> list[int]:
        """Return at most so many tiles, evenly chosen among all, or among those of some scanners.

        Raises
        ------
        TrainingError
            When there are none.
        """
        those = [k for k in range(self.count) if not scanners or self.scanners[k] in scanners]
        if not those:
            raise TrainingError("There are no training tiles to measure colours on.")
        chosen = np.linspace(0, len(those) - 1, min(most, len(those))).round().astype(int)
        return [those[k] for k in chosen.tolist()]

    def image(self, tile: int) -> Tensor:
        """Return a tile (1, 3, y, x) float32."""
        return torch.from_numpy(np.array(self.read(tile), np.float32)).permute(2, 0, 1)[None]

    def images(self, most: int) -> Iterator[Tensor]:
        """Yield at most so many tiles (1, 3, y, x) float32, evenly chosen among all.

        Raises
        ------
        TrainingError
            When there are none.
        """
        return map(self.image, self.evenly(most))


@runtime_checkable
class Fits(Protocol):
    """A part that measures training tiles before it can be used."""

    def fitted(self, tiles: TrainingTiles) -> Any:
        """Return the part that knows them.

        Raises
        ------
        MismatchError
            When it was given what was measured on other tiles.
        """
        ...

    def facts(self) -> Facts:
        """Return what each measuring part found: its ``name``, how many ``tiles``, ``fitted_on``
        which split, and more, as plain values; nobody's name.
        """
        ...


def fit(part: Part, tiles: TrainingTiles) -> Part:
    """Return the part as it is ready for use with these training tiles."""
    return part.fitted(tiles) if isinstance(part, Fits) else part


def unfitted(name: str) -> ParameterError:
    """Return the error for a part that is used before it has measured anything."""
    return ParameterError(f"{name} knows no stains yet: call fitted(tiles) with training tiles.")


def require_split(what: str, fitted_on: str, tiles: TrainingTiles) -> None:
    """Refuse what was measured on other tiles than those that are learnt from.

    Raises
    ------
    MismatchError
        Naming both splits.
    """
    if fitted_on != tiles.fingerprint:
        raise MismatchError(
            f"{what} was measured on other tiles ({fitted_on[:_SHOWN] or 'unnamed'}) than are "
            f"learnt from here ({tiles.fingerprint[:_SHOWN]}): colours of tiles that are checked "
            "on could leak into training. Leave it out, to have it measured on the training split."
        )
