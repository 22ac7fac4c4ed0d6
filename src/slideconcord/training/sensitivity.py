"""What a change of scanner does to a model's answers: accuracy and agreement on virtual scanners.

Every tile is looked at as it is and as each virtual scanner would show it (`samples.rescan`), its
context alike where the model sees one. The protocol is section 2.3 of SCORPION (Ryu et al. 2025,
arXiv 2507.20907): Dice of the predictions for each pair of scanners, their mean and the worst pair.
Agreement is never told without accuracy: a model that always says the same agrees with itself
perfectly.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations.exchange import make_folder
from slideconcord.comparison.tables import Table, write_json
from slideconcord.provenance import fingerprint_json, record
from slideconcord.samples.presets import FIVE_SCANNERS
from slideconcord.training.data.rescan import rescan_tile
from slideconcord.training.data.tile import IGNORE, own_mask, shown_to
from slideconcord.training.scoring import (
    TilesDone,
    check_classes,
    finished,
    mean_defined,
    ratio,
)

if TYPE_CHECKING:
    from pathlib import Path

    from slideconcord.samples.scanner import VirtualScanner
    from slideconcord.segmentation.model import Model
    from slideconcord.training.data.tile import Mask, Rgb, TileSource

Overlaps = NDArray[np.int64]
AS_IT_IS, REFERENCE = "as it is", "reference"


@dataclass(frozen=True)
class Sensitivity:
    """How a model answered to the same tiles by several scanners."""

    classes: tuple[str, ...]
    scanners: tuple[str, ...]
    groups: tuple[str, ...]
    """Of each tile, such as the diagnosis; empty where there is none."""
    overlaps: Overlaps
    """(tile, class, look, look): pixels that both looks call the class; on the diagonal its size.
    Looks are the tile as it is, the scanners, and last the reference."""
    provenance: Mapping[str, Any]

    @property
    def looks(self) -> tuple[str, ...]:
        return (AS_IT_IS, *self.scanners, REFERENCE)

    def tile_dice(self, first: str, second: str, class_name: str = "") -> NDArray[np.float64]:
        """Return the Dice of each tile (tile,); NaN where neither look has the class.

        The class is the last one unless named.
        """
        shared, sizes = self._counts(first, second, class_name)
        return ratio(2 * shared, sizes)

    def dice(self, first: str, second: str, class_name: str = "") -> float:
        """Return the mean of `tile_dice` over the tiles where it is defined."""
        return mean_defined(self.tile_dice(first, second, class_name))

    def accuracy(self) -> Table:
        """Return a row for each look, class and group: Dice and IoU with the reference."""
        return Table.of(
            {
                "look": look,
                "class": class_name,
                "group": group or "all",
                **self._scores(look, REFERENCE, class_name, group),
            }
            for look in self.looks[:-1]
            for class_name in self.classes
            for group in ("", *sorted({name for name in self.groups if name}))
        )

    def pairs(self) -> Table:
        """Return a row for each pair of scanners and class: Dice between the predictions."""
        return Table.of(
            {
                "first": first,
                "second": second,
                "class": class_name,
                **self._scores(first, second, class_name),
            }
            for first, second in combinations(self.scanners, 2)
            for class_name in self.classes
        )

    def summary(self) -> dict[str, Any]:
        """Return, for the last class, accuracy, mean over the pairs, and the worst pair by name."""
        accuracy = {look: self.dice(look, REFERENCE) for look in self.looks[:-1]}
        of_scanners = {name: accuracy[name] for name in self.scanners}
        pairs = {pair: self.dice(*pair) for pair in combinations(self.scanners, 2)}
        # NaN last: a pair of which neither finds anything says nothing.
        worst = min(pairs, key=lambda pair: (np.isnan(pairs[pair]), pairs[pair]))
        return {
            "class": self.classes[-1],
            "tiles": len(self.overlaps),
            "accuracy": accuracy[AS_IT_IS],
            "accuracy_scanners": mean_defined(np.array(list(of_scanners.values()))),
            "worst_scanner": min(of_scanners, key=lambda name: of_scanners[name]),
            "worst_scanner_accuracy": min(of_scanners.values()),
            "mean_pair": mean_defined(np.array(list(pairs.values()))),
            "worst_pair": list(worst),
            "worst_pair_dice": pairs[worst],
        }

    def write(self, folder: Path) -> None:
        """Write accuracy.csv, pairs.csv and sensitivity.json into a folder.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        make_folder(folder)
        self.accuracy().write_csv(folder / "accuracy.csv")
        self.pairs().write_csv(folder / "pairs.csv")
        write_json(record(**self.provenance, summary=self.summary()), folder / "sensitivity.json")

    def _counts(
        self, first: str, second: str, class_name: str, group: str = ""
    ) -> tuple[Overlaps, Overlaps]:
        """Return (tile,) the pixels that both call the class, and the sum of both sizes."""
        number = self.classes.index(class_name) if class_name else -1
        a, b = self.looks.index(first), self.looks.index(second)
        chosen = [i for i, name in enumerate(self.groups) if group in ("", name)]
        of = self.overlaps[chosen, number]
        return of[:, a, b], of[:, a, a] + of[:, b, b]

    def _scores(
        self, first: str, second: str, class_name: str, group: str = ""
    ) -> dict[str, float | int]:
        shared, sizes = self._counts(first, second, class_name, group)
        dice = ratio(2 * shared, sizes)
        total, both = shared.sum(), sizes.sum()
        return {
            "dice": mean_defined(dice),
            "iou": mean_defined(ratio(shared, sizes - shared)),
            "pooled_dice": float(ratio(2 * total, both)),
            "tiles": int(np.isfinite(dice).sum()),
        }


