"""How often each tile is shown: balancing by repeating the rare, never by leaving out the common.

All ways but the last are one: tiles fall into strata, units (slides or tiles) of rarer strata are
chosen again and again, at random and such that none is chosen n + 1 times before all are n times
(the pan-cancer paper, *Dataset balancing*), until the strata stand in the wanted ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.training.data.tile import TileRecord

Counts = NDArray[np.int64]
Ratio = Mapping[str, float]
Key = Callable[[TileRecord], str]


def repeated(
    records: Sequence[TileRecord],
    stratum: Key,
    unit: Key,
    ratio: Ratio | None = None,
    seed: int = 0,
) -> Counts:
    """Return how often each tile (record,) is shown in an epoch; no tile is left out.

    Parameters
    ----------
    records
        The tiles to learn from.
    stratum
        What is to be balanced, such as the cancer type.
    unit
        What is repeated as a whole, such as the slide with all its scans.
    ratio
        Wanted ratio of the strata in units; equal when None.
    seed
        Names the choice of which are repeated once more.

    Raises
    ------
    ParameterError
        When the ratio does not name every stratum with a positive number.
    """
    strata: dict[str, dict[str, list[int]]] = {}
    for index, record in enumerate(records):
        strata.setdefault(stratum(record), {}).setdefault(unit(record), []).append(index)
    shares = _shares(ratio, strata)
    longest = max(len(units) / shares[name] for name, units in strata.items())
    counts: Counts = np.zeros(len(records), np.int64)
    random = np.random.default_rng(seed)
    for name in sorted(strata):
        units = [strata[name][key] for key in sorted(strata[name])]
        whole, rest = divmod(round(longest * shares[name]), len(units))
        once_more = set(random.permutation(len(units))[:rest].tolist())
        for k, indices in enumerate(units):
            counts[indices] = whole + (k in once_more)
    return counts


def _shares(ratio: Ratio | None, strata: Mapping[str, object]) -> Ratio:
    if ratio is None:
        return dict.fromkeys(strata, 1.0)
    for name in strata:
        if not ratio.get(name, 0) > 0:
            raise ParameterError(
                f"data.balance: the ratio gives {name!r} no positive share; "
                f"the data hold {', '.join(sorted(strata))}."
            )
    return ratio


@dataclass(frozen=True)
class EveryTile:
    """Each tile once an epoch."""

    def counts(self, records: Sequence[TileRecord], classes: Sequence[str], seed: int) -> Counts:
        return np.ones(len(records), np.int64)


@dataclass(frozen=True)
class BalanceSlides:
    """As many slides of each group: the pan-cancer paper's balancing by cancer type.

    A slide brings the tiles of all its scans, so scanners stay as they are.
    """

    ratio: dict[str, float] | None = None
    """Wanted ratio of the groups; equal when absent."""

    def counts(self, records: Sequence[TileRecord], classes: Sequence[str], seed: int) -> Counts:
        return repeated(records, lambda r: r.group, lambda r: r.slide, self.ratio, seed)


@dataclass(frozen=True)
class BalanceClasses:
    """Tiles by the class that matters most in them, in a ratio such as 2:1:1.

    A tile counts for the last class of the recipe that covers at least ``least`` of it, and for
    the first class when none does.
    """

    ratio: dict[str, float] | None = None
    """Wanted ratio of the classes; equal when absent."""
    least: float = 0.05
    every_batch: bool = False
    """Whether every stretch of the order has the ratio, and so every batch, not the epoch alone:
    the multi-level paper's *Class Imbalance*."""

    def main(self, record: TileRecord) -> int:
        """Return the number of the class that a tile counts for."""
        covered = [k for k, share in enumerate(record.shares) if share >= self.least]
        return covered[-1] if covered else 0

    def counts(self, records: Sequence[TileRecord], classes: Sequence[str], seed: int) -> Counts:
        return repeated(
            records, lambda r: classes[self.main(r)], lambda r: r.name, self.ratio, seed
        )


