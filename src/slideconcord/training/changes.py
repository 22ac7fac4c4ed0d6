"""Changes to settings, one by one, such as ``train.steps=100`` or ``augment.hsv.hue=9``.

A key goes down the settings from dot to dot. Into a list it goes by the number of a part, the first
being 1 as in messages and in the folders of phases (``phases.2.epochs=3``), or by the part's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slideconcord.errors import ParameterError
from slideconcord.training.settings import unknown
from slideconcord.yaml_files import parse_value

_DOTTED = "settings"
"""Of a phase: keys below it are written with their dots, as in recipes."""


def with_change(values: Mapping[str, Any], change: str) -> dict[str, Any]:
    """Return settings with one replaced, given as ``section.key=value``; ``values`` stay.

    Raises
    ------
    ParameterError
        When it is no change, or its key leads nowhere.
    """
    key, separator, text = change.partition("=")
    if not separator or not all(key.split(".")):
        raise ParameterError(f"{change!r} changes nothing: write it as train.steps=100.")
    return with_value(values, key, parse_value(text), change)


def with_value(values: Mapping[str, Any], key: str, value: Any, said: str) -> dict[str, Any]:
    """Return settings with a value at ``section.key``; ``said`` is how it was asked for.

    Raises
    ------
    ParameterError
        When the key leads nowhere.
    """
    made: dict[str, Any] = _put(values, key.split("."), value, (), said)
    return made


def _put(place: Any, keys: Sequence[str], value: Any, above: tuple[str, ...], said: str) -> Any:
    """Return what stands at a place, with the value where the keys lead; ``above`` led here."""
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(place, list | tuple):
        number = _number(place, key, ".".join(above), said)
        # A part such as {hsv: {hue: 9}} has its name for a key, which leads on into it.
        part = place[number]
        into = not key.isdecimal() and not (isinstance(part, Mapping) and "name" in part)
        part = _put(part, keys if into else rest, value, above if into else (*above, key), said)
        return [*place[:number], part, *place[number + 1 :]]
    if place is None or place == key:
        # A name alone is a part without settings of its own.
        place = {} if place is None else {key: {}}
    if not isinstance(place, Mapping):
        raise ParameterError(f"{said!r}: {'.'.join(above)} holds no keys in this recipe.")
    if key == _DOTTED and rest:
        rest = [".".join(rest)]
    return {**place, key: _put(place.get(key), rest, value, (*above, key), said)}


def _number(parts: Sequence[Any], key: str, where: str, said: str) -> int:
    """Return the place in a list of the part with a number, the first being 1, or a name."""
    names = [_name(part) for part in parts]
    found = [k for k, name in enumerate(names) if name == key]
    if key.isdecimal() or not any(names):
        if key.isdecimal() and 1 <= int(key) <= len(parts):
            return int(key) - 1
        raise ParameterError(
            f"{said!r}: {where} has {len(parts)} part{'s' * (len(parts) != 1)} here, numbered "
            "from 1."
        )
    if not found:
        raise unknown(f"{said!r}: {where}: the part", key, filter(None, names))
    if len(found) > 1:
        numbers = " and ".join(str(k + 1) for k in found)
        raise ParameterError(
            f"{said!r}: {where} has {key} more than once: give its number, {numbers}."
        )
    return found[0]


def _name(part: Any) -> str:
    """Return the name of a part of a list; empty where it has none."""
    if isinstance(part, Mapping):
        return str(part.get("name", next(iter(part), "")))
    return part if isinstance(part, str) else ""
