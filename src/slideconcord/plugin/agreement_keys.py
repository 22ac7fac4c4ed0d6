"""Keys and menu entries that walk over what readings differ on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from slideconcord.errors import ParameterError
from slideconcord.plugin.agreement_look import BEFORE_KEY, NEXT_KEY

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from slideconcord.plugin.agreement_dock import AgreementDock

_docks: WeakKeyDictionary[ViewerModel, AgreementDock] = WeakKeyDictionary()


def bind_keys(dock: AgreementDock) -> None:
    """Bind the keys while a dock is open: napari reads no plugin's keys from its manifest yet."""
    _docks[dock.viewer] = dock
    for key, step in ((NEXT_KEY, 1), (BEFORE_KEY, -1)):
        dock.viewer.bind_key(key, _going(dock, step), overwrite=True)


def unbind_keys(dock: AgreementDock) -> None:
    """Give the keys back."""
    _docks.pop(dock.viewer, None)
    for key in (NEXT_KEY, BEFORE_KEY):
        dock.viewer.bind_key(key, None, overwrite=True)


def _going(dock: AgreementDock, step: int) -> Callable[[Any], None]:
    """Return what a key does; a function, since napari asks for its name, which a partial lacks."""

    def act(_viewer: Any) -> None:
        dock.next_disagreement(step)

    return act


def next_reading_disagreement() -> None:
    """Go to the next largest place on which readings differ."""
    _dock_here().next_disagreement()


def previous_reading_disagreement() -> None:
    """Go back to the place before."""
    _dock_here().next_disagreement(-1)


def _dock_here() -> AgreementDock:
    from slideconcord.plugin.reader import current_viewer

    viewer = current_viewer()
    dock = _docks.get(getattr(viewer, "__wrapped__", viewer)) if viewer is not None else None
    if dock is None:
        raise ParameterError("Open the Agreement dock first: Plugins > slideconcord > Agreement.")
    return dock
