"""Listening to one entry at a time, and leaving no ear behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry


class Watching:
    """Connects slots to an entry's signals, and disconnects them from the one before."""

    def __init__(self) -> None:
        self._connected: list[tuple[Any, Callable[..., Any]]] = []

    def follow(self, entry: SlideEntry | None, slots: Mapping[str, Callable[..., Any]]) -> None:
        """Hear what changes of ``entry`` alone: slots by the name of its field."""
        for signal, slot in self._connected:
            signal.disconnect(slot)
        self._connected = []
        if entry is None:
            return
        for name, slot in slots.items():
            signal = getattr(entry.events, name)
            signal.connect(slot)
            self._connected.append((signal, slot))
