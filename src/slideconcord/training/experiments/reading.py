"""Experiments from YAML files: bundled ones by name, others by path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slideconcord.training.experiments.ablation import Ablation
from slideconcord.training.experiments.cross_validation import CrossValidation
from slideconcord.training.experiments.runs import Experiment
from slideconcord.training.experiments.shift import ScannerShift
from slideconcord.training.recipe import read_values
from slideconcord.training.settings import make_part

BUNDLED = Path(__file__).parent
EXPERIMENTS: Mapping[str, type[Any]] = {
    "ablation": Ablation,
    "cross-validation": CrossValidation,
    "scanner-shift": ScannerShift,
}
"""One frozen dataclass and one line add a kind of experiment."""


def list_experiments() -> dict[str, Path]:
    """Return name -> file of the experiments that come with slideconcord."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.yaml"))}


def read_experiment(name_or_path: str | Path, changes: Iterable[str] = ()) -> Experiment:
    """Read an experiment.

    Parameters
    ----------
    name_or_path
        The name of a bundled experiment, or a YAML file: its one key is the kind of experiment,
        its value the settings.
    changes
        Settings to replace, as ``"ablation.seeds=2"``.

    Raises
    ------
    ParameterError
        When there is no such experiment, it is no YAML, or a key or value is wrong.
    """
    values, where = read_values("experiment", name_or_path, list_experiments(), changes)
    made: Experiment = make_part(EXPERIMENTS, values, where)
    return made