@dataclass(frozen=True)
class OversampleSlides:
    """As many tiles from each glass slide as from the one that has most."""

    def counts(self, records: Sequence[TileRecord], classes: Sequence[str], seed: int) -> Counts:
        return repeated(records, lambda r: r.slide, lambda r: r.name, None, seed)


@dataclass(frozen=True)
class BalanceScanners:
    """As many tiles from each scanner, or in a given ratio."""

    ratio: dict[str, float] | None = None

    def counts(self, records: Sequence[TileRecord], classes: Sequence[str], seed: int) -> Counts:
        return repeated(records, lambda r: r.scanner, lambda r: r.name, self.ratio, seed)


@dataclass(frozen=True)
class MixScanners:
    """Tiles of one scanner moved in among all others until they are a fraction of what is shown.

    The mixing of the scanner-shift paper (appendix A.1): the others stay as they are, tiles of
    ``scanner`` are drawn at random, and repeated where they do not suffice; the rest of them is
    left out.
    """

    scanner: str
    fraction: float

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise ParameterError(f"fraction {self.fraction:g} is out of range: give 0 to below 1")

    def counts(self, records: Sequence[TileRecord], classes: Sequence[str], seed: int) -> Counts:
        guests = [i for i, record in enumerate(records) if record.scanner == self.scanner]
        hosts = len(records) - len(guests)
        if not guests or not hosts:
            raise ParameterError(
                f"data.balance: {self.scanner!r} cannot be mixed into other scanners: "
                f"{len(guests)} of {len(records)} tiles are of it."
            )
        wanted = round(hosts * self.fraction / (1 - self.fraction))
        whole, rest = divmod(wanted, len(guests))
        counts: Counts = np.ones(len(records), np.int64)
        counts[guests] = whole
        counts[np.random.default_rng(seed).permutation(guests)[:rest]] += 1
        return counts


Balance = (
    EveryTile | BalanceSlides | BalanceClasses | OversampleSlides | BalanceScanners | MixScanners
)
BALANCES: MappingProxyType[str, type[Balance]] = MappingProxyType(
    {
        "none": EveryTile,
        "slides": BalanceSlides,
        "classes": BalanceClasses,
        "slide-oversampling": OversampleSlides,
        "scanners": BalanceScanners,
        "mix": MixScanners,
    }
)


class Order:
    """The endless order in which tiles are shown: epoch after epoch, each in a new order.

    A pure function of the place, so that a run resumed at a step sees what it would have seen.

    Parameters
    ----------
    counts
        How often each tile is shown in an epoch.
    seed
        Names the order.
    strata
        Number of the stratum of each tile (tile,), where each is to come evenly over the epoch.
    """

    def __init__(self, counts: Counts, seed: int, strata: Sequence[int] | None = None) -> None:
        self._shown = np.repeat(np.arange(len(counts)), counts)
        self._seed = seed
        self._strata = None if strata is None else np.asarray(strata)
        self._epoch, self._order = -1, self._shown

    @property
    def epoch_length(self) -> int:
        """Tiles shown in an epoch."""
        return len(self._shown)

    def __getitem__(self, place: int) -> int:
        """Return the tile shown at a place, counted from 0 over all epochs."""
        epoch, within = divmod(place, len(self._shown))
        if epoch != self._epoch:
            random = np.random.default_rng((self._seed, epoch))
            self._order = random.permutation(self._shown)
            if self._strata is not None:
                self._order = _evenly(self._order, self._strata[self._order], random)
            self._epoch = epoch
        return int(self._order[within])


def _evenly(order: Counts, strata: Counts, random: np.random.Generator) -> Counts:
    """Return the order with each stratum's tiles, in the order they have, at equal distances."""
    place = np.empty(len(order))
    for stratum in np.unique(strata):
        of = np.flatnonzero(strata == stratum)
        place[of] = (np.arange(len(of)) + random.random()) / len(of)
    return order[np.argsort(place)]
