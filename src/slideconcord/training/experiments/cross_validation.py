"""Cross-validation: variants of a recipe, each model scored on the fold that it did not see.

The table is that of the stain-separation paper (Kim et al. 2025, doi 10.3233/SHTI250272, Table 1):
Dice and IoU, mean over folds that each have their share of every scanner; and by scanner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from slideconcord.errors import ParameterError
from slideconcord.training.data.prepare import tiles_of
from slideconcord.training.data.split import TEST
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
from slideconcord.training.scoring import ALL, score

if TYPE_CHECKING:
    from slideconcord.segmentation.model import Model
    from slideconcord.training.data.tile import TileSource
    from slideconcord.training.recipe import Recipe

SCORES = {
    "dice": "Dice",
    "iou": "IoU",
    "score": "(Dice + IoU) / 2",
    "pooled_dice": "Dice, pooled",
    "pooled_iou": "IoU, pooled",
}
"""What is averaged over folds and seeds, and how the table calls it; all of the last class."""

_SAME_TILES = {"seed", "data.source", "data.folds", "data.fold", "data.fold_by"}


@dataclass(frozen=True)
class CrossValidation:
    """Settings of a cross-validation; its recipe says how many folds there are, and of what."""

    variants: dict[str, dict[str, Any]]
    """Name -> settings of the recipe to replace."""
    recipe: str | dict[str, Any]
    """A bundled recipe's name, or its settings."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings of the recipe that all variants replace, such as ``data: {folds: 4}``."""
    seeds: Annotated[int, Field(ge=1)] = 1
    """Everything is done with the seeds 1, 2, and so on; a seed names folds, start and order."""
    tta: Literal["none", "rotations"] = "none"
    """Rotations: every model is scored with four turns of each tile, too."""

    def __post_init__(self) -> None:
        check_variants(self.variants)
        for name, changes in self.variants.items():
            asked = {*changes, *(f"data.{key}" for key in changes.get("data", ()))}
            if clash := sorted(_SAME_TILES & asked):
                raise ParameterError(
                    f"the variant {name!r} must be scored on the same tiles as the others: "
                    f"put {', '.join(clash)} into changes, which all of them share"
                )

    def base(self, data: str | Path | None) -> Recipe:
        """Return the recipe.

        Raises
        ------
        ParameterError
            When it has no folds, or something else is wrong with it.
        """
        recipe = located(base_values(self.recipe, self.changes), data)
        if recipe.data.folds is None:
            raise ParameterError(
                "cross-validation: its recipe has no folds: say how many, as in "
                "changes: {data: {folds: 4}}."
            )
        return recipe

    def runs(self, recipe: Recipe, source: TileSource) -> list[Run]:
        """Return fold after fold all variants, so that each has as many when time runs out."""
        assert recipe.data.folds is not None  # `base` has seen to it
        seeds, folds = range(1, self.seeds + 1), range(recipe.data.folds)
        return [
            Run(
                f"seed-{seed}/fold-{fold}/{name}",
                {"variant": name, "seed": seed, "fold": fold},
                variant(variant(recipe, changes), {"seed": seed, "data": {"fold": fold}}),
                self._measure,
                unusual(self, "tta"),
            )
            for seed, fold, (name, changes) in product(seeds, folds, self.variants.items())
        ]

    def write(self, rows: Sequence[Row], out: Path, *, whole: bool) -> None:
        summary = self.summary(rows)
        write_summary(rows, summary, out, self.text(summary))

    def summary(self, rows: Sequence[Row]) -> list[Row]:
        """Return a row for each variant, way of testing and scanner ("all" is one of them).

        In it are the number of models, and mean and standard deviation over them of each score.
        Only folds that all variants have done count, so that they are compared on the same ones.
        """
        rows = comparable(rows, self.variants, ["seed", "fold"])
        scanners = sorted({row["scanner"] for row in rows} - {ALL})
        made = []
        for scanner, tta, name in product([ALL, *scanners], self._ways, self.variants):
            wanted = (name, tta, scanner)
            own = [row for row in rows if (row["variant"], row["tta"], row["scanner"]) == wanted]
            about = {"variant": name, "tta": tta, "scanner": scanner, "models": len(own)}
            tiles = {count: sum(row[count] for row in own) for count in ("tiles", "empty_tiles")}
            made.append({**about, **tiles, **averaged(own, SCORES)})
        return made

    def text(self, summary: Sequence[Row]) -> str:
        """Return the table of all scanners together and that of each, as Markdown."""
        whole = [row for row in summary if row["scanner"] == ALL]
        each = [row for row in summary if row["scanner"] != ALL]
        about = ("variant", "tta", "models")
        some = {name: SCORES[name] for name in ("dice", "iou", "score")}
        parts = [markdown(whole, about, SCORES), markdown(each, ("scanner", *about), some)]
        return "\n".join(parts)

    def to_json(self) -> Row:
        return without_recipe(asdict(self))

    @property
    def _ways(self) -> tuple[str, ...]:
        return ("none",) if self.tta == "none" else ("none", self.tta)

    def _measure(self, model: Model, source: TileSource, recipe: Recipe) -> list[Row]:
        tiles = held_out(recipe, source)
        found = {tta: score(model, source, tiles, tta) for tta in self._ways}
        return [
            {"tta": tta, "scanner": scanner, **scoring.scores(scanner=scanner)}
            for tta, scoring in found.items()
            for scanner in (ALL, *sorted(set(scoring.scanners)))
        ]


def held_out(recipe: Recipe, source: TileSource) -> list[int]:
    """Return the tiles of the fold that is held out, those of scanners not learnt from, too.

    What the data themselves hold back as "test" is in no fold, and not among them.
    """
    of_all = variant(recipe, {"data": {"scanners": ()}})
    return [i for i in tiles_of(of_all, source, TEST) if source.records[i].split != TEST]
