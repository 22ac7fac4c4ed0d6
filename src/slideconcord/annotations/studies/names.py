"""Ids of slides, observers and rounds: they become names of files and folders everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slideconcord.errors import ParameterError

_ALLOWED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_-])?")
# Windows opens a device instead
_DEVICES = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(10))}


def check_id(value: str, what: str) -> str:
    """Return an id that can be a file's name on every system.

    Raises
    ------
    ParameterError
        When it cannot.
    """
    if not _ALLOWED.fullmatch(value) or value.split(".")[0].lower() in _DEVICES:
        raise ParameterError(
            f"{what} {value!r} cannot be the name of a file on every system: use up to 64 letters "
            "without accents, digits, _, - and ., and begin with a letter or digit."
        )
    return value


def require_once(values: Iterable[str], what: str) -> None:
    """Refuse what stands twice; where files are kept, a and A may be one.

    Raises
    ------
    ParameterError
        Naming what stands twice.
    """
    seen: set[str] = set()
    for value in values:
        if value.lower() in seen:
            raise ParameterError(f"{what} {value!r} stands twice: give each its own.")
        seen.add(value.lower())