def measure_sensitivity(
    model: Model, source: TileSource, tiles: Sequence[int],
    scanners: Mapping[str, VirtualScanner] = FIVE_SCANNERS,
) -> Sensitivity:  # fmt: skip
    """Let a model segment tiles as several virtual scanners show them.

    Parameters and errors as of `sensitivity_steps`.
    """
    return finished(sensitivity_steps(model, source, tiles, scanners))


def sensitivity_steps(
    model: Model, source: TileSource, tiles: Sequence[int],
    scanners: Mapping[str, VirtualScanner] = FIVE_SCANNERS,
) -> Generator[TilesDone, None, Sensitivity]:  # fmt: skip
    """Do what `measure_sensitivity` does; yield after each tile.

    Parameters
    ----------
    model
        Its tiles may have any size: no tile is cut.
    source
        The data.
    tiles
        Which of them, such as those to check on.
    scanners
        By name; two or more.

    Raises
    ------
    MismatchError
        When the model's classes are not those of the data, or it sees a context that they do not
        show.
    """
    check_classes(model, source)
    found, spec = [], model.spec
    for done, tile in enumerate(tiles, 1):
        read, mask = source.read(tile)
        rgb = shown_to(model, read)
        views = (rescan_tile(rgb, s, spec.mpp, spec.context, tile) for s in scanners.values())
        answered = answers(model, [rgb, *views])
        found.append(_overlaps(answered, own_mask(mask), len(source.classes)))
        yield TilesDone(done, len(tiles))
    return Sensitivity(
        source.classes,
        tuple(scanners),
        tuple(source.records[tile].group for tile in tiles),
        np.stack(found),
        {
            "model": {"name": model.name, "hash": model.hash},
            "data": fingerprint_json({"data": source.fingerprint, "tiles": list(map(int, tiles))}),
            "scanners": {name: repr(scanner) for name, scanner in scanners.items()},
        },
    )


def answers(model: Model, looks: Iterable[Rgb]) -> Mask:
    """Return the class of every pixel (look, y, x) of tiles of one size, the likeliest one."""
    scores = model.predict_batch(np.stack(list(looks)))
    return scores.argmax(1).astype(np.uint8)


def _overlaps(found: Mask, mask: Mask, classes: int) -> Overlaps:
    """Return (class, look, look) pixels that two looks call the class; the last is the mask."""
    counted = mask != IGNORE
    labels = np.concatenate([found, mask[None]])[:, counted]
    of_class = [(labels == number).astype(np.float64) for number in range(classes)]
    return np.stack([each @ each.T for each in of_class]).round().astype(np.int64)
