"""Keys that move the thresholds while the eyes stay on the slide."""

from __future__ import annotations

from collections.abc import Callable
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
        viewer.bind_key(key, _nudging(workspace, name, by), overwrite=True)


def _nudging(workspace: Workspace, name: Name, by: float) -> Callable[[Any], None]:
    """Return what a key does; a function, since napari asks for its name, which a partial lacks."""

    def act(_viewer: Any) -> None:
        nudge(workspace, name, by)

    return act


def nudge(workspace: Workspace, name: Name, by: float) -> None:
    """Move one threshold of the active slide by a step."""
    entry, mover = workspace.active, workspace.mover
    if entry is None or entry.probability is None:
        return
    if mover is not None and mover.entry is entry and mover.wanted is not None:
        mover.settle(mover.wanted.nudged(name, by))
    else:
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
