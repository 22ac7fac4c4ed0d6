"""Training in phases: each model labels data for the next (multi-level paper, Table 8).

OUT/phases/1-base/            a run of its own, with model, curves and run.json
OUT/phases/2-master-1/labels/ the masks that the model before made for this phase, by its hash and
                              the threshold
OUT/                          the run of the last phase: its model is the result
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.errors import MismatchError, TrainingError
from slideconcord.segmentation.model import Model, load_model
from slideconcord.training.data.prepare import Prepared, prepare, tiles_of
from slideconcord.training.data.pseudo import PseudoLabelled
from slideconcord.training.data.split import TRAIN
from slideconcord.training.folder import MODEL, OtherTrainingError
from slideconcord.training.run import TrainStep, learn_steps

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from slideconcord.training.data.tile import TileSource
    from slideconcord.training.options import TrainOptions
    from slideconcord.training.recipe import Phase, Recipe

PHASES, LABELS = "phases", "labels"


@dataclass(frozen=True)
class _Place:
    """Where a phase leaves what it makes."""

    run: Path
    own: Path
    """What is not of the run itself, such as labels."""


def phase_steps(
    recipe: Recipe, out: Path, options: TrainOptions, fabric: Fabric, *, overwrite: bool = False
) -> Generator[TrainStep]:
    """Train a recipe's phases one after the other; parameters and errors as of `train_steps`.

    Phases that are finished are gone through without work, so a run that was stopped goes on in
    the phase, and at the step, where it stood.

    Raises
    ------
    MismatchError
        When a phase would check on a patient that an earlier one learnt from.
    """
    if (out / MODEL).is_dir() and not ((out / PHASES).is_dir() or overwrite):
        raise OtherTrainingError(out)
    model: Model | None = None
    before = out
    learnt: set[str] = set()
    for number, phase in enumerate(recipe.phases, 1):
        own = out / PHASES / f"{number}-{phase.name}"
        place = _Place(out if number == len(recipe.phases) else own, own)
        settings = recipe.in_phase(phase)
        if phase.continues:
            network = replace(settings.network, weights=str(before))
            settings = replace(settings, network=network)
        prepared = yield from _prepared(settings, phase, model, place, options)
        _refuse_leak(phase, prepared, learnt)
        settings = _for_epochs(settings, phase, prepared)
        told = f"{phase.name} ({number} of {len(recipe.phases)})"
        for step in learn_steps(
            settings, prepared, place.run, options, fabric, overwrite=overwrite
        ):
            yield replace(step, phase=told)
        fabric.barrier()
        before = place.run / MODEL
        model = load_model(before, options.device, options.precision)


def _prepared(
    recipe: Recipe, phase: Phase, model: Model | None, place: _Place, options: TrainOptions
) -> Generator[TrainStep, None, Prepared]:
    """Open a phase's data, label what the model before has to; yield while that goes on."""
    if not phase.pseudo_scanners or model is None:
        return prepare(recipe, options.readers)
    source: TileSource = recipe.open()
    by_model = frozenset(phase.pseudo_scanners)
    tiles = [
        index
        for index in tiles_of(recipe, source, TRAIN)
        if source.records[index].scanner in by_model
    ]
    if not tiles:
        raise TrainingError(
            f"phases: {phase.name} has no tile to learn from of the scanners "
            f"{', '.join(sorted(by_model))}: check data.scanners and the split."
        )
    labelled = PseudoLabelled(
        source, recipe.data.grid, tiles, model, phase.threshold,
        place.own / LABELS / f"{model.hash[:12]}-{phase.threshold:g}",
    )  # fmt: skip
    for done, total in labelled.make():
        yield TrainStep(done, total, None, 0.0, phase=f"labels for {phase.name}")
    prepared = prepare(recipe, options.readers, labelled)
    # Nobody knows the truth of these scanners' tiles, so nothing can be checked on them.
    val = [i for i in prepared.val if source.records[i].scanner not in by_model]
    if not val:
        raise TrainingError(
            f"phases: {phase.name} has nothing to check on: every scanner is labelled by the "
            "model. Leave one that people annotated in data.scanners."
        )
    return replace(prepared, val=tuple(val))


def _refuse_leak(phase: Phase, prepared: Prepared, learnt: set[str]) -> None:
    """Refuse to check on a patient that an earlier phase learnt from; add whom this one does."""
    records = prepared.source.records
    if seen := {records[i].patient for i in prepared.val} & learnt:
        raise MismatchError(
            f"phases: {phase.name} would check on {len(seen)} patient(s) that an earlier phase "
            "learnt from. Leave seed, data.val, data.fold and the tiles as they are in all phases."
        )
    learnt.update(records[i].patient for i in prepared.train)


def _for_epochs(recipe: Recipe, phase: Phase, prepared: Prepared) -> Recipe:
    """Return the recipe with as many steps as the phase's epochs are."""
    if phase.epochs is None:
        return recipe
    train = recipe.train
    steps = max(ceil(phase.epochs * prepared.order.epoch_length / train.batch), 1)
    return replace(recipe, train=replace(train, steps=steps))
