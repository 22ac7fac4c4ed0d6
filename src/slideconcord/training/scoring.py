"""How good a model is on tiles, those that it did not see above all: by class, group and scanner.

Dice and IoU are means over tiles, and of all pixels counted together (pooled). A tile in which
neither the model nor the mask has the class has neither; it is counted apart. The *score* is that
of the COSAS challenge, (Dice + IoU) / 2 in the mean over all tiles, and there such a tile counts 1
(Kim et al. 2025, section 2.3, and its code).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from slideconcord.annotations.exchange import make_folder
from slideconcord.comparison.tables import Table, write_json
from slideconcord.errors import MismatchError
from slideconcord.provenance import fingerprint_json, record
from slideconcord.training.checks import tile_counts
from slideconcord.training.data.tile import own_mask, shown_to
from slideconcord.training.threshold_sweep import (
    THRESHOLDS,
    Levels,
    area_under_curve,
    count_levels,
    sweep,
)

if TYPE_CHECKING:
    from pathlib import Path

    from slideconcord.segmentation.model import Model
    from slideconcord.training.data.tile import Mask, Rgb, TileSource

Result = TypeVar("Result")
SCORES = ("dice", "iou", "score", "pooled_dice", "pooled_iou")
ALL = "all"
_BATCH = 16


@dataclass(frozen=True, slots=True)
class TilesDone:
    """So many tiles are done."""

    done: int
    total: int


@dataclass(frozen=True)
class Scoring:
    """How a model's answers to tiles agree with their masks."""

    classes: tuple[str, ...]
    groups: tuple[str, ...]
    """Of each tile, such as the diagnosis; empty where there is none."""
    scanners: tuple[str, ...]
    """Of each tile."""
    counts: NDArray[np.int64]
    """(tile, class, 3) pixels: found and true, found, true."""
    levels: Levels
    """Pixels of all tiles by the probability of the last class; see `count_levels`."""
    provenance: Mapping[str, Any]

    def scores(self, class_name: str = "", group: str = ALL, scanner: str = ALL) -> dict[str, Any]:
        """Return the scores of a class, the last one unless named; NaN where undefined."""
        number = self.classes.index(class_name) if class_name else -1
        chosen = [
            k for k, (g, s) in enumerate(zip(self.groups, self.scanners, strict=True))
            if group in (ALL, g) and scanner in (ALL, s)
        ]  # fmt: skip
        shared, found, true = self.counts[chosen, number].T
        sizes = found + true
        dice, iou = ratio(2 * shared, sizes), ratio(shared, sizes - shared)
        return {
            "dice": mean_defined(dice),
            "iou": mean_defined(iou),
            "score": mean_defined(np.nan_to_num((dice + iou) / 2, nan=1.0)),
            "pooled_dice": float(ratio(2 * shared.sum(), sizes.sum())),
            "pooled_iou": float(ratio(shared.sum(), sizes.sum() - shared.sum())),
            "tiles": int((sizes > 0).sum()),
            "empty_tiles": int((sizes == 0).sum()),
        }

    def table(self) -> Table:
        """Return a row for each class, with all tiles, and those of each group and scanner."""
        groups = [(group, ALL) for group in sorted({name for name in self.groups if name})]
        scanners = [(ALL, scanner) for scanner in sorted(set(self.scanners))]
        return Table.of(
            {"class": name, "group": group, "scanner": scanner, **self.scores(name, group, scanner)}
            for name, (group, scanner) in product(self.classes, [(ALL, ALL), *groups, *scanners])
        )

    def thresholds(self) -> Table:
        """Return what a threshold on the last class finds, 0 to 1, all pixels counted together."""
        return sweep(self.levels)

    def summary(self) -> dict[str, Any]:
        """Return the scores of the last class on all tiles, and the AUC of its pixels."""
        return {
            "class": self.classes[-1],
            **self.scores(),
            "pixel_auc": area_under_curve(self.levels),
        }

    def write(self, folder: Path) -> None:
        """Write scores.csv, thresholds.csv and scores.json into a folder.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        make_folder(folder)
        self.table().write_csv(folder / "scores.csv")
        self.thresholds().write_csv(folder / "thresholds.csv")
        told = {"summary": self.summary(), "scores": self.table().records()}
        write_json(record(**self.provenance, **told), folder / "scores.json")


def score(model: Model, source: TileSource, tiles: Sequence[int], tta: str = "none") -> Scoring:
    """Let a model segment tiles and hold its answers against their masks.

    Parameters and errors as of `score_steps`.
    """
    return finished(score_steps(model, source, tiles, tta))


def score_steps(
    model: Model, source: TileSource, tiles: Sequence[int], tta: str = "none"
) -> Generator[TilesDone, None, Scoring]:
    """Do what `score` does; yield after every few tiles.

    Parameters
    ----------
    model
        Its tiles may have any size: no tile is cut.
    source
        The data.
    tiles
        Which of them, such as those of the fold that the model did not see.
    tta
        "none", or "rotations": the mean answer to each tile turned four ways.

    Raises
    ------
    MismatchError
        When the model's classes are not those of the data, or it sees a context that they do not
        show.
    """
    check_classes(model, source)
    asked = model.rotated() if tta == "rotations" else model
    counts: list[NDArray[np.int64]] = []
    levels: Levels = np.zeros((2, len(THRESHOLDS)), np.int64)
    for rgb, masks in batches(asked, source, tiles):
        answers = asked.predict_batch(rgb)
        counts.extend(tile_counts(torch.from_numpy(answers), torch.from_numpy(masks)).numpy())
        levels += count_levels(answers, masks)
        yield TilesDone(len(counts), len(tiles))
    records = [source.records[tile] for tile in tiles]
    return Scoring(
        source.classes,
        tuple(each.group for each in records),
        tuple(each.scanner for each in records),
        np.stack(counts),
        levels,
        {
            "model": {"name": model.name, "hash": model.hash},
            "data": fingerprint_json({"data": source.fingerprint, "tiles": list(map(int, tiles))}),
            "tta": tta,
        },
    )


def check_classes(model: Model, source: TileSource) -> None:
    """Refuse a model of other classes than the data.

    Raises
    ------
    MismatchError
        Naming both.
    """
    if model.spec.classes != source.classes:
        raise MismatchError(
            f"The model {model.name} tells apart {', '.join(model.spec.classes)}, the data "
            f"{', '.join(source.classes)}: give the recipe that the model was trained with."
        )


def finished(steps: Generator[Any, None, Result]) -> Result:
    """Do all steps and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def ratio(above: Any, below: Any) -> Any:
    """Return the quotient; NaN where nothing is below."""
    with np.errstate(invalid="ignore"):
        return np.where(np.asarray(below) > 0, np.asarray(above) / np.maximum(below, 1), np.nan)


def mean_defined(values: NDArray[np.float64]) -> float:
    """Return the mean of what is defined; NaN where nothing is."""
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def batches(model: Model, source: TileSource, tiles: Sequence[int]) -> Iterator[tuple[Rgb, Mask]]:
    """Yield what the model is shown of tiles, and masks; neighbours of one size together."""
    for start in range(0, len(tiles), _BATCH):
        read = [source.read(tile) for tile in tiles[start : start + _BATCH]]
        shown = [(shown_to(model, rgb), own_mask(mask)) for rgb, mask in read]
        for _, alike in groupby(shown, lambda tile: tile[0].shape):
            rgb, masks = zip(*alike, strict=True)
            yield np.stack(rgb), np.stack(masks)
