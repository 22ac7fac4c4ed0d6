"""Flicker: A and B in turn at one place, by a clock or by a held key."""

from __future__ import annotations

from qtpy.QtCore import QTimer

from slideconcord.plugin.views.base import Dial
from slideconcord.plugin.views.overlay import Overlay
from slideconcord.plugin.views.scan_layers import add_scan


class Flicker(Overlay):
    """What differs jumps, what agrees stands still."""

    key = "Alt-3"
    title = "Flicker"
    tip = "A and B in turn. Alt+3 stops and starts; while F is held, B stays."
    _hertz = 2.0

    @property
    def dial(self) -> Dial:
        return Dial("Rate", 0.5, 5, self._hertz, "Hz", 1)

    def enter(self) -> None:
        a, b = self.pair()
        self._layers = [add_scan(self.stage, scan, self.hub) for scan in (a, b)]
        self._name()
        self._clock = QTimer()
        self._clock.timeout.connect(self._swap)
        self.show_b(False)
        self.turn(self._hertz)

    def follow_placement(self) -> bool:
        return False

    def leave(self) -> None:
        self._clock.stop()

    @property
    def shows_b(self) -> bool:
        return self._shows_b

    def show_b(self, wanted: bool) -> None:
        """Show B or A. Both stay drawn: only opacity changes, so nothing is read anew."""
        self._shows_b = wanted
        self._layers[1].opacity = 1.0 if wanted else 0.0
        for layer, is_seen in zip(self._layers, (not wanted, wanted), strict=True):
            layer.name_overlay.visible = is_seen

    def hold(self, held: bool) -> None:
        """Show B while a key is held; the clock rests from then on."""
        self._clock.stop()
        self.show_b(held)

    def turn(self, value: float) -> None:
        self._hertz = value
        # one hertz is A and B once
        self._clock.start(round(500 / value))

    def press_again(self) -> None:
        if self._clock.isActive():
            self._clock.stop()
        else:
            self.turn(self._hertz)

    def _swap(self) -> None:
        self.show_b(not self._shows_b)
