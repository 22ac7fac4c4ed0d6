"""A training run from recipe to model folder, as a generator: one piece for each step.

Stop it when you like: it goes on from there when called again, and gives the same curve.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.annotations.exchange import atomic
from slideconcord.errors import TrainingError
from slideconcord.provenance import fingerprint_json
from slideconcord.segmentation.spec import ModelSpec, make_spec
from slideconcord.training.checkpoint import Checkpoint, read_checkpoint
from slideconcord.training.checks import Scores
from slideconcord.training.curves import Curves, open_curves
from slideconcord.training.data.prepare import Prepared, prepare
from slideconcord.training.folder import (
    BEST,
    CHECKPOINT,
    MODEL,
    RECIPE,
    RunFolder,
    refuse_place,
)
from slideconcord.training.learner import HasOwnData
from slideconcord.training.learning import Learning, make_fabric, means
from slideconcord.training.options import TrainOptions
from slideconcord.training.results import halved, write_results
from slideconcord.training.tensorboard import require_tensorboard
from slideconcord.yaml_files import write_yaml

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from slideconcord.training.data.batches import ReadBatch
    from slideconcord.training.data.tile import TileSource
    from slideconcord.training.recipe import Recipe

FORMAT = 3
"""Part of a run's key: raise it when the same recipe would give another model, as when the default
of one of its settings changes."""
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class TrainStep:
    """A step is done."""

    step: int
    steps: int
    loss: float | None
    """Mean over the last ``log_every`` steps; None before the first are done."""
    rate: float
    scores: Scores | None = None
    """Where the step was followed by a check."""
    is_best: bool = False
    parts: int = 1
    """In how many parts a batch is worked through; more when memory ran out."""
    phase: str = ""
    """Which phase it belongs to, where the recipe has phases; steps count within it."""


def train(
    recipe: Recipe, out: str | Path, options: TrainOptions | None = None, *, overwrite: bool = False
) -> Path:
    """Train a model and return its folder, which `load_model` opens.

    Parameters and errors as of `train_steps`.
    """
    for _ in train_steps(recipe, out, options, overwrite=overwrite):
        pass
    return Path(out) / MODEL


def train_steps(
    recipe: Recipe, out: str | Path, options: TrainOptions | None = None, *,
    overwrite: bool = False, source: TileSource | None = None,
) -> Generator[TrainStep]:  # fmt: skip
    """Train a model step by step; a run that was stopped goes on where it stood.

    Close the generator between two steps to stop: the run is then saved as it stands. Killed in
    the middle of a step, it goes on from its last check.

    Parameters
    ----------
    recipe
        From `read_recipe`.
    out
        Folder of the run; see `training.folder`.
    options
        Device, precision and the like.
    overwrite
        Whether to replace another run in the folder.
    source
        The recipe's data, where they are open already; phases open their own.

    Raises
    ------
    TrainingError
        When the data cannot be learnt from, or the loss is no longer a number; it names the tiles.
    MismatchError
        When a patient or slide would be learnt from and tested on.
    ParameterError, ModelError
        When a setting does not fit, or what it needs is not installed.
    OutputError
        When the folder holds another run, or cannot be written.
    """
    options = options or TrainOptions()
    refuse_place(Path(out))
    if options.tensorboard:
        require_tensorboard()
    fabric = make_fabric(options)
    if recipe.phases:
        from slideconcord.training.phases import phase_steps

        yield from phase_steps(recipe, Path(out), options, fabric, overwrite=overwrite)
        return
    prepared = prepare(recipe, options.readers, source)
    yield from learn_steps(recipe, prepared, Path(out), options, fabric, overwrite=overwrite)


def learn_steps(
    recipe: Recipe,
    prepared: Prepared,
    out: Path,
    options: TrainOptions,
    fabric: Fabric,
    *,
    overwrite: bool = False,
) -> Generator[TrainStep]:
    """Do as `train_steps` for a recipe without phases, whose data are prepared."""
    spec = _spec(recipe, prepared)
    with ExitStack() as held:
        folder = None
        if fabric.global_rank == 0:
            start = recipe.starting_point()
            facts = {"recipe": recipe.to_json(), "data": prepared.facts(), **start}
            made = RunFolder(out, _key(recipe, prepared), facts, overwrite=overwrite)
            folder = held.enter_context(made)
        fabric.barrier()
        if folder is not None and folder.finished:
            return
        learning = Learning(recipe, prepared, options, spec, fabric)
        run = _Run(recipe, out, learning, folder, options)
        yield from run.steps()
        if folder is not None:
            weights = halved(run.weights()) if recipe.model.half else run.weights()
            write_results(folder, spec, weights, run.best_scores)


class _Run:
    """The loop of a run, and all it must remember to go on."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        learning: Learning,
        folder: RunFolder | None,
        options: TrainOptions,
    ) -> None:
        self._recipe, self._out, self._learning = recipe, out, learning
        self._folder = folder
        self._waiting: list[tuple[dict[str, Any], tuple[str, ...]]] = []
        """Terms and tiles of the steps whose loss nobody has looked at yet."""
        self._seen: list[dict[str, float]] = []
        """Terms of the steps since the last line of the log."""
        self.best_scores: dict[str, Any] = {}
        self._loss: float | None = None
        self._resume()
        self._curves = Curves()
        if folder is not None:
            with atomic(out / RECIPE) as partial:
                partial.write_text(write_yaml(recipe.to_json()), encoding="utf-8")
            step = learning.step_number
            self._curves = open_curves(recipe, out, step, tensorboard=options.tensorboard)

    def _resume(self) -> None:
        path = self._out / CHECKPOINT
        if path.is_file():
            stood = read_checkpoint(path)
            self._learning.restore(stood)
            self.best_scores = stood.scores
            self._seen = stood.plain["seen"]

    def steps(self) -> Generator[TrainStep]:
        learning, settings = self._learning, self._recipe.train
        try:
            with closing(learning.batches()) as batches:
                for batch in batches:
                    yield self._step(batch)
                    if self._out_of_patience:
                        break
        except GeneratorExit:
            self._look()
            self._save()
            raise
        if learning.step_number < settings.steps and not self._out_of_patience:
            raise TrainingError("The data ended before the last step.")

    def _step(self, batch: ReadBatch) -> TrainStep:
        learning, settings = self._learning, self._recipe.train
        rate = self._recipe.rates.rate(learning.step_number, settings.steps)
        self._waiting.append((learning.step(batch), batch.names))
        done = learning.step_number
        checks = done % settings.check_every == 0 or done == settings.steps
        if done % settings.log_every == 0 or checks:
            self._look()
        if done % settings.log_every == 0 or done == settings.steps:
            self._write(rate)
        scores = self._check() if checks else None
        is_best = checks and self.best_scores.get("step") == done
        return TrainStep(done, settings.steps, self._loss, rate, scores, is_best, learning.parts)

    def _look(self) -> None:
        """Bring the waiting losses over from the device, and stop at one that is no number."""
        for number, (terms, names) in enumerate(self._waiting):
            values = {name: float(term) for name, term in terms.items()}
            if not math.isfinite(values["loss"]):
                step = self._learning.step_number - len(self._waiting) + number + 1
                raise self._astray(step, values, names)
            self._seen.append(values)
        self._waiting.clear()

    def _astray(self, step: int, values: dict[str, float], names: tuple[str, ...]) -> TrainingError:
        shown = ", ".join(names[:_MOST_NAMED])
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        terms = ", ".join(f"{name} {value:g}" for name, value in values.items())
        return TrainingError(
            f"The loss is no longer a number at step {step} ({terms}). Its batch: {shown}{more}. "
            "Look at these tiles; if they are sound, lower schedule.peak or take --precision fp32.",
            names,
        )

    def _write(self, rate: float) -> None:
        values = means(self._seen)
        self._loss = values["loss"]
        for log in self._curves.train:
            log.write(self._learning.step_number, {"rate": rate, **values})
        self._seen = []

    def _check(self) -> Scores:
        scores, step = self._learning.check(), self._learning.step_number
        if scores.score > self.best_scores.get("score", -1):
            self.best_scores = {"score": scores.score, "step": step, "since": 0,
                                **scores.to_json()}  # fmt: skip
            if self._folder is not None:
                best = Checkpoint(step, self._learning.kept.state_dict(), {})
                best.write(self._out / BEST)
        else:
            self.best_scores["since"] += 1
        dice = {f"dice {name}": value for name, value in scores.dice.items()}
        for log in self._curves.checks:
            log.write(step, {"tile_dice": scores.tile_dice, **dice})
        self._save()
        return scores

    def _save(self) -> None:
        if self._folder is not None:
            stands = self._learning.checkpoint(self.best_scores, {"seen": self._seen})
            stands.write(self._out / CHECKPOINT)

    @property
    def _out_of_patience(self) -> bool:
        patience = self._recipe.train.patience
        return patience is not None and self.best_scores.get("since", 0) >= patience

    def weights(self) -> dict[str, Any]:
        """Return the weights that are kept."""
        if self._recipe.train.keep == "best":
            return dict(read_checkpoint(self._out / BEST).network)
        return self._learning.kept.state_dict()


