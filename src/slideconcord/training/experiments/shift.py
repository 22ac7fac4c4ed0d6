"""The scanner-shift study: train on one scanner, test on each, over seeds.

Protocol: Guo, Lu, Szumel et al., *The impact of scanner domain shift on deep learning performance
in medical imaging* (radiology), section 3.1 and appendix A; here for pathology and segmentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from slideconcord.errors import ParameterError
from slideconcord.training.data.prepare import tiles_of
from slideconcord.training.data.tile import IGNORE
from slideconcord.training.experiments.runs import Row, Run, unusual
from slideconcord.training.experiments.shift_plots import draw_shift
from slideconcord.training.experiments.shift_tables import write_tables
from slideconcord.training.experiments.variants import (
    base_values,
    located,
    variant,
    without_recipe,
)
from slideconcord.training.scoring import batches, mean_defined, ratio
from slideconcord.training.settings import unknown

if TYPE_CHECKING:
    from slideconcord.segmentation.model import Model
    from slideconcord.training.data.tile import Mask, TileSource
    from slideconcord.training.recipe import Recipe

Fraction = Annotated[float, Field(gt=0, lt=1)]
GreyLevels = Annotated[float, Field(gt=0, le=255)]


@dataclass(frozen=True)
class ScannerShift:
    """Settings of a scanner-shift study; the defaults are the paper's."""

    recipe: str | dict[str, Any]
    """A bundled recipe's name, or its settings: the same for all scanners."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings of the recipe to replace."""
    scanners: tuple[str, ...] = ()
    """Those of the study; all of the data when empty."""
    seeds: Annotated[int, Field(ge=1)] = 10
    """A seed names the split (where the data leave it open), the start and the order."""
    mixing: tuple[Fraction, ...] = (0.1, 0.2, 0.3, 0.4, 0.5)
    """Fractions of the training tiles that are of the scanner tested on."""
    noise: tuple[GreyLevels, ...] = (1, 2, 3, 4, 5, 7, 10, 15, 30, 50)
    """Standard deviations of noise added to training tiles, in grey levels of 255."""
    more_seeds: Annotated[int, Field(ge=1)] = 3
    """Seeds of mixing and noise."""
    more_scanners: tuple[str, ...] = ()
    """Those that mixing and noise are learnt from; all of the study when empty."""
    val: Fraction = 1 / 6
    test: Fraction = 1 / 6
    tile_share: Fraction = 0.05
    """A tile is positive, for the AUC, when the last class covers this share of it."""

    def base(self, data: str | Path | None) -> Recipe:
        values = base_values(self.recipe, self.changes)
        return variant(located(values, data), {"data": {"val": self.val, "test": self.test}})

    def runs(self, recipe: Recipe, source: TileSource) -> list[Run]:
        """Return the matrix seed after seed, then mixing and noise.

        Raises
        ------
        ParameterError
            When a scanner is not named, not known, or there is only one.
        """
        scanners = self._known(source)
        for name in self.more_scanners:
            if name not in scanners:
                raise unknown("scanner-shift.more_scanners:", name, scanners)
        return [
            *(
                run
                for seed in range(1, self.seeds + 1)
                for run in self._matrix(recipe, scanners, seed)
            ),
            *(
                run
                for seed in range(1, self.more_seeds + 1)
                for runs in (self._mixing, self._noise)
                for run in runs(recipe, scanners, seed)
            ),
        ]

    def write(self, rows: Sequence[Row], out: Path, *, whole: bool) -> None:
        tables = write_tables(rows, out)
        if whole:
            draw_shift(tables, out)

    def to_json(self) -> Row:
        return without_recipe(asdict(self))

    def _known(self, source: TileSource) -> tuple[str, ...]:
        known = sorted({record.scanner for record in source.records})
        if "unknown" in known:
            raise ParameterError(
                "Some tiles name no scanner, so nobody knows what is shifted: add the column "
                "scanner to the data."
            )
        for name in self.scanners:
            if name not in known:
                raise unknown("scanner-shift.scanners:", name, known)
        chosen = self.scanners or tuple(known)
        if len(chosen) < 2:
            raise ParameterError(
                f"The tiles are of {len(chosen)} scanner ({', '.join(chosen)}): a shift needs two."
            )
        return chosen

    def _matrix(self, recipe: Recipe, scanners: Sequence[str], seed: int) -> Iterator[Run]:
        for j in scanners:
            about = {"kind": "matrix", "level": 0.0, "seed": seed, "train": j}
            changes = {"seed": seed, "data": {"scanners": [j]}}
            name = f"matrix/seed-{seed}/{_plain(j)}"
            yield self._run(name, about, recipe, changes, scanners)

    def _mixing(self, recipe: Recipe, scanners: Sequence[str], seed: int) -> Iterator[Run]:
        among = self.more_scanners or scanners
        for j in among:
            for k in among:
                for fraction in self.mixing if j != k else ():
                    about = {"kind": "mixing", "level": fraction, "seed": seed, "train": j}
                    mix = {"mix": {"scanner": k, "fraction": fraction}}
                    changes = {"seed": seed, "data": {"scanners": [j, k], "balance": mix}}
                    name = f"mixing/seed-{seed}/{_plain(j)}+{_plain(k)}-{fraction:g}"
                    yield self._run(name, about, recipe, changes, [k])

    def _noise(self, recipe: Recipe, scanners: Sequence[str], seed: int) -> Iterator[Run]:
        for j in self.more_scanners or scanners:
            for sd in self.noise:
                about = {"kind": "noise", "level": float(sd), "seed": seed, "train": j}
                noise = {"noise": {"variance": [sd**2, sd**2], "p": 1.0}}
                changes = {"seed": seed, "data": {"scanners": [j]},
                           "augment+": [noise]}  # fmt: skip
                name = f"noise/seed-{seed}/{_plain(j)}-{sd:g}"
                yield self._run(name, about, recipe, changes, scanners)

    def _run(
        self, name: str, about: Row, recipe: Recipe, changes: Row, tested: Sequence[str]
    ) -> Run:
        def measure(model: Model, source: TileSource, made: Recipe) -> list[Row]:
            rows = []
            for k in tested:
                tiles = tiles_of(made, source, "test", k)
                scores = scores_on(model, source, tiles, self.tile_share)
                if made.data.tile_labels is not None:  # the outline of a whole tile says nothing
                    scores |= {"dice": np.nan, "iou": np.nan}
                rows.append({"test": k, **scores})
            return rows

        by = unusual(self, "tile_share")
        return Run(name, about, variant(recipe, changes), measure, by)


