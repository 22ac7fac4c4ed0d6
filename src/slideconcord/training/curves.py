"""The curves of a run: which they are, and the logs that they are written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.training.folder import CHECK_LOG, TENSORBOARD, TRAIN_LOG
from slideconcord.training.log import CsvLog, Log
from slideconcord.training.tensorboard import TensorBoardLog

if TYPE_CHECKING:
    from slideconcord.training.recipe import Recipe


@dataclass(frozen=True)
class Curves:
    """Where a run writes its curves; nowhere, in all processes but the first."""

    train: tuple[Log, ...] = ()
    checks: tuple[Log, ...] = ()


def open_curves(recipe: Recipe, out: Path, step: int, *, tensorboard: bool) -> Curves:
    """Open the logs of a run that has come as far as ``step``.

    Raises
    ------
    ParameterError
        When TensorBoard's are wanted, or were begun, and tensorboardX is not installed.
    OutputError
        When they cannot be written.
    """
    # Left out for a while they would have a gap, and look whole.
    both = tensorboard or (out / TENSORBOARD).is_dir()

    def logs(name: str, columns: Sequence[str]) -> tuple[Log, ...]:
        csv = CsvLog(out / name, columns, step)
        if not both:
            return (csv,)
        return csv, TensorBoardLog(out / TENSORBOARD / Path(name).stem, csv.kept, step)

    terms = (*recipe.loss, *recipe.objective_settings.added_terms)
    dice = (f"dice {name}" for name in recipe.classes)
    return Curves(logs(TRAIN_LOG, ("rate", "loss", *terms)), logs(CHECK_LOG, ("tile_dice", *dice)))
