"""Which training tiles a tile takes colours from: any, or those of other scanners than its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from slideconcord.errors import ParameterError, TrainingError
from slideconcord.training.augment.fitting import TrainingTiles
from slideconcord.training.augment.random import Draws
from slideconcord.training.settings import unknown

Of = Literal["any", "other_scanners"]


@dataclass(frozen=True, eq=False)
class Givers:
    """Training tiles that others take something from."""

    of: Of
    """Which of them a tile may take from."""
    scanners: tuple[str, ...] = field(repr=False)
    """The scanner of each."""

    @classmethod
    def of_tiles(cls, of: Of, tiles: TrainingTiles, chosen: Sequence[int]) -> Givers:
        """Return some of the training tiles as those that give.

        Raises
        ------
        ParameterError
            When a training tile would have none to take from.
        """
        made = cls(of, tuple(tiles.scanners[k] if tiles.scanners else "" for k in chosen))
        if of == "other_scanners":
            for name in set(tiles.scanners):
                made.others(name)
        return made

    def facts(self) -> dict[str, Any]:
        """Return whose tiles they are, where that matters, as plain values."""
        return {"of": self.of, "scanners": sorted(set(self.scanners) - {""})}

    def __len__(self) -> int:
        return len(self.scanners)

    def picked(self, draws: Draws) -> Tensor:
        """Draw one for each tile, (tile,) int64.

        Raises
        ------
        ParameterError
            When a tile's scanner must be known and is not, or no other scanner's tile gives.
        """
        if self.of == "any":
            return draws.integers(0, len(self) - 1)
        if len(draws.scanners) != len(draws):
            raise ParameterError(
                "of: other_scanners must know each tile's scanner: give their Draws scanners."
            )
        others = {name: self.others(name) for name in set(draws.scanners)}
        of_each = [others[name] for name in draws.scanners]
        picks = draws.below([len(some) for some in of_each]).tolist()
        chosen = [some[pick] for some, pick in zip(of_each, picks, strict=True)]
        return torch.tensor(chosen, dtype=torch.int64)

    def others(self, scanner: str) -> list[int]:
        """Return those of other scanners than this one.

        Raises
        ------
        ParameterError
            When there are none.
        """
        found = [k for k, name in enumerate(self.scanners) if name != scanner]
        if not found:
            raise ParameterError(
                f"of: other_scanners: no training tile of another scanner than {scanner!r} has "
                "anything to give. Take of: any, or more scanners."
            )
        return found


def giving(
    what: str, tiles: TrainingTiles, most: int, of: Of, scanners: Sequence[str]
) -> list[int]:
    """Return at most so many training tiles that may give, evenly chosen.

    Parameters
    ----------
    what
        The part that takes, for errors.
    tiles, most
        The training tiles, and how many of them at most.
    of
        As in `Givers`.
    scanners
        Only tiles of these give; of all when empty.

    Raises
    ------
    ParameterError
        When no training tile is of such a scanner.
    TrainingError
        When there is none at all, or none of a second scanner where it is needed.
    """
    known = sorted(set(tiles.scanners))
    for name in scanners:
        if name not in known:
            raise unknown(f"{what}.scanners:", name, known)
    if of == "other_scanners" and len(known) < 2:
        raise TrainingError(
            f"{what} with of: other_scanners needs training tiles of two scanners, not of "
            f"{', '.join(known) or 'none that is named'}: take of: any, or add scans."
        )
    return tiles.evenly(most, scanners)
