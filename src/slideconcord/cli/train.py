"""The command train: from a recipe to a model folder."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.options import DataPlace, Json, Out, Overwrite, with_fields
from slideconcord.cli.outcome import StoppedError
from slideconcord.errors import SlideconcordError
from slideconcord.training.options import TrainOptions

if TYPE_CHECKING:
    from slideconcord.training.recipe import Recipe
    from slideconcord.training.run import TrainStep


@with_fields(TrainOptions)
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a bundled recipe.")
    ],
    out: Out,
    data: DataPlace = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Replace a setting: train.steps=100. A key goes into a list by a part's name, or "
            "by its number, the first being 1.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
    **options: Any,
) -> None:
    """Train a model after a recipe; the result is a model folder.

    After a stop or a crash run the same command again: it goes on where it stopped.
    """
    try:
        from slideconcord.training.recipe import read_recipe
        from slideconcord.training.run import train_steps
    except ImportError as error:
        raise SlideconcordError(
            f"Training needs {error.name}. Run: pip install 'slideconcord[train]'"
        ) from error

    chosen = read_recipe(recipe, changes or (), data)
    steps = train_steps(chosen, out, TrainOptions(**options), overwrite=overwrite)
    _follow(steps, chosen, out, told=not json)
    if _is_first_process():
        _tell(out, json=json)


def _follow(steps: Any, recipe: Recipe, out: Path, *, told: bool) -> None:
    """Show the steps go by. A Ctrl-C lets the current step end, so that it is kept."""
    with closing(steps), show.progress(recipe.name) as advance, between_steps() as stopped:
        step: TrainStep
        for step in steps:
            advance(step.step, step.steps)
            if step.scores is not None and told and _is_first_process():
                _tell_check(step)
            if stopped.is_set():
                break
    if stopped.is_set():
        raise StoppedError(f"stopped; {out} keeps it. Run the same command again to go on.")


@contextmanager
def between_steps() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event; a second one stops at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _is_first_process() -> bool:
    """Whether this is the process that speaks, of those that share a training."""
    import os

    return os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0"


def _tell_check(step: TrainStep) -> None:
    scores = step.scores
    assert scores is not None
    dice = ", ".join(
        f"{name} {'undefined' if value is None else format(value, '.4f')}"
        for name, value in scores.dice.items()
    )
    best = ", the best so far" if step.is_best else ""
    where = f"{step.phase}: " if step.phase else ""
    parts = f", each batch in {step.parts} parts" if step.parts > 1 else ""
    show.text(
        f"{where}step {step.step} of {step.steps}: loss {step.loss:.4f}, Dice {dice}{best}{parts}"
    )


def _tell(out: Path, *, json: bool) -> None:
    import json as reading

    from slideconcord.training.folder import MODEL, RUN

    made = reading.loads((out / RUN).read_text(encoding="utf-8"))
    result = {"model": out / MODEL, "hash": made["model"]["hash"], "scores": made["scores"]}
    if json:
        show.as_json(result)
    else:
        show.text(f"the model is in {out / MODEL}; its card is beside its weights")
