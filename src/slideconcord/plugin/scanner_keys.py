"""One key for each view of a case, and keys that walk, flicker and nudge."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from slideconcord.errors import ParameterError
from slideconcord.plugin.looking import PLAIN
from slideconcord.plugin.views.table import VIEWS

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from slideconcord.plugin.scanners_dock import ScannersDock

PLAIN_KEY, HOLD_KEY, NEXT_KEY, BEFORE_KEY = "Alt-0", "F", "N", "Shift-N"
MOVES = {
    "Shift-Left": (0, -1),
    "Shift-Right": (0, 1),
    "Shift-Up": (-1, 0),
    "Shift-Down": (1, 0),
}
TURNS = {"Control-Shift-Left": -1, "Control-Shift-Right": 1}
_docks: WeakKeyDictionary[ViewerModel, ScannersDock] = WeakKeyDictionary()


def bind_keys(dock: ScannersDock) -> None:
    """Bind the keys while a dock is open: napari reads no plugin's keys from its manifest yet."""
    _docks[dock.viewer] = dock
    for key, action in _actions(dock).items():
        dock.viewer.bind_key(key, action, overwrite=True)


def unbind_keys(dock: ScannersDock) -> None:
    """Give the keys back."""
    _docks.pop(dock.viewer, None)
    for key in _actions(dock):
        dock.viewer.bind_key(key, None, overwrite=True)


def _actions(dock: ScannersDock) -> dict[str, Callable[[Any], Any]]:
    actions: dict[str, Callable[[Any], Any]] = {
        PLAIN_KEY: lambda _: dock.show_view(PLAIN),
        NEXT_KEY: lambda _: dock.next_disagreement(),
        BEFORE_KEY: lambda _: dock.next_disagreement(-1),
    }

    def hold(_viewer: Any) -> Generator[None, None, None]:
        # napari goes on with a generator when the key is let go
        dock.looking.hold(True)
        yield
        dock.looking.hold(False)

    actions[HOLD_KEY] = hold
    for name, view in VIEWS.items():
        actions[view.key] = _action(dock.show_view, name)
    for key, way in MOVES.items():
        actions[key] = _action(dock.rescue_box.move, *way)
    for key, steps in TURNS.items():
        actions[key] = _action(dock.rescue_box.turn, steps)
    return actions


def _action(do: Callable[..., None], *values: Any) -> Callable[[Any], None]:
    """Return what a key does; a function, since napari asks for its name, which a partial lacks."""

    def act(_viewer: Any) -> None:
        do(*values)

    return act


def _here(act: Callable[[ScannersDock], None]) -> None:
    from slideconcord.plugin.reader import current_viewer

    viewer = current_viewer()
    dock = _docks.get(getattr(viewer, "__wrapped__", viewer)) if viewer is not None else None
    if dock is None:
        raise ParameterError("Open the Scanners dock first: Plugins > slideconcord > Scanners.")
    act(dock)


def _show_here(name: str) -> None:
    _here(lambda dock: dock.show_view(name))


show_plain = partial(_show_here, PLAIN)
show_grid = partial(_show_here, "grid")
show_overlay = partial(_show_here, "overlay")
show_flicker = partial(_show_here, "flicker")
show_curtain = partial(_show_here, "curtain")
show_checkerboard = partial(_show_here, "checkerboard")
show_difference = partial(_show_here, "difference")
show_agreement = partial(_show_here, "agreement")
show_arrows = partial(_show_here, "arrows")


def next_disagreement() -> None:
    """Go to the next largest place where the masks of A and B differ."""
    _here(lambda dock: dock.next_disagreement())


def previous_disagreement() -> None:
    """Go back to the disagreement before."""
    _here(lambda dock: dock.next_disagreement(-1))
