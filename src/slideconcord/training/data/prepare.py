"""From a recipe's data settings to what a run learns from and checks on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError, TrainingError
from slideconcord.provenance import fingerprint_json
from slideconcord.training.augment.fitting import Facts, Fits, TrainingTiles, fit
from slideconcord.training.data.balance import BalanceClasses, Order
from slideconcord.training.data.pseudo import PseudoLabelled
from slideconcord.training.data.split import TEST, TRAIN, VAL, split_tiles
from slideconcord.training.data.tile import TileRecord, TileSource
from slideconcord.training.settings import unknown

if TYPE_CHECKING:
    from slideconcord.training.augment.chain import Augment
    from slideconcord.training.learner import MakesObjective
    from slideconcord.training.recipe import Recipe

Colour = tuple[float, float, float]
_DATA_SEED, _BALANCE_SEED, _ORDER_SEED = 1, 2, 3


@dataclass(frozen=True)
class Prepared:
    """Data ready to be learnt from."""

    source: TileSource
    train: tuple[int, ...]
    """Tiles of the source that are learnt from."""
    val: tuple[int, ...]
    """Tiles that are checked on."""
    order: Order
    """The order in which ``train`` is shown: gives places in ``train``."""
    mean: Colour
    std: Colour
    augment: Augment
    """Knows the colours of the tiles in ``train``, and of no others."""
    objective: MakesObjective

    def facts(self) -> dict[str, object]:
        """Return what may be told of the data: numbers, classes and scanners, nobody's name."""
        records = self.source.records
        used = [records[i] for i in (*self.train, *self.val)]
        return {
            "fingerprint": self.source.fingerprint,
            "train_tiles": len(self.train),
            "val_tiles": len(self.val),
            "tiles_an_epoch": self.order.epoch_length,
            "patients": len({record.patient for record in used}),
            "slides": len({record.slide for record in used}),
            "scanners": sorted({record.scanner for record in used}),
            "groups": sorted({record.group for record in used if record.group}),
            "class_shares": _mean_shares([records[i] for i in self.train], self.source.classes),
            "measured": self._measured(),
            **(
                {"labelled": self.source.facts()} if isinstance(self.source, PseudoLabelled) else {}
            ),
        }

    def _measured(self) -> Facts:
        objective = self.objective
        own = objective.facts() if isinstance(objective, Fits) else []
        return [*self.augment.facts(), *own]


def prepare(recipe: Recipe, readers: int = 4, source: TileSource | None = None) -> Prepared:
    """Open the data of a recipe, split, thin out and balance them, and measure their colours.

    Parameters
    ----------
    recipe
        What to learn.
    readers
        Tiles read at the same time.
    source
        The recipe's data, where they are open already.

    Raises
    ------
    TrainingError
        When there is nothing to learn from, or only one class.
    MismatchError
        When a patient or slide would be learnt from and tested on.
    ParameterError
        When a setting does not fit the data.
    """
    source = source or recipe.open()
    records = source.records
    train, val = (tiles_of(recipe, source, which) for which in (TRAIN, VAL))
    train = [i for i in train if keeps(records[i], recipe.data.most_background)]
    _refuse_one_class([records[i] for i in train], source.classes)
    learnt = [records[i] for i in train]
    counts = recipe.balance.counts(learnt, source.classes, _seed(recipe.seed, _BALANCE_SEED))
    # What is never shown must not be measured either.
    train, counts = [i for i, n in zip(train, counts, strict=True) if n], counts[counts > 0]
    order = Order(counts, _seed(recipe.seed, _ORDER_SEED), _strata(recipe, records, train))
    mean, std = _colours(recipe, source, train, readers)
    tiles = _training_tiles(recipe, source, train)
    return Prepared(
        source, tuple(train), _chosen(val, recipe.train.check_tiles), order, mean, std,
        recipe.augmentation.fitted(tiles), fit(recipe.objective_settings, tiles),
    )  # fmt: skip


def _strata(
    recipe: Recipe, records: Sequence[TileRecord], train: Sequence[int]
) -> list[int] | None:
    """Return which of the classes that every batch is balanced by each tile counts for."""
    balance = recipe.balance
    if not isinstance(balance, BalanceClasses) or not balance.every_batch:
        return None
    return [balance.main(records[i]) for i in train]


def _training_tiles(recipe: Recipe, source: TileSource, train: Sequence[int]) -> TrainingTiles:
    return TrainingTiles(
        lambda k: _tile(source.read(train[k])[0]),
        len(train),
        fingerprint_json({"data": source.fingerprint, "train": list(train)}),
        recipe.augmentation.side_px(recipe.data.tile_px),
        recipe.data.grid,
        tuple(source.records[index].scanner for index in train),
        _held_out_scans(recipe, source.records),
    )


def _held_out_scans(recipe: Recipe, records: Sequence[TileRecord]) -> frozenset[str]:
    """Return the scans, of whichever scanner, whose patients are checked or tested on."""
    parts = _split(recipe, records)
    return frozenset(records[i].scan for i in (*parts[VAL], *parts[TEST])) - {""}


