"""The command experiment: many trainings that differ in one thing, and their table."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.options import DataPlace, Json, Out, with_fields
from slideconcord.cli.outcome import StoppedError
from slideconcord.cli.train import between_steps
from slideconcord.errors import SlideconcordError
from slideconcord.training.options import TrainOptions


@with_fields(TrainOptions, "devices")
def experiment(
    name: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT", help="A YAML file, or the name of a bundled experiment."
        ),
    ],
    out: Out,
    data: DataPlace = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting: ablation.seeds=2."),
    ] = None,
    json: Json = False,
    **options: Any,
) -> None:
    """Do many trainings and write their table: an ablation, a cross-validation, a scanner shift.

    Tables grow with every training. After a stop or a crash run the same command again: what is
    done is not done again.
    """
    try:
        from slideconcord.training.experiments.reading import read_experiment
        from slideconcord.training.experiments.runs import ExperimentStep, experiment_steps
    except ImportError as error:
        raise SlideconcordError(
            f"Training needs {error.name}. Run: pip install 'slideconcord[train]'"
        ) from error

    chosen = read_experiment(name, changes or ())
    steps = experiment_steps(chosen, out, TrainOptions(**options), data)
    rows: list[Any] = []
    with closing(steps), show.progress(name) as advance, between_steps() as stopped:
        step: ExperimentStep
        for step in steps:
            advance(step.done, step.total)
            rows += step.rows
            if step.rows and not json:
                show.text(f"{step.done} of {step.total}: {step.run}")
            if stopped.is_set():
                raise StoppedError(f"stopped; {out} keeps it. Run the same command to go on.")
    if json:
        show.as_json({"folder": out, "runs": rows})
    else:
        show.text(f"the tables are in {out}")