def _key(recipe: Recipe, prepared: Prepared) -> str:
    """Name what makes a run: another key is another run."""
    facts = {"format": FORMAT, "recipe": recipe.fingerprint, "data": prepared.source.fingerprint,
             **recipe.starting_point()}  # fmt: skip
    objective = prepared.objective
    if isinstance(objective, HasOwnData) and objective.data_fingerprint:
        facts["objective"] = objective.data_fingerprint
    return fingerprint_json(facts)


def _spec(recipe: Recipe, prepared: Prepared) -> ModelSpec:
    about, tile_px = recipe.model, recipe.model.tile_px or recipe.data.tile_px
    return make_spec(
        {
            "name": recipe.name,
            "version": about.version,
            "description": about.description,
            "architecture": recipe.network.architecture,
            "parameters": recipe.network.parameters,
            "mpp": recipe.data.mpp,
            "tile_px": tile_px,
            "overlap_px": tile_px // 4 if about.overlap_px is None else about.overlap_px,
            "mean": prepared.mean,
            "std": prepared.std,
            "input_multiple": about.input_multiple,
            "pad_value": about.pad_value,
            "context": recipe.data.context,
            "classes": prepared.source.classes,
            "activation": "softmax",
            "low": about.low,
            "high": about.high,
            "licence": about.licence,
            "training_data": about.training_data,
            "credit": about.credit,
        },
        recipe.name,
    )
