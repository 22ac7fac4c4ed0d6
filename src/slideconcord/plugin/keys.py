"""Keys that move the thresholds while the eyes stay on the slide."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import Workspace

STEP = 0.01
Name = Literal["low", "high"]
KEYS: dict[str, tuple[Name, float]] = {
    "Alt-Left": ("low", -STEP),
    "Alt-Right": ("low", STEP),
    "Shift-Alt-Left": ("high", -STEP),
    "Shift-Alt-Right": ("high", STEP),
}


def bind_keys(viewer: Any, workspace: Workspace) -> None:
    """Bind the keys in one viewer: napari reads no plugin's key bindings from its manifest yet."""
    for key, (name, by) in KEYS.items():
        action: Callable[[Any], None] = partial(nudge, workspace, name, by)
        viewer.bind_key(key, action, overwrite=True)


def nudge(workspace: Workspace, name: Name, by: float, _viewer: Any = None) -> None:
    """Move one threshold of the active slide by a step."""
    entry = workspace.active
    if entry is not None and entry.probability is not None:
        entry.settle(entry.tuning.nudged(name, by))


def lower_low() -> None:
    """Take one step off low: regions grow."""
    _nudge_here("low", -STEP)


def raise_low() -> None:
    """Add one step to low: regions shrink."""
    _nudge_here("low", STEP)


def lower_high() -> None:
    """Take one step off high: more regions are kept."""
    _nudge_here("high", -STEP)


def raise_high() -> None:
    """Add one step to high: fewer regions are kept."""
    _nudge_here("high", STEP)


def _nudge_here(name: Name, by: float) -> None:
    from slideconcord.plugin.reader import current_viewer
    from slideconcord.plugin.session import session_of

    if (viewer := current_viewer()) is not None:
        nudge(session_of(viewer).workspace, name, by)
