"""YAML files that people write, read strictly: a key that stands twice is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from slideconcord.errors import ParameterError


class _Strict(yaml.SafeLoader):
    """Plain values only, and every key once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice, line {line}")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, otherwise: str) -> dict[str, Any]:
    """Return the mapping that a file holds.

    Parameters
    ----------
    path
        The file.
    otherwise
        Ends the sentence about a file that holds no mapping: what it is not, and what to do.

    Raises
    ------
    ParameterError
        When it is no YAML, or holds something else.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Strict)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path.name} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict):
        raise ParameterError(f"{path.name} {otherwise}.")
    return values


def check_keys(values: Mapping[Any, Any], known: Iterable[str], where: str) -> None:
    """Refuse a key that nobody knows.

    Raises
    ------
    ParameterError
        Naming the key, and the one that was probably meant.
    """
    names = list(known)
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, 1, 0.5)
            ask = f"did you mean {near[0]}?" if near else f"it can have {', '.join(names)}."
            raise ParameterError(f"{where} has the unknown key {key!r}: {ask}")


def parse_value(text: str) -> Any:
    """Return what a piece of YAML means, such as ``0.5`` or ``[1, 2]``.

    Raises
    ------
    ParameterError
        When it is no YAML.
    """
    try:
        return yaml.load(text, _Strict)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ParameterError(f"{text!r} is no value: {' '.join(str(error).split())}.") from error


def write_yaml(values: dict[str, Any]) -> str:
    """Return the text of a YAML file that keeps the order of the keys."""
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
