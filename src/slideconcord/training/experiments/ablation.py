"""An ablation: a recipe with and without its parts, over seeds, and under virtual scanners.

The table is that of SCORPION (Ryu et al. 2025, arXiv 2507.20907, Table 1): scanner-paired Dice, its
mean over all pairs of scanners and its worst pair, beside the Dice with the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from slideconcord.training.data.prepare import tiles_of
from slideconcord.training.experiments.runs import Row, Run, unusual
from slideconcord.training.experiments.variant_tables import (
    averaged,
    comparable,
    markdown,
    write_summary,
)
from slideconcord.training.experiments.variants import (
    base_values,
    check_variants,
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
    scanner: str = ""
    """Only tiles of this one are measured, whatever is learnt from; of data.scanners when empty."""

    def __post_init__(self) -> None:
        check_variants(self.variants)

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
                unusual(self, "split", "scanner"),
            )
            for seed in range(1, self.seeds + 1)
            for name, changes in self.variants.items()
        ]

    def write(self, rows: Sequence[Row], out: Path, *, whole: bool) -> None:
        summary = self.summary(rows)
        text = markdown(summary, ("variant", "seeds"), SCORES)
        write_summary(rows, summary, out, text)

    def summary(self, rows: Sequence[Row]) -> list[Row]:
        """Return a row a variant: seeds, and mean and standard deviation of each score.

        Only seeds that all variants have done count, so that they are compared on the same ones.
        """
        rows = comparable(rows, self.variants, ["seed"])
        own = {name: [row for row in rows if row["variant"] == name] for name in self.variants}
        return [
            {"variant": name, "seeds": len(done), **averaged(done, SCORES)}
            for name, done in own.items()
        ]

    def to_json(self) -> Row:
        return without_recipe(asdict(self))

    def _measure(self, model: Model, source: TileSource, recipe: Recipe) -> list[Row]:
        tiles = tiles_of(recipe, source, self.split, self.scanner)
        summary = measure_sensitivity(model, source, tiles).summary()
        return [{**summary, "worst_pair": " / ".join(summary["worst_pair"])}]
