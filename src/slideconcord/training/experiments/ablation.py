"""An ablation: a recipe with and without its parts, over seeds, and under virtual scanners.

The table is that of SCORPION (Ryu et al. 2025, arXiv 2507.20907, Table 1): scanner-paired Dice, its
mean over all pairs of scanners and its worst pair, beside the Dice with the reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from slideconcord.annotations.exchange import atomic
from slideconcord.comparison.tables import Table, write_json
from slideconcord.errors import ParameterError
from slideconcord.training.data.prepare import tiles_of
from slideconcord.training.experiments.runs import Row, Run
from slideconcord.training.experiments.variants import (
    base_values,
    located,
    variant,
    without_recipe,
)
from slideconcord.training.sensitivity import measure_sensitivity

if TYPE_CHECKING:
    from slideconcord.segmentation.model import Model
    from slideconcord.training.data.tile import TileSource
    from slideconcord.training.recipe import Recipe

SCORES = {
    "accuracy": "Dice",
    "accuracy_scanners": "Dice, scanners",
    "worst_scanner_accuracy": "Dice, worst scanner",
    "mean_pair": "pairs, mean",
    "worst_pair_dice": "pairs, worst",
}
"""What is averaged over seeds, and how the table calls it; all of the last class."""


@dataclass(frozen=True)
class Ablation:
    """Settings of an ablation."""

    variants: dict[str, dict[str, Any]]
    """Name -> settings of the recipe to replace; the first one is what the others are held to."""
    recipe: str | dict[str, Any]
    """A bundled recipe's name, or its settings."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings of the recipe that all variants replace."""
    seeds: Annotated[int, Field(ge=1)] = 5
    """Every variant is trained with the seeds 1, 2, and so on; a seed names start and order."""
    split: Literal["val", "test"] = "val"
    """The tiles that the table is measured on."""

    def __post_init__(self) -> None:
        if not self.variants:
            raise ParameterError("variants names none: there is nothing to compare")
        for name in self.variants:
            if not re.fullmatch(r"[\w.+-]+", name):
                raise ParameterError(
                    f"the variant {name!r} becomes a folder: name it with letters, digits and _.+-"
                )

    def base(self, data: str | Path | None) -> Recipe:
        return located(base_values(self.recipe, self.changes), data)

    def runs(self, recipe: Recipe, source: TileSource) -> list[Run]:
        """Return seed after seed all variants, so that each has as many when time runs out."""
        return [
            Run(
                f"seed-{seed}/{name}",
                {"variant": name, "seed": seed},
                variant(recipe, {**changes, "seed": seed}),
                self._measure,
            )
            for seed in range(1, self.seeds + 1)
            for name, changes in self.variants.items()
        ]

    def write(self, rows: Sequence[Row], out: Path, *, whole: bool) -> None:
        Table.of(rows).write_csv(out / "runs.csv")
        summary = self.summary(rows)
        Table.of(summary).write_csv(out / "table.csv")
        write_json(summary, out / "table.json")
        with atomic(out / "table.md") as partial:
            partial.write_text(markdown(summary), encoding="utf-8")

    def summary(self, rows: Sequence[Row]) -> list[Row]:
        """Return a row a variant: seeds, and mean and standard deviation of each score.

        Only seeds that all variants have done count, so that they are compared on the same ones.
        """
        done = [{row["seed"] for row in rows if row["variant"] == name} for name in self.variants]
        common = set.intersection(*done) or set.union(*done)
        table = []
        for name in self.variants:
            own = [row for row in rows if row["variant"] == name and row["seed"] in common]
            scores: Row = {}
            for score in SCORES:
                values = [row[score] for row in own if row[score] is not None]
                scores[score] = fmean(values) if values else None
                scores[f"{score}_sd"] = stdev(values) if len(values) > 1 else None
            table.append({"variant": name, "seeds": len(own), **scores})
        return table

    def to_json(self) -> Row:
        return without_recipe(asdict(self))

    def _measure(self, model: Model, source: TileSource, recipe: Recipe) -> list[Row]:
        tiles = tiles_of(recipe, source, self.split)
        summary = measure_sensitivity(model, source, tiles).summary()
        return [{**summary, "worst_pair": " / ".join(summary["worst_pair"])}]


def markdown(summary: Sequence[Row]) -> str:
    """Return the table as Markdown, in percent, with standard deviations over the seeds."""
    lines = [
        f"| variant | seeds | {' | '.join(SCORES.values())} |",
        "|" + "---|" * (2 + len(SCORES)),
    ]
    for row in summary:
        cells = [_percent(row[score], row[f"{score}_sd"]) for score in SCORES]
        lines.append(f"| {row['variant']} | {row['seeds']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _percent(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return "–"
    return f"{100 * mean:.2f}" + ("" if sd is None else f" ± {100 * sd:.2f}")
