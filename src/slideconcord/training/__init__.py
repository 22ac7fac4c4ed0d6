"""Training: data -> recipe -> model folder. Names are loaded at their first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "TrainOptions": "options",
    "TrainStep": "run",
    "list_recipes": "recipe",
    "make_recipe": "recipe",
    "read_recipe": "recipe",
    "train": "run",
    "train_steps": "run",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
