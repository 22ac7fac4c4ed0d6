"""Recipes that differ from another one in some settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slideconcord.errors import ParameterError
from slideconcord.training.recipe import Recipe, list_recipes, make_recipe, set_path
from slideconcord.training.settings import unknown
from slideconcord.yaml_files import read_yaml

Changes = dict[str, Any]


def check_variants(variants: Mapping[str, Changes]) -> None:
    """Refuse no variants at all, and names that cannot be folders.

    Raises
    ------
    ParameterError
        Naming the wrong one.
    """
    if not variants:
        raise ParameterError("variants names none: there is nothing to compare")
    for name in variants:
        if not re.fullmatch(r"[\w.+-]+", name):
            raise ParameterError(
                f"the variant {name!r} becomes a folder: name it with letters, digits and _.+-"
            )


def changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others in their place; of a section only those that are named.

    ``{"train": {"steps": 9}}`` replaces the steps, ``{"objective": ...}`` the objective, and
    ``{"augment+": ["hsv"]}`` adds an augmentation after those that are there.
    """
    made = dict(values)
    for key, new in changes.items():
        if key.endswith("+"):
            made[key[:-1]] = [*made.get(key[:-1], ()), *new]
            continue
        old = made.get(key)
        is_section = key in ("data", "network", "train", "model")
        if is_section and isinstance(old, Mapping) and isinstance(new, Mapping):
            made[key] = {**old, **new}
        else:
            made[key] = new
    return made


def base_values(recipe: str | Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a bundled recipe by name, or as they are, with changes.

    Raises
    ------
    ParameterError
        When no recipe has this name.
    """
    if isinstance(recipe, str):
        if recipe not in list_recipes():
            raise unknown("The recipe", recipe, list_recipes())
        recipe = read_yaml(list_recipes()[recipe], "holds no keys and values")
    return changed(recipe, changes)


def located(values: dict[str, Any], data: str | Path | None) -> Recipe:
    """Return the recipe of settings, its data at a place."""
    made = dict(values)
    if data is not None:
        set_path(made, str(data))
    return make_recipe(made)


def variant(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return a recipe with other settings; its data stay where they are."""
    return make_recipe(changed(asdict(recipe), changes))


def without_recipe(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment's settings but for its recipe, which may name a place."""
    return {key: value for key, value in settings.items() if key not in ("recipe", "changes")}