def _plain(scanner: str) -> str:
    """Return a name that every file system takes."""
    return re.sub(r"[^\w.+-]+", "-", scanner)


def scores_on(
    model: Model, source: TileSource, tiles: Sequence[int], tile_share: float
) -> dict[str, float | int]:
    """Return Dice and IoU of the last class, mean over the tiles that have it, and the AUC.

    The AUC is of telling tiles with the class from tiles without it, by its mean probability over
    the tile. NaN where it is undefined.
    """
    number = len(source.classes) - 1
    dice, iou, scores = [], [], []
    for rgb, masks in batches(model, source, tiles):
        for mask, probability in zip(masks, model.predict_batch(rgb), strict=True):
            shared, sizes = _sizes(probability.argmax(0) == number, mask, number)
            dice.append(ratio(2 * shared, sizes))
            iou.append(ratio(shared, sizes - shared))
            scores.append(float(probability[-1][mask != IGNORE].mean()))
    positive = [source.records[tile].shares[-1] >= tile_share for tile in tiles]
    return {
        "dice": mean_defined(np.array(dice)),
        "iou": mean_defined(np.array(iou)),
        "auc": auc(np.array(scores), np.array(positive)),
        "tiles": len(tiles),
    }


def auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve; NaN without a positive or without a negative.

    It is the chance that a positive one scores higher than a negative one, ties counting half.
    """
    from scipy.stats import rankdata

    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def _sizes(found: NDArray[np.bool_], mask: Mask, number: int) -> tuple[int, int]:
    counted = mask != IGNORE
    truth, given = mask == number, found & counted
    return int((given & truth).sum()), int(given.sum() + truth.sum())
