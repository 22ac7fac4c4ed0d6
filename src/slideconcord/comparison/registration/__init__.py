"""Lay one scan of a glass slide on another, and say how well it lies.

`register` finds the transform; `Registration` holds it, carries points and outlines through it, and
knows whether it may be trusted.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Registration": "value",
    "Scan": "facts",
    "Quality": "facts",
    "ResidualField": "field",
    "Pose": "planes",
    "Registering": "options",
    "METHODS": "methods",
    "register": "methods",
    "register_steps": "methods",
    "read_registration": "files",
    "write_registration": "files",
    "closure": "round_trip",
    "Closure": "round_trip",
    "from_points": "manual",
    "nudge": "manual",
    "rotate": "manual",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