def _tile(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the tile alone, without its context."""
    return rgb if rgb.ndim == 3 else rgb[0]


def tiles_of(recipe: Recipe, source: TileSource, split: str, scanner: str = "") -> list[int]:
    """Return the tiles of a source that are in a split: "train", "val" or "test".

    Parameters
    ----------
    recipe, source
        The recipe, and its data as opened.
    split
        Which.
    scanner
        Only tiles of this one; when empty, of ``data.scanners``.

    Raises
    ------
    TrainingError
        When there are none.
    MismatchError
        When a patient or slide would be in two splits.
    ParameterError
        When no tile is of such a scanner.
    """
    records = source.records
    tiles = _split(recipe, records)[split]
    wanted = (scanner,) if scanner else recipe.data.scanners
    known = sorted({record.scanner for record in records})
    for name in wanted:
        if name not in known:
            raise unknown("data.scanners:", name, known)
    found = [i for i in tiles if not wanted or records[i].scanner in wanted]
    if not found:
        of = f" of {', '.join(wanted)}" if wanted else ""
        raise TrainingError(
            f"No tile{of} is in the split {split}: give more patients, or choose another split."
        )
    return found


def _split(recipe: Recipe, records: Sequence[TileRecord]) -> dict[str, list[int]]:
    """Return the tiles of "train", "val" and "test", of all scanners."""
    data, seed = recipe.data, _seed(recipe.seed, _DATA_SEED)
    parts = split_tiles(records, data.val, seed, data.test, data.folds, data.fold, data.fold_by)
    return dict(zip((TRAIN, VAL, TEST), parts, strict=True))


def keeps(record: TileRecord, most_background: float) -> bool:
    """Whether a tile is learnt from: it has the last class, or little of the first.

    The pan-cancer paper (*Background tile exclusion*) keeps every tile with tumour, and of the
    others those of which less than half is white background.
    """
    if most_background >= 1 or not record.shares:
        return True
    return record.shares[-1] > 0 or record.shares[0] < most_background


def measure(source: TileSource, tiles: Sequence[int], readers: int = 4) -> tuple[Colour, Colour]:
    """Return mean and standard deviation of red, green, blue, on the scale 0 to 1.

    Each tile counts the same, whatever its size: the mean is that of the tiles' means, and the
    variance that of their variances (equations 1 and 2 of the pan-cancer paper).
    """

    def one(index: int) -> NDArray[np.float64]:
        pixels = source.read(index)[0].reshape(-1, 3).astype(np.float64)
        return np.stack([pixels.mean(0), pixels.var(0, ddof=1)])

    total: NDArray[np.float64] = np.zeros((2, 3))
    with ThreadPoolExecutor(readers) as pool:
        for sums in pool.map(one, tiles):
            total += sums
    mean, variance = total / len(tiles)
    red, green, blue = (mean / 255).tolist()
    # A channel that never changes must not be divided by 0.
    std = np.maximum(np.sqrt(variance), 1.0) / 255
    return (red, green, blue), (float(std[0]), float(std[1]), float(std[2]))


def _colours(
    recipe: Recipe, source: TileSource, train: Sequence[int], readers: int
) -> tuple[Colour, Colour]:
    given = recipe.standardise
    if given == "measure":
        return measure(source, train, readers)
    if not isinstance(given, dict) or set(given) != {"mean", "std"}:
        raise ParameterError('standardise must be "measure", or give both mean and std.')
    return given["mean"], given["std"]


def _refuse_one_class(records: Sequence[TileRecord], classes: Sequence[str]) -> None:
    if not records:
        raise TrainingError(
            "No tile is left to learn from: raise data.most_background, or check the annotations."
        )
    seen = [name for name, share in _mean_shares(records, classes).items() if share > 0]
    if len(seen) < 2:
        raise TrainingError(
            f"Every pixel to learn from is {seen[0] if seen else 'ignored'!r}; one class alone "
            f"teaches nothing. The classes are {', '.join(classes)}: check labels and split."
        )


def _mean_shares(records: Sequence[TileRecord], classes: Sequence[str]) -> dict[str, float]:
    means = np.mean([record.shares for record in records], axis=0).tolist()
    return {name: round(mean, 6) for name, mean in zip(classes, means, strict=True)}


def _chosen(tiles: Sequence[int], most: int | None) -> tuple[int, ...]:
    """Return at most so many tiles, evenly spread over all."""
    if most is None or most >= len(tiles):
        return tuple(tiles)
    return tuple(tiles[round(k)] for k in np.linspace(0, len(tiles) - 1, most))


def _seed(seed: int, purpose: int) -> int:
    return int(np.random.SeedSequence((seed, purpose)).generate_state(1)[0])


def padded(
    rgb: NDArray[np.uint8], mask: NDArray[np.uint8], side: int, outside: int,
    pad_value: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:  # fmt: skip
    """Return both padded evenly to a square.

    The mask with ``outside``; the image with ``pad_value``, or as in a mirror where that is None.
    """
    y, x = side - mask.shape[-2], side - mask.shape[-1]
    if not (y or x):
        return rgb, mask
    levels = ((0, 0),) * (mask.ndim - 2)
    around = (*levels, (y // 2, y - y // 2), (x // 2, x - x // 2))
    how: dict[str, Any] = (
        {"mode": "symmetric"} if pad_value is None else {"constant_values": pad_value}
    )
    return np.pad(rgb, (*around, (0, 0)), **how), np.pad(mask, around, constant_values=outside)
