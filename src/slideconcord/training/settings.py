"""Settings from files: dataclasses filled from plain values, every wrong key and value named.

A *part* (an augmentation, a loss, an optimiser) is a frozen dataclass whose fields are its
parameters; a table gives it the name under which files ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from slideconcord.errors import ParameterError

Settings = TypeVar("Settings")


def unknown(what: str, name: object, known: Iterable[str]) -> ParameterError:
    """Return the error for a name that nobody knows; it names the nearest right one."""
    names = list(known)
    near = get_close_matches(str(name), names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(names) or 'none'}."
    return ParameterError(f"{what} {str(name)!r} is not known. {hint}")


def read_settings(kind: type[Settings], values: Any, where: str) -> Settings:
    """Fill a dataclass from a mapping.

    Raises
    ------
    ParameterError
        When a key is unknown (its nearest right key is named), missing, or has a value out of
        range; ``where`` says in which place of the file.
    """
    if not isinstance(values, Mapping):
        raise ParameterError(f"{where} must hold keys and values, not {values!r}.")
    known: dict[str, Field[Any]] = {f.name: f for f in fields(kind) if f.init}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise unknown(f"{where}: the key", key, known)
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise ParameterError(f"{where}: the key {name!r} is missing.")
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        faults = "; ".join(_fault(fault, where) for fault in error.errors())
        raise ParameterError(f"{faults}.") from error


def _fault(fault: Any, where: str) -> str:
    place = ".".join(map(str, (where, *fault["loc"])))
    text = str(fault["msg"]).removeprefix("Value error, ").removesuffix(".")
    value = "" if isinstance(fault["input"], Mapping) else f"{fault['input']!r}: "
    return f"{place}: {value}{text}"


def make_part(table: Mapping[str, type[Settings]], value: Any, where: str) -> Settings:
    """Make the part that ``value`` asks for: its name, or ``{name: {parameter: value}}``.

    Raises
    ------
    ParameterError
        When the table has no such part, or its parameters are wrong.
    """
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ParameterError(
            f"{where} must be one name with its parameters, such as {next(iter(table))}: {{}}, "
            f"not {value!r}."
        )
    ((name, parameters),) = value.items()
    if name not in table:
        raise unknown(f"{where}:", name, table)
    return read_settings(table[name], parameters or {}, f"{where}.{name}")
