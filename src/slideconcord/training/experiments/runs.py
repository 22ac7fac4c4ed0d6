"""The trainings of an experiment, one after another; what is done is not done again.

OUT/runs/<run>/              the folder of a training, see `training.folder`
OUT/runs/<run>/result.json   what was measured of its model
OUT/experiment.json          all settings and what everything was made from
OUT/*.csv, *.json, *.md      the tables, anew after every run
OUT/*.png, *.svg             the pictures, after the last one
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from slideconcord.annotations.exchange import atomic, make_folder
from slideconcord.comparison.tables import without_nan
from slideconcord.errors import OutputError
from slideconcord.provenance import fingerprint_json, record
from slideconcord.segmentation.model import load_model
from slideconcord.training.folder import MODEL
from slideconcord.training.run import FORMAT, train_steps

if TYPE_CHECKING:
    from slideconcord.segmentation.model import Model
    from slideconcord.training.data.tile import TileSource
    from slideconcord.training.options import TrainOptions
    from slideconcord.training.recipe import Recipe

Row = dict[str, Any]
RESULT, FACTS, RUNS = "result.json", "experiment.json", "runs"
_FORMAT = 1
"""Part of a result's key: raise it when the same run would be measured otherwise."""


@dataclass(frozen=True)
class Run:
    """One training, and what is measured of its model."""

    name: str
    """Its folder, such as ``seed-1/baseline``."""
    about: Mapping[str, Any]
    """What sets it apart: the first columns of its rows."""
    recipe: Recipe
    measure: Callable[[Model, TileSource, Recipe], list[Row]]
    measured_by: Mapping[str, Any] = field(default_factory=dict)
    """Settings that change what is measured; a result of others is not taken for this one's."""


def unusual(settings: Any, *names: str) -> Row:
    """Return those of some settings of an experiment that are not their defaults."""
    own = {each.name: each.default for each in fields(settings)}
    return {name: getattr(settings, name) for name in names if getattr(settings, name) != own[name]}


class Experiment(Protocol):
    """Settings of an experiment."""

    def base(self, data: str | Path | None) -> Recipe:
        """Return the recipe that its runs change, with the place of the data."""
        ...

    def runs(self, recipe: Recipe, source: TileSource) -> list[Run]:
        """Return all trainings, the most wanted first."""
        ...

    def write(self, rows: Sequence[Row], out: Path, *, whole: bool) -> None:
        """Write tables of the rows of all runs that are done, and pictures when that is all."""
        ...

    def to_json(self) -> Row:
        """Return all settings but those of the recipe, as plain values; no place."""
        ...


@dataclass(frozen=True, slots=True)
class ExperimentStep:
    """A step of a training is done, or a whole run."""

    run: str
    done: int
    """Runs."""
    total: int
    rows: tuple[Row, ...] = ()
    """Of the run, once it is measured."""


def experiment_steps(
    experiment: Experiment, out: str | Path, options: TrainOptions, data: str | Path | None = None
) -> Generator[ExperimentStep, None, list[Row]]:
    """Do all runs of an experiment that are not done yet; return the rows of all.

    Close the generator to stop: the training under way goes on from there when called again.

    Parameters
    ----------
    experiment
        From `read_experiment`.
    out
        Folder of the results.
    options
        Device, precision and the like.
    data
        Where the data lie.

    Raises
    ------
    OutputError
        When the folder cannot be written, or holds runs of other settings or data.
    TrainingError, MismatchError, ParameterError, ModelError
        As of `train_steps`.
    """
    out = Path(out)
    recipe = experiment.base(data)
    source = recipe.open()
    runs = experiment.runs(recipe, source)
    make_folder(out)
    _write(out / FACTS, record(experiment=experiment.to_json(), recipe=recipe.to_json(),
                               data=source.fingerprint))  # fmt: skip
    rows: list[Row] = []
    opened = {recipe.opens: source}
    for done, run in enumerate(runs, 1):
        # Runs may see other data, such as tiles without their context.
        own = opened[run.recipe.opens] = opened.get(run.recipe.opens) or run.recipe.open()
        found = _kept(out / RUNS / run.name, _key(run, own))
        if found is None:
            yield from _trained(run, out, options, own, (done - 1, len(runs)))
            found = _measured(run, out, options, own)
        rows += found
        experiment.write(rows, out, whole=done == len(runs))
        yield ExperimentStep(run.name, done, len(runs), tuple(found))
    return rows


def _trained(
    run: Run, out: Path, options: TrainOptions, source: TileSource, place: tuple[int, int]
) -> Generator[ExperimentStep]:
    steps = train_steps(run.recipe, out / RUNS / run.name, options, source=source)
    with closing(steps):
        for _ in steps:
            yield ExperimentStep(run.name, *place)


def _measured(run: Run, out: Path, options: TrainOptions, source: TileSource) -> list[Row]:
    folder = out / RUNS / run.name
    model = load_model(folder / MODEL, options.device)
    measured = run.measure(model, source, run.recipe)
    rows: list[Row] = without_nan([{**run.about, **row} for row in measured])
    made = record(key=_key(run, source), model=model.hash, rows=rows)
    _write(folder / RESULT, made)
    return rows


def _kept(folder: Path, key: str) -> list[Row] | None:
    """Return the rows of a run that is done; None when it is not."""
    path = folder / RESULT
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read ({error}): remove its folder.", path) from error
    if made.get("key") != key:
        raise OutputError(
            f"{folder} is a run of other settings or other data. Choose another place, or remove "
            "it to have it done anew.",
            folder,
        )
    rows: list[Row] = made["rows"]
    return rows


def _key(run: Run, source: TileSource) -> str:
    facts = {"format": [_FORMAT, FORMAT], "recipe": run.recipe.fingerprint,
             "data": source.fingerprint}  # fmt: skip
    measured = {"measured_by": dict(run.measured_by)} if run.measured_by else {}
    return fingerprint_json({**facts, "about": dict(run.about), **measured})


def _write(path: Path, value: Row) -> None:
    with atomic(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
